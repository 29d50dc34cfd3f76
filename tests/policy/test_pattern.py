"""Patterns: what is taken, what is refused, and that no text stalls what is taken."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qwenroute.policy.pattern import objection
from qwenroute.policy.signs import Patterns
from qwenroute.policy.wording import WINDOW_CHARS

TAKEN = [
    r"\bintegrate\b", r"purchase\s+order\s+number", r"https?://\S+", r"(?:EUR|USD) ?(\d+)", r"\w+@\w+\.com",
    r"^\s*select\b.*\bfrom\b", r"\bdef \w+\(", "合同|发票", r"colou?r.*behaviou?r", r"inv(?:oice)?[ -]?\d{4,8}",
    r"[a-z]+ [a-z]+ [a-z]+ 1", r"(?i:abc)", r"a{2}b", r"x{}", r"\d++0", r"[]x]y", r"a\.b", r"\x41\u4e2d", r"(?P<n>ab)",
    r"\d{1,3}\d{1,3}\d{1,3}x", r"[^a]+\s",
    r"x(|a)y", r"\N{BULLET}+ x", r"(?#why)abc", r"(?>a+)b",
]  # fmt: skip
REFUSED = [
    (r"(a+)+b", "repeats `(a+)`, which itself"),
    (r"(a|b)*c", "repeats `(a|b)`, which itself"),
    (r"((a)?b)+c", "repeats `((a)?b)`, which itself"),
    (r"(x+x+)+y", "which itself"),
    (r".*.*x", "too many ways"),
    (r"\d+0\d+x", "too many ways"),
    (r"\s*#?\s*\d", "too many ways"),
    (r"a{1,30}a{1,30}a{1,30}b", "too many ways"),
    (r"a{0,}a{,}b", "too many ways"),
    (r"(\w*)(\w*)!", "too many ways"),
    (r"(\w)\1", "refers back"),
    (r"(?P<q>x)(?P=q)", "refers back"),
    (r"(?x)a b", "verbose"),
    (r"(?#()(a+)+b", "which itself"),
    (r"(a)?b(?(1)c|d)", "refers back"),
    ("[[a]b]", "can be read in two ways: possible nested set"),
    ("[", "is not a regular expression: unterminated character set"),
    ("x*", "matches the empty text"),
    ("a|", "matches the empty text"),
]


@pytest.mark.parametrize("source", TAKEN)
def test_taken(source: str) -> None:
    """What operators write is taken as it is."""
    assert objection(source) is None


@pytest.mark.parametrize(("source", "why"), REFUSED)
def test_refused(source: str, why: str) -> None:
    """What a text could stall, or what says nothing, is told."""
    assert why in (objection(source) or "")


def _hostile(source: str) -> set[str]:
    """Texts that make a search of this pattern fail as late as they can."""
    pieces = {
        "a",
        " ",
        "0",
        "a ",
        "0 ",
        "a@",
        "-",
        "select ",
        "colour ",
        "http://",
        "EUR 1",
        "aaaa\n",
        "ab",
        "invoice 1",
    }
    pieces |= {piece for piece in re.split(r"[^\w]+", source) if piece}
    return {(piece * WINDOW_CHARS)[: WINDOW_CHARS - 1] + "!" for piece in pieces}


@pytest.mark.parametrize("source", TAKEN)
def test_no_text_stalls_what_is_taken(source: str) -> None:
    """The dearest search stays far below a second, where an exponential one would never end."""
    compiled = re.compile(source, re.IGNORECASE)
    for text in _hostile(source):
        began = time.process_time()
        compiled.search(text)
        assert time.process_time() - began < 0.5, text[:20]


SCRAPS = st.sampled_from(
    [*"ab01 |()[]{}.*+?^$-,#:=!<>xN", r"\d", r"\w", r"\s", r"\b", r"\1", r"\N{BULLET}", r"\x41", r"\u4e2d",
     r"\012", "(?:", "(?i)", "(?=", "(?!", "(?<=", "(?>", "(?P<n>", "(?P=n)", "(?(1)", "(?#", "[^", "[]", "{1,9}",
     "++", "*?", "😀"]
)  # fmt: skip


@settings(max_examples=500)
@given(source=st.lists(SCRAPS, min_size=1, max_size=12).map("".join))
def test_any_pattern_is_taken_or_refused(source: str) -> None:
    """Nothing that looks like a regular expression makes the loader fail; what is taken compiles without a warning."""
    if objection(source) is None:
        assert Patterns((source,)).sources == (source,)
