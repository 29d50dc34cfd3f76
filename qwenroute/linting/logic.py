"""Conditions as logic: which requests they let through, and whether others let the same through.

A `when` becomes a list of cases, any of which holds; a case says of each thing at once what it has
to be. What cannot be true of any request is no case: text is always there, speech is all that
comes back beside it, and what is to be filled in the middle has no attachments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from qwenroute.domain.capability import Modality
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy import schema
from qwenroute.policy.condition import DAYS

MOST_CASES = 512
"""Conditions that come to more are not judged."""
MOST_APART = 8
"""So many alternatives are looked at one by one."""
ABSENT = None
"""Of a header or a hint that is not there."""

_CLOSED: Mapping[str, frozenset[object]] = {
    "task": frozenset(Task),
    "difficulty": frozenset(Difficulty),
    "response_format": frozenset({"text", "json_object", "json_schema"}),
    "quality": frozenset({"top", ABSENT}),
    "thinking": frozenset({True, False, ABSENT}),
    "sound": frozenset({True, False}),
    "tools": frozenset({True, False}),
    "fim": frozenset({True, False}),
}
"""What a thing can be, where that is known; anything else can be what nobody has thought of."""
_SEVERAL = frozenset({"input", "output", "tags", "keywords", "pattern", "examples"})
"""Things of which a request has any number at once."""
_MINUTES = 24 * 60
_ALL_WEEK = (1 << 7 * _MINUTES) - 1
_HUGE = 10**12


@dataclass(frozen=True, slots=True)
class One:
    """What a single thing may be: one of these, or (`outside`) anything but these."""

    values: frozenset[object]
    outside: bool = False

    def __and__(self, other: One) -> One:
        if self.outside and other.outside:
            return One(self.values | other.values, outside=True)
        if self.outside:
            return One(other.values - self.values)
        return One(self.values - other.values if other.outside else self.values & other.values)

    def __le__(self, other: One) -> bool:
        """Whether whatever is allowed here is allowed there."""
        if self.outside:
            return other.outside and other.values <= self.values
        return self.values.isdisjoint(other.values) if other.outside else self.values <= other.values

    def __bool__(self) -> bool:
        return self.outside or bool(self.values)


@dataclass(frozen=True, slots=True)
class Some:
    """What a thing that may be several has: one of each of these groups, and nothing of what it lacks."""

    groups: frozenset[frozenset[str]] = frozenset()
    lacks: frozenset[str] = frozenset()

    def __and__(self, other: Some) -> Some:
        return Some(self.groups | other.groups, self.lacks | other.lacks)

    def __le__(self, other: Some) -> bool:
        return other.lacks <= self.lacks and all(
            any(own - self.lacks <= group for own in self.groups) for group in other.groups
        )

    def __bool__(self) -> bool:
        return all(group - self.lacks for group in self.groups)

    @property
    def has(self) -> frozenset[str]:
        """What is there for certain."""
        return frozenset(next(iter(group)) for group in self.groups if len(group) == 1)


@dataclass(frozen=True, slots=True)
class Span:
    """A number within bounds; `below` leaves the upper one out."""

    low: float = 0.0
    high: float = _HUGE
    below: bool = False

    def __and__(self, other: Span) -> Span:
        tighter = min((self, other), key=lambda span: (span.high, not span.below))
        return Span(max(self.low, other.low), tighter.high, tighter.below)

    def __le__(self, other: Span) -> bool:
        under = self.high < other.high or (self.high == other.high and (self.below or not other.below))
        return self.low >= other.low and under

    def __bool__(self) -> bool:
        return self.low < self.high or (self.low == self.high and not self.below)


@dataclass(frozen=True, slots=True)
class Week:
    """Minutes of the week, as bits."""

    minutes: int = _ALL_WEEK

    def __and__(self, other: Week) -> Week:
        return Week(self.minutes & other.minutes)

    def __le__(self, other: Week) -> bool:
        return not self.minutes & ~other.minutes

    def __bool__(self) -> bool:
        return bool(self.minutes)


Wanted = One | Some | Span | Week


@dataclass(frozen=True, slots=True)
class Case:
    """What has to be true at once."""

    wanted: Mapping[str, Wanted] = field(default_factory=dict)

    def also(self, key: str, wanted: Wanted) -> Case | None:
        """Return the case with one more thing asked for; None: that cannot be."""
        before = self.wanted.get(key)
        both = wanted if before is None else before & wanted  # type: ignore[operator]  # one key, one kind
        if not both:
            return None
        case = replace(self, wanted={**self.wanted, key: both})
        return case if _thinkable(case) else None

    def within(self, other: Case) -> bool:
        """Whether every request of this case is one of the other."""
        return all(key in self.wanted and self.wanted[key] <= wanted for key, wanted in other.wanted.items())  # type: ignore[operator]

    def one(self, key: str) -> frozenset[object]:
        """Return what a single thing may be, where that is stated; else nothing."""
        wanted = self.wanted.get(key)
        return wanted.values if isinstance(wanted, One) and not wanted.outside else frozenset()

    def has(self, key: str) -> frozenset[str]:
        """Return what is certainly there of a thing that may be several."""
        wanted = self.wanted.get(key)
        return wanted.has if isinstance(wanted, Some) else frozenset()


class TooMuch(Exception):
    """Conditions that come to more cases than can be judged."""


def cases(when: schema.When | None) -> tuple[Case, ...]:
    """Return the cases in which conditions hold; none: never.

    Raises:
        TooMuch: they are too many.
    """
    if when is None:
        return (Case(),)
    return _joined([Case()], _told(when), holds=True)


def apart(case: Case) -> Iterator[Case]:
    """Yield a case by its single alternatives, so that several others may cover it together."""
    waiting = [case]
    for key, wanted in case.wanted.items():
        if isinstance(wanted, One) and not wanted.outside and 1 < len(wanted.values) <= MOST_APART:
            ways: list[Wanted] = [One(frozenset({value})) for value in wanted.values]
        else:
            continue
        if len(waiting) * len(ways) > MOST_CASES:
            break
        waiting = [more for one in waiting for way in ways if (more := one.also(key, way)) is not None]
    yield from waiting


def _told(when: schema.When) -> dict[str, object]:
    return {
        field.alias or key: value
        for key, field in type(when).model_fields.items()
        if (value := getattr(when, key)) is not None
    }


def _joined(found: list[Case], told: Mapping[str, object], *, holds: bool) -> tuple[Case, ...]:
    """Return the cases in which all that is told holds, or (not `holds`) not all of it, beside those found."""
    if not holds:
        return _bounded([case for key, value in told.items() for case in _with(found, key, value, holds=False)])
    for key, value in told.items():
        found = list(_with(found, key, value, holds=True))
    return tuple(found)


def _with(found: Sequence[Case], key: str, value: object, *, holds: bool) -> tuple[Case, ...]:
    """Return the cases in which one key of a `when` holds, or does not."""
    if key in {"any", "all"} and isinstance(value, list):
        if (key == "any") is holds:
            return _bounded([case for inner in value for case in _joined(list(found), _told(inner), holds=holds)])
        for inner in value:
            found = _joined(list(found), _told(inner), holds=holds)
        return tuple(found)
    if isinstance(value, schema.When):  # not
        return _joined(list(found), _told(value), holds=not holds)
    if key == "headers" and isinstance(value, Mapping):
        if not holds:
            return _bounded([c for name, w in value.items() for c in _header(found, str(name), w, holds=False)])
        for name, wanted in value.items():
            found = _header(found, str(name), wanted, holds=True)
        return tuple(found)
    ways = _ways(key, value, holds=holds)
    return _bounded([more for case in found for way in ways if (more := case.also(key, way)) is not None])


def _header(found: Sequence[Case], name: str, wanted: object, *, holds: bool) -> tuple[Case, ...]:
    values = {ABSENT} if wanted == "present" else set(wanted) if isinstance(wanted, list) else {wanted}
    way = One(frozenset(values), outside=(wanted == "present") is holds)
    return tuple(more for case in found if (more := case.also(f"headers.{name.lower()}", way)) is not None)


def _ways(key: str, value: object, *, holds: bool) -> list[Wanted]:
    if isinstance(value, schema.PromptTokens):
        low, high = value.at_least or 0, _HUGE if value.at_most is None else value.at_most
        if holds:
            return [Span(low, high)]
        return [Span(0, low, below=True), Span(high + 1, _HUGE)]
    if isinstance(value, schema.Hours):
        minutes = _minutes(value)
        return [Week(minutes if holds else _ALL_WEEK & ~minutes)]
    if isinstance(value, float | int) and not isinstance(value, bool):
        return [Span(float(value), 1.0) if holds else Span(0.0, float(value), below=True)]
    values = frozenset(value) if isinstance(value, list) else frozenset({value})
    if key in _SEVERAL:
        texts = frozenset(map(str, values))
        if not holds:
            return [Some(lacks=texts)]
        if len(texts) <= MOST_APART:
            return [Some(frozenset({frozenset({text})})) for text in sorted(texts)]
        return [Some(frozenset({texts}))]
    every = _CLOSED.get(key)
    if every is None:
        return [One(values, outside=not holds)]
    return [One(values if holds else every - values)]


def _minutes(hours: schema.Hours) -> int:
    begin, end = _minute(hours.from_ or "00:00"), _minute(hours.to or "00:00")
    length = (end - begin) % _MINUTES or _MINUTES
    found = 0
    for day in hours.days or DAYS:
        start = DAYS.index(day) * _MINUTES + begin
        found |= ((1 << length) - 1) << start
    return (found & _ALL_WEEK) | (found >> 7 * _MINUTES)


def _minute(clock: str) -> int:
    hour, minute = clock.split(":")
    return int(hour) * 60 + int(minute)


def _bounded(found: list[Case]) -> tuple[Case, ...]:
    if len(found) > MOST_CASES:
        raise TooMuch
    return tuple(found)


_ATTACHED = frozenset({Modality.IMAGE.value, Modality.AUDIO.value, Modality.VIDEO.value})
_GIVEN = frozenset({Modality.TEXT.value, Modality.AUDIO.value})


def _thinkable(case: Case) -> bool:
    """Whether a request can be so at all."""
    for key in ("input", "output"):
        wanted = case.wanted.get(key)
        if isinstance(wanted, Some) and Modality.TEXT.value in wanted.lacks:
            return False
    if case.has("output") - _GIVEN:
        return False
    return not (case.one("fim") == {True} and case.has("input") & _ATTACHED)
