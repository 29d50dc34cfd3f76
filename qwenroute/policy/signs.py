"""What an operator can look for in a request's own words: keywords, patterns, and examples it resembles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Protocol

from qwenroute.errors import TextNeeded
from qwenroute.policy.wording import Wording, fold, is_unspaced, is_word, joins


class Sign(Protocol):
    """Something that a request's words show, or do not."""

    @property
    def name(self) -> str:
        """What it is known by in records: the same wherever the same is looked for."""

    def found(self, wording: Wording) -> str | None:
        """Return what was found, in words, or None."""


@dataclass(frozen=True, slots=True, eq=False)
class Keywords:
    """Whole words whatever their case; substrings in scripts that write without blanks."""

    keywords: tuple[str, ...]
    _words: frozenset[str] = field(init=False, repr=False)
    _phrases: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        folded = [fold(keyword) for keyword in self.keywords]
        object.__setattr__(self, "_words", frozenset(filter(is_word, folded)))
        object.__setattr__(self, "_phrases", tuple(one for one in folded if not is_word(one)))

    @property
    def name(self) -> str:
        """What it is known by in records."""
        return _name("keywords", self.keywords)

    def found(self, wording: Wording) -> str | None:
        """Return the keyword that stands in the text."""
        if wording.known is not None and (held := wording.known.get(self.name)) is not None:
            return "a keyword, by the record" if held else None
        if self._words and not self._words.isdisjoint(wording.words):
            return f"keyword `{min(self._words & wording.words)}`"
        for phrase in self._phrases:
            if phrase in wording.folded and _stands_alone(phrase, wording.folded):
                return f"keyword `{phrase}`"
        return None


def _name(key: str, texts: Sequence[str]) -> str:
    content = "\0".join(texts).encode(errors="backslashreplace")
    return f"{key}:{blake2b(content, digest_size=6).hexdigest()}"


def _stands_alone(phrase: str, text: str) -> bool:
    """Whether the phrase stands somewhere with nothing that would make a longer word of its ends."""
    if is_unspaced(phrase):
        return True
    start = text.find(phrase)
    while start >= 0:
        end = start + len(phrase)
        before = start > 0 and joins(phrase[0]) and joins(text[start - 1])
        if not before and not (end < len(text) and joins(phrase[-1]) and joins(text[end])):
            return True
        start = text.find(phrase, start + 1)
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """Regular expressions, whatever the case, any of which is found somewhere."""

    sources: tuple[str, ...]
    _compiled: tuple[re.Pattern[str], ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", tuple(re.compile(source, re.IGNORECASE) for source in self.sources))

    @property
    def name(self) -> str:
        """What it is known by in records."""
        return _name("pattern", self.sources)

    def found(self, wording: Wording) -> str | None:
        """Return the pattern that matches."""
        if wording.known is not None and (held := wording.known.get(self.name)) is not None:
            return "a pattern, by the record" if held else None
        for pattern in self._compiled:
            if pattern.search(wording.text) is not None:
                return f"pattern `{pattern.pattern}`"
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Requests that an encoder finds this one to be like; nothing is found where it was not asked."""

    texts: tuple[str, ...]

    @property
    def name(self) -> str:
        """What it is known by in records."""
        return _name("examples", self.texts)

    def nearest(self, wording: Wording) -> tuple[float, str] | None:
        """Return how near the nearest one is, and its text."""
        if wording.known is not None:
            similarity = wording.known.get(self.name)
            if similarity is None:
                raise TextNeeded(self.name)
            return (similarity, self.texts[0]) if similarity else None
        if wording.alike is None:
            return None
        near = wording.alike.similarities
        return max(((near[text], text) for text in self.texts if text in near), default=None)

    def found(self, wording: Wording) -> str | None:
        """Return the nearest example that is near enough."""
        nearest = self.nearest(wording)
        return None if nearest is None else shown(*nearest)


def shown(similarity: float, text: str) -> str:
    """Return an example and how near it is, in a few words."""
    start = " ".join(text.split())
    return f"like `{start if len(start) <= 40 else start[:39] + '…'}` ({similarity:.2f})"
