"""What goes on the wire, as a table: facts and a request in, a body out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qwenroute.domain.capability import Modality, SystemMessage, Thinking
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import AttemptFailed
from qwenroute.providers.adapt import body_for

USER = {"role": "user", "content": "hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
USAGE = {"include_usage": True}
TEXT = frozenset({Modality.TEXT})
SEES = frozenset({Modality.TEXT, Modality.IMAGE, Modality.VIDEO})
OMNI_IN = frozenset(Modality)
OMNI_OUT = frozenset({Modality.TEXT, Modality.AUDIO})
HYBRID = {"thinking": Thinking.HYBRID}
EFFORT = {"thinking": Thinking.HYBRID, "reasoning_effort": True, "thinking_default_on": True}
HOSTED = {"provider": "openai_compatible"}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}
GONE = object()


def test_a_plain_request_goes_out_as_it_came(make_step, make_request):
    """Nothing is added, dropped or noted where the model needs nothing special."""
    wire = body_for(make_request(USER, temperature=0.3, seed=7, user="someone", made_up=[1]), make_step())
    assert wire.path == "/chat/completions"
    assert not wire.stream
    assert wire.notes == ()
    assert wire.body == {
        "model": "some-model-2025",
        "messages": [USER],
        "temperature": 0.3,
        "seed": 7,
        "user": "someone",
        "made_up": [1],
    }
    assert json.loads(wire.encode()) == wire.body


@pytest.mark.parametrize(
    ("facts", "think", "params", "expected"),
    [
        # streaming
        pytest.param({"stream_only": True}, None, {}, {"stream": True, "stream_options": USAGE}, id="stream only"),
        pytest.param({}, None, {"stream_options": USAGE}, {"stream_options": GONE}, id="no stream, no options"),
        # hybrids on the platform
        pytest.param(HYBRID, True, {}, {"enable_thinking": True, "stream": True}, id="thinking on"),
        pytest.param(HYBRID, False, {}, {"enable_thinking": False, "stream": GONE}, id="thinking off"),
        pytest.param(HYBRID, None, {}, {"enable_thinking": GONE}, id="as the model does"),
        pytest.param(HYBRID, None, {"enable_thinking": True}, {"enable_thinking": True}, id="the caller's own word"),
        pytest.param(HYBRID, False, {"enable_thinking": True}, {"enable_thinking": False}, id="the plan stands above"),
        pytest.param(
            HYBRID,
            None,
            {"reasoning_effort": "high"},
            {"enable_thinking": True, "reasoning_effort": GONE},
            id="effort becomes a switch",
        ),
        pytest.param(
            HYBRID,
            None,
            {"reasoning_effort": "none"},
            {"enable_thinking": False, "reasoning_effort": GONE},
            id="no effort becomes a switch",
        ),
        pytest.param(
            {**HYBRID, "max_thinking_tokens": 1000},
            True,
            {"thinking_budget": 5000},
            {"thinking_budget": 1000},
            id="budget lowered",
        ),
        pytest.param(HYBRID, False, {"thinking_budget": 50}, {"thinking_budget": GONE}, id="no budget for nothing"),
        pytest.param(
            {**HYBRID, "thinking_default_on": True}, None, {}, {"stream": True, "enable_thinking": GONE}, id="on"
        ),
        # hybrids on a server of one's own
        pytest.param(
            {**HYBRID, **HOSTED},
            False,
            {},
            {"chat_template_kwargs": {"enable_thinking": False}, "enable_thinking": GONE},
            id="hosted off",
        ),
        pytest.param(
            {**HYBRID, **HOSTED},
            True,
            {"chat_template_kwargs": {"a": 1, "enable_thinking": False}},
            {"chat_template_kwargs": {"a": 1, "enable_thinking": True}, "stream": GONE},
            id="hosted on",
        ),
        pytest.param(
            {**HYBRID, **HOSTED}, None, {"thinking_budget": 50}, {"thinking_budget": GONE}, id="hosted takes no budget"
        ),
        # models with an effort
        pytest.param(EFFORT, False, {}, {"reasoning_effort": "none", "enable_thinking": GONE}, id="effort none"),
        pytest.param(EFFORT, True, {}, {"reasoning_effort": GONE}, id="effort by default"),
        pytest.param(EFFORT, None, {"reasoning_effort": "max"}, {"reasoning_effort": "max"}, id="effort max"),
        pytest.param(EFFORT, True, {"reasoning_effort": "off"}, {"reasoning_effort": GONE}, id="the plan's on"),
        pytest.param(EFFORT, None, {"reasoning_effort": "off"}, {"reasoning_effort": "off"}, id="effort off"),
        pytest.param(EFFORT, None, {"enable_thinking": False}, {"reasoning_effort": "none"}, id="switch to effort"),
        pytest.param(
            EFFORT,
            None,
            {"reasoning_effort": "low", "thinking_budget": 9},
            {"reasoning_effort": "low", "thinking_budget": GONE},
            id="effort excludes budget",
        ),
        pytest.param(EFFORT, None, {"thinking_budget": 9}, {"thinking_budget": 9}, id="budget alone"),
        pytest.param(EFFORT, None, {"max_tokens": 9}, {"max_tokens": 9}, id="bound of both kept"),
        pytest.param(
            {**EFFORT, "thinking_default_on": False}, True, {}, {"reasoning_effort": "medium"}, id="effort asked for"
        ),
        # models that always or never think
        pytest.param(
            {"thinking": Thinking.ALWAYS},
            True,
            {"enable_thinking": True, "thinking_budget": 5, "reasoning_effort": "high"},
            {"enable_thinking": GONE, "thinking_budget": GONE, "reasoning_effort": GONE},
            id="always",
        ),
        pytest.param(
            {},
            True,
            {"chat_template_kwargs": {"enable_thinking": True}},
            {"chat_template_kwargs": GONE, "enable_thinking": GONE},
            id="never",
        ),
        # what excludes thinking
        pytest.param(HYBRID, True, {"response_format": {"type": "json_object"}}, {"enable_thinking": False}, id="json"),
        pytest.param(
            EFFORT,
            None,
            {"response_format": {"type": "json_schema"}},
            {"reasoning_effort": "none"},
            id="schema, no thought",
        ),
        pytest.param(
            HYBRID,
            True,
            {"tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"enable_thinking": False},
            id="forced tool, no thought",
        ),
        pytest.param(HYBRID, True, {"tool_choice": "auto"}, {"enable_thinking": True}, id="free tool, thought"),
        # the rest
        pytest.param(
            {}, None, {"max_completion_tokens": 9}, {"max_tokens": 9, "max_completion_tokens": GONE}, id="one bound"
        ),
        pytest.param({}, None, {"modalities": ["text"]}, {"modalities": GONE}, id="text models write text"),
        pytest.param(
            {"sampling": {"temperature": 0.6, "top_k": 20}},
            None,
            {},
            {"temperature": 0.6, "top_k": 20},
            id="advice followed",
        ),
        pytest.param(
            {"sampling": {"temperature": 0.6, "top_k": 20}},
            None,
            {"top_p": 0.1},
            {"temperature": GONE, "top_k": GONE, "top_p": 0.1},
            id="the caller's sampling",
        ),
        pytest.param({"sampling": {"temperature": 0}}, None, {"n": 3}, {"temperature": GONE, "n": 3}, id="greedy"),
        # speech
        pytest.param(
            {"output": OMNI_OUT, "stream_only": True, "voices": ("Cherry", "Ethan")},
            None,
            {"modalities": ["text", "audio"]},
            {"modalities": ["text", "audio"], "audio": {"voice": "Cherry", "format": "wav"}},
            id="default voice",
        ),
        pytest.param(
            {"output": OMNI_OUT, "stream_only": True, "voices": ("Cherry", "Ethan")},
            None,
            {"audio": {"voice": "ethan", "format": "mp3"}},
            {"modalities": ["text", "audio"], "audio": {"voice": "Ethan", "format": "wav"}},
            id="audio alone",
        ),
        pytest.param(
            {"output": OMNI_OUT, "stream_only": True, "voices": ("Cherry",)},
            None,
            {},
            {"modalities": GONE, "audio": GONE},
            id="no speech unasked",
        ),
        pytest.param(
            {"output": OMNI_OUT, "voices": ("Cherry",)},
            None,
            {"modalities": ["text", "audio"]},
            {"stream": True, "stream_options": USAGE},
            id="speech is streamed",
        ),
    ],
)
def test_parameters_follow_the_facts(make_step, make_request, facts, think, params, expected):
    """Each fact changes exactly the fields that it is about."""
    wire = body_for(make_request(USER, **params), make_step(think=think, **facts))
    for name, value in expected.items():
        assert wire.body.get(name, GONE) == value, name
    assert wire.stream == wire.body.get("stream", False)


@pytest.mark.parametrize(
    ("facts", "messages", "expected"),
    [
        pytest.param({}, [SYSTEM, USER], [SYSTEM, USER], id="system kept"),
        pytest.param(
            {"system_message": SystemMessage.DISCOURAGED},
            [SYSTEM, USER],
            [{"role": "user", "content": "Be brief.\n\nhello"}],
            id="system moved",
        ),
        pytest.param(
            {"system_message": SystemMessage.IGNORED, "input": SEES},
            [SYSTEM, {"role": "user", "content": [PICTURE]}],
            [{"role": "user", "content": [{"type": "text", "text": "Be brief."}, PICTURE]}],
            id="system moved into parts",
        ),
        pytest.param(
            {"system_message": SystemMessage.IGNORED},
            [SYSTEM],
            [{"role": "user", "content": "Be brief."}],
            id="system alone becomes a turn",
        ),
        pytest.param(
            {"system_message": SystemMessage.IGNORED},
            [USER, {"role": "system", "content": [{"type": "text", "text": "late"}]}],
            [{"role": "user", "content": "late\n\nhello"}],
            id="late system",
        ),
        pytest.param(
            {},
            [USER, {"role": "assistant", "content": "a", "reasoning_content": "r", "reasoning": "r"}, USER],
            [USER, {"role": "assistant", "content": "a"}, USER],
            id="reasoning not sent back",
        ),
        pytest.param(
            {},
            [USER, {"role": "assistant", "content": None, "audio": {"data": "…", "transcript": "said"}}, USER],
            [USER, {"role": "assistant", "content": "said"}, USER],
            id="speech not sent back",
        ),
        pytest.param(
            {},
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            [{"role": "user", "content": "a\nb"}],
            id="text flattened",
        ),
        pytest.param(
            {},
            [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}],
            [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}],
            id="cache marks kept",
        ),
        pytest.param(
            {"input": SEES},
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            [{"role": "user", "content": [{"type": "text", "text": "a"}]}],
            id="parts kept for models that see",
        ),
        pytest.param(
            {"input": OMNI_IN},
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}}]}],
            [
                {
                    "role": "user",
                    "content": [{"type": "input_audio", "input_audio": {"data": "data:;base64,QUJD", "format": "wav"}}],
                }
            ],
            id="audio on the platform",
        ),
        pytest.param(
            {"input": OMNI_IN, **HOSTED},
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_audio", "input_audio": {"data": "data:;base64,QUJD", "format": "wav"}},
                        {"type": "input_audio", "input_audio": {"data": "https://example.org/a.wav"}},
                    ],
                }
            ],
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "wav"}},
                        {"type": "audio_url", "audio_url": {"url": "https://example.org/a.wav"}},
                    ],
                }
            ],
            id="audio on a server",
        ),
        pytest.param(
            {"step_by_step": True, "system_message": SystemMessage.OK}, [SYSTEM, USER], [SYSTEM, USER], id="own prompt"
        ),
    ],
)
def test_messages_follow_the_facts(make_step, make_request, facts, messages, expected):
    """Messages are rewritten as the model takes them, and the caller's stay as they were."""
    before = json.dumps(messages)
    wire = body_for(make_request(*messages), make_step(**facts))
    assert wire.body["messages"] == expected
    assert json.dumps(messages) == before


