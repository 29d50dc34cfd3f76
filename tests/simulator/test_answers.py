"""What an answer looks like: whole, in chunks, thinking, speaking, calling tools, in JSON."""

from __future__ import annotations

import base64
import json
import time
from array import array
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import aiohttp
import openai
import pytest

from qwenroute.testing import Options, SimulatorHandle, prompt_digest, simulator

Connect = Callable[..., openai.OpenAI]
MID_2025 = date(2025, 6, 1)

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}},
            "required": ["city", "days"],
        },
    },
}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def collect(stream: Any) -> list[Any]:
    return list(stream)


def text_of(chunks: Sequence[Any]) -> str:
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


def thinking_of(chunks: Sequence[Any]) -> str:
    return "".join(getattr(c.choices[0].delta, "reasoning_content", None) or "" for c in chunks if c.choices)


def test_a_whole_answer_says_that_it_is_simulated_and_whose_it_is(client: openai.OpenAI) -> None:
    """The text names the model and the digest of its own prompt; header and fingerprint agree."""
    raw = client.chat.completions.with_raw_response.create(model="qwen-plus", messages=user("What is a monad?"))
    answer = raw.parse()
    text = answer.choices[0].message.content or ""
    assert text.startswith("[simulated qwen-plus] answer ")
    assert prompt_digest(tuple(user("What is a monad?"))) in text
    assert raw.headers["x-qwenroute-simulated"] == "1"
    assert raw.headers["x-request-id"]
    assert (answer.object, answer.model, answer.system_fingerprint) == ("chat.completion", "qwen-plus", "simulated")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_carries_the_same_text_as_the_whole_answer(client: openai.OpenAI) -> None:
    """Streamed or not, one prompt has one answer; the usage comes last, without choices."""
    whole = client.chat.completions.create(model="qwen-plus", messages=user("hello"))
    chunks = collect(
        client.chat.completions.create(
            model="qwen-plus", messages=user("hello"), stream=True, stream_options={"include_usage": True}
        )
    )
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(c.usage is None for c in chunks[:-1])


