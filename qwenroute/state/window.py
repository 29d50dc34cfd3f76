"""What a deployment has been like lately: latencies as percentiles, and how many attempts failed."""

from __future__ import annotations

from collections import deque
from enum import IntEnum

from qwenroute.domain.resilience import WindowRules

SLOTS = 10
STALE_S = 1.0
MIN_SAMPLES = 20
"""Fewer say nothing: no live figures for routing, no percentile to hedge by."""


class Tally:
    """Attempts and failures over the last seconds, forgotten a tenth at a time."""

    __slots__ = ("_attempts", "_failures", "_per_s", "_slot")

    def __init__(self, seconds: float) -> None:
        self._per_s = SLOTS / seconds
        self._slot = -1
        self._attempts = [0] * SLOTS
        self._failures = [0] * SLOTS

    def add(self, now: float, *, failed: bool) -> None:
        """Count one attempt."""
        slot = int(now * self._per_s)
        if slot > self._slot:
            self._turn(slot)
        index = self._slot % SLOTS
        self._attempts[index] += 1
        if failed:
            self._failures[index] += 1

    def counts(self, now: float) -> tuple[int, int]:
        """Return how many attempts there were, and how many of them failed."""
        slot = int(now * self._per_s)
        if slot > self._slot:
            self._turn(slot)
        return sum(self._attempts), sum(self._failures)

    def clear(self) -> None:
        """Forget everything."""
        self._attempts = [0] * SLOTS
        self._failures = [0] * SLOTS

    def _turn(self, slot: int) -> None:
        for passed in range(max(self._slot + 1, slot - SLOTS + 1), slot + 1):
            self._attempts[passed % SLOTS] = self._failures[passed % SLOTS] = 0
        self._slot = slot


class Figure(IntEnum):
    """What is measured of an attempt."""

    WAIT = 1
    """Seconds until anything came back: the first token, or the whole of an answer in one piece."""
    TTFT = 2
    TOKENS_PER_S = 3
    E2E = 4


Sample = tuple[float, float | None, float | None, float | None, float | None]
"""When, and each figure in its place."""


class Window:
    """The samples of the last seconds, at most so many.

    Recording costs one append. Sorting waits until somebody asks, and its result is used again
    until it is a second old or an eighth of the samples is new.
    """

    __slots__ = ("_recorded", "_samples", "_seconds", "_sorted", "tally")

    def __init__(self, rules: WindowRules) -> None:
        self.tally = Tally(rules.seconds)
        self._seconds = rules.seconds
        self._samples: deque[Sample] = deque(maxlen=rules.samples)
        self._recorded = 0
        self._sorted: dict[Figure, tuple[float, int, list[float]]] = {}

    def record(
        self,
        now: float,
        *,
        wait_s: float | None = None,
        ttft_s: float | None = None,
        tokens_per_s: float | None = None,
        e2e_s: float | None = None,
    ) -> None:
        """Take in one attempt, as far as it was measured."""
        self._recorded += 1
        self._samples.append((now, wait_s, ttft_s, tokens_per_s, e2e_s))

    def count(self, figure: Figure, now: float) -> int:
        """Return how many samples of a figure there are."""
        return len(self._values(figure, now))

    def percentile(self, figure: Figure, percent: float, now: float) -> float | None:
        """Return the smallest value that at least `percent` of the samples do not exceed; None without samples."""
        values = self._values(figure, now)
        if not values:
            return None
        return values[min(len(values) - 1, max(0, -int(-percent * len(values) // 100) - 1))]

    def clear(self) -> None:
        """Forget everything."""
        self._samples.clear()
        self._sorted.clear()
        self.tally.clear()

    def _values(self, figure: Figure, now: float) -> list[float]:
        cached = self._sorted.get(figure)
        if cached is not None:
            at, recorded, values = cached
            if now < at + STALE_S and (self._recorded - recorded) * 8 <= len(values):
                return values
        oldest = now - self._seconds
        values = sorted([v for s in self._samples if s[0] > oldest and (v := s[figure]) is not None])
        self._sorted[figure] = (now, self._recorded, values)
        return values
