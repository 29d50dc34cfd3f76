"""What in a text hints at its task: words, phrases and shapes, in many languages.

A cue is a name; what it says about the task and the difficulty is in `weights.json`. Words are looked up in
one table, and scripts that write without blanks are searched for substrings (`lexicon.txt`). Shapes are regular
expressions without nested repetition, each behind a cheap test.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Set
from operator import add

from qwenroute.analysis import lexicon

DENSE_CHARS = 400
"""What is read of each end of a text without blanks."""
STATED_CHARS = 800
"""Beyond these, facts followed by a question are a passage."""

_PHRASES: Mapping[str, str] = {
    "how many": "how_many", "how much": "how_many", "how far": "how_many", "how old": "how_many",
    "how long": "how_long", "what is the value": "what_value", "find the": "find_the", "find all": "find_all",
    "what is the probability": "what_value", "determine all": "find_all", "such that": "such_that",
    "let $": "let_be", "suppose that": "let_be", "real number": "let_be", "positive integer": "positive_integer",
    "which of the following": "which_of", "which one of the following": "which_of",
    "each of the following": "which_of",
    "true or false": "true_false", "true, false": "true_false", "the following statement": "true_false",
    "if the above": "if_true", "must be true": "if_true", "could be true": "if_true", "cannot be true": "if_true",
    "if true": "if_true", "does this mean": "does_this", "does this imply": "does_this",
    "does this entail": "does_this",
    "can we conclude": "does_this", "can we say": "does_this", "can it be": "does_this", "we conclude": "does_this",
    "can be inferred": "does_this", "what can be concluded": "does_this", "follows from": "does_this",
    "completes the": "series", "complete the pattern": "series", "question mark": "series", "odd one out": "series",
    "gehört nicht": "series", "passt nicht": "series", "n'appartient pas": "series", "no pertenece": "series",
    "non appartiene": "series", "não pertence": "series", "hoort er niet": "series", "nie pasuje": "series",
    "tidak termasuk": "series", "gruba uymaz": "series", "does not belong": "series", "doesn't belong": "series",
    "لا تنتمي": "series", "समूह से अलग": "series",
    "next number": "series", "comes next": "series", "next in the": "series",
    "as an expert": "role", "act as": "role", "pretend": "role", "imagine you": "role", "you are a": "role",
    "write a function": "write_function", "write a program": "write_function", "write a script": "write_function",
    "write code": "write_function", "write a query": "write_function", "a function": "a_function",
    "the function should": "write_function", "command line": "a_function", "source code": "a_function",
    "stack overflow": "a_function", "error message": "a_function",
    "c++": "code_language", "c#": "code_language", ".net": "code_language", ".js": "code_language",
    "what am i": "riddle", "who am i": "riddle", "the more you": "riddle", "what has": "riddle", "what gets": "riddle",
    "what goes": "riddle", "what can you": "riddle", "qué soy": "riddle", "quién soy": "riddle", "suis-je": "riddle",
    "was bin ich": "riddle", "wer bin ich": "riddle", "cosa sono": "riddle", "chi sono io": "riddle",
    "o que é que": "riddle", "que sou eu": "riddle", "wat ben ik": "riddle", "vad är jag": "riddle", "jestem": "riddle",
    "кто я": "riddle", "что я такое": "riddle", "хто я": "riddle", "ben neyim": "riddle", "apakah aku": "riddle",
    "mi vagyok": "riddle", "ce sunt": "riddle", "τι είμαι": "riddle", "من أنا": "riddle", "ما هو الشيء": "riddle",
    "मैं कौन हूँ": "riddle", "tôi là gì": "riddle",
    "what does": "what_does", "not working": "broken", "doesn't work": "broken", "does not work": "broken",
    "fails": "broken", "wrong with": "broken", "how do i": "how_do_i", "how to": "how_do_i", "how can i": "how_do_i",
    "http": "address", "what is": "what_is", "what are": "what_are", "answer the question": "answer_from",
    "following paragraph": "answer_from", "according to": "answer_from", "in the passage": "answer_from",
    "your response": "format_rule", "your answer": "format_rule", "in your": "format_rule",
    "should be": "format_rule",
    "at least": "format_rule", "words or": "format_rule", "letters": "format_rule",
    "are you sure": "follow_up", "go on": "follow_up", "and now": "follow_up", "try again": "follow_up",
    "think again": "follow_up", "check again": "follow_up", "step by step": "follow_up",
    "that is wrong": "follow_up", "what if": "what_if", "instead of": "what_if",
    "select * from": "code_strong", "order by": "code_strong", "group by": "code_strong", "left join": "code_strong",
    "who is who": "logic_strong", "always lies": "logic_strong", "tells the truth": "logic_strong",
    "dynamic programming": "hard_word", "lock-free": "hard_word", "thread-safe": "hard_word", "np-hard": "hard_word",
    "truth-teller": "logic_strong", "binary search": "code_strong", "are all": "syllogism",
    "some of the": "syllogism",
    "can we say that all": "syllogism", "time complexity": "hard_word", "necessary and sufficient": "hard_word",
    "prove that": "proof_phrase", "show that": "proof_phrase",
}  # fmt: skip

_SIGNS = {"c++": "+", "c#": "#", ".net": ".", ".js": ".", "let $": "$", "http": "h"}
"""Phrases that are not made of words, and a sign of each that few texts have."""
_STOP = frozenset({"the", "of", "to", "is", "a", "in", "for", "and", "you", "are", "do", "i", "what", "if", "how"})


def _anchored() -> dict[str, list[tuple[str, str]]]:
    """File each phrase under its most telling word, so that few are searched for in a text."""
    filed: dict[str, list[tuple[str, str]]] = {}
    for phrase, cue in _PHRASES.items():
        if phrase not in _SIGNS:
            words = phrase.replace(",", " ").replace("'", " ").split()
            anchor = max(words, key=lambda word: (word not in _STOP, len(word)))
            filed.setdefault(anchor, []).append((phrase, cue))
    return filed


_ANCHORED = _anchored()
_ANCHORS = frozenset(_ANCHORED)

_WORD_CUES, _INSIDE_CUES = lexicon.read()
_BEGINNINGS: dict[str, list[tuple[str, str]]] = {}
"""What is searched for inside a text, by its first two signs, or by the only one."""
for _part, _cue in _INSIDE_CUES.items():
    _BEGINNINGS.setdefault(_part[:2], []).append((_part, _cue))
_ALL_BEGINNINGS = frozenset(_BEGINNINGS)

_LATEX = re.compile(
    r"\\(?:frac|sqrt|sum|int|left|right|cdot|times|leq?|geq?|angle|triangle|pi|theta|alpha|ldots|dots|mathbb|infty|"
    r"begin|text|log|sin|cos|lim|circ|overline|quad|qquad|in|ne|pm|div|equiv)(?![a-z])"
)
_DOLLARS = re.compile(r"\$[^$\n]{1,200}\$")
# Searching for line ends is quick, for the multiline `^` it is not: these are searched for in "\n" + text.
_OPTION = re.compile(r"\n {0,4}\(?[A-Ea-e1-5][).、．:：]")
_NUMBER_OPTION = re.compile(r"\n {0,4}\(?[A-Ea-e1-5][).、．:：] ?[-$\\(£€₹Rs. ]{0,4}\d")
_CODE_LINE = re.compile(
    r"\n[ \t]{0,24}(?:def |class \w+[:({]|import \w|from \w+ import|#include|public |private |function\s*\w*\(|const |"
    r"let \w+ =|"
    r"var \w+ =|return\b|for ?\(|if ?\(|select\s.{1,200}\sfrom\b|create table|insert into|<\?php|<!doctype|</?\w+>|"
    r"print\(|console\.|\$ ?\w+|>>> |@\w+$|\w+\.\w+\()",
    re.MULTILINE | re.IGNORECASE,
)
_CODE_INLINE = re.compile(
    r"\b(?:for \w+ in \w+[\w.]*(?:\(.{0,40}\))? ?:|for ?\(\w* ?\w+ ?=|(?:while|if) \(?\w+ ?[=<>!]=? ?\w+\)? ?[:{]|"
    r"def \w+\(|print\(|console\.\w+\(|return [\w.]{1,30};|len\(\w)|"
    r"[\w)\]] ?(?:===?|!==?|\+=|-=|&&|\|\||:=|=>) ?[\w(\[{\"']|\w(?:\+\+|--)[;)]"
)
"""Code in the middle of a sentence: statements and operators that neither prose nor mathematics writes so."""
_CODE_END = re.compile(r"[;{}][ \t]*$", re.MULTILINE)
_ROW = re.compile(r"\d[,、،] ?-?\d{1,9}[,、،] ?-?\d{1,9}[,、،] ?-?\d")
"""Four numbers one after another."""
_DENSE = re.compile("[\u0600-\u1fff\u2e80-\uffff]")
_SPLIT = bytes(code if code > 127 or chr(code).isalpha() else 0x20 for code in range(256))
_QUESTION_ENDS = ("?", "？", "؟", "か。", "か")
_SERIES_END = ("_", "_?", "...", "…", "? ?", "...?", "…?")
_LETTER_ROW = re.compile(r"(?<![^\W_])[^\W\d_][,;]? [^\W\d_][,;]? [^\W\d_][,;]? [^\W\d_](?![^\W_])")
"""Four letters that stand alone, one after another."""
_MATH_SIGNS = "∫∑Σ√∂∇∞≤≥≠≈≡∈∉⊂⊆∪∩²³⁴ⁿ±×÷∠△⊥∥"
_LOGIC_SIGNS = "∀∃¬∧∨⊢⊨∴↔⇔"
_GREEK = re.compile("[α-ω]")
_THAI = re.compile("[ก-๙]")
_THAI_ASKS = re.compile("ไหม|อะไร|ใด|ใคร|กี่|เท่าไร|เท่าไหร่|อย่างไร|ยังไง|ที่ไหน|เมื่อไร|ทำไม|หรือไม่|หรือเปล่า")
_MARKS = "¿¡«»“”„’‘…–—،؟؛।"
"""Marks beyond ASCII that stand at words."""


def _classes() -> bytes:
    table = bytearray(b"," * 256)
    for code in range(128):
        sign = chr(code)
        table[code] = ord(
            "a" if sign.islower() else "A" if sign.isupper() else "0" if sign.isdigit()
            else "+" if sign in "+-*/=^<>" else " " if sign.isspace() else sign if sign in "_(." else ","
        )  # fmt: skip
    return bytes(table)


_CLASSES = _classes()
_NUMBERS = (b" 0", b",0", b"a0", b"+0", b"(0")
_LETTERS = (b" a, a, a", b" A, A, A", b" A A A ", b" a a a ")
_SUMS = (b"0+0", b"0 + 0", b"0+a", b"0 + a", b"a + 0", b"a+0")
_EQUATIONS = (b" a + ", b"0a + ", b"a(a) +", b"0a+", b" a+0", b"a^0", b"+ 0a", b"+0a")
_IDENTIFIERS = ((b"_", b"a_a"), (b"A", b"aA"), (b"(", b"a("), (b".", b"a.a"))
"""Each behind the sign without which it cannot be: finding one sign takes a tenth of counting two."""


def words_of(lowered: str) -> set[str]:
    """Return the words of a text in lower case; what is written without blanks stays in one piece."""
    plain = lowered.encode("utf-8", "replace").translate(_SPLIT).decode("utf-8")
    if not plain.isascii():
        for mark in _MARKS:
            plain = plain.replace(mark, " ")
    return set(plain.split())


def is_dense(text: str) -> bool:
    """Whether some of a text is in a script that parts no words by blanks, or joins much to them."""
    return not text.isascii() and _DENSE.search(text) is not None


def cues(text: str, lowered: str, words: Set[str]) -> list[str]:
    """Return what a bounded text hints at; a name may stand several times, once per sort of hit."""
    found = Counter(filter(None, map(_WORD_CUES.get, words)))
    for anchor in words & _ANCHORS:
        for phrase, cue in _ANCHORED[anchor]:
            if phrase in lowered:
                found[cue] += 1
    for phrase, sign in _SIGNS.items():
        if sign in lowered and phrase in lowered:
            cue = _PHRASES[phrase]
            found[cue] += 1
    if is_dense(text):
        dense = lowered if len(lowered) <= 2 * DENSE_CHARS else lowered[:DENSE_CHARS] + lowered[-DENSE_CHARS:]
        for beginning in _ALL_BEGINNINGS.intersection({*dense, *map(add, dense, dense[1:])}):
            for part, cue in _BEGINNINGS[beginning]:
                if part in dense:
                    found[cue] += 1
    names: list[str] = []
    for cue, hits in found.items():
        names.append(cue)
        if hits > 1:
            names.append(cue + "+")
            if hits > 3:
                names.append(cue + "++")
    _shapes(text, lowered, names)
    return names


def _shapes(text: str, lowered: str, names: list[str]) -> None:
    note = names.append
    if "```" in text:
        note("fence")
    elif "`" in text:
        note("backtick")
    if "\\" in text and (hits := len(_LATEX.findall(text))):
        note("latex")
        if hits > 4:
            note("latex+")
    if "$" in text and (hits := len(_DOLLARS.findall(text))):
        note("dollars")
        if hits > 3:
            note("dollars+")
    classes = b" " + text.encode("ascii", "replace").translate(_CLASSES)
    count = classes.count
    numbers = sum(map(count, _NUMBERS)) if b"0" in classes else 0
    note("no_number" if not numbers else "one_number" if numbers == 1 else "few_numbers" if numbers < 4 else "numbers")
    if b"+" in classes:
        if numbers and any(map(count, _SUMS)):
            note("sum")
        if any(map(count, _EQUATIONS)):
            note("equation")
    if "%" in text or "％" in text:
        note("percent")
    if b" ++a" in classes:
        note("long_option")
    if b" A000" in classes:
        note("numbered_code")
    if "::" in text or text.count(" : ") > 1:
        note("proportion")
    if any(map(classes.__contains__, _LETTERS)) and _LETTER_ROW.search(text):
        note("letter_row")
    if text[-12:].rstrip().endswith(_SERIES_END):
        note("open_end")
    if not text.isascii():
        if any(map(text.__contains__, _MATH_SIGNS)):
            note("math_sign")
        if any(map(text.__contains__, _LOGIC_SIGNS)):
            note("logic_sign")
    if (b"0, 0" in classes or "、" in text or "،" in text) and _ROW.search(text):
        note("number_row")
    if not numbers and "how_many" in names and len(text) < 120:
        note("counts_nothing")
    if _asks(text[-80:].rstrip()):
        note("question")
        if numbers > 1 and text.count("\n") < 4:
            note("numbers_and_question")
    _statements(text, numbers, names)
    copulas = lowered.count(" is ") + lowered.count(" are ")
    if copulas > 3 and copulas * 60 > len(text):
        note("copulas")
        if copulas > 8:
            note("copulas+")
    identifiers = sum([count(shape) for sign, shape in _IDENTIFIERS if sign in classes])
    if identifiers:
        note("identifier")
        if identifiers > 3:
            note("identifier+")
    if (identifiers or b"+" in classes) and _CODE_INLINE.search(text):
        note("code_inline")
    _lines(text, names)


def _statements(text: str, numbers: int, names: list[str]) -> None:
    """Look, in whatever language, for facts stated one after another, and a question about them."""
    if numbers or "question" not in names:
        return
    wide = text.count("。", 0, -1)
    stops = wide + text.count(". ") + text.count("। ")
    if not stops and not text.isascii() and _THAI.search(text, 0, 80):
        stops = text.count(" ")  # Thai parts its sentences so.
    if stops and len(text) * (3 if wide else 1) < STATED_CHARS:
        names.append("stated_and_asked")
        if stops > 2:
            names.append("stated_and_asked+")


def _lines(text: str, names: list[str]) -> None:
    """Look at how the lines begin and end, and how much there is."""
    note = names.append
    lines = text.count("\n")
    length = len(text) if text.isascii() else len(text) * 2
    if 0 < lines < 6 and length > 250 and _asks_of_a_passage(text):
        note("passage")
    begun = "\n" + text
    if lines > 1 and (options := len(_OPTION.findall(begun))) > 1:
        note("options" if options > 2 else "two_options")
        if len(_NUMBER_OPTION.findall(begun)) * 2 > options:
            note("number_options")
    if (code := len(_CODE_LINE.findall(begun))) > (1 if lines < 3 else 0) or (lines and code):
        note("code_line")
        if code > 3:
            note("code_line+")
    if (";" in text or "{" in text) and len(_CODE_END.findall(text)) > 1:
        note("code_end")
    note("tiny" if length < 40 else "short" if length < 120 else "middling" if length < 400 else
        "long" if length < 1500 else "very_long")  # fmt: skip
    if lines > 4:
        note("lines")


def _asks_of_a_passage(text: str) -> bool:
    """Whether a short question stands apart, before or after a long paragraph."""
    paragraphs = text.strip().split("\n")
    first, last = paragraphs[0].strip(), paragraphs[-1].strip()
    if len(first) < 200 and len(last) > len(first) and _asks(first):
        return True
    return len(last) < 200 and len(first) > len(last) and _asks(last) and not _OPTION.match("\n" + last)


def _asks(end: str) -> bool:
    """Whether a text that ends so is a question: Greek asks with `;`, Thai with words alone."""
    if end.endswith(_QUESTION_ENDS):
        return True
    if end.isascii():
        return False
    return bool(_GREEK.search(end) if end.endswith(";") else _THAI.search(end) and _THAI_ASKS.search(end))
