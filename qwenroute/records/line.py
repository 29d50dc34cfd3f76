"""A record as one line of JSON, and back.

A line holds what is needed to decide the request again: its shape, its hints, its signals, and what of
the policy's keywords, patterns and examples was found in it. Whatever has its usual value is left out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Any, TypeVar

from qwenroute.analysis.view import shorten
from qwenroute.domain.capability import Modality, Role
from qwenroute.domain.decision import Decision, Rejection
from qwenroute.domain.experiment import Arm, Assignment, ExperimentKind
from qwenroute.domain.price import Money, Usage
from qwenroute.domain.record import Attempt, Record
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.signals import Difficulty, Media, Signals, Task

VERSION = 1
"""Of the lines that are written here; older ones are read, newer ones are not."""
Row = Mapping[str, Any]
"""A line, parsed."""

Value = TypeVar("Value")


class Unreadable(Exception):
    """A line that is no record, and why."""


ODD = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError)
"""What a record with something else in it than its version has comes to."""


def odd(error: BaseException) -> str:
    """Say that a record has something wrong in it."""
    return f"it is a record with something wrong in it: {error!r:.120}"


# Writing


def line(row: Mapping[str, object]) -> bytes:
    """Return a row as it is written."""
    return f"{_encode(row)}\n".encode(errors="backslashreplace")


_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False).encode


def moment(at: float) -> str:
    """Return a time in UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def head(at: float, id: str, policy: str, policy_hash: str) -> dict[str, object]:  # noqa: A002 - the record's id
    """Return how every row begins."""
    return {"v": VERSION, "at": moment(at), "id": id, "policy": policy, "hash": policy_hash}


def gap(at: float, lost: int) -> dict[str, object]:
    """Return the row that stands for records which could not be written."""
    return {"v": VERSION, "at": moment(at), "lost": lost}


def compact(value: object) -> dict[str, object]:
    """Return the fields of a value that are not as usual."""
    kept: dict[str, object] = {}
    for name, usual in _usual(type(value)):
        held = getattr(value, name)
        if held is not usual and held != usual:
            kept[name] = _plain(held)
    return kept


def decided(decision: Decision, rejected: Mapping[str, Sequence[str]]) -> dict[str, object]:
    """Return what of a decision is written down."""
    steps = decision.plan.steps
    row: dict[str, Any] = {
        "route": decision.route,
        "rule": decision.rule,
        "pool": decision.pool,
        "objective": decision.objective,
        "deployment": steps[0].deployment.id if steps else None,
        "reason": decision.reason,
    }
    if len(steps) > 1:
        row["then"] = [step.deployment.id for step in steps[1:]]
    if rejected:
        row["rejected"] = rejected
    if decision.warnings:
        row["warnings"] = list(decision.warnings)
    part = decision.assignment
    if part is not None:
        row["experiment"] = {"name": part.experiment, "kind": part.kind, "arm": part.arm}
        if part.copied:
            row["experiment"]["copied"] = True
    if decision.signals.text_tokens_exact:
        row["exact_tokens"] = decision.signals.text_tokens
    return row


def by_gate(rejections: Sequence[Rejection]) -> dict[str, Sequence[str]]:
    """Return rejections by the gate that said so."""
    found: dict[str, list[str]] = {}
    for rejection in rejections:
        found.setdefault(rejection.gate, []).append(rejection.deployment)
    return dict(found)


def ended(record: Record) -> dict[str, object]:
    """Return what of a record tells how the request went."""
    row: dict[str, object] = {"latency_s": _short(record.latency_s)}
    if record.ttft_s is not None:
        row["ttft_s"] = _short(record.ttft_s)
    answer = record.answered_by
    if answer is not None:
        row["answered_by"] = answer.deployment
        row["model"] = answer.model
    if record.attempts:
        row["attempts"] = [_attempt(one) for one in record.attempts]
    if record.passed_over:
        row["passed_over"] = by_gate(record.passed_over)
    if record.splices:
        row["splices"] = [compact(splice) for splice in record.splices]
    if record.usage is not None:
        row["usage"] = compact(record.usage)
    if record.cost is not None:
        row["cost"] = _money(record.cost)
    if record.decision.assignment is not None and record.missed:
        row["missed"] = True
    if record.cached:
        row["cached"] = True
    if record.simulated:
        row["simulated"] = True
    return row


