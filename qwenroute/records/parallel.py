"""Compare on both cores: the rows of a large file are shared out among processes."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from qwenroute.policy import load_policy
from qwenroute.records.compare import Comparison, compare
from qwenroute.records.judge import Judge
from qwenroute.records.line import Row
from qwenroute.records.reader import Reader
from qwenroute.registry import Registry

Place = tuple[Path, int]
AT_ONCE = 1_000
"""Rows that a process is given together."""
WORTH_BYTES = 8_000_000
"""Below this, starting processes takes longer than they save."""
MOST_WORKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """How to build both judges, anywhere."""

    old: str
    new: str
    environ: Mapping[str, str]
    on: date | None = None
    overlays: Sequence[Path] = ()

    def judges(self) -> tuple[Judge, Judge]:
        """Load both policies.

        Raises:
            DocumentError, ConfigurationError: as `load_policy` and `Fleet.build` say.
        """
        registry = Registry.load(self.overlays)
        old, new = (
            Judge(load_policy(source, registry), registry, self.environ, self.on) for source in (self.old, self.new)
        )
        return old, new


def compare_all(reader: Reader, sides: Sides, judges: tuple[Judge, Judge], workers: int | None = None) -> Comparison:
    """Return the comparison over everything that a reader reads."""
    cores = min(MOST_WORKERS, os.cpu_count() or 1) if workers is None else workers
    if cores < 2 or (workers is None and reader.size < WORTH_BYTES):
        return compare(reader, *judges)
    found = Comparison(judges[0].policy.name, judges[1].policy.name)
    pool = ProcessPoolExecutor(cores, multiprocessing.get_context("spawn"), initializer=_start, initargs=(sides,))
    with pool:
        waiting: deque[tuple[Future[tuple[Comparison, list[tuple[int, str]]]], list[Place]]] = deque()
        try:
            for rows, places in _chunks(reader):
                waiting.append((pool.submit(_compare, rows), places))
                if len(waiting) > 2 * cores:
                    _take(found, reader, *waiting.popleft())
            while waiting:
                _take(found, reader, *waiting.popleft())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _take(
    found: Comparison,
    reader: Reader,
    future: Future[tuple[Comparison, list[tuple[int, str]]]],
    places: Sequence[Place],
) -> None:
    part, broken = future.result()
    found.add(part)
    for index, why in broken:
        reader.broke(why, places[index])


def _chunks(reader: Reader) -> Iterator[tuple[list[Row], list[Place]]]:
    rows: list[Row] = []
    places: list[Place] = []
    for row in reader:
        rows.append(row)
        places.append(reader.place)
        if len(rows) == AT_ONCE:
            yield rows, places
            rows, places = [], []
    if rows:
        yield rows, places


_judges: list[tuple[Judge, Judge]] = []
"""Of this process."""


def _start(sides: Sides) -> None:
    _judges[:] = [sides.judges()]


def _compare(rows: Sequence[Row]) -> tuple[Comparison, list[tuple[int, str]]]:
    broken: list[tuple[int, str]] = []
    at = -1

    def counted() -> Iterator[Row]:
        nonlocal at
        for row in rows:
            at += 1
            yield row

    old, new = _judges[0]
    return compare(counted(), old, new, lambda why: broken.append((at, why))), broken
