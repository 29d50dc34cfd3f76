"""The server below `/v1`: open weights in the manner of vLLM."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import openai
import pytest

from qwenroute.domain.endpoint import Served
from qwenroute.testing import SimulatorHandle, simulator

Connect = Callable[..., openai.OpenAI]
HELLO = [{"role": "user", "content": "hello"}]
TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture
def hosted(today: SimulatorHandle, connect: Connect) -> openai.OpenAI:
    return connect(today.self_hosted_url, key="whatever")


def ask(client: openai.OpenAI, model: str, **more: Any) -> Any:
    return client.chat.completions.create(**{"model": model, "messages": HELLO, **more})


@pytest.mark.parametrize("model", ["qwen2.5-7b-instruct", "Qwen/Qwen2.5-7B-Instruct", "qwen2.5-omni-3b"])
def test_open_weights_are_served_by_id_or_community_name(hosted: openai.OpenAI, model: str) -> None:
    """Retirement on the platform does not matter to one's own server, and any key will do."""
    answer = ask(hosted, model)
    assert answer.model == model
    assert answer.choices[0].message.content.startswith(f"[simulated {model}]")


@pytest.mark.parametrize("model", ["qwen-max", "qwq-plus", "nonsense"])
def test_what_has_no_open_weights_is_not_served(hosted: openai.OpenAI, model: str) -> None:
    """The refusal is vLLM's, not the platform's."""
    with pytest.raises(openai.NotFoundError) as caught:
        ask(hosted, model)
    assert caught.value.response.json()["error"] == {
        "message": f"The model `{model}` does not exist.",
        "type": "NotFoundError",
        "param": None,
        "code": 404,
    }


def test_qwq_answers_without_a_stream_and_thinks_apart(hosted: openai.OpenAI) -> None:
    """Stream-only is the platform's rule; here `reasoning_content` comes whole."""
    message = ask(hosted, "qwq-32b").choices[0].message
    assert message.reasoning_content.startswith("[simulated thinking of qwq-32b]")
    assert message.content.startswith("[simulated qwq-32b]")


def test_max_tokens_bounds_thinking_too(hosted: openai.OpenAI) -> None:
    """The engine knows only one bound for everything it generates."""
    answer = ask(hosted, "qwq-32b", max_tokens=2)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("", "length")


def test_tools_may_be_required(hosted: openai.OpenAI) -> None:
    """Guided decoding lets a tool be required or named."""
    answer = ask(hosted, "qwen2.5-7b-instruct", tools=[TOOL], tool_choice="required")
    assert answer.choices[0].message.tool_calls[0].function.name == "get_weather"


def test_a_schema_guides_the_answer(hosted: openai.OpenAI) -> None:
    """As `response_format` and as `guided_json`."""
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    by_format = {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}}
    for more in (by_format, {"extra_body": {"guided_json": schema}}):
        answer = ask(hosted, "qwen2.5-7b-instruct", **more)
        assert json.loads(answer.choices[0].message.content) == {"ok": True}


def test_prompt_and_answer_share_the_window(hosted: openai.OpenAI) -> None:
    """32,768 tokens without YaRN, for prompt and `max_tokens` together; 4,096 for Math."""
    with pytest.raises(openai.BadRequestError, match="maximum context length is 32768 tokens") as caught:
        ask(hosted, "qwen2.5-7b-instruct", max_tokens=32_768)
    assert caught.value.response.json()["error"]["type"] == "BadRequestError"
    with pytest.raises(openai.BadRequestError, match="maximum context length is 4096 tokens"):
        ask(hosted, "qwen2.5-math-7b-instruct", max_tokens=4_096)
    assert ask(hosted, "qwen2.5-7b-instruct", max_tokens=30_000)


def test_a_text_model_takes_no_image(hosted: openai.OpenAI) -> None:
    """Modalities are the weights' own, wherever they run."""
    image = {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}
    with pytest.raises(openai.BadRequestError, match="image"):
        ask(hosted, "qwen2.5-7b-instruct", messages=[{"role": "user", "content": [image]}])


def test_a_final_message_is_continued(hosted: openai.OpenAI) -> None:
    """The engine's own way of partial mode."""
    messages = [*HELLO, {"role": "assistant", "content": "Roses are"}]
    body = {"continue_final_message": True, "add_generation_prompt": False}
    answer = ask(hosted, "qwen2.5-7b-instruct", messages=messages, extra_body=body)
    assert answer.choices[0].message.content.startswith(" [simulated qwen2.5-7b-instruct] continuation ")
    with pytest.raises(openai.BadRequestError, match="add_generation_prompt"):
        ask(hosted, "qwen2.5-7b-instruct", messages=messages, extra_body={"continue_final_message": True})


def test_completions_serve_any_text_model(hosted: openai.OpenAI) -> None:
    """The bare endpoint has no chat template and no list of models."""
    answer = hosted.completions.create(model="qwen2.5-coder-7b-instruct", prompt="<|fim_prefix|>a<|fim_suffix|>b")
    assert "[simulated qwen2.5-coder-7b-instruct] middle" in answer.choices[0].text


def test_only_what_is_served_is_there(connect: Connect) -> None:
    """With a list, its names and windows hold; the list is what `/models` shows."""
    served = [Served(model="qwen2.5-7b-instruct", wire_model="small", context_tokens=8_192)]
    with simulator(served=served, on=date(2026, 11, 24)) as running:
        client = connect(running.self_hosted_url)
        assert [m.id for m in client.models.list()] == ["small"]
        assert ask(client, "small").model == "small"
        with pytest.raises(openai.BadRequestError, match="maximum context length is 8192 tokens"):
            ask(client, "small", max_tokens=8_192)
        with pytest.raises(openai.NotFoundError):
            ask(client, "qwen2.5-14b-instruct")


def test_a_key_is_asked_for_where_one_is_set(connect: Connect) -> None:
    """The body of a 401 is vLLM's one word."""
    with simulator(keys={"self_hosted": ["secret"]}) as running:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(connect(running.self_hosted_url, key="wrong"), "qwen2.5-7b-instruct")
        assert caught.value.response.json() == {"error": "Unauthorized"}
        assert ask(connect(running.self_hosted_url, key="secret"), "qwen2.5-7b-instruct")
