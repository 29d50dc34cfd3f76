"""What a case expected and did not get."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Mismatch:
    """One expectation that did not come true, and why."""

    key: str
    expected: str
    got: str
    because: tuple[str, ...] = ()
    """A line for each thing that an operator would look up next."""
