"""How well labels were met: plain formulas over labels, confidences and costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

BINS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """How often each true label (a row) was given each label (a column)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, labels: Sequence[str], pairs: Iterable[tuple[str, str]]) -> Confusion:
        """Count pairs of the true and the given label."""
        index = {label: i for i, label in enumerate(labels)}
        counts = [[0] * len(index) for _ in index]
        for truth, given in pairs:
            counts[index[truth]][index[given]] += 1
        return cls(labels=tuple(labels), counts=tuple(map(tuple, counts)))

    def among(self, labels: Iterable[str]) -> Confusion:
        """Keep the rows whose true label is one of these; they may have been given any."""
        kept = frozenset(labels)
        none = (0,) * len(self.labels)
        rows = zip(self.labels, self.counts, strict=True)
        return Confusion(labels=self.labels, counts=tuple(row if label in kept else none for label, row in rows))

    @property
    def total(self) -> int:
        """All pairs."""
        return sum(map(sum, self.counts))

    @property
    def right(self) -> int:
        """The trace: pairs of equal labels."""
        return sum(row[i] for i, row in enumerate(self.counts))

    @property
    def accuracy(self) -> float | None:
        """The share of equal labels; None where there is nothing."""
        total = self.total
        return self.right / total if total else None

    def support(self, label: str) -> int:
        """Return how many have this true label."""
        return sum(self.counts[self.labels.index(label)])

    def given(self, label: str) -> int:
        """Return how many were given this label."""
        i = self.labels.index(label)
        return sum(row[i] for row in self.counts)

    def precision(self, label: str) -> float | None:
        """Return how many of those given a label have it."""
        i, given = self.labels.index(label), self.given(label)
        return self.counts[i][i] / given if given else None

    def recall(self, label: str) -> float | None:
        """Return how many of those that have a label were given it."""
        i, support = self.labels.index(label), self.support(label)
        return self.counts[i][i] / support if support else None

    def f1(self, label: str) -> float | None:
        """Return 2 * hits / (have it + were given it), the harmonic mean of precision and recall."""
        i, either = self.labels.index(label), self.support(label) + self.given(label)
        return 2 * self.counts[i][i] / either if either else None

    @property
    def macro_f1(self) -> float | None:
        """The mean F1 of the labels that some row has; None where there is nothing.

        A label that is given and that no row has costs its rows' true labels recall, and has no F1 of its own.
        """
        scores = [self.f1(label) or 0.0 for label in self.labels if self.support(label)]
        return sum(scores) / len(scores) if scores else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """What was said with a confidence between `low` and `high`, and how much of it was right."""

    low: float
    high: float
    count: int
    confidence: float | None
    """The mean of what was said."""
    accuracy: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Confidence against accuracy, in ten equal bins.

    `error` is the expected calibration error: the sum over bins of
    (count in the bin / count in all) * |accuracy in the bin - mean confidence in the bin|.
    """

    bins: tuple[Bin, ...]
    error: float | None


def calibration(pairs: Iterable[tuple[float, bool]]) -> Calibration:
    """Compare confidences with whether what was said is right."""
    counts, said, right = [0] * BINS, [0.0] * BINS, [0] * BINS
    for confidence, hit in pairs:
        i = min(BINS - 1, int(confidence * BINS))
        counts[i] += 1
        said[i] += confidence
        right[i] += hit
    total = sum(counts)
    return Calibration(
        bins=tuple(
            Bin(
                low=i / BINS,
                high=(i + 1) / BINS,
                count=n,
                confidence=said[i] / n if n else None,
                accuracy=right[i] / n if n else None,
            )
            for i, n in enumerate(counts)
        ),
        error=sum(abs(right[i] - said[i]) for i in range(BINS)) / total if total else None,
    )


Point = tuple[float, float]
"""Mean cost, mean quality."""


def hull(points: Iterable[Point]) -> tuple[Point, ...]:
    """Return the best that can be had for each cost by sending shares of the requests to each point.

    That is the upper concave hull, as far as it rises.
    """
    chain: list[Point] = []
    for cost, quality in sorted(points, key=lambda p: (p[0], -p[1])):
        if chain and quality <= chain[-1][1]:
            continue
        while len(chain) > 1 and _slope(chain[-2], (cost, quality)) >= _slope(chain[-2], chain[-1]):
            chain.pop()
        chain.append((cost, quality))
    return tuple(chain)


def area(points: Iterable[Point], low: float, high: float) -> float | None:
    """Return the mean quality along the hull between two costs; None without points or where they are equal.

    Left of the hull its first point counts, right of it the last.
    """
    chain = hull(points)
    if not chain or high <= low:
        return None
    costs = sorted({low, high, *(cost for cost, _ in chain if low < cost < high)})
    return sum((b - a) * (_at(chain, a) + _at(chain, b)) / 2 for a, b in pairwise(costs)) / (high - low)


def _at(chain: Sequence[Point], cost: float) -> float:
    if cost <= chain[0][0]:
        return chain[0][1]
    for left, right in pairwise(chain):
        if cost <= right[0]:
            return left[1] + _slope(left, right) * (cost - left[0])
    return chain[-1][1]


def _slope(left: Point, right: Point) -> float:
    rise, run = right[1] - left[1], right[0] - left[0]
    return rise / run if run else float("inf")
