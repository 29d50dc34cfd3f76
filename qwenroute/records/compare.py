"""Two policies on the same recorded requests: what moves where, and what that changes.

Means are over the requests that both policies can serve (for the cost: at a known price under both),
so that a policy does not look cheap for what it refuses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from qwenroute.records.judge import Judge, Verdict, kind
from qwenroute.records.line import ODD, Row, Unreadable, odd, recorded
from qwenroute.records.reader import Reader

MOST_KINDS = 50_000
REFUSED = "refused"


@dataclass(slots=True)
class Sums:
    """Of one policy."""

    refused: int = 0
    cost_usd: float = 0.0
    latency_s: float = 0.0
    quality: float = 0.0

    def add(self, other: Sums) -> None:
        """Add what was summed elsewhere."""
        self.refused += other.refused
        self.cost_usd += other.cost_usd
        self.latency_s += other.latency_s
        self.quality += other.quality


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A mean before and after. None where there is nothing to take it of."""

    before: float | None
    after: float | None

    @property
    def difference(self) -> float | None:
        """After less before."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def relative(self) -> float | None:
        """As a share of before; infinite where that was nothing."""
        difference = self.difference
        if difference is None or self.before is None:
            return None
        if self.before == 0:
            return 0.0 if difference == 0 else float("inf") if difference > 0 else float("-inf")
        return difference / self.before


@dataclass(slots=True)
class Part:
    """The requests of one route, or all of them."""

    requests: int = 0
    moved: int = 0
    common: int = 0
    """Served under both."""
    priced: int = 0
    """Of these, at a known price under both."""
    old: Sums = field(default_factory=Sums)
    new: Sums = field(default_factory=Sums)
    paid_usd: float = 0.0
    """What they really cost when they were recorded."""
    paid: int = 0
    """How many of them have a cost."""

    @property
    def cost(self) -> Change:
        """Expected USD a request."""
        return _mean(self.old.cost_usd, self.new.cost_usd, self.priced)

    @property
    def latency(self) -> Change:
        """Expected seconds a request."""
        return _mean(self.old.latency_s, self.new.latency_s, self.common)

    @property
    def quality(self) -> Change:
        """Expected quality, from 0 to 1."""
        return _mean(self.old.quality, self.new.quality, self.common)

    @property
    def moved_share(self) -> float:
        """The share of requests that go elsewhere."""
        return self.moved / self.requests if self.requests else 0.0

    def join(self, other: Part) -> None:
        """Add what was counted elsewhere."""
        for name in ("requests", "moved", "common", "priced", "paid", "paid_usd"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.old.add(other.old)
        self.new.add(other.new)

    def add(self, old: Verdict, new: Verdict) -> None:
        """Count one request."""
        self.requests += 1
        self.moved += old.deployment != new.deployment
        self.old.refused += not old.served
        self.new.refused += not new.served
        if not old.served or not new.served:
            return
        self.common += 1
        for sums, verdict in ((self.old, old), (self.new, new)):
            sums.latency_s += verdict.latency_s or 0.0
            sums.quality += verdict.quality or 0.0
        if old.cost_usd is not None and new.cost_usd is not None:
            self.priced += 1
            self.old.cost_usd += old.cost_usd
            self.new.cost_usd += new.cost_usd

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "requests": self.requests,
            "moved": self.moved,
            "moved_share": self.moved_share,
            "served_by_both": self.common,
            "priced_under_both": self.priced,
            "refused": {"before": self.old.refused, "after": self.new.refused},
            "expected_cost_usd": _pair(self.cost, self.old.cost_usd, self.new.cost_usd),
            "expected_latency_s": _pair(self.latency, self.old.latency_s, self.new.latency_s),
            "expected_quality": _pair(self.quality, self.old.quality, self.new.quality),
            "recorded_cost_usd": self.paid_usd if self.paid else None,
        }


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """Requests of one route that went from one choice to another."""

    route: str
    old_rule: str
    old: str
    new_rule: str
    new: str

    @property
    def moved(self) -> bool:
        """Whether they go elsewhere."""
        return self.old != self.new


@dataclass(slots=True)
class Comparison:
    """All of it."""

    old: str
    new: str
    total: Part = field(default_factory=Part)
    routes: dict[str, Part] = field(default_factory=dict)
    flows: Counter[Flow] = field(default_factory=Counter)
    models: dict[str, list[int]] = field(default_factory=dict)
    """Requests by the first choice's model, before and after."""
    needs_text: int = 0
    """Requests that one of the policies can only judge by their words; counted in nothing else."""
    unread: int = 0
    """Requests that were refused for their shape; counted in nothing else."""
    other_hash: int = 0
    """Requests that were recorded under another policy than the old one."""
    kinds: int = 0
    """How many different requests there were."""

    def add(self, other: Comparison) -> None:
        """Add what was counted elsewhere."""
        self.total.join(other.total)
        for name, part in other.routes.items():
            self.routes.setdefault(name, Part()).join(part)
        self.flows.update(other.flows)
        for name, (before, after) in other.models.items():
            held = self.models.setdefault(name, [0, 0])
            held[0] += before
            held[1] += after
        for name in ("needs_text", "unread", "other_hash", "kinds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def moves(self) -> list[tuple[Flow, int]]:
        """Return what moved, most first."""
        return sorted(((f, n) for f, n in self.flows.items() if f.moved), key=lambda item: (-item[1], item[0]))

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "old": self.old,
            "new": self.new,
            "total": self.total.as_dict(),
            "routes": {name: part.as_dict() for name, part in sorted(self.routes.items())},
            "moves": [
                {
                    "route": flow.route,
                    "from": flow.old,
                    "from_rule": flow.old_rule,
                    "to": flow.new,
                    "to_rule": flow.new_rule,
                    "requests": count,
                }
                for flow, count in self.moves()
            ],
            "models": {name: {"before": b, "after": a} for name, (b, a) in sorted(self.models.items())},
            "needs_text": self.needs_text,
            "unread": self.unread,
            "recorded_under_another_policy": self.other_hash,
            "kinds": self.kinds,
        }


