"""What stands in a file, shown in a message: short, on one line, and harmless to a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

LONGEST = 60
LONGEST_MESSAGE = 600
MOST_NAMES = 40


def quoted(value: object) -> str:
    """Show a name or a value between backticks."""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_plain(str(value), LONGEST)}`"


def listing(names: Iterable[str]) -> str:
    """Show some names, or as many of them as anyone reads."""
    shown = list(islice(names, MOST_NAMES + 1))
    said = ", ".join(_plain(name, LONGEST) for name in shown[:MOST_NAMES])
    return f"{said}, …" if len(shown) > MOST_NAMES else said


def bounded(message: str) -> str:
    """Return a message that is no longer than anyone reads."""
    return _plain(message, LONGEST_MESSAGE)


def _plain(text: str, length: int) -> str:
    text = text if len(text) <= length else f"{text[: length - 1]}…"
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)
