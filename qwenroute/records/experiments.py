"""What records say of experiments: both arms, and how sure one can be of the difference.

Intervals hold 95 %. Of two error rates it is Newcombe's (the hybrid of two Wilson intervals; R. G.
Newcombe, "Interval estimation for the difference between independent proportions", Stat. Med. 17,
1998, method 10). Of latency and cost it is the ratio of geometric means, by Welch's interval of the
difference of logarithms: long tails do not drown it. Of scores it is the difference of means, by
Welch's interval. All three take normal quantiles, so give them a few dozen requests.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt

from qwenroute.domain.experiment import Arm
from qwenroute.records.line import ODD, Row, odd, part_of
from qwenroute.records.reader import Reader
from qwenroute.records.stats import percentiles

Z = 1.959964
"""The normal quantile of 97.5 %."""
ENOUGH = 5
"""Fewer values have no interval."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How the newcomer differs from the control: what was measured, and where the truth may lie."""

    estimate: float
    low: float
    high: float

    def clear(self, nothing: float) -> bool:
        """Whether `nothing` (no difference) lies outside."""
        return not self.low <= nothing <= self.high


@dataclass(slots=True)
class _Moments:
    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.squares += value * value

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def variance_of_mean(self) -> float:
        return max(0.0, (self.squares - self.total * self.mean) / (self.count - 1)) / self.count


@dataclass(slots=True)
class ArmRecords:
    """The records of one arm."""

    requests: int = 0
    failed: int = 0
    """The arm's own pool did not answer at the first attempt."""
    unanswered: int = 0
    """The caller has an error; none of a shadow's, where nobody waited."""
    latencies: array[float] = field(default_factory=lambda: array("d"))
    """To the first token of a stream, or to the end of a whole answer."""
    cost: float = 0.0
    scores: _Moments = field(default_factory=_Moments)
    latency_logs: _Moments = field(default_factory=_Moments)
    cost_logs: _Moments = field(default_factory=_Moments)

    def add(self, row: Row, score: float | None) -> None:
        """Count one record."""
        answered = row.get("answered_by") is not None
        self.requests += 1
        self.failed += row.get("missed") is True
        self.unanswered += not answered
        if score is not None:
            self.scores.add(score)
        if not answered:
            return
        streamed = (row.get("request") or {}).get("stream")
        latency = row.get("ttft_s") if streamed else row.get("latency_s")
        if latency is not None:
            self.latencies.append(latency)
            self.latency_logs.add(log(max(latency, 1e-6)))
        cost = row.get("cost")
        if isinstance(cost, list):
            self.cost += cost[0]
            if cost[0] > 0:
                self.cost_logs.add(log(cost[0]))

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "requests": self.requests,
            "failed_at_first": self.failed,
            "unanswered": self.unanswered,
            "latency_s": percentiles(self.latencies),
            "cost": self.cost,
            "cost_per_request": self.cost / self.requests if self.requests else None,
            "scored": self.scores.count,
            "score": self.scores.mean if self.scores.count else None,
        }


@dataclass(slots=True)
class ExperimentRecords:
    """The records of one experiment."""

    name: str
    kind: str
    arms: dict[Arm, ArmRecords] = field(default_factory=lambda: {arm: ArmRecords() for arm in Arm})

    def differences(self) -> Mapping[str, Difference | None]:
        """Return the newcomer against the control: `failed` in points, `latency` and `cost` as factors, `score`."""
        control, variant = self.arms[Arm.CONTROL], self.arms[Arm.VARIANT]
        return {
            "failed": _points(variant.failed, variant.requests, control.failed, control.requests),
            "latency": _factor(variant.latency_logs, control.latency_logs),
            "cost": _factor(variant.cost_logs, control.cost_logs),
            "score": _welch(variant.scores, control.scores),
        }

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "experiment": self.name,
            "kind": self.kind,
            **{str(arm): records.as_dict() for arm, records in self.arms.items()},
            "differences": {
                name: None if one is None else {"estimate": one.estimate, "low": one.low, "high": one.high}
                for name, one in self.differences().items()
            },
        }


def experiments(rows: Iterable[Row], scores: Mapping[str, float] | None = None) -> list[ExperimentRecords]:
    """Return what records say of each experiment, in the order in which they first appear.

    Of a shadow, the control is those requests that were copied. Answers from the cache are not
    counted. `scores` are yours, by the record's id.
    """
    found: dict[str, ExperimentRecords] = {}
    reader = rows if isinstance(rows, Reader) else None
    for row in rows:
        try:
            part = part_of(row)
            if part is None or row.get("cached") or (part.kind == "shadow" and not part.copied):
                continue
            held = found.setdefault(part.experiment, ExperimentRecords(part.experiment, part.kind))
            held.arms[part.arm].add(row, None if scores is None else scores.get(str(row.get("id"))))
        except ODD as error:
            if reader is None:
                raise
            reader.broke(odd(error))
    return list(found.values())


def _wilson(hits: int, of: int) -> tuple[float, float]:
    rate = hits / of
    middle, width = rate + Z * Z / (2 * of), Z * sqrt(rate * (1 - rate) / of + Z * Z / (4 * of * of))
    whole = 1 + Z * Z / of
    return (middle - width) / whole, (middle + width) / whole


def _points(hits: int, of: int, other_hits: int, other_of: int) -> Difference | None:
    if not of or not other_of:
        return None
    rate, other = hits / of, other_hits / other_of
    (low, high), (other_low, other_high) = _wilson(hits, of), _wilson(other_hits, other_of)
    return Difference(
        estimate=rate - other,
        low=rate - other - sqrt((rate - low) ** 2 + (other_high - other) ** 2),
        high=rate - other + sqrt((high - rate) ** 2 + (other - other_low) ** 2),
    )


def _welch(one: _Moments, other: _Moments) -> Difference | None:
    if one.count < ENOUGH or other.count < ENOUGH:
        return None
    estimate = one.mean - other.mean
    width = Z * sqrt(one.variance_of_mean + other.variance_of_mean)
    return Difference(estimate=estimate, low=estimate - width, high=estimate + width)


def _factor(one: _Moments, other: _Moments) -> Difference | None:
    found = _welch(one, other)
    if found is None:
        return None
    return Difference(estimate=exp(found.estimate), low=exp(found.low), high=exp(found.high))