def test_no_usage_is_streamed_unless_asked_for(client: openai.OpenAI) -> None:
    """Without `include_usage` no chunk carries a usage."""
    chunks = collect(client.chat.completions.create(model="qwen-plus", messages=user("hello"), stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(c.usage is None for c in chunks)


def test_the_same_seed_gives_the_same_bytes(connect: Connect) -> None:
    """Equal seeds and requests agree to the byte; another seed gives another answer."""

    def bytes_of(seed: int) -> list[bytes]:
        with simulator(on=MID_2025, seed=seed) as running:
            client = connect(running.dashscope_url())
            create = client.chat.completions.with_raw_response.create
            return [create(model="qwen-max", messages=user(text)).content for text in ("one", "two", "three")]

    assert bytes_of(7) == bytes_of(7)
    assert bytes_of(7) != bytes_of(8)


def test_max_tokens_bounds_the_visible_answer(client: openai.OpenAI) -> None:
    """A bound cuts the text and says `length`; thinking is not counted for QwQ."""
    answer = client.chat.completions.create(model="qwen-max", messages=user("hello"), max_tokens=5)
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    chunks = collect(
        client.chat.completions.create(
            model="qwq-plus",
            messages=user("hello"),
            max_tokens=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    details = chunks[-1].usage.completion_tokens_details
    assert (details.text_tokens, details.reasoning_tokens > 5) == (5, True)


def test_a_stop_sequence_ends_the_text_before_itself(client: openai.OpenAI) -> None:
    """The text is cut before the first stop sequence."""
    answer = client.chat.completions.create(model="qwen-max", messages=user("hello"), stop=["]", "never"])
    assert answer.choices[0].message.content == "[simulated qwen-max"


@pytest.mark.parametrize("model", ["qwq-32b", "qwq-plus", "qvq-max"])
def test_thinking_comes_before_the_answer_and_apart_from_it(client: openai.OpenAI, model: str) -> None:
    """`reasoning_content` first with content null, then content; usage counts it."""
    content = [{"type": "text", "text": "Why?"}, {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}]
    message = {"role": "user", "content": content if model == "qvq-max" else "Why?"}
    chunks = collect(
        client.chat.completions.create(
            model=model,
            messages=[message],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    kinds = ["t" if getattr(d, "reasoning_content", None) else "a" for d in deltas[1:-1]]
    assert "".join(kinds).strip("t").strip("a") == ""
    assert kinds[0] == "t"
    assert kinds[-1] == "a"
    assert all(d.content is None for d in deltas if getattr(d, "reasoning_content", None))
    assert thinking_of(chunks).startswith(f"[simulated thinking of {model}]")
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens > 0


def test_a_preview_thinks_in_its_answer(client: openai.OpenAI) -> None:
    """QVQ-72B-Preview has no second channel: its thinking stands in the text."""
    content = [{"type": "text", "text": "Why?"}, {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}]
    chunks = collect(
        client.chat.completions.create(
            model="qvq-72b-preview",
            messages=[{"role": "user", "content": content}],
            stream=True,
        )
    )
    assert thinking_of(chunks) == ""
    assert text_of(chunks).startswith("[simulated thinking of qvq-72b-preview]")
    assert "\n\n[simulated qvq-72b-preview] answer " in text_of(chunks)


def test_a_hybrid_thinks_when_told_to_and_within_its_budget(client: openai.OpenAI) -> None:
    """`enable_thinking` switches, `thinking_budget` bounds."""
    plain = client.chat.completions.create(model="qwen-plus", messages=user("hello"))
    assert getattr(plain.choices[0].message, "reasoning_content", None) is None
    chunks = collect(
        client.chat.completions.create(
            model="qwen-plus",
            messages=user("hello"),
            stream=True,
            stream_options={"include_usage": True},
            extra_body={"enable_thinking": True, "thinking_budget": 3},
        )
    )
    assert chunks[-1].usage.completion_tokens_details.reasoning_tokens == 3


@pytest.mark.parametrize("stream", [False, True])
def test_omni_speaks_a_tune_of_24_khz(sim: SimulatorHandle, client: openai.OpenAI, stream: bool) -> None:
    """The pieces decode to audible 16-bit PCM without a header, beside a transcript."""
    if not stream:
        with pytest.raises(openai.BadRequestError, match="stream"):
            client.chat.completions.create(model="qwen2.5-omni-7b", messages=user("Say hi"))
        return
    chunks = collect(
        client.chat.completions.create(
            model="qwen2.5-omni-7b",
            messages=user("Say hi"),
            modalities=["text", "audio"],
            audio={"voice": "Cherry", "format": "wav"},
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [c.choices[0].delta.audio for c in chunks if c.choices and getattr(c.choices[0].delta, "audio", None)]
    pcm = b"".join(base64.b64decode(p["data"]) for p in pieces if "data" in p)
    transcript = "".join(p.get("transcript", "") for p in pieces)
    samples = array("h", pcm)
    assert transcript.startswith("[simulated qwen2.5-omni-7b] answer ")
    assert not pcm.startswith(b"RIFF")
    assert len(samples) > 24_000
    assert max(samples) > 5_000
    assert text_of(chunks) == ""
    assert chunks[-1].usage.completion_tokens_details.audio_tokens > 0


def test_omni_writes_where_only_text_is_asked_for(client: openai.OpenAI) -> None:
    """Without the audio modality the answer is plain text deltas."""
    chunks = collect(
        client.chat.completions.create(
            model="qwen2.5-omni-7b", messages=user("Say hi"), modalities=["text"], stream=True
        )
    )
    assert text_of(chunks).startswith("[simulated qwen2.5-omni-7b]")


@pytest.mark.parametrize(
    ("prompt", "choice", "expected"),
    [
        ("use get_weather now", "auto", ["get_weather"]),
        ("how are you", "auto", []),
        ("use get_weather now", "none", []),
        ("how are you", {"type": "function", "function": {"name": "get_time"}}, ["get_time"]),
    ],
)
def test_tools_are_called_by_rule(client: openai.OpenAI, prompt: str, choice: Any, expected: list[str]) -> None:
    """A tool is called when the prompt or `tool_choice` names it, with arguments of its schema."""
    answer = client.chat.completions.create(
        model="qwen-max",
        messages=user(prompt),
        tools=[WEATHER, CLOCK],
        tool_choice=choice,
    )
    calls = answer.choices[0].message.tool_calls or []
    assert [c.function.name for c in calls] == expected
    assert answer.choices[0].finish_reason == ("tool_calls" if expected else "stop")
    for call in calls:
        arguments = json.loads(call.function.arguments)
        wanted = {"city": "simulated", "days": 1} if call.function.name == "get_weather" else {}
        assert arguments == wanted


def test_streamed_tool_calls_join_by_index(client: openai.OpenAI) -> None:
    """Fragments carry an index; the first has id and name, the arguments join to JSON."""
    chunks = collect(
        client.chat.completions.create(
            model="qwen-max",
            messages=user("get_weather and get_time, please"),
            tools=[WEATHER, CLOCK],
            parallel_tool_calls=True,
            stream=True,
        )
    )
    names: dict[int, str] = {}
    arguments: dict[int, str] = {}
    for chunk in chunks:
        for fragment in chunk.choices[0].delta.tool_calls or ():
            names[fragment.index] = names.get(fragment.index, "") + (fragment.function.name or "")
            arguments[fragment.index] = arguments.get(fragment.index, "") + (fragment.function.arguments or "")
    assert names == {0: "get_weather", 1: "get_time"}
    assert [json.loads(a) for a in arguments.values()] == [{"city": "simulated", "days": 1}, {}]
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


def test_a_tool_result_is_answered_in_words(client: openai.OpenAI) -> None:
    """After a tool's result the tool is not called again."""
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    messages = [
        *user("get_time"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "noon"},
    ]
    answer = client.chat.completions.create(model="qwen-max", messages=messages, tools=[CLOCK])
    assert answer.choices[0].finish_reason == "stop"


def test_json_mode_answers_with_json(client: openai.OpenAI) -> None:
    """`json_object` gives an object, streamed or not."""
    asked: Any = {
        "model": "qwen-max",
        "messages": user("answer in json"),
        "response_format": {"type": "json_object"},
    }
    whole = client.chat.completions.create(**asked)
    streamed = text_of(collect(client.chat.completions.create(**asked, stream=True)))
    assert json.loads(whole.choices[0].message.content or "")["simulated"] == "qwen-max"
    assert streamed == whole.choices[0].message.content


def test_a_schema_is_kept_to(connect: Connect, today: SimulatorHandle) -> None:
    """`json_schema` gives every required property in its type."""
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}, "minItems": 2},
        },
        "required": ["name", "tags"],
    }
    client = connect(today.dashscope_url())
    answer = client.chat.completions.create(
        model="qwen4-max",
        messages=user("fill it"),
        response_format={"type": "json_schema", "json_schema": {"name": "thing", "schema": schema}},
        extra_body={"reasoning_effort": "none"},
    )
    value = json.loads(answer.choices[0].message.content or "")
    assert isinstance(value["name"], str)
    assert len(value["tags"]) == 2


def test_partial_mode_answers_with_the_continuation_only(client: openai.OpenAI) -> None:
    """The prefix is not repeated."""
    messages = [*user("Write a poem"), {"role": "assistant", "content": "Roses are", "partial": True}]
    answer = client.chat.completions.create(model="qwen-max", messages=messages)
    assert (answer.choices[0].message.content or "").startswith(" [simulated qwen-max] continuation ")


@pytest.mark.parametrize("stream", [False, True])
def test_fill_in_the_middle_answers_on_completions(client: openai.OpenAI, stream: bool) -> None:
    """Coder models of Beijing fill the middle of prefix and suffix."""
    prompt = "<|fim_prefix|>def f():\n    <|fim_suffix|>\n<|fim_middle|>"
    answer = client.completions.create(model="qwen2.5-coder-7b-instruct", prompt=prompt, stream=stream)
    text = "".join(c.choices[0].text for c in answer) if stream else answer.choices[0].text
    assert text.startswith("# [simulated qwen2.5-coder-7b-instruct] middle ")


def test_several_choices_differ(client: openai.OpenAI) -> None:
    """`n` gives that many answers, where the model takes it."""
    answer = client.chat.completions.create(model="qwen-plus", messages=user("hello"), n=3)
    assert [c.index for c in answer.choices] == [0, 1, 2]
    assert len({c.message.content for c in answer.choices}) > 1


def test_attachments_weigh_in_the_usage(client: openai.OpenAI) -> None:
    """Images count by their patches, beside the text."""
    image = {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}
    answer = client.chat.completions.create(
        model="qwen2.5-vl-7b-instruct",
        messages=[{"role": "user", "content": [{"type": "text", "text": "What?"}, image]}],
    )
    assert answer.usage is not None
    details: Any = answer.usage.prompt_tokens_details
    assert 4 <= details.image_tokens <= 1284
    assert answer.usage.prompt_tokens == details.image_tokens + details.text_tokens


def test_models_are_listed(sim: SimulatorHandle, connect: Connect) -> None:
    """The list of a region holds what can be called there."""
    ids = {m.id for m in connect(sim.dashscope_url("cn-beijing")).models.list()}
    assert {"qwen-plus", "qwen-max", "qwq-32b"} <= ids
    assert "qwen2.5-omni-3b" not in ids
    abroad = {m.id for m in connect(sim.dashscope_url("intl-singapore")).models.list()}
    assert "qwq-32b" not in abroad


async def test_the_server_is_healthy(sim: SimulatorHandle) -> None:
    """`/healthz` says so, and that all this is simulated."""
    async with aiohttp.ClientSession() as session, session.get(f"{sim.url}/healthz") as response:
        assert await response.json() == {"status": "ok", "simulated": True}


def test_waiting_follows_the_time_scale(connect: Connect) -> None:
    """A larger scale waits longer: the first token takes its time, the rest its rate."""

    def seconds(**options: Any) -> float:
        given: Options = {"on": MID_2025, "answer_tokens": (4, 4), **options}
        with simulator(**given) as running:
            client = connect(running.dashscope_url())
            client.chat.completions.create(model="qwen-max", messages=user("warm"))
            begun = time.perf_counter()
            client.chat.completions.create(model="qwen-max", messages=user("hello"))
            return time.perf_counter() - begun

    assert seconds(time_scale=0.3) > seconds(time_scale=0.0) + 0.03
