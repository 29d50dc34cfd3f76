"""Estimate tokens from classes of bytes, in time that does not grow with the text.

A text is mapped to one byte per character, its class (vowel, consonant, capital, mark, script),
and tokens are a weighted sum of how often each class and each meeting of two classes occurs.
Weights and errors come from `benchmarks/tokens.py`, which says what they were fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from operator import mul
from typing import NamedTuple

from qwenroute.analysis.template import FRAME_TOKENS, pieces
from qwenroute.domain.request import Request

SAMPLE_CHARS = 4096
"""Longer texts are estimated from this many characters, taken evenly."""
_WINDOWS = 32

BOUND_SHARE = 0.45
BOUND_PER_RARE_WORD = 0.6
BOUND_TOKENS = 8
"""The upper bound is 1.45 times the estimate, 0.6 for each word of a text without English function
words, and 8 more. Measured: see `benchmarks/tokens.py`."""

LONGEST_TOKEN = 30
"""Characters that a token has at most on average; blank lines come to 31."""

_CONTINUATION = bytes(range(0x80, 0xC0))
_FUNCTION_WORDS = tuple(
    f" {word} ".encode() for word in ("the", "to", "and", "of", "a", "in", "is", "that", "for", "what")
)
"""The most frequent first: few texts in English need all of them."""


def _classes() -> bytes:
    """Map each first byte of a UTF-8 character to its class; what a class is called is its letter."""
    table = bytearray(b"\x01" * 256)
    for members, name in (
        (b"bcdfghjklmnpqrstvwxz", b"c"), (b"aeiouy", b"v"), (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"A"),
        (b"0123456789", b"0"), (b" \t\v\f", b" "), (b"\r\n", b"\n"), (b".,?!;:", b"."),
        (b"\"'()[]{}<>`$", b'"'), (b"+-*/=%^&|~@#", b"+"), (b"\\", b"\\"), (b"_", b"_"),
        (b"\xc2", b"s"), (range(0xC3, 0xCB), b"l"), (range(0xCB, 0xCE), b"m"), (b"\xce\xcf", b"g"),
        (range(0xD0, 0xD4), b"y"), (range(0xD4, 0xD8), b"h"), (range(0xD8, 0xDC), b"r"), (range(0xDC, 0xE0), b"o"),
        (b"\xe0", b"i"), (b"\xe1", b"e"), (b"\xe2", b"S"), (b"\xe3", b"k"), (range(0xE4, 0xEA), b"H"),
        (range(0xEA, 0xEE), b"K"), (b"\xee", b"o"), (b"\xef", b"f"), (range(0xF0, 0x100), b"z"),
    ):  # fmt: skip
        for member in members:
            table[member] = name[0]
    return bytes(table)


CLASSES = _classes()
_FREQUENT = b"cv "
_WORDS = bytes(
    ord("a") if name in b"vcAl" else ord(".") if name in b'."+\\_' else ord("0") if name == ord("0") else ord(" ")
    for name in range(256)
)
"""From classes to letters, marks, digits and all else."""

WEIGHTS: Mapping[str, float] = {
    "lines": -0.215,
    "blanks": 0.085,
    "stops": 1.353,
    "brackets": 1.523,
    "operators": 1.115,
    "backslashes": 2.239,
    "underscores": 1.336,
    "marks_in_a_row": -1.776,
    "words_after_a_mark": -1.017,
    "words": 1.045,
    "threes": -0.072,
    "fives": 0.027,
    "eights": 0.190,
    "elevens": 0.065,
    "capitals": 0.161,
    "capitals_in_a_row": 0.020,
    "camels": 0.555,
    "digits_at_letters": 0.587,
    "four_consonants": 1.372,
    "controls": 1.000,
    "rare_words": -0.157,
    "rare_fives": 0.690,
    "rare_eights": 0.339,
    "latin_signs": 1.085,
    "latin_accents": 0.900,
    "combining": 0.984,
    "greek": 1.010,
    "cyrillic": 0.355,
    "armenian_hebrew": 1.000,
    "arabic": 0.427,
    "rest": 1.000,
    "ethiopic_to_khmer": 1.577,
    "symbols": 1.532,
    "han": 0.596,
    "hangul": 0.780,
    "fullwidth": 1.105,
    "emoji": 0.965,
    "cjk_marks": 0.761,
    "kana": 0.637,
    "thai": 0.610,
    "devanagari": 1.139,
    "bengali": 1.298,
    "telugu": 1.683,
    "indic_rest": 1.674,
    "vietnamese": -1.171,
    "fullwidth_marks": 1.014,
}
_VALUES = tuple(WEIGHTS.values())

ASCII_FEATURES = (
    "lines", "blanks", "stops", "brackets", "operators", "backslashes", "underscores", "marks_in_a_row",
    "words_after_a_mark", "words", "threes", "fives", "eights", "elevens", "capitals", "capitals_in_a_row",
    "camels", "digits_at_letters", "four_consonants", "controls", "rare_words", "rare_fives", "rare_eights",
)  # fmt: skip
OTHER_FEATURES = (
    "latin_signs", "latin_accents", "combining", "greek", "cyrillic", "armenian_hebrew", "arabic", "rest",
    "ethiopic_to_khmer", "symbols", "han", "hangul", "fullwidth", "emoji", "cjk_marks", "kana", "thai",
    "devanagari", "bengali", "telugu", "indic_rest", "vietnamese", "fullwidth_marks",
)  # fmt: skip
FEATURES = ASCII_FEATURES + OTHER_FEATURES


class Estimate(NamedTuple):
    """Tokens to expect, and a bound that is rarely passed."""

    tokens: float
    upper: float


def estimate_request(request: Request) -> tuple[int, int]:
    """Return the tokens to expect of the prompt without its media, and their upper bound."""
    found, marks = pieces(request)
    texts: list[str] = []
    for before, text, after in found:
        marks += FRAME_TOKENS[before] + FRAME_TOKENS[after]
        texts.append(text)
    tokens, upper = estimate(texts)
    return marks + round(tokens), marks + math.ceil(upper)


def estimate(texts: Sequence[str]) -> Estimate:
    """Estimate the tokens of texts, taken together."""
    chars = sum(map(len, texts))
    if not chars:
        return Estimate(0.0, 0.0)
    sample = "\n".join(texts) if chars <= SAMPLE_CHARS else _sample(texts, chars)
    digits, rare, counts = features(sample)
    tokens = max(1.0, len(sample) / LONGEST_TOKEN, digits + sum(map(mul, _VALUES, counts)))
    upper = tokens * (1 + BOUND_SHARE) + rare * BOUND_PER_RARE_WORD
    scale = chars / len(sample) if chars > SAMPLE_CHARS else 1.0
    most = sum(len(text) if text.isascii() else 4 * len(text) for text in texts)
    return Estimate(min(tokens * scale, most), min(upper * scale + BOUND_TOKENS, most))


def features(text: str) -> tuple[int, float, list[float]]:
    """Return the digits (a token each), the rare words, and the counts that weights apply to.

    Texts of ASCII alone have only the first part of the counts.
    """
    data = text.encode("utf-8", "replace")
    ascii_only = len(data) == len(text)
    classes = data.translate(CLASSES) if ascii_only else data.translate(CLASSES, _CONTINUATION)
    # What is neither a blank nor a small letter is little in most texts, and quickly counted.
    count_sign = classes.translate(None, _FREQUENT).count
    count = classes.count
    letters = classes.translate(_WORDS)
    count_word = letters.count
    capitals = count_sign(b"A")
    in_a_row = camels = at_letters = 0
    if capitals:
        in_a_row = count(b"AA")
        camels = count(b"cA") + count(b"vA")
    digits = count_sign(b"0")
    if digits:
        at_letters = count_word(b"0a") + count_word(b"a0")
    after_mark = count_word(b".a")
    words = count_word(b" a") + after_mark + 1
    fives = count_word(b"aaaaa")
    eights = count_word(b"aaaaaaaa")
    rarity = _rarity(data, words)
    counts: list[float] = [
        count_sign(b"\n"), count(b"  "), count_sign(b"."), count_sign(b'"'), count_sign(b"+"), count_sign(b"\\"),
        count_sign(b"_"), count_word(b".."), after_mark, words, count_word(b"aaa"), fives, eights,
        count_word(b"aaaaaaaaaaa"), capitals, in_a_row, camels, at_letters, count(b"cccc"), count_sign(b"\x01"),
        rarity * words, rarity * fives, rarity * eights,
    ]  # fmt: skip
    if not ascii_only:
        counts += _other_counts(data, count_sign)
    return digits, rarity * words, counts


def _rarity(data: bytes, words: int) -> float:
    """Return how far a text is from English with a function word in six, from 0 to 1."""
    if words <= 2:
        return 1.0
    heard = 0
    for word in _FUNCTION_WORDS:
        heard += data.count(word)
        if 6 * heard >= words:
            return 0.0
    return 1 - 6 * heard / words


def _other_counts(data: bytes, count: Callable[[bytes], int]) -> list[float]:
    """Count characters beyond ASCII; where a first byte is shared by scripts, the second tells."""
    count_byte = data.count
    indic, kana, e1, fullwidth = count(b"i"), count(b"k"), count(b"e"), count(b"f")
    thai = devanagari = bengali = telugu = 0
    if indic:
        thai = count_byte(b"\xe0\xb8") + count_byte(b"\xe0\xb9")
        devanagari = count_byte(b"\xe0\xa4") + count_byte(b"\xe0\xa5")
        bengali = count_byte(b"\xe0\xa6") + count_byte(b"\xe0\xa7")
        telugu = count_byte(b"\xe0\xb0") + count_byte(b"\xe0\xb1")
    cjk_marks = count_byte(b"\xe3\x80") if kana else 0
    vietnamese = count_byte(b"\xe1\xba") + count_byte(b"\xe1\xbb") if e1 else 0
    fullwidth_marks = count_byte(b"\xef\xbc") if fullwidth else 0
    return [
        count(b"s"), count(b"l"), count(b"m"), count(b"g"), count(b"y"), count(b"h"), count(b"r"), count(b"o"),
        e1 - vietnamese, count(b"S"), count(b"H"), count(b"K"), fullwidth - fullwidth_marks, count(b"z"),
        cjk_marks, kana - cjk_marks, thai, devanagari, bengali, telugu,
        indic - thai - devanagari - bengali - telugu, vietnamese, fullwidth_marks,
    ]  # fmt: skip


def _sample(texts: Sequence[str], chars: int) -> str:
    """Take windows from the texts, evenly spread over all of them."""
    width = SAMPLE_CHARS // _WINDOWS
    stride = (chars - width) / (_WINDOWS - 1)
    starts = [int(index * stride) for index in range(_WINDOWS)]
    if len(texts) == 1:
        text = texts[0]
        return "".join([text[start : start + width] for start in starts])
    taken: list[str] = []
    position, index = 0, 0
    for text in texts:
        end = position + len(text)
        while index < _WINDOWS and starts[index] < end:
            start = starts[index] - position
            taken.append(text[start : start + width])
            index += 1
        position = end
    return "".join(taken)
