"""Everything that the platform refuses, with the body it refuses it with."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Callable
from typing import Any

import openai
import pytest

from qwenroute.testing import SimulatorHandle, errors

Connect = Callable[..., openai.OpenAI]

HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}
SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
JSON = {"type": "json_object"}


def part(kind: str, url: str) -> dict[str, Any]:
    return {"type": kind, kind: {"data" if kind == "input_audio" else "url": url}}


def said(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


def data_uri(raw: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(raw).decode()}"


def png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = b""
    for name, data in ((b"IHDR", head), (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")):
        chunks += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + chunks


IMAGE = part("image_url", "https://x.example/i.png")
AUDIO = part("input_audio", "https://x.example/a.mp3")


def frames(count: int) -> dict[str, Any]:
    return {"type": "video", "video": ["https://x.example/f.jpg"] * count}


REFUSALS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "qwq without a stream": ("qwq-32b", {"messages": HELLO}, "stream-only", "only support stream mode"),
    "qvq-max without a stream": ("qvq-max", {"messages": said(IMAGE)}, "stream-only", "only support stream mode"),
    "omni without a stream": ("qwen2.5-omni-7b", {"messages": HELLO}, "stream-only", "only support stream mode"),
    "a prompt beyond the window": (
        "qwen2.5-math-7b-instruct",
        {"messages": [{"role": "user", "content": "one two three " * 3000}]},
        "context-overflow",
        r"Range of input length should be \[1, 3072\]",
    ),
    "max_tokens beyond the model": (
        "qwen-max",
        {"messages": HELLO, "max_tokens": 8193},
        "max-tokens",
        r"Range of max_tokens should be \[1, 8192\]",
    ),
    "max_tokens of nought": ("qwen-max", {"messages": HELLO, "max_tokens": 0}, "max-tokens", "max_tokens"),
    "audio output without a stream": (
        "qwen-omni-turbo",
        {"messages": HELLO, "modalities": ["text", "audio"]},
        "stream-only",
        "stream",
    ),
    "an unknown voice": (
        "qwen2.5-omni-7b",
        {
            "messages": HELLO,
            "stream": True,
            "modalities": ["text", "audio"],
            "audio": {"voice": "Bob", "format": "wav"},
        },
        "voice",
        "Cherry, Serena, Ethan, Chelsie",
    ),
    "audio output of a text model": (
        "qwen-max",
        {"messages": HELLO, "stream": True, "modalities": ["text", "audio"]},
        "feature-unsupported",
        "audio output",
    ),
    "two kinds in one message": (
        "qwen2.5-omni-7b",
        {"messages": said(IMAGE, AUDIO), "stream": True},
        "feature-unsupported",
        "only one modality",
    ),
    "an image to a text model": ("qwen-max", {"messages": said(IMAGE)}, "feature-unsupported", "image input"),
    "audio to a vision model": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(AUDIO)},
        "feature-unsupported",
        "audio input",
    ),
    "video to qvq-72b-preview": (
        "qvq-72b-preview",
        {"messages": said(frames(8)), "stream": True},
        "feature-unsupported",
        "video input",
    ),
    "a second turn with an image to qvq-72b-preview": (
        "qvq-72b-preview",
        {"messages": [*said(IMAGE), {"role": "assistant", "content": "a"}, *HELLO], "stream": True},
        "feature-unsupported",
        "single turn",
    ),
    "too few frames": ("qwen2.5-vl-7b-instruct", {"messages": said(frames(3))}, "video-frames", "4-512"),
    "too many frames": ("qwen2.5-omni-7b", {"messages": said(frames(81)), "stream": True}, "video-frames", "4-80"),
    "a data URI over 10,485,760 bytes": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", "data:image/png;base64," + "A" * 10_485_764))},
        "data-uri",
        "10485760",
    ),
    "text as an image": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", data_uri(b"just text, no image at all")))},
        "image-unreadable",
        "cannot be opened",
    ),
    "an image too small": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", data_uri(png(8, 50))))},
        "image-unreadable",
        "8x50",
    ),
    "an image too narrow": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", data_uri(png(20, 5000))))},
        "image-unreadable",
        "20x5000",
    ),
    "audio without its data prefix": (
        "qwen2.5-omni-7b",
        {"messages": said(part("input_audio", "UklGRg==")), "stream": True},
        "url-error",
        "url error",
    ),
    "a file address": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", "file:///etc/hosts"))},
        "url-error",
        "url error",
    ),
    "a host that cannot be reached": (
        "qwen2.5-vl-7b-instruct",
        {"messages": said(part("image_url", "https://nowhere.invalid/i.png"))},
        "invalid-url-refused",
        "refused the connection",
    ),
    "tool_choice required on a thinking model": (
        "qwq-32b",
        {"messages": HELLO, "stream": True, "tools": [TOOL], "tool_choice": "required"},
        "tool-choice",
        "none or auto",
    ),
    "a tool named to a thinking model": (
        "qwq-plus",
        {"messages": HELLO, "stream": True, "tools": [TOOL], "tool_choice": NAMED},
        "tool-choice",
        "none or auto",
    ),
    "a tool named to a hybrid that thinks": (
        "qwen-plus",
        {"messages": HELLO, "stream": True, "tools": [TOOL], "tool_choice": NAMED, "enable_thinking": True},
        "tool-choice",
        "none or auto",
    ),
    "a tool named that is not there": (
        "qwen-max",
        {"messages": HELLO, "tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}},
        "tool-choice",
        "not among the tools",
    ),
    "tools to a model without": (
        "qwen2.5-math-7b-instruct",
        {"messages": HELLO, "tools": [TOOL]},
        "tools-unsupported",
        "tool call not supported",
    ),
    "a tool named search": ("qwen-max", {"messages": HELLO, "tools": [SEARCH]}, "malformed-request", "'search'"),
    "JSON mode without the word": (
        "qwen-max",
        {"messages": HELLO, "response_format": JSON},
        "json-word",
        "word 'json'",
    ),
    "JSON mode while thinking": (
        "qwen-plus",
        {
            "messages": [{"role": "user", "content": "json"}],
            "response_format": JSON,
            "stream": True,
            "enable_thinking": True,
        },
        "json-thinking",
        "not supported when enable_thinking is true",
    ),
    "JSON mode of a model without": (
        "qwq-32b",
        {"messages": [{"role": "user", "content": "json"}], "response_format": JSON, "stream": True},
        "feature-unsupported",
        "response_format",
    ),
    "enable_thinking on a model that cannot": (
        "qwen-max",
        {"messages": HELLO, "enable_thinking": True},
        "feature-unsupported",
        "hybrid",
    ),
    "enable_thinking on a model that always does": (
        "qwq-plus",
        {"messages": HELLO, "stream": True, "enable_thinking": False},
        "feature-unsupported",
        "hybrid",
    ),
    "thinking_budget beyond the model": (
        "qwen-plus",
        {"messages": HELLO, "stream": True, "enable_thinking": True, "thinking_budget": 10_000_000},
        "thinking-budget",
        "thinking_budget out of range",
    ),
    "thinking_budget on a model that cannot": (
        "qwen-max",
        {"messages": HELLO, "thinking_budget": 10},
        "feature-unsupported",
        "hybrid",
    ),
    "reasoning_effort on a model without": (
        "qwen-plus",
        {"messages": HELLO, "reasoning_effort": "high"},
        "feature-unsupported",
        "reasoning_effort",
    ),
    "several choices of a model that gives one": (
        "qwen-max",
        {"messages": HELLO, "n": 2},
        "parameter-range",
        r"n must be in \[1, 1\]",
    ),
    "several choices with tools": (
        "qwen-plus",
        {"messages": HELLO, "n": 2, "tools": [TOOL]},
        "parameter-range",
        r"n must be in \[1, 1\]",
    ),
    "partial mode of a model without": (
        "qwq-32b",
        {"messages": [*HELLO, {"role": "assistant", "content": "x", "partial": True}], "stream": True},
        "feature-unsupported",
        "partial mode",
    ),
    "a partial message in the middle": (
        "qwen-max",
        {"messages": [{"role": "assistant", "content": "x", "partial": True}, *HELLO]},
        "malformed-request",
        "last message",
    ),
    "thinking sent back": (
        "qwq-plus",
        {"messages": [*HELLO, {"role": "assistant", "content": "a", "reasoning_content": "b"}, *HELLO], "stream": True},
        "malformed-request",
        "reasoning_content must not be sent back",
    ),
    "stream_options without a stream": (
        "qwen-max",
        {"messages": HELLO, "stream_options": {"include_usage": True}},
        "malformed-request",
        "stream_options",
    ),
    "no messages": ("qwen-max", {"messages": []}, "empty-input", "messages"),
    "an unknown role": ("qwen-max", {"messages": [{"role": "robot", "content": "x"}]}, "malformed-request", "robot"),
    "a message without content": ("qwen-max", {"messages": [{"role": "user"}]}, "malformed-request", "content"),
    "an unknown part": ("qwen-max", {"messages": said({"type": "smell"})}, "malformed-request", "smell"),
    "an unknown format": (
        "qwen-max",
        {"messages": HELLO, "response_format": {"type": "xml"}},
        "malformed-request",
        "xml",
    ),
}
RANGES = {
    "temperature": ([2, -0.1, "hot", True], [0, 1.99]),
    "top_p": ([0, 1.1], [0.01, 1]),
    "top_k": ([-1, 1.5], [0, 100]),
    "repetition_penalty": ([0], [0.1, 1.05]),
    "presence_penalty": ([-2.1, 2.1], [-2, 2]),
    "seed": ([-1, 2**31], [0, 2**31 - 1]),
}


def call(client: openai.OpenAI, body: dict[str, Any], path: str = "/chat/completions") -> Any:
    return client.post(path, body=body, cast_to=object)


@pytest.mark.parametrize("case", REFUSALS)
def test_what_the_platform_refuses(client: openai.OpenAI, case: str) -> None:
    """Each refusal has the status, the code and the words of the error table."""
    model, body, name, message = REFUSALS[case]
    error = errors()[name]
    with pytest.raises(openai.APIStatusError, match=message) as caught:
        call(client, {"model": model, **body})
    assert caught.value.status_code == error.status
    assert caught.value.code == error.code
    assert caught.value.request_id


@pytest.mark.parametrize("name", RANGES)
def test_parameters_keep_to_their_ranges(client: openai.OpenAI, name: str) -> None:
    """Values beyond the range are refused by name, the bounds themselves are taken as documented."""
    refused, taken = RANGES[name]
    for value in refused:
        with pytest.raises(openai.BadRequestError, match=f"{name} must be in"):
            call(client, {"model": "qwen-max", "messages": HELLO, name: value})
    for value in taken:
        assert call(client, {"model": "qwen-max", "messages": HELLO, name: value})


def test_reasoning_effort_and_budget_exclude_each_other(today: SimulatorHandle, connect: Connect) -> None:
    """Of the two ways to bound thinking only one may be used."""
    client = connect(today.dashscope_url())
    with pytest.raises(openai.BadRequestError, match="exclude each other"):
        call(
            client,
            {
                "model": "qwen4-max",
                "messages": HELLO,
                "stream": True,
                "reasoning_effort": "low",
                "thinking_budget": 100,
            },
        )


def test_a_small_bound_on_qwen4_max_leaves_an_empty_answer(today: SimulatorHandle, connect: Connect) -> None:
    """Its `max_tokens` bounds thinking and answer together: 200, no text, `length`."""
    answer = connect(today.dashscope_url()).chat.completions.create(model="qwen4-max", messages=HELLO, max_tokens=3)
    assert answer.choices[0].message.content == ""
    assert answer.choices[0].finish_reason == "length"


def test_broken_tool_arguments_in_the_history_are_an_internal_error(client: openai.OpenAI) -> None:
    """The platform answers 500 to a caller's mistake here."""
    broken = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{"}}
    messages = [*HELLO, {"role": "assistant", "content": None, "tool_calls": [broken]}]
    with pytest.raises(openai.InternalServerError, match="not valid JSON") as caught:
        call(client, {"model": "qwen-max", "messages": messages, "tools": [TOOL]})
    assert caught.value.code == "internal_error"


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff"])
def test_a_body_that_is_no_object_is_refused(client: openai.OpenAI, body: bytes) -> None:
    """Nothing but a JSON object is taken."""
    with pytest.raises(openai.BadRequestError, match="not"):
        client.post("/chat/completions", content=body, cast_to=object)


def test_a_body_without_a_model_is_refused(client: openai.OpenAI) -> None:
    """The missing model has an error of its own."""
    with pytest.raises(openai.BadRequestError) as caught:
        call(client, {"messages": HELLO})
    assert caught.value.code == "BadRequest.EmptyModel"


def test_completions_are_offered_in_beijing_to_coders_only(sim: SimulatorHandle, connect: Connect) -> None:
    """Elsewhere the path is unknown; other models refuse, and so does `suffix`."""
    body = {"model": "qwen-plus", "prompt": "x"}
    with pytest.raises(openai.NotFoundError) as elsewhere:
        call(connect(sim.dashscope_url("intl-singapore")), body, "/completions")
    assert elsewhere.value.code == "NotFound"
    beijing = connect(sim.dashscope_url("cn-beijing"))
    with pytest.raises(openai.NotFoundError) as wrong_model:
        call(beijing, body, "/completions")
    assert wrong_model.value.code == "model_not_supported"
    with pytest.raises(openai.BadRequestError, match="suffix"):
        call(beijing, {"model": "qwen2.5-coder-7b-instruct", "prompt": "x", "suffix": "y"}, "/completions")
    with pytest.raises(openai.BadRequestError, match="prompt"):
        call(beijing, {"model": "qwen2.5-coder-7b-instruct"}, "/completions")


def test_a_system_message_does_not_move_qvq(client: openai.OpenAI) -> None:
    """QVQ takes a system message and pays it no attention."""

    def text(messages: list[dict[str, Any]]) -> str:
        stream = client.chat.completions.create(model="qvq-max", messages=messages, stream=True)
        return "".join(c.choices[0].delta.content or "" for c in stream)

    assert text([{"role": "system", "content": "Be rude"}, *said(IMAGE)]) == text(said(IMAGE))


def test_what_is_refused_leaves_the_connection_in_use(client: openai.OpenAI) -> None:
    """After a refusal the next request succeeds."""
    with pytest.raises(openai.BadRequestError):
        call(client, {"model": "qwen-max", "messages": []})
    assert call(client, {"model": "qwen-max", "messages": HELLO})