def test_untouched_messages_are_not_copied(make_step, make_request):
    """A message that needs no change goes on as the very same object."""
    content = [{"type": "text", "text": "look"}, PICTURE]
    message = {"role": "user", "content": content}
    wire = body_for(make_request(message), make_step(input=SEES))
    assert wire.body["messages"][0] is message


def test_mathematics_is_asked_for_steps_and_a_box(make_step, make_request):
    """A step-by-step model without a system message gets one that asks for the boxed answer."""
    wire = body_for(make_request(USER), make_step(step_by_step=True))
    first, second = wire.body["messages"]
    assert first["role"] == "system"
    assert "step by step" in first["content"]
    assert "\\boxed{}" in first["content"]
    assert second == USER


@pytest.mark.parametrize("facts", [{}, HYBRID, HOSTED])
def test_json_mode_says_the_word(make_step, make_request, facts):
    """JSON mode without the word in any message gains an instruction; with it, nothing changes."""
    form = {"type": "json_object"}
    wire = body_for(make_request(SYSTEM, USER, response_format=form), make_step(**facts))
    assert wire.body["messages"][0]["content"].startswith("Be brief.")
    assert "json" in wire.body["messages"][0]["content"].lower()
    asked = {"role": "user", "content": [{"type": "text", "text": "as Json please"}, PICTURE]}
    wire = body_for(make_request(asked, response_format=form), make_step(**{**facts, "input": SEES}))
    assert wire.body["messages"] == [asked]