def _attempt(one: Attempt) -> dict[str, object]:
    row: dict[str, object] = {"n": one.number, "deployment": one.deployment, "from_s": _short(one.started_s)}
    if one.first_token_s is not None:
        row["first_s"] = _short(one.first_token_s)
    row["to_s"] = _short(one.ended_s)
    if one.failure is not None:
        row["failure"] = one.failure.kind
        row |= {key: held for key in ("status", "code") if (held := getattr(one.failure, key)) is not None}
    if one.usage is not None:
        row["usage"] = compact(one.usage)
    if one.cost is not None:
        row["cost"] = _money(one.cost)
    if one.reckoned:
        row["reckoned"] = True
    if one.cancelled:
        row["cancelled"] = True
    return row


def _money(money: Money) -> list[object]:
    return [money.amount, money.currency]


def _short(seconds: float) -> float:
    return round(seconds, 6)


def _plain(value: object) -> object:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(str(held) for held in value)
    if isinstance(value, tuple | list):
        return [_plain(held) for held in value]
    return compact(value)


_USUAL: dict[type, tuple[tuple[str, object], ...]] = {}


def _usual(kind: type) -> tuple[tuple[str, object], ...]:
    found = _USUAL.get(kind)
    if found is None:
        found = _USUAL[kind] = tuple((each.name, _default(each)) for each in fields(kind))
    return found


def _default(each: Field[Any]) -> object:
    if each.default_factory is not MISSING:
        return each.default_factory()
    return each.default


# Reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A request that was recorded, as far as it can be decided again."""

    id: str
    at: datetime
    policy: str
    policy_hash: str
    request: Request
    """Without its text."""
    signals: Signals
    exact_tokens: int | None
    known: Mapping[str, float]
    """What was found of the policy's signs, by their names."""
    encoder: str | None
    """Who said which examples it is like, and how near counts."""
    text: str | None
    """The last turn, where the record holds it as it was."""
    route: str | None
    rule: str | None
    deployment: str | None
    """What was decided; None where nothing could be."""
    part: Assignment | None
    """Its part in an experiment."""
    obstructed: frozenset[str]
    """Deployments that stood back for their health or their quota just then."""
    error: str | None
    cost: Money | None
    """What it really cost."""

    @property
    def day(self) -> date:
        """The day, in UTC."""
        return self.at.date()


HEALTH_GATES = frozenset({"circuit", "cooldown", "quota", "ejected", "burst", "bulkhead", "shed"})
"""What stands in the way only just then."""


def parse(text: bytes | str) -> Row:
    """Return a line as a row.

    Raises:
        Unreadable: it is no record, or one of a newer version.
    """
    try:
        row = json.loads(text)
    except (ValueError, RecursionError):
        raise Unreadable("it is not JSON") from None
    if not isinstance(row, dict):
        raise Unreadable("it is not a JSON object")
    version = row.get("v")
    if not isinstance(version, int) or isinstance(version, bool) or not isinstance(row.get("at"), str):
        raise Unreadable("it is JSON, but no record of qwenroute: there is no `v` and `at`")
    if version > VERSION:
        raise Unreadable(f"it is of version {version}, and this qwenroute reads up to {VERSION}: install a newer one")
    return row


def at_of(row: Row) -> datetime:
    """Return when a row was written.

    Raises:
        Unreadable: it does not say.
    """
    try:
        at = datetime.fromisoformat(row["at"])
    except ValueError:
        raise Unreadable(f"`at` is no time: {str(row['at'])[:40]!r}") from None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def recorded(row: Row) -> Recorded | None:
    """Return a row as a request that can be decided again; None where it was not read as far as that.

    Raises:
        Unreadable: it has not the shape that its version has.
    """
    if "signals" not in row:
        return None
    try:
        asked, decision = row["request"], row.get("decision") or {}
        rejected: Mapping[str, Sequence[str]] = decision.get("rejected", {})
        cost = row.get("cost")
        return Recorded(
            id=str(row["id"]),
            at=at_of(row),
            policy=str(row["policy"]),
            policy_hash=str(row["hash"]),
            request=_request(asked),
            signals=_build(Signals, row["signals"]),
            exact_tokens=_checked("int | None", decision.get("exact_tokens")),
            known=MappingProxyType({name: _number(held) for name, held in row.get("found", {}).items()}),
            encoder=_word(row.get("encoder")),
            text=_asked(row),
            route=_word(decision.get("route")),
            rule=_word(decision.get("rule")),
            deployment=_word(decision.get("deployment")),
            part=part_of(row),
            obstructed=frozenset(name for gate in HEALTH_GATES for name in rejected.get(gate, ())),
            error=_word(row.get("error")),
            cost=None if cost is None else Money(amount=_number(cost[0]), currency=str(cost[1])),
        )
    except ODD as error:
        raise Unreadable(odd(error)) from None


