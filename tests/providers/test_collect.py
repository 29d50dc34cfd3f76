"""Chunks put together give the answer that a non-streaming caller expects."""

from __future__ import annotations

import io
import json
import math
import struct
import wave
from base64 import b64decode, b64encode
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.failure import FailureKind as K
from qwenroute.errors import AttemptFailed
from qwenroute.providers.answers import ChatCompletion, decode_chunk, usage_of
from qwenroute.providers.collect import Collector

SAMPLES = struct.pack("<4800h", *(int(9000 * math.sin(i / 20)) for i in range(4800)))  # 0.2 s


def collect(*deltas: dict[str, Any] | None, **last: Any) -> ChatCompletion:
    collector = Collector()
    for position, delta in enumerate(deltas):
        more = last if position == len(deltas) - 1 else {}
        collector.add(decode_chunk(chunk(delta, **more)))
    return collector.finish()


def chunk(
    delta: dict[str, Any] | None, *, index: int = 0, finish: str | None = None, logprobs: Any = None, usage: Any = None
) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}
    return json.dumps(
        {
            "id": "chatcmpl-7",
            "object": "chat.completion.chunk",
            "created": 1700000000,
            "model": "qwq-plus",
            "choices": [] if delta is None else [choice],
            "usage": usage,
        }
    ).encode()


def test_content_reasoning_finish_and_usage():
    """Text and thinking are joined apart, and head, finish reason and usage are those of the stream."""
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    answer = collect(
        {"role": "assistant", "content": None, "reasoning_content": "let "},
        {"content": None, "reasoning_content": "me see"},
        {"content": "4"},
        {"content": "2"},
        None,
        usage=usage,
    )
    message = answer.choices[0].message
    assert (message.role, message.content) == ("assistant", "42")
    assert message.model_dump()["reasoning_content"] == "let me see"
    assert (answer.id, answer.object, answer.model, answer.created) == (
        "chatcmpl-7",
        "chat.completion",
        "qwq-plus",
        1700000000,
    )
    found = usage_of(answer)
    assert found is not None
    assert (found.prompt_tokens, found.completion_tokens) == (3, 4)


def test_a_short_answer_is_told_as_such():
    """The finish reason of the stream is the answer's."""
    assert collect({"content": "a"}, {"content": ""}, finish="length").choices[0].finish_reason == "length"


def test_tool_calls_are_joined_by_index():
    """Fragments of two calls, mixed, give two calls with whole arguments."""

    def fragment(index: int, arguments: str, **head: Any) -> dict[str, Any]:
        function = {"arguments": arguments, **head.pop("function", {})}
        return {"tool_calls": [{"index": index, "function": function, **head}]}

    answer = collect(
        fragment(0, "", id="a", type="function", function={"name": "weather"}),
        fragment(1, "", id="b", type="function", function={"name": "time"}),
        fragment(0, '{"city": '),
        fragment(1, "{}", id="", function={"name": "time"}),
        fragment(0, '"Hangzhou"}', function={"name": None}),
        finish="tool_calls",
    )
    choice = answer.choices[0]
    assert choice.message.content is None
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls is not None
    assert [(c.id, c.function.name, c.function.arguments) for c in choice.message.tool_calls] == [
        ("a", "weather", '{"city": "Hangzhou"}'),
        ("b", "time", "{}"),
    ]


def test_tool_calls_without_numbers_are_told_apart_by_their_ids():
    """Hosts that send whole calls without an index give one call each."""
    calls = [{"id": i, "type": "function", "function": {"name": i, "arguments": "{}"}} for i in "ab"]
    answer = collect(*({"tool_calls": [call]} for call in calls))
    assert [c.id for c in answer.choices[0].message.tool_calls or ()] == ["a", "b"]


def test_several_choices_stay_apart():
    """Chunks of `n` choices arrive mixed and are put together each by itself."""
    collector = Collector()
    for index, text in ((1, "b"), (0, "a"), (1, "d"), (0, "c")):
        collector.add(decode_chunk(chunk({"content": text}, index=index)))
    answer = collector.finish()
    assert [(c.index, c.message.content) for c in answer.choices] == [(0, "ac"), (1, "bd")]


def test_logprobs_are_joined():
    """Token by token, in order."""
    tokens = [{"token": t, "logprob": -0.1, "bytes": None, "top_logprobs": []} for t in "ab"]
    collector = Collector()
    for token in tokens:
        collector.add(decode_chunk(chunk({"content": token["token"]}, logprobs={"content": [token], "refusal": None})))
    logprobs = collector.finish().choices[0].logprobs
    assert logprobs is not None
    assert [t.token for t in logprobs.content or ()] == ["a", "b"]


def speak(pieces: list[str]) -> bytes:
    """Collect pieces of base64 and return the samples of the WAV that comes out."""
    deltas: list[dict[str, Any]] = [{"audio": {"data": piece}} for piece in pieces]
    deltas.insert(0, {"content": "", "audio": {"id": "audio_1", "transcript": "good "}})
    deltas.append({"audio": {"transcript": "day", "expires_at": 1700009999}})
    message = collect(*deltas).choices[0].message
    assert message.audio is not None
    assert message.content is None
    assert (message.audio.id, message.audio.transcript, message.audio.expires_at) == ("audio_1", "good day", 1700009999)
    with wave.open(io.BytesIO(b64decode(message.audio.data))) as wav:
        assert (wav.getnchannels(), wav.getsampwidth(), wav.getframerate()) == (1, 2, 24000)
        return wav.readframes(wav.getnframes())


@given(st.lists(st.integers(min_value=0, max_value=len(SAMPLES)), max_size=12))
def test_padded_pieces_of_speech_make_one_playable_wav(places: list[int]):
    """Each piece encoded by itself, cut anywhere, even within a sample."""
    edges = [0, *sorted(places), len(SAMPLES)]
    pieces = [b64encode(SAMPLES[a:b]).decode() for a, b in pairwise(edges)]
    assert speak(pieces) == SAMPLES


@given(st.lists(st.integers(min_value=0, max_value=20000), max_size=12))
def test_one_text_cut_into_pieces_makes_the_same_wav(places: list[int]):
    """One base64 text, cut between any two characters."""
    text = b64encode(SAMPLES).decode()
    edges = [0, *sorted(min(p, len(text)) for p in places), len(text)]
    assert speak([text[a:b] for a, b in pairwise(edges)]) == SAMPLES


def test_a_header_before_the_first_samples_is_rebuilt():
    """A host that sends a WAV header of unknown length still gives a playable file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(24000)
        wav.writeframes(b"")
    assert speak([b64encode(file.getvalue()).decode(), b64encode(SAMPLES).decode()]) == SAMPLES


def test_an_odd_byte_at_the_end_is_dropped():
    """Half a sample is no sample."""
    assert speak([b64encode(SAMPLES + b"x").decode()]) == SAMPLES


def test_sound_that_is_not_base64_is_malformed():
    """The failure names what is wrong."""
    with pytest.raises(AttemptFailed) as caught:
        collect({"audio": {"data": "****"}})
    assert caught.value.failure.kind is K.MALFORMED


def test_a_stream_without_any_choice_is_no_answer():
    """Usage alone is nothing that a caller asked for."""
    with pytest.raises(AttemptFailed) as caught:
        collect(None, usage={"prompt_tokens": 1, "completion_tokens": 0, "total_tokens": 1})
    assert caught.value.failure.kind is K.MALFORMED