def test_a_json_instruction_moves_with_the_system_message(make_step, make_request):
    """Where system messages are not taken, the added instruction ends up in the user turn."""
    step = make_step(system_message=SystemMessage.DISCOURAGED)
    wire = body_for(make_request(USER, response_format={"type": "json_object"}), step)
    (only,) = wire.body["messages"]
    assert only["role"] == "user"
    assert "JSON" in only["content"]


def test_a_streaming_caller_always_gets_usage_upstream(make_step, make_request):
    """Cost has to be settled: usage is asked for, other options stay, and the note says so."""
    step = make_step()
    wire = body_for(make_request(USER, stream=True, stream_options={"x": 1}), step)
    assert wire.body["stream_options"] == {"x": 1, "include_usage": True}
    assert any("usage" in note for note in wire.notes)
    assert body_for(make_request(USER, stream=True, stream_options=USAGE), step).notes == ()


@pytest.mark.parametrize(
    ("facts", "partial", "continues"),
    [({}, True, False), (HOSTED, False, True), ({"provider": "litellm"}, False, True)],
)
def test_partial_mode_in_each_hosts_words(make_step, make_request, facts, partial, continues):
    """The platform has `partial` in the message, vLLM has two fields of the request."""
    prefix = {"role": "assistant", "content": "The answer is", "partial": True}
    wire = body_for(make_request(USER, prefix), make_step(**facts))
    assert ("partial" in wire.body["messages"][-1]) is partial
    assert (wire.body.get("continue_final_message"), wire.body.get("add_generation_prompt")) == (
        (True, False) if continues else (None, None)
    )


