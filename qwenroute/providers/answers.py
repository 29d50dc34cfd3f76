"""Decode bytes, once and late, into the types of the `openai` package."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from openai.types import Completion as OpenAICompletion
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion as OpenAIChatCompletion
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, PrivateAttr, ValidationError

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.price import Usage
from qwenroute.domain.record import Record
from qwenroute.errors import AttemptFailed
from qwenroute.providers.failures import clean

__all__ = [
    "ChatCompletion",
    "ChatCompletionChunk",
    "Completion",
    "build_completion",
    "decode_chunk",
    "decode_completion",
    "decode_text_completion",
    "is_useful",
    "usage_of",
]

Shape = TypeVar("Shape", bound=BaseModel)


class ChatCompletion(OpenAIChatCompletion):
    """A chat answer, and how it came about."""

    _route: Record | None = PrivateAttr(default=None)

    @property
    def route(self) -> Record:
        """The record of the request: decision, attempts, usage, cost, timings."""
        return _held(self._route)

    @route.setter
    def route(self, record: Record) -> None:
        self._route = record


class Completion(OpenAICompletion):
    """A text completion, and how it came about."""

    _route: Record | None = PrivateAttr(default=None)

    @property
    def route(self) -> Record:
        """The record of the request: decision, attempts, usage, cost, timings."""
        return _held(self._route)

    @route.setter
    def route(self, record: Record) -> None:
        self._route = record


def decode_completion(document: bytes) -> ChatCompletion:
    """Read a whole chat answer.

    Raises:
        AttemptFailed: it is not one.
    """
    answer = _decode(ChatCompletion, document)
    if not answer.choices:
        raise _malformed("an answer without choices", document)
    if b'"reasoning"' in document:
        for choice in answer.choices:
            _name_reasoning(choice.message)
    return answer


def decode_chunk(document: bytes) -> ChatCompletionChunk:
    """Read one chunk of a streamed chat answer.

    Raises:
        AttemptFailed: it is not one.
    """
    chunk = _decode(ChatCompletionChunk, document)
    if b'"reasoning"' in document:
        for choice in chunk.choices:
            _name_reasoning(choice.delta)
    return chunk


def decode_text_completion(document: bytes) -> Completion:
    """Read a text completion, or one chunk of it: they have one shape.

    Raises:
        AttemptFailed: it is not one.
    """
    return _decode(Completion, document)


def build_completion(value: dict[str, Any]) -> ChatCompletion:
    """Make a whole chat answer of plain values."""
    try:
        return ChatCompletion.model_validate(value)
    except ValidationError:
        return _construct(ChatCompletion, value)


def usage_of(part: OpenAIChatCompletion | ChatCompletionChunk | OpenAICompletion) -> Usage | None:
    """Return the tokens that an answer or a chunk reports."""
    usage: CompletionUsage | None = part.usage
    if usage is None:
        return None
    prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        cached_tokens=_count(prompt, "cached_tokens"),
        reasoning_tokens=_count(completion, "reasoning_tokens"),
        image_tokens=_count(prompt, "image_tokens"),
        video_tokens=_count(prompt, "video_tokens"),
        audio_input_tokens=_count(prompt, "audio_tokens"),
        audio_output_tokens=_count(completion, "audio_tokens"),
    )


def is_useful(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk brings text, reasoning, a tool call, a refusal or sound: a first token."""
    for choice in chunk.choices:
        delta = choice.delta
        if delta.content or delta.tool_calls or delta.refusal:
            return True
        extra = delta.model_extra
        if extra and (extra.get("reasoning_content") or extra.get("audio")):
            return True
    return False


def _decode(shape: type[Shape], document: bytes) -> Shape:
    try:
        return shape.model_validate_json(document)
    except ValidationError:
        pass
    try:
        value = json.loads(document)
    except ValueError:
        raise _malformed("not JSON", document) from None
    if not isinstance(value, dict) or not isinstance(value.setdefault("choices", []), list):
        raise _malformed("not an answer", document)
    if not all(isinstance(choice, dict) for choice in value["choices"]):
        raise _malformed("not an answer", document)
    if not value["choices"] and not value.get("usage"):
        raise _malformed("not an answer", document)
    # Hosts leave fields out and invent values for others: what is there is kept as it is.
    return _construct(shape, value)


def _construct(shape: type[Shape], value: dict[str, Any]) -> Shape:
    built = shape.model_construct(**value)
    built.model_post_init(None)  # makes room for the private attribute, which `construct` leaves out
    return built


def _malformed(what: str, document: bytes) -> AttemptFailed:
    shown = clean(document[:200].decode("utf-8", "replace"))
    return AttemptFailed(Failure(kind=FailureKind.MALFORMED, message=f"{what}: {shown}"))


def _name_reasoning(part: BaseModel) -> None:
    """Give thinking the name that DashScope has for it; newer vLLM calls it `reasoning`."""
    extra = part.model_extra
    if extra is not None and isinstance(extra.get("reasoning"), str) and not extra.get("reasoning_content"):
        extra["reasoning_content"] = extra.pop("reasoning")


def _count(part: object, name: str) -> int:
    value = getattr(part, name, None)
    return value if isinstance(value, int) else 0


def _held(record: Record | None) -> Record:
    if record is None:
        raise RuntimeError("`route` is set when the router hands the answer over")
    return record
