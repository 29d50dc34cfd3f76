"""What a rule can ask of a request: a closed set of keys, each of which holds or does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from qwenroute.domain.request import Hints
from qwenroute.domain.signals import Signals
from qwenroute.policy.signs import Examples, Keywords, Patterns, Sign
from qwenroute.policy.wording import Wording

Holds = Callable[[Signals, Hints, Wording], bool]
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

    def __str__(self) -> str:
        return f"{self.key}: {self.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Inclusive bounds; None leaves that side open."""

    at_least: int | None = None
    at_most: int | None = None

    def __str__(self) -> str:
        low = "" if self.at_least is None else f"at least {self.at_least:,}"
        high = "" if self.at_most is None else f"at most {self.at_most:,}"
        return " and ".join(part for part in (low, high) if part)


def condition(key: str, wanted: object) -> Condition:
    """Compile one key of a `when`. Lists mean any of; `thinking: false` means that it was declined."""
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
            return Condition(key, _short(shown), lambda _, __, wording: sign.found(wording) is not None, sign)
        return Condition(key, shown, _ANY_OF[key](frozenset(wanted)))
    raise TypeError(f"`{key}` cannot be {wanted!r}")


def sign_of(key: str, wanted: Sequence[str]) -> Sign:
    """Compile `keywords`, `pattern` or `examples`."""
    return _SIGNS[key](tuple(wanted))


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:79]}…"


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
    "quality": lambda wanted: lambda _, h, __: h.quality in wanted,
    "tenant": lambda wanted: lambda _, h, __: h.tenant in wanted,
    "tags": lambda wanted: lambda _, h, __: not wanted.isdisjoint(h.tags),
}