def test_fill_in_the_middle(make_step):
    """Prefix and suffix travel as one prompt with control tokens; a plain prompt stays as it is."""
    request = Request(kind=Kind.COMPLETION, prompt="def f(", suffix="return x", params={"max_tokens": 9})
    wire = body_for(request, make_step(fim=True))
    assert wire.path == "/completions"
    assert wire.body == {
        "model": "some-model-2025",
        "prompt": "<|fim_prefix|>def f(<|fim_suffix|>return x<|fim_middle|>",
        "max_tokens": 9,
    }
    plain = body_for(Request(kind=Kind.COMPLETION, prompt="def f(", stream=True), make_step(fim=True))
    assert plain.body["prompt"] == "def f("
    assert plain.body["stream_options"] == USAGE


def test_what_is_not_json_is_refused_before_it_is_sent(make_step, make_request):
    """A lone surrogate cannot be written; the failure says so and blames the request."""
    wire = body_for(make_request({"role": "user", "content": "\ud800"}), make_step())
    with pytest.raises(AttemptFailed) as caught:
        wire.encode()
    assert caught.value.failure.kind is FailureKind.INVALID_REQUEST


def test_no_model_is_named(make_step, make_request):
    """Adaptation reads facts: renaming the model changes nothing but its name on the wire."""
    bodies: list[dict[str, Any]] = []
    for name in ("qwq-plus", "anything"):
        step = make_step(wire_model=name, model=name, stream_only=True, system_message=SystemMessage.DISCOURAGED)
        bodies.append({**body_for(make_request(SYSTEM, USER), step).body, "model": ""})
    assert bodies[0] == bodies[1]
