"""A whole answer as the stream that it could have come in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping

PIECE_CHARS = 256
"""Of text, in one chunk."""
SOUND_CHARS = 32_768
"""Of base64 in one chunk; a multiple of 4, so that each decodes by itself."""

_written = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_OWN = {"role", "content", "reasoning_content", "refusal", "tool_calls", "audio"}


def as_chunks(answer: bytes) -> list[bytes]:
    """Return the documents of a stream that brings the same answer, its usage last.

    Takes a `chat.completion` or a `text_completion`. Thinking comes before the text, and tool calls
    after it, each with all of its arguments.
    """
    whole = json.loads(answer)
    head = {name: value for name, value in whole.items() if name not in {"choices", "usage"}}
    if head.get("object") == "chat.completion":
        head["object"] = "chat.completion.chunk"
    choices = [part for choice in whole["choices"] for part in _parts(choice)]
    documents = [{**head, "choices": [choice]} for choice in choices]
    if whole.get("usage"):
        documents.append({**head, "choices": [], "usage": whole["usage"]})
    return [_written(document).encode("utf-8", "surrogatepass") for document in documents]


def _parts(choice: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """Yield a choice, part by part, the reason for its end last."""
    index, message, logprobs = choice.get("index", 0), choice.get("message"), choice.get("logprobs")
    # What is told of single tokens goes with the text they are in, which then stays in one piece.
    size = PIECE_CHARS if logprobs is None else None
    last: dict[str, object]
    if isinstance(message, dict):
        for delta in _deltas(message, size):
            told = logprobs if delta.get("content") or delta.get("refusal") else None
            yield {"index": index, "delta": delta, "finish_reason": None, "logprobs": told}
        last = {"delta": {}}
    else:
        for piece in _pieces(choice.get("text"), size):
            yield {"index": index, "text": piece, "finish_reason": None, "logprobs": logprobs}
        last = {"text": ""}
    yield {"index": index, **last, "finish_reason": choice.get("finish_reason"), "logprobs": None}


def _deltas(message: Mapping[str, object], size: int | None) -> Iterator[dict[str, object]]:
    more = {name: value for name, value in message.items() if name not in _OWN and value is not None}
    yield {"role": message.get("role", "assistant"), "content": "", **more}
    for name, most in (("reasoning_content", PIECE_CHARS), ("content", size), ("refusal", size)):
        for piece in _pieces(message.get(name), most):
            yield {name: piece}
    calls = message.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else ()):
        yield {"tool_calls": [{"index": number, **call}]}
    audio = message.get("audio")
    if isinstance(audio, dict):
        yield {"audio": {name: value for name, value in audio.items() if name != "data"}}
        sound = _samples(audio.get("data"))
        for at in range(0, len(sound), SOUND_CHARS):
            yield {"audio": {"data": sound[at : at + SOUND_CHARS]}}


def _pieces(text: object, size: int | None) -> Iterator[str]:
    """Yield a text in pieces of a size, or whole."""
    if not isinstance(text, str) or not text:
        return
    size = size or len(text)
    for at in range(0, len(text), size):
        yield text[at : at + size]


def _samples(data: object) -> str:
    """Return base64 of what streams carry: the samples of a WAV file without its header."""
    if not isinstance(data, str):
        return ""
    if not data.startswith("UklGR"):  # RIFF
        return data
    sound = base64.b64decode(data)
    at = sound.find(b"data", 12)
    return data if at < 0 else base64.b64encode(sound[at + 8 :]).decode("ascii")
