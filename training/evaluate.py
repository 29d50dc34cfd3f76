"""Measure on whole datasets left out: `python -m training.evaluate [--wrong N] [FILE.jsonl…]`.

Every dataset is judged by a model that learned nothing from it. Without files the shipped prompts are judged; with
files their rows are, also those that nothing is ever learned from. The calibration is that of these same judgements.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from qwenroute.analysis.task import LEVELS, TEXT_TASKS, VISUAL_TASKS
from qwenroute.domain.signals import Difficulty, Task
from training.calibrate import Calibration, calibrate, confidence
from training.fit import DIFFICULTY, TEXT, VISUAL, Settings, fit, pairs, sums
from training.rows import PROMPTS, Row, look, read, to_learn

FOLDS = 10


class Verdict(NamedTuple):
    """What was judged of a row."""

    row: Row
    task: Task
    confidence: float
    difficulty: Difficulty
    sureness: float


def folds(data: Sequence[Row], many: int = FOLDS) -> dict[str, int]:
    """Place datasets in folds so that each task's datasets are spread."""
    homes: dict[str, Counter[Task]] = defaultdict(Counter)
    for row in data:
        homes[row.dataset][row.task] += 1
    ordered = sorted(homes, key=lambda name: (homes[name].most_common(1)[0][0], zlib.crc32(name.encode())))
    return {name: index % many for index, name in enumerate(ordered)}


def held_out(
    learned: Sequence[Row], judged: Sequence[Row], settings: Settings, many: int = FOLDS
) -> tuple[list[tuple[Row, list[float]]], Calibration]:
    """Return the sums of each row under a model that saw nothing of its dataset."""
    home = folds([*judged, *learned], many)
    names = settings.names
    found: list[tuple[Row, list[float]]] = []
    for fold in range(many):
        part = [
            row
            for row in judged
            if home[row.dataset] == fold and (row.difficulty if settings is DIFFICULTY else row.task) in names
        ]
        if not part:
            continue
        table = fit(pairs([row for row in learned if home[row.dataset] != fold], settings), settings)
        for row in part:
            seen = {**row.seen, f"task:{row.task}": 1.0} if settings is DIFFICULTY else row.seen
            found.append((row, sums(table, seen, len(names))))
    labels = [names.index(row.difficulty if settings is DIFFICULTY else row.task) for row, _ in found]
    return found, calibrate([total for _, total in found], labels)


def judge(learned: Sequence[Row], judged: Sequence[Row]) -> tuple[list[Verdict], list[Calibration]]:
    """Return a verdict for each row, and the calibrations of the three tables."""
    tasks: dict[str, tuple[Task, float]] = {}
    levels: dict[str, tuple[Difficulty, float]] = {}
    scales = []
    for settings in (TEXT, VISUAL, DIFFICULTY):
        found, scale = held_out(learned, judged, settings)
        scales.append(scale)
        for row, total in found:
            best = max(range(len(total)), key=total.__getitem__)
            if settings is DIFFICULTY:
                levels[row.id] = LEVELS[best], confidence(total, scale)
            else:
                tasks[row.id] = settings.names[best], confidence(total, scale)  # type: ignore[assignment]
    unknown = (Difficulty.MEDIUM, 0.0)
    return [Verdict(row, *tasks.get(row.id, (row.task, 1.0)), *levels.get(row.id, unknown)) for row in judged], scales


def f1(part: Sequence[Verdict], tasks: Sequence[Task]) -> tuple[float, dict[Task, float]]:
    """Return the macro-F1 over the tasks that occur, and each one's own."""
    scores: dict[Task, float] = {}
    for task in tasks:
        hit = sum(v.task is task and v.row.task is task for v in part)
        true = sum(v.row.task is task for v in part)
        if true:
            scores[task] = 2 * hit / (sum(v.task is task for v in part) + true)
    return sum(scores.values()) / max(1, len(scores)), scores


def expected_error(found: Sequence[tuple[float, bool]], bins: int) -> float:
    """Return the expected calibration error over bins of equal width."""
    error = 0.0
    for index in range(bins):
        inside = [(c, r) for c, r in found if min(bins - 1, int(c * bins)) == index]
        if inside:
            error += abs(sum(c for c, _ in inside) - sum(r for _, r in inside)) / len(found)
    return error


