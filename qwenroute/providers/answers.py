"""Decode bytes, once and late, into the types of the `openai` package."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from openai.types import Completion as OpenAICompletion
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion as OpenAIChatCompletion
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, PrivateAttr, ValidationError
from pydantic_core import from_json

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


_PARTS: Mapping[type[BaseModel], str] = {ChatCompletion: "message", ChatCompletionChunk: "delta", Completion: "text"}


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
    # Constructed answers may hold anything; and asking a model for a field that it lacks is slow.
    heard = {} if prompt is None else {**prompt.__dict__, **(prompt.model_extra or {})}
    said = {} if completion is None else completion.__dict__
    return Usage(
        prompt_tokens=_count(usage.prompt_tokens),
        completion_tokens=_count(usage.completion_tokens),
        cached_tokens=_count(heard.get("cached_tokens")),
        reasoning_tokens=_count(said.get("reasoning_tokens")),
        image_tokens=_count(heard.get("image_tokens")),
        video_tokens=_count(heard.get("video_tokens")),
        audio_input_tokens=_count(heard.get("audio_tokens")),
        audio_output_tokens=_count(said.get("audio_tokens")),
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
        value = from_json(document)
    except ValueError:
        raise _malformed("not JSON", document) from None
    if not isinstance(value, dict) or not _walkable(value, _PARTS[shape]):
        raise _malformed("not an answer", document)
    # Hosts leave fields out and invent values for others: what is there is kept as it is.
    return _construct(shape, value)


def _walkable(value: dict[str, Any], part_name: str) -> bool:
    """Whether the parts that are read are where they are read, once gaps are filled in place."""
    choices = value.setdefault("choices", [])
    usage = value.get("usage")
    if isinstance(usage, dict):
        for name in ("prompt_tokens_details", "completion_tokens_details"):
            if not isinstance(usage.get(name), dict):
                usage[name] = None
    else:
        usage = value["usage"] = None
    if not isinstance(choices, list) or not (choices or usage):
        return False
    for position, choice in enumerate(choices):
        if not isinstance(choice, dict):
            return False
        if type(choice.get("index")) is not int:
            choice["index"] = position
        choice.setdefault("finish_reason", None)
        if not isinstance(choice.get("logprobs"), dict):
            choice["logprobs"] = None
        if part_name == "text":
            if not isinstance(choice.setdefault("text", ""), str):
                return False
            continue
        if part_name == "delta" and choice.get("delta") is None:
            choice["delta"] = {}
        part = choice.get(part_name)
        if not isinstance(part, dict) or not isinstance(part.get("content"), str | None):
            return False
        if not _callable(part.get("tool_calls")):
            return False
    return True


def _callable(calls: object) -> bool:
    """Whether tool calls, if there are any, are objects with a function."""
    if calls is None:
        return True
    return isinstance(calls, list) and all(
        isinstance(call, dict)
        and isinstance(function := call.get("function"), dict)
        and isinstance(function.get("name"), str | None)
        and isinstance(function.get("arguments"), str | None)
        and type(call.get("index")) in (int, type(None))
        for call in calls
    )


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


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _held(record: Record | None) -> Record:
    if record is None:
        raise RuntimeError("`route` is set when the router hands the answer over")
    return record
