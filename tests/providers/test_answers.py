"""Bytes become the openai package's types, whatever small liberties a host takes."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import openai.types
import openai.types.chat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.failure import FailureKind as K
from qwenroute.domain.price import Usage
from qwenroute.errors import AttemptFailed
from qwenroute.providers.answers import (
    ChatCompletion,
    decode_chunk,
    decode_completion,
    decode_text_completion,
    is_useful,
    usage_of,
)
from qwenroute.providers.collect import Collector

ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1700000000,
    "model": "qwq-plus",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "logprobs": None,
            "message": {"role": "assistant", "content": "42", "reasoning_content": "hm"},
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 50,
        "total_tokens": 150,
        "prompt_tokens_details": {
            "cached_tokens": 10,
            "image_tokens": 20,
            "video_tokens": 5,
            "audio_tokens": 7,
            "text_tokens": 68,
        },
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": None, "text_tokens": 20},
    },
}


def chunk(delta: dict[str, Any] | None, **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": None}]
    return json.dumps(
        {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **more}
    ).encode()


def test_an_answer_is_of_the_openai_type():
    """Code written for the openai package takes the answer as its own."""
    answer = decode_completion(json.dumps(ANSWER).encode())
    assert isinstance(answer, openai.types.chat.ChatCompletion)
    assert answer.choices[0].message.content == "42"
    assert answer.choices[0].message.reasoning_content == "hm"  # type: ignore[attr-defined]


@pytest.mark.parametrize("odd", [{}, {"created": "yesterday"}])
def test_the_route_is_beside_the_answer_and_not_in_it(odd):
    """`.route` holds the record; a dump is what the host sent. So too for answers of odd shape."""
    answer = decode_completion(json.dumps({**ANSWER, **odd}).encode())
    with pytest.raises(RuntimeError, match="route"):
        _ = answer.route
    record: Any = date(2026, 11, 24)
    answer.route = record
    assert answer.route is record
    assert "route" not in json.dumps(answer.model_dump(warnings=False))
    assert "route" not in answer.model_dump_json(warnings=False)


def test_usage_is_read_in_all_its_parts():
    """Cached, media, reasoning and audio tokens all count; null counts nothing."""
    assert usage_of(decode_completion(json.dumps(ANSWER).encode())) == Usage(
        prompt_tokens=100,
        completion_tokens=50,
        cached_tokens=10,
        reasoning_tokens=30,
        image_tokens=20,
        video_tokens=5,
        audio_input_tokens=7,
    )
    assert usage_of(decode_chunk(chunk({"content": "x"}))) is None
    last = decode_chunk(chunk(None, usage={"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}))
    assert usage_of(last) == Usage(prompt_tokens=1, completion_tokens=2)


@pytest.mark.parametrize(
    "odd",
    [
        {"created": 1.5},
        {"object": "whatever"},
        {"id": None},
        {"usage": {"prompt_tokens": 3}},
        {"choices": [{"index": 0, "message": {"role": "bot", "content": "42"}, "finish_reason": "eos"}]},
    ],
)
def test_answers_of_unknown_shape_are_kept_as_they_are(odd):
    """A host's inventions do not cost the caller the answer."""
    answer = decode_completion(json.dumps({**ANSWER, **odd}).encode())
    assert isinstance(answer, ChatCompletion)
    assert answer.choices[0].message.content == "42"
    usage = usage_of(answer)
    assert usage is not None
    assert usage.prompt_tokens in {3, 100}


def test_chunks_without_choices_still_give_their_usage():
    """Some hosts leave `choices` out of the last chunk."""
    odd = decode_chunk(b'{"id":"c","usage":{"prompt_tokens":4,"completion_tokens":1,"total_tokens":5}}')
    assert odd.choices == []
    assert usage_of(odd) == Usage(prompt_tokens=4, completion_tokens=1)


@pytest.mark.parametrize("decode", [decode_completion, decode_chunk, decode_text_completion])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"x": 1}',
        b'{"choices": 5}',
        b'{"choices": [5]}',
        b'{"choices": null}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_answer_is_malformed(decode, body):
    """Whatever JSON or garbage comes, the failure has one kind."""
    with pytest.raises(AttemptFailed) as caught:
        decode(body)
    assert caught.value.failure.kind is K.MALFORMED


