"""What a rule can ask of a request: a closed set of keys, each of which holds or does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time

from qwenroute.domain.request import Hints
from qwenroute.domain.signals import Signals
from qwenroute.policy.signs import Examples, Keywords, Patterns, Sign
from qwenroute.policy.wording import Wording

Holds = Callable[[Signals, Hints, Wording, datetime | None], bool]
"""The time is in the policy's time zone; None only where no rule asks for it."""
HEADERS = "headers."
"""Before the name of a header, in a condition's key."""
MIDNIGHT = time(0)
SHORT_WHY = 200
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SIGNS: Mapping[str, Callable[[tuple[str, ...]], Sign]] = {
    "keywords": Keywords,
    "pattern": Patterns,
    "examples": Examples,
}
"""What is looked for in the request's own words."""


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """One line of a `when`: the key, what the file says there, and the test made of it."""

    key: str
    says: str
    holds: Holds
    sign: Sign | None = None
    """What it looks for in the request's words, where that is what it does."""
    parts: tuple[tuple[Condition, ...], ...] = ()
    """Of `any`, `all` and `not`: groups of conditions that hold together."""

    def __str__(self) -> str:
        return f"{self.key}: {self.says}"

    def leaves(self) -> Iterator[Condition]:
        """Yield the conditions that look at the request themselves."""
        if not self.parts:
            yield self
        for part in self.parts:
            for inner in part:
                yield from inner.leaves()

    def why(self, signals: Signals, hints: Hints, wording: Wording, at: datetime | None) -> str:
        """Return what it is that holds, or does not hold, down to the innermost condition."""
        facts = (signals, hints, wording, at)
        if not self.parts:
            return str(self)
        if self.holds(*facts) is (self.key == "not"):
            # Every group failed (of `all`, the first that did): name the condition in each that did not hold.
            failed = [inner for part in self.parts if (inner := _first_failing(part, *facts)) is not None]
            told = [inner.why(*facts) for inner in (failed[:1] if self.key == "all" else failed)]
        else:
            holding = [part for part in self.parts if _first_failing(part, *facts) is None]
            told = [_all_of([inner.why(*facts) for inner in part]) for part in holding]
            told = [_all_of(told)] if self.key == "all" else told[:1]
        said = told[0] if len(told) == 1 else f"none of ({'; '.join(told)})"
        return _short(f"{self.key}: {said}", SHORT_WHY)


def _first_failing(
    part: tuple[Condition, ...], signals: Signals, hints: Hints, wording: Wording, at: datetime | None
) -> Condition | None:
    return next((inner for inner in part if not inner.holds(signals, hints, wording, at)), None)