def report(verdicts: Sequence[Verdict], *, brief: bool = False) -> None:
    """Print the figures."""
    for title, tasks in (("text", TEXT_TASKS), ("visual", VISUAL_TASKS)):
        part = [v for v in verdicts if v.row.task in tasks]
        if not part:
            continue
        macro, scores = f1(part, tasks)
        said = [(v.confidence, v.task is v.row.task) for v in part]
        named = ", ".join(f"{task} {score:.3f}" for task, score in scores.items())
        print(
            f"{title}: macro-F1 {macro:.3f} ({named}), accuracy {sum(r for _, r in said) / len(part):.3f} of "
            f"{len(part)}, "
            f"ECE {expected_error(said, 10):.3f} (10 bins), {expected_error(said, 15):.3f} (15 bins)"
        )
        if brief:
            continue
        for true in tasks:
            counts = Counter(v.task for v in part if v.row.task is true)
            print(f"   {true:17}→ " + ", ".join(f"{task} {counts[task]}" for task in tasks))
    text = [v for v in verdicts if v.row.task in TEXT_TASKS]
    for title, holds in (
        ("English", lambda v: v.row.language == "en"),
        ("Chinese", lambda v: v.row.language == "zh"),
        ("other languages", lambda v: v.row.language not in {"en", "zh"}),
    ):
        part = [v for v in text if holds(v)]
        if part:
            macro, scores = f1(part, TEXT_TASKS)
            each = ", ".join(f"{score:.3f}" for score in scores.values())
            print(f"text, {title}: macro-F1 {macro:.3f} ({each}) of {len(part)}")
    seen = [v for v in verdicts if v.row.task is not Task.AUDIO]
    _shares("dataset", seen, lambda v: v.row.dataset)
    if not brief:
        _shares("language", seen, lambda v: v.row.language)
    known = [v for v in verdicts if v.row.difficulty is not None]
    if not known:
        return
    said = [(v.sureness, v.difficulty is v.row.difficulty) for v in known]
    macro = sum(
        2 * sum(v.difficulty is level and v.row.difficulty is level for v in known)
        / (sum(v.difficulty is level for v in known) + sum(v.row.difficulty is level for v in known))
        for level in LEVELS
    ) / len(LEVELS)  # fmt: skip
    print(
        f"difficulty: accuracy {sum(r for _, r in said) / len(said):.3f} of {len(said)}, macro-F1 {macro:.3f}, "
        f"ECE {expected_error(said, 10):.3f} (10 bins), {expected_error(said, 15):.3f} (15 bins)"
    )
    if not brief:
        for task in Task:
            rows = [v for v in known if v.row.task is task]
            if rows:
                share = sum(v.difficulty is v.row.difficulty for v in rows) / len(rows)
                print(f"   {task:17}{share:.3f} of {len(rows)}")


def _shares(title: str, verdicts: Sequence[Verdict], key: Callable[[Verdict], str]) -> None:
    groups: dict[str, list[Verdict]] = defaultdict(list)
    for v in verdicts:
        groups[key(v)].append(v)
    shares = {name: sum(v.task is v.row.task for v in found) / len(found) for name, found in groups.items()}
    print(
        f"right by {title}: " + ", ".join(f"{name} {shares[name]:.2f}/{len(groups[name])}" for name in sorted(groups))
    )
    weak = [f"{name} {share:.2f}" for share, name in sorted((share, name) for name, share in shares.items())]
    print(f"   weakest: {', '.join(weak[:6])}")


def main() -> None:
    """Print the figures of whole datasets left out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--wrong", type=int, default=0, help="show so many prompts that were judged wrongly")
    parser.add_argument("--of", help="of these, only those of one dataset")
    parser.add_argument("--brief", action="store_true")
    options = parser.parse_args()
    shipped = list(map(look, read([PROMPTS])))
    learned = to_learn()
    judged = list(map(look, read(options.files))) if options.files else shipped
    verdicts, scales = judge(learned, judged)
    print("calibration:", scales)
    report(verdicts, brief=options.brief)
    wrong = [v for v in verdicts if v.task is not v.row.task and options.of in {None, v.row.dataset}]
    for v in random.Random(0).sample(wrong, min(options.wrong, len(wrong))):
        print(f"{v.row.task}→{v.task} {v.confidence:.2f} {v.row.dataset} {v.row.language}: {v.row.text!r}")


if __name__ == "__main__":
    main()