def test_a_whole_answer_needs_a_choice():
    """An empty list of choices is no answer."""
    with pytest.raises(AttemptFailed) as caught:
        decode_completion(json.dumps({**ANSWER, "choices": []}).encode())
    assert caught.value.failure.kind is K.MALFORMED


@pytest.mark.parametrize(
    ("delta", "useful"),
    [
        ({"role": "assistant"}, False),
        ({"role": "assistant", "content": ""}, False),
        ({"content": None, "reasoning_content": ""}, False),
        ({"content": "x"}, True),
        ({"content": None, "reasoning_content": "x"}, True),
        ({"reasoning": "x"}, True),
        ({"refusal": "no"}, True),
        ({"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}, True),
        ({"audio": {"data": "QUJD"}}, True),
        ({"audio": {"transcript": "hi"}}, True),
        (None, False),
    ],
)
def test_the_first_token_is_the_first_thing_to_show(delta, useful):
    """A role, an empty string or a usage chunk is not yet an answer."""
    assert is_useful(decode_chunk(chunk(delta))) is useful


def test_thinking_has_one_name():
    """What vLLM calls `reasoning` reads as `reasoning_content`, whole and in chunks."""
    whole = json.loads(json.dumps(ANSWER))
    whole["choices"][0]["message"] = {"role": "assistant", "content": "42", "reasoning": "hm"}
    message = decode_completion(json.dumps(whole).encode()).choices[0].message
    assert message.model_dump()["reasoning_content"] == "hm"
    delta = decode_chunk(chunk({"reasoning": "hm"})).choices[0].delta
    assert delta.model_dump()["reasoning_content"] == "hm"


def test_text_completions_have_their_own_type():
    """Fill-in-the-middle answers decode as `Completion`, route included."""
    body = {"id": "c", "object": "text_completion", "created": 1, "model": "m"}
    choice = {"index": 0, "text": "x = 1", "finish_reason": "stop", "logprobs": None}
    answer = decode_text_completion(json.dumps({**body, "choices": [choice]}).encode())
    assert isinstance(answer, openai.types.Completion)
    assert answer.choices[0].text == "x = 1"
    record: Any = object()
    answer.route = record
    assert answer.route is record


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "role", "name"]), inner, max_size=2)
    ),
    max_leaves=4,
)
CALL = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
DELTA = {"role": "assistant", "content": "x", "reasoning_content": "r", "tool_calls": [CALL], "audio": {"data": "QUJD"}}
TOKEN = {"token": "x", "logprob": -1.0, "bytes": [1], "top_logprobs": []}


def spots(value: Any, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [spot for key in keys for spot in [(*trail, key), *spots(value[key], (*trail, key))]]


def changed(document: bytes, draw: Any) -> bytes:
    value = json.loads(document)
    *path, last = draw.draw(st.sampled_from(spots(value)))
    at = value
    for key in path:
        at = at[key]
    if isinstance(at, dict) and draw.draw(st.booleans()):
        del at[last]
    else:
        at[last] = draw.draw(JSON)
    return json.dumps(value).encode()


def walk_chunk(document: bytes) -> None:
    read = decode_chunk(document)
    is_useful(read)
    usage_of(read)
    collector = Collector()
    collector.add(read)
    usage_of(collector.finish())


def walk_answer(document: bytes) -> None:
    answer = decode_completion(document)
    usage_of(answer)
    for choice in answer.choices:
        _ = choice.message.content, choice.finish_reason, choice.index


def outcome(walk: Callable[[bytes], None], document: bytes) -> K | None:
    try:
        walk(document)
    except AttemptFailed as error:
        return error.failure.kind
    return None


@given(st.data())
def test_any_odd_chunk_is_read_or_refused(draw: Any):
    """Whatever a host puts anywhere, it is an answer or one kind of failure, never another error."""
    good = json.loads(chunk(DELTA, usage=ANSWER["usage"]))
    good["choices"][0]["logprobs"] = {"content": [TOKEN], "refusal": None}
    assert outcome(walk_chunk, json.dumps(good).encode()) is None
    assert outcome(walk_chunk, changed(json.dumps(good).encode(), draw)) in {None, K.MALFORMED}


@given(st.data())
def test_any_odd_answer_is_read_or_refused(draw: Any):
    """The same for whole answers."""
    assert outcome(walk_answer, changed(json.dumps(ANSWER).encode(), draw)) in {None, K.MALFORMED}
