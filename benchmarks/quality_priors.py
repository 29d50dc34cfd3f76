"""Hold the registry's quality priors against measured outcomes.

    python benchmarks/quality_priors.py FILE.jsonl…

Files hold one request per line with `task`, `difficulty`, `source` and `outcomes`: model to score in 0..1.
For each model, task and difficulty: what the prior expects, how sure it is of that, what was measured (mean and its
standard error), and the error. A prior is `off` where the error exceeds twice its uncertainty and the measurement's
together. Where a cell was measured for several models, what is left once their mean error is taken off is shown too:
the differences between models are what a choice is made by. Models that the registry does not know are left out.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from qwenroute.registry import Registry


class Row(NamedTuple):
    model: str
    task: str
    difficulty: str
    dataset: str
    prompts: int
    expected: float
    uncertainty: float
    measured: float
    standard_error: float
    basis: str

    @property
    def error(self) -> float:
        return self.expected - self.measured

    @property
    def off(self) -> bool:
        return abs(self.error) > 2 * math.hypot(self.uncertainty, self.standard_error)


def read(paths: Iterable[Path]) -> Mapping[tuple[str, str, str, str], list[float]]:
    """Return the scores by model, task, difficulty and dataset; `*` stands for every dataset of a cell."""
    scores: dict[tuple[str, str, str, str], list[float]] = defaultdict(list)
    for path in paths:
        for line in filter(None, path.read_text(encoding="utf-8").split("\n")):
            row = json.loads(line)
            if row.get("difficulty") is None:
                continue
            for model, score in row["outcomes"].items():
                for dataset in (str(row.get("subtask") or row["id"].partition("/")[0]), "*"):
                    scores[model, row["task"], row["difficulty"], dataset].append(float(score))
    return scores


def compare(scores: Mapping[tuple[str, str, str, str], list[float]]) -> tuple[list[Row], list[str]]:
    """Return a row for each cell that has a prior, and the models that have none."""
    registry = Registry.load()
    rows: list[Row] = []
    unknown: set[str] = set()
    for (name, task, difficulty, dataset), values in sorted(scores.items()):
        found = registry.find(name)
        if found is None:
            unknown.add(name)
            continue
        prior = registry.quality(found.card.id)[f"{task}/{difficulty}"]
        mean = sum(values) / len(values)
        spread = math.sqrt(sum((v - mean) ** 2 for v in values) / max(1, len(values) - 1) / len(values))
        rows.append(
            Row(name, task, difficulty, dataset, len(values), prior.value, prior.uncertainty, mean, spread, prior.basis)
        )
    return rows, sorted(unknown)


def left_over(rows: Iterable[Row]) -> Mapping[Row, float]:
    """Return each row's error less the mean error of its cell, where a cell has several models."""
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row.task, row.difficulty, row.dataset].append(row)
    return {
        row: row.error - sum(one.error for one in found) / len(found)
        for found in cells.values()
        if len(found) > 1
        for row in found
    }


def ranks(rows: Iterable[Row]) -> tuple[int, int]:
    """Return how many pairs of models in one cell the priors put in the measured order, and of how many."""
    right = total = 0
    cells: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        cells[row.task, row.difficulty, row.dataset].append(row)
    for found in cells.values():
        for index, one in enumerate(found):
            for other in found[index + 1 :]:
                gap = one.measured - other.measured
                if abs(gap) > 2 * math.hypot(one.standard_error, other.standard_error):
                    total += 1
                    right += (one.expected - other.expected) * gap > 0
    return right, total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--basis", action="store_true", help="say what each prior rests on")
    options = parser.parse_args()
    rows, unknown = compare(read(options.files))
    print(f"{'model':24} {'cell':18} {'dataset':22} {'n':>5}  {'expected':>13}  {'measured':>13}  {'error':>6}")
    rest = left_over(rows)
    for row in rows:
        mark = f"  {rest[row]:+.3f} beside the others" if row in rest else ""
        mark += "  off" if row.off else ""
        print(
            f"{row.model:24} {row.task + '/' + row.difficulty:18} {row.dataset[:22]:22} {row.prompts:5}  "
            f"{row.expected:.3f} ± {row.uncertainty:.3f}  {row.measured:.3f} ± {row.standard_error:.3f}  "
            f"{row.error:+.3f}{mark}"
        )
        if options.basis:
            print(f"{'':24} {row.basis}")
    whole = [row for row in rows if row.dataset == "*"]
    if whole:
        mean = sum(abs(row.error) for row in whole) / len(whole)
        right, total = ranks(whole)
        print(f"mean absolute error over {len(whole)} cells {mean:.3f}; {sum(row.off for row in whole)} of them off")
        print(f"order of models within a cell, where it was measured to differ: {right} of {total} pairs right")
    if unknown:
        print(f"no priors, left out: {', '.join(unknown)}")


if __name__ == "__main__":
    main()
