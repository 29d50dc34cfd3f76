"""What is different between two policies, in words: of what they mean, not of how they are written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from datetime import tzinfo
from enum import Enum

from qwenroute.domain.budget import UNIT, Budget
from qwenroute.domain.experiment import Experiment
from qwenroute.policy import Objective, Policy, Route, Rule
from qwenroute.policy.condition import Condition

_NAMES = {"exchange": "currency"}
_SKIPPED = frozenset({"name", "hash", "files", "examples", "timely", "headers", "signs", "matched", "failed"})
"""Where a policy lies, and what follows from the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not the same."""

    where: str
    before: str | None
    """None: it was not there."""
    after: str | None
    """None: it is gone."""

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.where}: new: {self.after}"
        if self.after is None:
            return f"{self.where}: gone; it was {self.before}"
        return f"{self.where}: {self.before} → {self.after}"


def changes(old: Policy, new: Policy) -> list[Difference]:
    """Return every difference, in the order of the file."""
    return list(_Differ(old, new).values("", old, new))


class _Differ:
    """Walks through two policies at once."""

    def __init__(self, old: Policy, new: Policy) -> None:
        self._old, self._new = old, new

    def values(self, where: str, old: object, new: object) -> Iterator[Difference]:
        if isinstance(old, Route) and isinstance(new, Route):
            yield from self._rules(where, old, new)
        elif isinstance(old, Rule) and isinstance(new, Rule):
            yield from self._fields(where, old, new, {"conditions", *self._inherited(old, new)})
            yield from _conditions(f"{where}.when", old.conditions, new.conditions)
        elif isinstance(old, Objective) and isinstance(new, Objective) and not where.startswith("objectives."):
            if old.name != new.name:  # what the names stand for is told under `objectives`
                yield Difference(where=where, before=old.name, after=new.name)
        elif isinstance(old or new, Experiment) and not where.startswith("experiments."):
            if _name(old) != _name(new):  # what it is stands under `experiments`
                yield Difference(where=where, before=_name(old), after=_name(new))
        elif type(old) is type(new) and is_dataclass(old) and _content(old) != _content(new):
            if _is_small(old):
                yield Difference(where=where, before=_said(old), after=_said(new))
            else:
                yield from self._fields(where, old, new, set())
        elif isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from self._named(where, old, new)
        elif _are_named(old) and _are_named(new):
            yield from self._named(where, _by_name(old), _by_name(new))
        elif _content(old) != _content(new):
            yield Difference(where=where, before=_said(old), after=_said(new))

    def _inherited(self, old: Rule, new: Rule) -> Iterator[str]:
        """Yield what a rule has from the whole policy, before and after: that is told once, there."""
        for name in ("objective", "hedge"):
            if getattr(old, name) is getattr(self._old, name) and getattr(new, name) is getattr(self._new, name):
                yield name

    def _fields(self, where: str, old: object, new: object, without: set[str]) -> Iterator[Difference]:
        for each in fields(old):  # type: ignore[arg-type]  # whoever calls has looked
            name = each.name
            if name not in _SKIPPED and not name.startswith("_") and name not in without:
                shown = _NAMES.get(name, name)
                inner = f"{where}.{shown}" if where else shown
                yield from self.values(inner, _value(old, name), _value(new, name))

    def _named(self, where: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[Difference]:
        for name in dict.fromkeys([*old, *new]):
            inner = f"{where}.{name}" if where else str(name)
            if name not in new:
                yield Difference(where=inner, before=_said(old[name]), after=None)
            elif name not in old:
                yield Difference(where=inner, before=None, after=_said(new[name]))
            else:
                yield from self.values(inner, old[name], new[name])

    def _rules(self, where: str, old: Route, new: Route) -> Iterator[Difference]:
        yield from self._named(where, {r.name: r for r in old.rules}, {r.name: r for r in new.rules})
        kept = [r.name for r in old.rules if any(r.name == other.name for other in new.rules)]
        now = [r.name for r in new.rules if r.name in kept]
        if kept != now:
            yield Difference(where=f"{where}, order of the rules", before=", ".join(kept), after=", ".join(now))


def _conditions(where: str, old: Sequence[Condition], new: Sequence[Condition]) -> Iterator[Difference]:
    before, after = _by_key(old), _by_key(new)
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) != after.get(key):
            yield Difference(where=f"{where}.{key}", before=before.get(key), after=after.get(key))


def _by_key(conditions: Sequence[Condition]) -> dict[str, str]:
    found: dict[str, str] = {}
    for condition in conditions:
        found[condition.key] = _says(condition)
    return found


def _says(condition: Condition) -> str:
    """Return the whole of what a condition says; its own words may be cut short."""
    if condition.parts:
        return "; ".join(" and ".join(f"{c.key}: {_says(c)}" for c in part) for part in condition.parts)
    texts = getattr(condition.sign, "keywords", None) or getattr(condition.sign, "sources", None)
    texts = texts or getattr(condition.sign, "texts", None)
    return condition.says if texts is None else " or ".join(texts)


def _are_named(value: object) -> bool:
    return (
        isinstance(value, tuple) and bool(value) and all(isinstance(getattr(item, "name", None), str) for item in value)
    )


def _by_name(value: object) -> dict[str, object]:
    assert isinstance(value, tuple)
    return {item.name: item for item in value}


def _content(value: object) -> object:
    """Return a value so that equal ones are equal: much of a policy is only equal to itself."""
    if isinstance(value, Condition):
        return value.key, _says(value)
    if isinstance(value, Rule):
        return (tuple(_content(c) for c in value.conditions), *_held(value, {"conditions"}))
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value).__name__, *_held(value, set()))
    if isinstance(value, Mapping):
        return {name: _content(held) for name, held in value.items()}
    if isinstance(value, tuple | list):
        return tuple(_content(item) for item in value)
    return str(value) if isinstance(value, tzinfo) else value


def _name(experiment: object) -> str:
    return experiment.name if isinstance(experiment, Experiment) else "none"


def _value(owner: object, name: str) -> object:
    """Return what a field holds, in the unit of the file."""
    held: object = getattr(owner, name)
    return owner.amount / UNIT if isinstance(owner, Budget) and name == "amount" else held


def _held(value: object, without: set[str]) -> tuple[object, ...]:
    names = (each.name for each in fields(value))  # type: ignore[arg-type]  # whoever calls has looked
    return tuple(
        (name, _content(getattr(value, name)))
        for name in names
        if name not in {"matched", "failed"} and not name.startswith("_") and name not in without
    )


def _is_small(value: object) -> bool:
    """Whether a value is said in one piece."""
    return not isinstance(value, Policy | Route | Rule) and len(fields(value)) <= 2  # type: ignore[arg-type]


def _said(value: object) -> str:
    """Return a value in the words of the file, as far as these are known here."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, Condition):
        return f"{value.key}: {_says(value)}"
    if isinstance(value, Rule):
        when = ", ".join(_said(c) for c in value.conditions) or "anything"
        then = f", then {', '.join(value.fallback)}" if value.fallback else ""
        return f"{when} → {value.pool}{then}"
    if isinstance(value, Route):
        return "; ".join(f"{rule.name}: {_said(rule)}" for rule in value.rules)
    if isinstance(value, frozenset | set):
        return ", ".join(sorted(map(_said, value))) or "nothing"
    if isinstance(value, tuple | list):
        return ", ".join(map(_said, value)) or "nothing"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_said(held)}" for name, held in value.items()) or "nothing"
    if is_dataclass(value) and not isinstance(value, type):
        shown = [
            f"{each.name}: {_said(held)}"
            for each in fields(value)
            if not each.name.startswith("_")
            and each.name not in _SKIPPED
            and (held := _value(value, each.name)) not in (None, (), frozenset())
        ]
        return ", ".join(shown) or type(value).__name__.lower()
    if isinstance(value, float):
        return f"{value:g}"
    return str(value)