def compare(rows: Iterable[Row], old: Judge, new: Judge, broke: Callable[[str], None] | None = None) -> Comparison:
    """Decide every row under both; equal requests are decided once. `broke` is told of rows that are no records."""
    found = Comparison(old.policy.name, new.policy.name)
    judged: dict[bytes, tuple[Verdict, Verdict]] = {}
    if broke is None and isinstance(rows, Reader):
        broke = rows.broke
    for row in rows:
        if "signals" not in row:
            found.unread += 1
            continue
        try:
            alike = kind(row, old.policy, new.policy)
            verdicts = judged.get(alike)
            if verdicts is None:
                one = recorded(row)
                assert one is not None  # it has signals
                if len(judged) >= MOST_KINDS:
                    judged.clear()
                verdicts = judged[alike] = (old.judge(one), new.judge(one))
                found.kinds += 1
            paid = _paid_usd(row, old)
        except (Unreadable, *ODD) as error:
            if broke is None:
                raise
            broke(str(error) if isinstance(error, Unreadable) else odd(error))
            continue
        _count(found, row, *verdicts, old, paid)
    return found


def _count(found: Comparison, row: Row, before: Verdict, after: Verdict, old: Judge, paid: float | None) -> None:
    if before.needs_text or after.needs_text:
        found.needs_text += 1
        return
    found.other_hash += row.get("hash") != old.policy.hash
    part = found.routes.get(before.route)
    if part is None:
        part = found.routes[before.route] = Part()
    for each in (part, found.total):
        each.add(before, after)
        if paid is not None:
            each.paid += 1
            each.paid_usd += paid
    flow = Flow(
        before.route, before.rule or "–", before.deployment or REFUSED, after.rule or "–", after.deployment or REFUSED
    )
    found.flows[flow] += 1
    found.models.setdefault(before.model or REFUSED, [0, 0])[0] += 1
    found.models.setdefault(after.model or REFUSED, [0, 0])[1] += 1


def _paid_usd(row: Row, old: Judge) -> float | None:
    cost = row.get("cost")
    if not isinstance(cost, list) or len(cost) != 2 or not isinstance(cost[0], int | float):
        return None
    rate = old.policy.usd_per(str(cost[1]))
    return None if rate is None else cost[0] * rate


def _mean(old: float, new: float, count: int) -> Change:
    return Change(before=old / count, after=new / count) if count else Change(before=None, after=None)


def _pair(change: Change, old: float, new: float) -> dict[str, float | None]:
    relative = change.relative
    finite = relative is not None and abs(relative) != float("inf")
    return {
        "before": change.before,
        "after": change.after,
        "change": relative if finite else None,
        "sum_before": old,
        "sum_after": new,
    }
