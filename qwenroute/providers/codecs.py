"""How the loop reads chat answers and text completions."""

from __future__ import annotations

from openai.types.chat import ChatCompletionChunk

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.price import Usage
from qwenroute.errors import AttemptFailed
from qwenroute.execution.codec import Codec, Collecting
from qwenroute.providers.answers import (
    ChatCompletion,
    Completion,
    decode_chunk,
    decode_completion,
    decode_text_completion,
    is_useful,
    usage_of,
)
from qwenroute.providers.collect import Collector

_BY_ITSELF = (None, "stop", "null")


class ChatCodec(Codec[ChatCompletion, ChatCompletionChunk]):
    """Chat: `chat.completion` and `chat.completion.chunk`."""

    def whole(self, document: bytes) -> ChatCompletion:
        """Read an answer that came in one piece."""
        return decode_completion(document)

    def piece(self, document: bytes) -> ChatCompletionChunk:
        """Read one chunk."""
        return decode_chunk(document)

    def useful(self, piece: ChatCompletionChunk) -> bool:
        """Whether the chunk carries text, reasoning, a tool call or sound."""
        return is_useful(piece)

    def shows(self, piece: ChatCompletionChunk) -> bool:
        """Whether the chunk is more than the usage."""
        return bool(piece.choices)

    def usage(self, part: ChatCompletion | ChatCompletionChunk) -> Usage | None:
        """Return the usage that it reports."""
        return usage_of(part)

    def blank(self, part: ChatCompletion | ChatCompletionChunk) -> bool:
        """Whether there is neither text, reasoning, a tool call, a refusal nor sound, nor a limit that was met."""
        if isinstance(part, ChatCompletionChunk):
            return not is_useful(part) and all(choice.finish_reason in _BY_ITSELF for choice in part.choices)
        for choice in part.choices:
            said = choice.message
            if said.content or said.tool_calls or said.refusal or said.audio or choice.finish_reason not in _BY_ITSELF:
                return False
            if (extra := said.model_extra) and extra.get("reasoning_content"):
                return False
        return True

    def text(self, piece: ChatCompletionChunk) -> str | None:
        """Return the visible text; None beside tool calls, sound, a refusal or a second answer."""
        choices = piece.choices
        if not choices:
            return ""
        delta = choices[0].delta
        if len(choices) > 1 or choices[0].index or delta.tool_calls or delta.refusal:
            return None
        if (extra := delta.model_extra) and extra.get("audio"):
            return None
        return delta.content or ""

    def spoken(self, piece: ChatCompletionChunk) -> str:
        """Return the text of every answer, its thinking, and what it calls tools with."""
        words: list[str] = []
        for choice in piece.choices:
            delta = choice.delta
            words.append(delta.content or "")
            if (extra := delta.model_extra) and isinstance(thinking := extra.get("reasoning_content"), str):
                words.append(thinking)
            words += [(call.function and call.function.arguments) or "" for call in delta.tool_calls or ()]
        return "".join(words)

    def continued(self, piece: ChatCompletionChunk, first: ChatCompletionChunk) -> ChatCompletionChunk:
        """Return the chunk under the id of the stream that it continues."""
        piece.id, piece.created = first.id, first.created
        return piece

    def collector(self) -> Collecting[ChatCompletion, ChatCompletionChunk]:
        """Return an empty collector."""
        return Collector()


class CompletionCodec(Codec[Completion, Completion]):
    """Text completions: whole and piece are of one type."""

    def whole(self, document: bytes) -> Completion:
        """Read an answer that came in one piece."""
        return decode_text_completion(document)

    def piece(self, document: bytes) -> Completion:
        """Read one chunk."""
        return decode_text_completion(document)

    def useful(self, piece: Completion) -> bool:
        """Whether the chunk carries text."""
        return any(choice.text for choice in piece.choices)

    def shows(self, piece: Completion) -> bool:
        """Whether the chunk is more than the usage."""
        return bool(piece.choices)

    def usage(self, part: Completion) -> Usage | None:
        """Return the usage that it reports."""
        return usage_of(part)

    def blank(self, part: Completion) -> bool:  # noqa: ARG002 - the codec of chat reads it
        """Say no: between a prefix and a suffix nothing may be missing."""
        return False

    def text(self, piece: Completion) -> str | None:
        """Return the text."""
        return "".join(choice.text for choice in piece.choices)

    def continued(self, piece: Completion, first: Completion) -> Completion:  # noqa: ARG002 - never resumed
        """Return the chunk as it is: completions are never resumed."""
        return piece

    def collector(self) -> Collecting[Completion, Completion]:
        """Refuse: text completions are streamed only to those who ask for a stream."""
        raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="asked for one piece, got a stream"))


CHAT = ChatCodec()
COMPLETION = CompletionCodec()
