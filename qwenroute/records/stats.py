"""Count records: shares, costs, times, fallbacks, failures, by whatever the caller wants to know.

Percentiles are exact: of each request two numbers are kept, its latency and its time to the first
token, which are sixteen bytes; everything else is counted as it comes by.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from qwenroute.records.line import ODD, Row, odd
from qwenroute.records.reader import Reader

MOST_GROUPS = 1_000
"""More different values are counted together."""
REST = "(others)"
MOST_MINUTES = 20_000
PERCENTILES = (50, 95, 99)


def _decision(row: Row) -> Mapping[str, Any]:
    held = row.get("decision")
    return held if isinstance(held, dict) else {}


def _experiment(row: Row) -> Mapping[str, Any]:
    held = _decision(row).get("experiment")
    return held if isinstance(held, dict) else {}


def _hint(name: str) -> Callable[[Row], str]:
    def of(row: Row) -> str:
        hints = row["request"].get("hints", {}) if isinstance(row.get("request"), dict) else {}
        value = hints.get(name)
        return ", ".join(map(str, value)) if isinstance(value, list) else "–" if value is None else str(value)

    return of


GROUPINGS: Mapping[str, Callable[[Row], str]] = {
    "route": lambda row: str(_decision(row).get("route") or "–"),
    "rule": lambda row: f"{_decision(row).get('route') or '–'} / {_decision(row).get('rule') or '–'}",
    "model": lambda row: str(row.get("model") or ("(cached)" if row.get("cached") else "–")),
    "deployment": lambda row: str(row.get("answered_by") or ("(cached)" if row.get("cached") else "–")),
    "tenant": _hint("tenant"),
    "key": _hint("key"),
    "tags": _hint("tags"),
    "task": lambda row: str(row.get("signals", {}).get("task", "–")),
    "policy": lambda row: f"{row.get('policy')} {row.get('hash')}",
    "day": lambda row: str(row["at"])[:10],
    "experiment": lambda row: (
        " / ".join(str(_experiment(row).get(key)) for key in ("name", "arm") if _experiment(row)) or "–"
    ),
    "error": lambda row: str(row.get("error") or "–"),
}
"""What requests can be counted by."""


@dataclass(slots=True)
class Group:
    """Requests that have something in common."""

    requests: int = 0
    answered: int = 0
    cached: int = 0
    refused: int = 0
    """Nothing was sent: nothing could serve it, a budget was spent, or it was not understood."""
    failed: int = 0
    left: int = 0
    """Its caller did not wait for the end."""
    fallbacks: int = 0
    """Answered by another than the first choice."""
    attempts: int = 0
    cost: Counter[str] = field(default_factory=Counter)
    """By currency."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latencies: array[float] = field(default_factory=lambda: array("d"))
    """Of what was answered by a model."""
    ttfts: array[float] = field(default_factory=lambda: array("d"))
    failures: Counter[str] = field(default_factory=Counter)
    """Of attempts, by kind."""

    def add(self, row: Row) -> None:
        """Count one record."""
        self.requests += 1
        error, attempts = row.get("error"), row.get("attempts") or ()
        answered_by = row.get("answered_by")
        if row.get("cached"):
            self.cached += 1
        elif error is None or error == "Left":
            self.answered += error is None
            self.left += error is not None
        elif attempts:
            self.failed += 1
        else:
            self.refused += 1
        self.attempts += len(attempts)
        for attempt in attempts:
            if "failure" in attempt:
                self.failures[attempt["failure"]] += 1
        if answered_by is not None:
            self.fallbacks += answered_by != _decision(row).get("deployment")
            if error is None:
                self.latencies.append(float(row.get("latency_s", 0.0)))
                if row.get("ttft_s") is not None and (row.get("request") or {}).get("stream"):
                    self.ttfts.append(float(row["ttft_s"]))
        cost = row.get("cost")
        if isinstance(cost, list):
            self.cost[str(cost[1])] += cost[0]
        usage = row.get("usage")
        if isinstance(usage, dict) and not row.get("cached"):
            self.prompt_tokens += usage.get("prompt_tokens", 0)
            self.completion_tokens += usage.get("completion_tokens", 0)

    @property
    def errors(self) -> int:
        """Requests whose caller has an error."""
        return self.refused + self.failed

    def as_dict(self, total: int) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "requests": self.requests,
            "share": self.requests / total if total else 0.0,
            "answered": self.answered,
            "cached": self.cached,
            "refused": self.refused,
            "failed": self.failed,
            "left": self.left,
            "fallbacks": self.fallbacks,
            "attempts": self.attempts,
            "failures": dict(self.failures.most_common()),
            "cost": dict(self.cost),
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "latency_s": percentiles(self.latencies),
            "ttft_s": percentiles(self.ttfts),
        }


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """Return the percentiles by nearest rank; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return {f"p{p}": ordered[max(0, -(-p * len(ordered) // 100) - 1)] for p in PERCENTILES}


@dataclass(slots=True)
class Slot:
    """Requests of one stretch of time."""

    requests: int = 0
    errors: int = 0
    cost: float = 0.0


@dataclass(slots=True)
class Stats:
    """Everything that was counted."""

    by: tuple[str, ...]
    total: Group = field(default_factory=Group)
    groups: dict[str, dict[str, Group]] = field(default_factory=dict)
    """By grouping and value."""
    times: dict[int, Slot] = field(default_factory=dict)
    slot_s: int = 60
    """The length of each stretch of `times`, whose keys are multiples of it."""
    first: str | None = None
    last: str | None = None
    lost: int = 0
    broken: int = 0
    torn: int = 0

    def add(self, row: Row) -> None:
        """Count one record."""
        self.total.add(row)
        for by in self.by:
            groups = self.groups.setdefault(by, {})
            value = GROUPINGS[by](row)
            group = groups.get(value)
            if group is None:
                if len(groups) >= MOST_GROUPS:
                    value = REST
                group = groups.setdefault(value, Group())
            group.add(row)
        at = str(row["at"])
        self.first = at if self.first is None else min(self.first, at)
        self.last = at if self.last is None else max(self.last, at)
        self._time(row, at)

    def _time(self, row: Row, at: str) -> None:
        moment = datetime.fromisoformat(at)
        seconds = int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
        slot = self.times.setdefault(seconds - seconds % self.slot_s, Slot())
        slot.requests += 1
        slot.errors += row.get("error") not in {None, "Left"}
        cost = row.get("cost")
        slot.cost += cost[0] if isinstance(cost, list) else 0.0
        if len(self.times) > MOST_MINUTES:
            self.slot_s *= 60 if self.slot_s < 3_600 else 24
            self.times = self.binned(self.slot_s)

    def binned(self, slot_s: int) -> dict[int, Slot]:
        """Return the times in longer stretches."""
        found: dict[int, Slot] = {}
        for at, slot in sorted(self.times.items()):
            held = found.setdefault(at - at % slot_s, Slot())
            held.requests += slot.requests
            held.errors += slot.errors
            held.cost += slot.cost
        return found

    def curve(self, most: int) -> tuple[int, list[Slot]]:
        """Return the whole time in at most so many equal stretches, and their length in seconds."""
        if not self.times:
            return self.slot_s, []
        begin, end = min(self.times), max(self.times)
        count = (end - begin) // self.slot_s + 1
        step = self.slot_s * -(-count // most)
        found = [Slot() for _ in range((end - begin) // step + 1)]
        for at, slot in self.times.items():
            held = found[(at - begin) // step]
            held.requests += slot.requests
            held.errors += slot.errors
            held.cost += slot.cost
        return step, found

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        total = self.total.requests
        return {
            "records": total,
            "first": self.first,
            "last": self.last,
            "lost": self.lost,
            "broken_lines": self.broken,
            "total": self.total.as_dict(total),
            "by": {
                by: {name: group.as_dict(total) for name, group in ordered(groups)}
                for by, groups in self.groups.items()
            },
        }


def ordered(groups: Mapping[str, Group]) -> list[tuple[str, Group]]:
    """Return groups, the largest first."""
    return sorted(groups.items(), key=lambda item: (-item[1].requests, item[0]))


def count(rows: Iterable[Row], by: Sequence[str]) -> Stats:
    """Return what there is to say of records. A row that is odd is told to its reader."""
    found = Stats(tuple(by))
    reader = rows if isinstance(rows, Reader) else None
    for row in rows:
        try:
            found.add(row)
        except ODD as error:
            if reader is None:
                raise
            reader.broke(odd(error))
    if reader is not None:
        found.lost, found.broken, found.torn = reader.lost, reader.broken, reader.torn
    return found