def part_of(row: Row) -> Assignment | None:
    """Return the part of a request in an experiment; None where it is in none.

    Raises:
        KeyError, ValueError, TypeError, AttributeError: the row has something wrong in it.
    """
    part = (row.get("decision") or {}).get("experiment")
    if part is None:
        return None
    kind, arm = ExperimentKind(part["kind"]), Arm(part["arm"])
    return Assignment(experiment=str(part["name"]), kind=kind, arm=arm, copied=bool(part.get("copied", False)))


def is_copy(row: Row) -> bool:
    """Whether a row is of a copy that a shadow was sent, and not of a request."""
    decision = row.get("decision")
    part = decision.get("experiment") if isinstance(decision, dict) else None
    return isinstance(part, dict) and part.get("kind") == ExperimentKind.SHADOW and part.get("arm") == Arm.VARIANT


def _asked(row: Row) -> str | None:
    """Return the last turn, where the record holds every word of it."""
    if not row.get("whole"):
        return None
    return shorten(next((text for role, text in reversed(row["text"]) if role in {"user", "prompt"}), ""))


def _request(row: Row) -> Request:
    params: dict[str, object] = dict(row.get("params", {}))
    if row.get("reserved_tool"):
        params["tools"] = [{"function": {"name": "search"}}]
    return Request(
        kind=Kind(row.get("kind", "chat")),
        model=str(row.get("model", "auto")),
        stream=bool(row.get("stream", False)),
        params=params,
        hints=_build(Hints, row.get("hints", {})),
    )


def _number(value: object) -> float:
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    raise ValueError(f"{value!r:.40} is no number")


def _modalities(value: Sequence[str]) -> frozenset[Modality]:
    return frozenset(map(Modality, value))


_READ: Mapping[str, Callable[[Any], object]] = {
    "task": Task,
    "difficulty": Difficulty,
    "role": Role,
    "input": _modalities,
    "output": _modalities,
    "kind": Modality,
    "tags": lambda value: tuple(_checked("str", tag) for tag in value),
    "media": lambda value: tuple(_build(Media, item) for item in value),
    "task_confidence": _number,
    "difficulty_confidence": _number,
}
"""By the field's name; anything else stands as JSON has it."""


def _build(kind: type[Value], row: Mapping[str, Any]) -> Value:
    """Return a value of its fields; what a newer minor version added is not looked at."""
    known = _annotations(kind)
    found = {}
    for name, held in row.items():
        annotation = known.get(name)
        if annotation is not None:
            read = _READ.get(name)
            found[name] = _checked(annotation, held) if read is None or held is None else read(held)
    return kind(**found)


_ANNOTATIONS: dict[type, Mapping[str, str]] = {}


def _annotations(kind: type) -> Mapping[str, str]:
    found = _ANNOTATIONS.get(kind)
    if found is None:
        found = _ANNOTATIONS[kind] = {each.name: str(each.type) for each in fields(kind)}
    return found


_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "int": int,
    "float": (int, float),
    "bool": bool,
    "str": str,
    "Mapping[str, str]": dict,
}


def _checked(annotation: str, value: Any) -> Any:
    """Return a value that is of the kind which the annotation names.

    Raises:
        TypeError: it is not.
    """
    name = annotation.removesuffix(" | None")
    if value is None:
        if name != annotation:
            return None
    elif isinstance(value, _KINDS.get(name, ())) and isinstance(value, bool) is (name == "bool"):
        return value if name != "float" else _number(value)
    raise TypeError(f"{value!r:.40} is no {name}")


def _word(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"{value!r:.40} is no text")


def usage_of(row: Mapping[str, Any]) -> Usage:
    """Return a usage as it was written."""
    return _build(Usage, row)
