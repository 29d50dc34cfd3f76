"""Operators' regular expressions: what `re` takes, without those that a hostile text could stall.

A search that fails tries every way in which repetitions can share a text. Where a repetition is
followed by a character that it cannot itself take, there is one way; everything else multiplies.
The steps that this can come to at one place are bounded here, and so is the text, and with it the
number of places where a match could begin.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from itertools import zip_longest

from qwenroute.policy.wording import WINDOW_CHARS

MOST_STEPS = 5 * WINDOW_CHARS
"""One repetition without a bound, and something small behind it."""
NEVER = 10**9

_TOKEN = re.compile(
    r"(?P<flags>\(\?[a-zA-Z-]+\))"
    r"|(?P<comment>\(\?#[^)]*\))"
    r"|(?P<back>\\[1-9]|\(\?P=|\(\?\()"
    r"|(?P<open>\((?:\?(?:P<\w+>|<[=!]|[:=!>]|[aiLmsu-]+:))?)"
    r"|(?P<close>\))"
    r"|(?P<bar>\|)"
    r"|(?P<repeat>[*+?][?+]?|\{\d*,?\d*\}[?+]?)"
    r"|(?P<place>[\^$]|\\[bBAZ])"
    r"|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\]|\.|\\[dDsSwW])"
    r"|(?P<char>\\(?:N\{[^}]*\}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)|.)",
    re.DOTALL,
)


@dataclass(slots=True)
class _Piece:
    """One thing of a sequence."""

    source: str
    begins: bool = False
    """It begins with one character of its source, always."""
    ways: int = 1
    """In how many ways it can match at one place."""
    steps: int = 0
    """What trying it costs, beyond looking at one character."""
    varies: bool = False
    """It must not be repeated: its ways would multiply with each time."""


def objection(source: str) -> str | None:
    """Return why an operator's pattern is not taken, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            compiled = re.compile(source, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    except Warning as warning:
        return f"can be read in two ways: {str(warning).lower()}; write a `\\` before what stands for itself"
    if compiled.search("") is not None:
        return "matches the empty text, so it holds for every request"
    try:
        ways = _steps(source)
    except _Refused as refused:
        return str(refused)
    except re.error:
        return "is written in a way that cannot be bounded"
    if ways > MOST_STEPS:
        return "has repetitions that can share a text in too many ways; a hostile prompt could stall the router"
    return None


class _Refused(Exception):
    """A construct whose cost has no bound."""


class _Frame:
    """A group that is open: its finished branches, and the one under way."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.pieces: list[_Piece] = []
        self.ways = self.steps = 0
        self.varies = False

    def end_branch(self, *, last: bool) -> None:
        """Count the branch under way. `last`: nothing follows it, so any match of it will do."""
        ways, steps = 1, 0
        for piece, after in zip_longest(self.pieces, self.pieces[1:]):
            steps += ways * piece.steps
            if not (last if after is None else _apart(piece, after)):
                ways *= piece.ways
        self.ways = min(self.ways + ways, NEVER)
        self.steps = min(self.steps + steps, NEVER)
        self.pieces = []


def _steps(source: str) -> int:
    frames = [_Frame(0)]
    place = 0
    while place < len(source):
        token = _TOKEN.match(source, place)
        assert token is not None  # its last alternative takes anything
        place = token.end()
        frame, text = frames[-1], token.group()
        match token.lastgroup:
            case "back":
                raise _Refused("refers back to a group; that cannot be bounded")
            case "flags" if "x" in text:
                raise _Refused("asks for the verbose flag; write it on one line")
            case "comment":
                pass
            case "flags" | "place":
                frame.pieces.append(_Piece(""))
            case "open":
                frames.append(_Frame(token.start()))
            case "close":
                frames.pop()
                frame.end_branch(last=False)
                group = source[frame.start : place]
                frames[-1].pieces.append(_Piece(group, ways=frame.ways, steps=frame.steps, varies=frame.varies))
                frames[-1].varies |= frame.varies
            case "bar":
                frame.end_branch(last=len(frames) == 1)
                frame.varies = True
            case "repeat" if frame.pieces:
                frame.varies = True
                _repeat(frame.pieces[-1], text)
            case _:
                frame.pieces.append(_Piece(text, begins=True))
    frames[0].end_branch(last=True)
    return frames[0].steps + frames[0].ways


def _repeat(piece: _Piece, sign: str) -> None:
    least, most = _bounds(sign)
    if piece.varies and most > 1:
        raise _Refused(f"repeats `{piece.source}`, which itself can match in several ways")
    keeps = len(sign) > 1 and sign[-1] == "+"  # a possessive repetition never gives back
    piece.ways = piece.ways if keeps else min(piece.ways * (most - least + 1), NEVER)
    piece.steps += most
    piece.begins = piece.begins and least > 0


def _bounds(sign: str) -> tuple[int, int]:
    match sign[0]:
        case "*":
            return 0, WINDOW_CHARS
        case "+":
            return 1, WINDOW_CHARS
        case "?":
            return 0, 1
    low, comma, high = sign.rstrip("?+")[1:-1].partition(",")
    if not comma:
        return (int(low), int(low)) if low else (1, 1)  # `{}` stands for itself
    return int(low or 0), min(int(high), WINDOW_CHARS) if high else WINDOW_CHARS


def _apart(piece: _Piece, after: _Piece) -> bool:
    """Whether only one length of a repetition can lead on, since what follows begins with nothing that it takes."""
    if not after.begins or piece.source.startswith("("):
        return False
    if after.source == r"\s":
        return not any(re.fullmatch(piece.source, space) for space in _SPACES)
    if after.source in _SETS:
        return (piece.source, after.source) in _APART
    char = after.source[-1]
    if len(after.source) > 2 or (len(after.source) == 2 and char.isalnum()):
        return False
    return not any(re.fullmatch(piece.source, one, re.IGNORECASE) for one in {char, char.lower(), char.upper()})


_SPACES = [chr(code) for code in range(0x3001) if chr(code).isspace()]
_SETS = frozenset({".", r"\S", r"\w", r"\W", r"\d", r"\D"})
_APART = {
    (r"\s", r"\S"), (r"\s", r"\w"), (r"\s", r"\d"), (r"\w", r"\W"), (r"\W", r"\w"), (r"\W", r"\d"), (r"\d", r"\D"),
    (r"\d", r"\W"), (r"\D", r"\d"),
}  # fmt: skip
