"""The parts of a request that a classifier reads: what is asked, and what stands around it."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from qwenroute.analysis.cues import words_of
from qwenroute.analysis.parts import parts_of
from qwenroute.domain.request import Kind, Request

ASK_CHARS = 2000
SCAN_CHARS = 100_000
CONTEXT_CHARS = 1200
SYSTEM_CHARS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Bounded texts: a long one is its beginning and its end, where requests stand."""

    ask: str
    """The last user turn; for a completion, the prompt."""
    ask_chars: int
    """Its whole length."""
    lowered: str
    """The ask in lower case."""
    words: Set[str]
    """The words of it."""
    fences: int = 0
    """Code fences in the whole of the last user turn, as far as SCAN_CHARS."""
    context: str = ""
    """Earlier turns of both sides, the latest first."""
    system: str = ""
    sees: bool = False
    """There is an image or a video."""
    hears: bool = False
    """There is a sound."""
    tools: bool = False
    fim: bool = False


def view(request: Request, *, sees: bool, hears: bool, fim: bool) -> View:
    """Take from a request what a classifier reads."""
    whole, system = request.prompt, ""
    context: list[str] = []
    if request.kind is Kind.CHAT:
        asked = False
        room = CONTEXT_CHARS
        for message in reversed(request.messages):
            role = message["role"]
            if role == "system":
                system = system or text_of(message.get("content"), SYSTEM_CHARS)[:SYSTEM_CHARS]
            elif role == "user" and not asked:
                whole, asked = text_of(message.get("content"), ASK_CHARS), True
            elif room > 0 and role != "tool":
                # A user's turn says what is going on better than an answer does.
                piece = text_of(message.get("content"), 600)[: 600 if role == "user" else 300]
                context.append(piece)
                room -= len(piece)
    ask = shorten(whole)
    lowered = ask.lower()
    return View(
        ask=ask,
        ask_chars=len(whole),
        lowered=lowered,
        words=words_of(lowered),
        fences=(whole.count("```", 0, SCAN_CHARS) + 1) // 2,
        context="\n".join(context),
        system=system,
        sees=sees,
        hears=hears,
        tools="tools" in request.params,
        fim=fim,
    )


def text_of(content: object, room: int) -> str:
    """Return the text of a message; where it has several parts, the last of them that fit the room."""
    if isinstance(content, str):
        return content
    texts = [part["text"] for part in parts_of(content) if part["type"] == "text"]
    if len(texts) == 1:
        return texts[0]
    kept: list[str] = []
    for text in reversed(texts):
        kept.append(text)
        room -= len(text)
        if room <= 0:
            break
    return "\n".join(reversed(kept))


def shorten(text: str) -> str:
    """Return a text, or the beginning and the end of a long one."""
    if len(text) <= ASK_CHARS:
        return text
    half = ASK_CHARS // 2
    return f"{text[:half]}\n{text[-half:]}"
