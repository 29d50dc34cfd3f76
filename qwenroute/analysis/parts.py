"""The shape of content parts, once `read_request` has checked them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict, cast


class Address(TypedDict):
    """Where an image or a video is, or itself as a data URI."""

    url: str


class Sound(TypedDict):
    """A sound as base64, as a data URI or by address."""

    data: str


class Part(TypedDict):
    """One content part; which key is there follows from `type`."""

    type: str
    text: str
    image_url: Address
    video_url: Address
    video: Sequence[str]
    input_audio: Sound
    fps: float


class Function(TypedDict):
    """What a tool call calls."""

    name: str
    arguments: str


class ToolCall(TypedDict):
    """One call in an assistant's message."""

    function: Function


def parts_of(content: object) -> Sequence[Part]:
    """Return the parts of a message's content; none where it is plain text."""
    return cast("Sequence[Part]", content) if isinstance(content, list | tuple) else ()


def calls_of(value: object) -> Sequence[ToolCall]:
    """Return the tool calls of a message."""
    return cast("Sequence[ToolCall]", value) if isinstance(value, list | tuple) else ()
