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

    def collector(self) -> Collecting[Completion, Completion]:
        """Refuse: text completions are streamed only to those who ask for a stream."""
        raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="asked for one piece, got a stream"))


CHAT = ChatCodec()
COMPLETION = CompletionCodec()
