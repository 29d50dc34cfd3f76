"""Put the chunks of a stream together into the answer that a non-streaming caller expects."""

from __future__ import annotations

import binascii
import io
import wave
from base64 import b64decode, b64encode
from typing import Any

from openai.types.chat.chat_completion_chunk import Choice, ChoiceDelta, ChoiceDeltaToolCall

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.errors import AttemptFailed
from qwenroute.execution.codec import Collecting
from qwenroute.providers.answers import ChatCompletion, ChatCompletionChunk, build_completion

SAMPLE_RATE_HZ = 24_000
SAMPLE_BYTES = 2


class Collector(Collecting[ChatCompletion, ChatCompletionChunk]):
    """Takes chunks in order, gives the whole answer."""

    def __init__(self) -> None:
        self._head: dict[str, Any] = {}
        self._usage: object = None
        self._choices: dict[int, _Choice] = {}

    def add(self, piece: ChatCompletionChunk) -> None:
        """Take the next chunk."""
        for name in ("id", "created", "model", "system_fingerprint", "service_tier"):
            if (value := getattr(piece, name, None)) and name not in self._head:
                self._head[name] = value
        if piece.usage is not None:
            self._usage = piece.usage
        for choice in piece.choices:
            if (held := self._choices.get(choice.index)) is None:
                held = self._choices[choice.index] = _Choice()
            held.add(choice)

    def finish(self) -> ChatCompletion:
        """Return the whole answer.

        Raises:
            AttemptFailed: there was none, or its sound cannot be read.
        """
        if not self._choices:
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="the stream held no answer"))
        head = {"id": "", "created": 0, "model": "", **self._head}
        choices = [
            {"index": index, **held.value(head["id"], head["created"])} for index, held in sorted(self._choices.items())
        ]
        usage = None if self._usage is None else _plain(self._usage)
        return build_completion({**head, "object": "chat.completion", "choices": choices, "usage": usage})


class _Choice:
    """One choice as far as it has arrived."""

    __slots__ = ("_audio", "_content", "_finish", "_logprobs", "_reasoning", "_refusal", "_tools")

    def __init__(self) -> None:
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._refusal: list[str] = []
        self._tools = _ToolCalls()
        self._audio = _Audio()
        self._logprobs: dict[str, list[Any]] = {}
        self._finish: str | None = None

    def add(self, choice: Choice) -> None:
        delta: ChoiceDelta = choice.delta
        finish: str | None = choice.finish_reason
        if finish and finish != "null":  # the platform's native word for "not yet"
            self._finish = finish
        if choice.logprobs is not None:
            for name in ("content", "refusal"):
                if isinstance(found := getattr(choice.logprobs, name, None), list) and found:
                    self._logprobs.setdefault(name, []).extend(_plain(token) for token in found)
        if delta.content:
            self._content.append(delta.content)
        if delta.refusal:
            self._refusal.append(delta.refusal)
        for call in delta.tool_calls or ():
            self._tools.add(call)
        if extra := delta.model_extra:
            if isinstance(reasoning := extra.get("reasoning_content"), str):
                self._reasoning.append(reasoning)
            if isinstance(audio := extra.get("audio"), dict):
                self._audio.add(audio)

    def value(self, answer_id: str, created: int) -> dict[str, Any]:
        tools, audio = self._tools.value(), self._audio.value(answer_id, created)
        content: str | None = "".join(self._content)
        if not content and (tools or audio):
            content = None
        message: dict[str, Any] = {"role": "assistant", "content": content, "refusal": "".join(self._refusal) or None}
        if any(self._reasoning):
            message["reasoning_content"] = "".join(self._reasoning)
        if tools:
            message["tool_calls"] = tools
        if audio:
            message["audio"] = audio
        logprobs = {"content": None, "refusal": None, **self._logprobs} if self._logprobs else None
        finish = self._finish or ("tool_calls" if tools else "stop")
        return {"message": message, "finish_reason": finish, "logprobs": logprobs}


class _ToolCalls:
    """Tool calls, whose arguments arrive in fragments."""

    __slots__ = ("_calls", "_last")

    def __init__(self) -> None:
        self._calls: dict[int, dict[str, Any]] = {}
        self._last = 0

    def add(self, fragment: ChoiceDeltaToolCall) -> None:
        index: int | None = fragment.index
        if index is None:  # some hosts send whole calls without numbers
            index = len(self._calls) if fragment.id else self._last
        self._last = index
        call = self._calls.setdefault(index, {"id": "", "name": "", "arguments": []})
        call["id"] = call["id"] or fragment.id or ""
        if (function := fragment.function) is not None:
            if function.name and function.name != call["name"]:  # some hosts repeat it in every fragment
                call["name"] += function.name
            if function.arguments:
                call["arguments"].append(function.arguments)

    def value(self) -> list[dict[str, Any]]:
        return [
            {
                "id": call["id"] or f"call_{index}",
                "type": "function",
                "function": {"name": call["name"], "arguments": "".join(call["arguments"])},
            }
            for index, call in sorted(self._calls.items())
        ]


class _Audio:
    """Speech, which arrives as base64 of 16-bit mono 24 kHz samples without a header."""

    __slots__ = ("_expires_at", "_id", "_samples", "_text", "_transcript")

    def __init__(self) -> None:
        self._id = ""
        self._expires_at = 0
        self._transcript: list[str] = []
        self._samples = bytearray()
        self._text = ""  # base64 whose group of four was cut by a chunk's end

    def add(self, delta: dict[str, Any]) -> None:
        self._id = self._id or str(delta.get("id") or "")
        if isinstance(expires_at := delta.get("expires_at"), int):
            self._expires_at = expires_at
        if isinstance(transcript := delta.get("transcript"), str):
            self._transcript.append(transcript)
        if isinstance(data := delta.get("data"), str) and data:
            text = self._text + data
            whole = len(text) - len(text) % 4
            self._samples += _decode(text[:whole])  # each piece may be padded on its own
            self._text = text[whole:]

    def value(self, answer_id: str, created: int) -> dict[str, Any] | None:
        samples = self._samples
        if self._text:
            samples = samples + _decode(self._text + "=" * (-len(self._text) % 4))
        if not samples and not self._transcript:
            return None
        return {
            "id": self._id or f"audio_{answer_id}",
            "expires_at": self._expires_at or created,
            "transcript": "".join(self._transcript),
            "data": b64encode(_wav(_without_header(bytes(samples)))).decode("ascii") if samples else "",
        }


def _decode(text: str) -> bytes:
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message=f"sound that is not base64: {error}")) from None


def _without_header(samples: bytes) -> bytes:
    """Return what follows a WAV header, where a host sends one before the first samples."""
    if not samples.startswith(b"RIFF"):
        return samples
    at = samples.find(b"data", 12)
    return samples if at < 0 else samples[at + 8 :]


def _wav(samples: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(SAMPLE_BYTES)
        wav.setframerate(SAMPLE_RATE_HZ)
        wav.writeframes(samples[: len(samples) - len(samples) % SAMPLE_BYTES])
    return file.getvalue()


def _plain(value: Any) -> Any:
    dump = getattr(value, "model_dump", None)
    return dump(exclude_unset=True, warnings=False) if callable(dump) else value