def _all_of(told: Sequence[str]) -> str:
    return " and ".join(told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Inclusive bounds; None leaves that side open."""

    at_least: int | None = None
    at_most: int | None = None

    def __str__(self) -> str:
        low = "" if self.at_least is None else f"at least {self.at_least:,}"
        high = "" if self.at_most is None else f"at most {self.at_most:,}"
        return " and ".join(part for part in (low, high) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Days of the week and hours of the day; a span over midnight belongs to the day on which it begins."""

    days: tuple[str, ...] = DAYS
    begin: time = time(0)
    end: time = time(0)
    """Midnight: the day's end."""

    def __str__(self) -> str:
        days = "" if self.days == DAYS else " or ".join(self.days)
        hours = "" if self.begin == self.end else f"{self.begin:%H:%M} to {self.end:%H:%M}"
        return ", ".join(part for part in (days, hours) if part)


def condition(key: str, wanted: object) -> Condition:
    """Compile one key of a `when`. Lists mean any of; `thinking: false` means that it was declined."""
    if isinstance(wanted, Hours):
        return Condition(key, str(wanted), _during(wanted))
    if isinstance(wanted, bool):
        return Condition(key, str(wanted).lower(), _SWITCHES[key](wanted))
    if isinstance(wanted, Range):
        return Condition(key, str(wanted), _within(wanted))
    if isinstance(wanted, int | float):
        return Condition(key, str(wanted), _confident(float(wanted)))
    if isinstance(wanted, list | tuple):
        shown = " or ".join(str(value) for value in wanted)
        if key in _SIGNS:
            sign = sign_of(key, [str(value) for value in wanted])
            return Condition(key, _short(shown), lambda _, __, wording, ___: sign.found(wording) is not None, sign)
        return Condition(key, shown, _ANY_OF[key](frozenset(wanted)))
    raise TypeError(f"`{key}` cannot be {wanted!r}")


def header(name: str, wanted: Sequence[str] | None) -> Condition:
    """Compile what is asked of one header; None: that it is there."""
    name = name.lower()
    if wanted is None:
        return Condition(f"{HEADERS}{name}", "present", lambda _, h, *__: name in h.headers)
    values = frozenset(wanted)
    return Condition(f"{HEADERS}{name}", _short(" or ".join(wanted)), lambda _, h, *__: h.headers.get(name) in values)


def group(key: str, parts: Sequence[Sequence[Condition]]) -> Condition:
    """Compile `any`, `all` or `not`."""
    groups = tuple(tuple(part) for part in parts)
    told = [_all_of([str(inner) for inner in part]) for part in groups]
    says = told[0] if len(told) == 1 else "; ".join(told)

    def every(signals: Signals, hints: Hints, wording: Wording, at: datetime | None) -> bool:
        return all(inner.holds(signals, hints, wording, at) for part in groups for inner in part)

    def some(signals: Signals, hints: Hints, wording: Wording, at: datetime | None) -> bool:
        return any(all(inner.holds(signals, hints, wording, at) for inner in part) for part in groups)

    def none(signals: Signals, hints: Hints, wording: Wording, at: datetime | None) -> bool:
        return not some(signals, hints, wording, at)

    return Condition(key, _short(says), {"all": every, "any": some, "not": none}[key], parts=groups)


def sign_of(key: str, wanted: Sequence[str]) -> Sign:
    """Compile `keywords`, `pattern` or `examples`."""
    return _SIGNS[key](tuple(wanted))


def _short(text: str, length: int = 80) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _during(hours: Hours) -> Holds:
    days = frozenset(DAYS.index(day) for day in hours.days)
    begin, end = hours.begin, hours.end

    def holds(_: Signals, __: Hints, ___: Wording, at: datetime | None) -> bool:
        assert at is not None  # `Policy.timely` sees to it
        day, now = at.weekday(), at.time()
        if begin < end or end == MIDNIGHT:
            return day in days and begin <= now and (now < end or end == MIDNIGHT)
        return (day in days and now >= begin) or ((day - 1) % 7 in days and now < end)

    return holds


def _within(bounds: Range) -> Holds:
    low = 0 if bounds.at_least is None else bounds.at_least
    if bounds.at_most is None:
        return lambda s, *_: s.text_tokens >= low
    high = bounds.at_most
    return lambda s, *_: low <= s.text_tokens <= high


def _confident(bound: float) -> Holds:
    return lambda s, *_: s.task_confidence >= bound


_SWITCHES: Mapping[str, Callable[[bool], Holds]] = {
    "thinking": lambda wanted: lambda s, *_: s.thinking is wanted,
    "sound": lambda wanted: lambda s, *_: s.sound is wanted,
    "tools": lambda wanted: lambda s, *_: s.tools is wanted,
    "fim": lambda wanted: lambda s, *_: s.fim is wanted,
}

_ANY_OF: Mapping[str, Callable[[frozenset[object]], Holds]] = {
    "task": lambda wanted: lambda s, *_: s.task in wanted,
    "difficulty": lambda wanted: lambda s, *_: s.difficulty in wanted,
    "input": lambda wanted: lambda s, *_: not wanted.isdisjoint(s.input),
    "output": lambda wanted: lambda s, *_: not wanted.isdisjoint(s.output),
    "language": lambda wanted: lambda s, *_: s.language in wanted,
    "response_format": lambda wanted: lambda s, *_: s.response_format in wanted,
    "quality": lambda wanted: lambda _, h, *__: h.quality in wanted,
    "tenant": lambda wanted: lambda _, h, *__: h.tenant in wanted,
    "tags": lambda wanted: lambda _, h, *__: not wanted.isdisjoint(h.tags),
    "key": lambda wanted: lambda _, h, *__: h.key in wanted,
}
