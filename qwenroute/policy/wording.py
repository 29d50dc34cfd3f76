"""What a request says, as far as an operator's own words, patterns and examples are held against it.

That is the last user turn and nothing else: a system prompt, a tool's result or an earlier answer
cannot set off what was taught. Of a long turn it is the beginning and the end, as the model reads
it, so that the time this takes is bounded.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from types import MappingProxyType

from qwenroute.analysis.view import ASK_CHARS, shorten, text_of
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import TextNeeded

WINDOW_CHARS = ASK_CHARS + 1
"""The most that is read of a text; the beginning and the end are put together with a line's end."""

_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, kana, Han; and Hangul, whose particles stick to the words before them."""
_WORD = re.compile(rf"[^\W{_UNSPACED}]+")
_SPLIT = {code: " " for code in range(128) if not (chr(code).isalnum() or chr(code) == "_")}
"""What ends a word in ASCII; a third of the time that the expression takes."""
_INVISIBLE = dict.fromkeys((*range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xAD, 0xFEFF))
is_unspaced = re.compile(f"[{_UNSPACED}]").search
is_word = _WORD.fullmatch


@dataclass(frozen=True, slots=True)
class Alike:
    """How near a request came to the policy's examples: the text of each that is near enough, and how near."""

    similarities: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    silent: str | None = None
    """Why the encoder said nothing, where it should have."""


def fold(text: str) -> str:
    """Return a text without what keywords do not distinguish: case, width, invisible characters, kinds of blanks."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE))
    return " ".join(text.casefold().split())


def joins(char: str) -> bool:
    """Whether a character goes on with the word beside it."""
    if is_unspaced(char):
        return False
    return char.isalnum() or char == "_" or unicodedata.category(char)[0] == "M"


class Wording:
    """The text of one request, made ready when it is first asked for."""

    __slots__ = ("_folded", "_request", "_text", "_words", "alike", "known")

    def __init__(self, request: Request, alike: Alike | None = None) -> None:
        self._request = request
        self._text: str | None = None
        self._folded: str | None = None
        self._words: Set[str] | None = None
        self.alike = alike
        self.known: Mapping[str, float] | None = None
        """Of a recorded request, what was found of the policy's signs, by their names: 0 is nothing."""

    @property
    def text(self) -> str:
        """What was written, bounded."""
        if self._text is None:
            self._text = shorten(_last_turn(self._request))
        return self._text

    @property
    def folded(self) -> str:
        """The same, for comparing."""
        if self._folded is None:
            self._folded = fold(self.text)
        return self._folded

    @property
    def words(self) -> Set[str]:
        """Its words, each by itself also where it stands among a script that writes without blanks."""
        if self._words is None:
            folded = self.folded
            found = folded.translate(_SPLIT).split() if folded.isascii() else _WORD.findall(folded)
            self._words = frozenset(found)
        return self._words


class Recalled(Wording):
    """The wording of a recorded request: its text where the record holds it, and what was found in it.

    Raises TextNeeded where something else is looked for than the record tells.
    """

    __slots__ = ()

    def __init__(self, request: Request, known: Mapping[str, float], text: str | None) -> None:
        super().__init__(request)
        self._text = text
        self.known = known

    @property
    def text(self) -> str:
        """What was written, bounded."""
        if self._text is None:
            raise TextNeeded("text")
        return self._text


def _last_turn(request: Request) -> str:
    if request.kind is Kind.COMPLETION:
        return request.prompt
    for message in reversed(request.messages):
        if message["role"] == "user":
            return text_of(message.get("content"), ASK_CHARS)
    return ""
