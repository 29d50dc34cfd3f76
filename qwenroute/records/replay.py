"""Decide recorded requests again, and compare with what was decided."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from qwenroute.records.judge import Judge, Verdict
from qwenroute.records.line import ODD, Recorded, Row, Unreadable, odd, recorded
from qwenroute.records.reader import Reader

MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A request that would go elsewhere now."""

    id: str
    at: str
    route: str
    old: str | None
    new: str | None
    why: str

    def as_dict(self) -> dict[str, object]:
        """Return plain values."""
        return {"id": self.id, "at": self.at, "route": self.route, "from": self.old, "to": self.new, "why": self.why}


@dataclass(slots=True)
class Replay:
    """What became of all."""

    policy: str
    requests: int = 0
    same: int = 0
    moved: int = 0
    needs_text: int = 0
    unread: int = 0
    """Refused for their shape, before anything was decided."""
    other_hash: int = 0
    """Recorded under another policy than the one they are replayed under."""
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """From, to, and why, with how many."""
    shown: list[Moved] = field(default_factory=list)
    """The first of those that moved."""

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {
            "policy": self.policy,
            "requests": self.requests,
            "same": self.same,
            "moved": self.moved,
            "needs_text": self.needs_text,
            "unread": self.unread,
            "recorded_under_another_policy": self.other_hash,
            "reasons": [
                {"from": old, "to": new, "why": why, "requests": count}
                for (old, new, why), count in self.reasons.most_common()
            ],
            "moved_requests": [one.as_dict() for one in self.shown],
        }


def replay(rows: Iterable[Row], judge: Judge) -> Replay:
    """Decide every row again. Health and budgets are as if there were none."""
    found = Replay(judge.policy.name)
    reader = rows if isinstance(rows, Reader) else None
    for row in rows:
        try:
            one = recorded(row)
            verdict = None if one is None else judge.judge(one)
        except (Unreadable, *ODD) as error:
            if reader is None:
                raise
            reader.broke(str(error) if isinstance(error, Unreadable) else odd(error))
            continue
        if one is None or verdict is None:
            found.unread += 1
            continue
        if verdict.needs_text:
            found.needs_text += 1
            continue
        found.requests += 1
        found.other_hash += one.policy_hash != judge.policy.hash
        if verdict.deployment == one.deployment:
            found.same += 1
            continue
        found.moved += 1
        why = _why(one, verdict, judge)
        found.reasons[one.deployment or "refused", verdict.deployment or "refused", why] += 1
        if len(found.shown) < MOST_SHOWN:
            found.shown.append(
                Moved(
                    id=one.id,
                    at=str(row["at"]),
                    route=verdict.route,
                    old=one.deployment,
                    new=verdict.deployment,
                    why=why,
                )
            )
    return found


def _why(one: Recorded, verdict: Verdict, judge: Judge) -> str:
    """Say why a request goes elsewhere, as far as the record tells."""
    if verdict.deployment is None:
        return verdict.reason
    if verdict.deployment in one.obstructed:
        return "it stood back just then, for its health or a limit"
    if one.error == "BudgetExceeded":
        return "a budget refused it then; budgets are not replayed"
    if one.rule is not None and one.rule != verdict.rule:
        return f"the rule `{verdict.rule}` instead of `{one.rule}`"
    if one.policy_hash != judge.policy.hash:
        return f"another policy: {verdict.reason}"
    if judge.policy.choice.by != "score":
        return "another of several equals"
    return "what was known of the deployments lately, or other endpoints, prices or models"
