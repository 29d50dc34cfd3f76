"""Who may call what, where, when and how often."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import openai
import pytest

from qwenroute.testing import simulator

Connect = Callable[..., openai.OpenAI]

HELLO = [{"role": "user", "content": "hello"}]
BEFORE, AFTER = date(2025, 6, 1), date(2026, 11, 24)


def ask(client: openai.OpenAI, model: str = "qwen-plus", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HELLO, **more)


def test_a_key_that_is_not_for_simulators_is_refused(connect: Connect) -> None:
    """Unless keys are given, only those that begin with `sk-sim` are taken."""
    with simulator() as running:
        with pytest.raises(openai.AuthenticationError) as caught:
            ask(connect(running.dashscope_url(), key="sk-real"))
        assert caught.value.code == "invalid_api_key"
        with pytest.raises(openai.AuthenticationError):
            connect(running.dashscope_url(), key="sk-real").models.list()
        assert ask(connect(running.dashscope_url(), key="sk-sim-anything"))


def test_a_key_is_bound_to_its_region(connect: Connect) -> None:
    """The key of one region is a 401 in another, and in regions that have no key."""
    with simulator(keys={"cn-beijing": ["sk-cn"], "intl-singapore": ["sk-sg"]}) as running:
        assert ask(connect(running.dashscope_url("cn-beijing"), key="sk-cn"))
        assert ask(connect(running.dashscope_url("intl-singapore"), key="sk-sg"))
        for region, key in (("cn-beijing", "sk-sg"), ("intl-singapore", "sk-cn"), ("us-virginia", "sk-cn")):
            with pytest.raises(openai.AuthenticationError):
                ask(connect(running.dashscope_url(region), key=key))


def test_a_set_of_keys_holds_for_every_region(connect: Connect) -> None:
    """Given keys replace the prefix."""
    with simulator(keys=["sk-mine"]) as running:
        assert ask(connect(running.dashscope_url(), key="sk-mine"))
        with pytest.raises(openai.AuthenticationError):
            ask(connect(running.dashscope_url(), key="sk-sim"))


@pytest.mark.parametrize("model", ["qwen-max", "qwen2.5-72b-instruct", "qwen-max-2025-01-25", "qwen-turbo"])
def test_a_retired_id_is_gone_from_its_date_on(connect: Connect, model: str) -> None:
    """The same id answers in 2025 and is a 404 in November 2026."""
    with simulator(on=BEFORE) as running:
        assert ask(connect(running.dashscope_url()), model).model == model
    with simulator(on=AFTER) as running:
        with pytest.raises(openai.NotFoundError) as caught:
            ask(connect(running.dashscope_url()), model)
        assert caught.value.code == "model_not_found"
        assert model in caught.value.message


def test_a_model_is_not_there_before_its_release(connect: Connect) -> None:
    """A newer model is unknown in 2025."""
    with simulator(on=BEFORE) as running, pytest.raises(openai.NotFoundError):
        ask(connect(running.dashscope_url()), "qwen4-max")
    with simulator(on=AFTER) as running:
        assert ask(connect(running.dashscope_url()), "qwen4-max")


@pytest.mark.parametrize("model", ["nonsense", "Qwen/Qwen2.5-7B-Instruct", "QWEN-PLUS", "qwen2-5-7b-instruct"])
def test_unknown_and_community_names_are_refused(connect: Connect, model: str) -> None:
    """Ids are lower case and the platform's own."""
    with simulator(on=BEFORE) as running, pytest.raises(openai.NotFoundError) as caught:
        ask(connect(running.dashscope_url()), model)
    assert caught.value.code == "model_not_found"


def test_an_id_of_another_region_is_refused(connect: Connect) -> None:
    """QwQ-32B was offered in Beijing only."""
    with simulator(on=BEFORE) as running:
        assert ask(connect(running.dashscope_url("cn-beijing")), "qwq-32b", stream=True)
        with pytest.raises(openai.NotFoundError):
            ask(connect(running.dashscope_url("intl-singapore")), "qwq-32b", stream=True)


def test_windows_differ_by_region(connect: Connect) -> None:
    """qwen-max takes 30,720 tokens in Singapore and 129,024 in Beijing."""
    long = [{"role": "user", "content": "one two three four five " * 8_000}]
    with simulator(on=BEFORE) as running:
        assert connect(running.dashscope_url("cn-beijing")).chat.completions.create(model="qwen-max", messages=long)
        with pytest.raises(openai.BadRequestError, match=r"\[1, 30720\]"):
            connect(running.dashscope_url("intl-singapore")).chat.completions.create(model="qwen-max", messages=long)


def test_requests_per_minute_are_limited_and_recover(connect: Connect) -> None:
    """The request over the limit is a 429 without Retry-After; a minute later there is room."""
    now = [1000.0]
    with simulator(rpm={"qwen-plus": 2}, clock=lambda: now[0]) as running:
        client = connect(running.dashscope_url())
        ask(client)
        now[0] += 30
        ask(client)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client)
        assert caught.value.code == "limit_requests"
        assert "retry-after" not in caught.value.response.headers
        assert ask(client, "qwen-flash")
        now[0] += 30.1
        assert ask(client)
        with pytest.raises(openai.RateLimitError):
            ask(client)


def test_limits_are_counted_per_region(connect: Connect) -> None:
    """What one region has used up is free in another."""
    with simulator(rpm={"*": 1}) as running:
        for region in ("cn-beijing", "intl-singapore"):
            client = connect(running.dashscope_url(region))
            assert ask(client)
            with pytest.raises(openai.RateLimitError):
                ask(client)


def test_tokens_per_minute_are_limited(connect: Connect) -> None:
    """Prompt and answer count; the refusal speaks of the token limit."""
    now = [0.0]
    with simulator(tpm={"qwen-plus": 60}, clock=lambda: now[0]) as running:
        client = connect(running.dashscope_url())
        ask(client)
        with pytest.raises(openai.RateLimitError, match="token limit") as caught:
            ask(client)
        assert caught.value.code == "insufficient_quota"
        now[0] += 61
        assert ask(client)


def test_a_sixtieth_per_second_is_held_where_asked_for(connect: Connect) -> None:
    """60 a minute are 1 a second."""
    now = [0.0]
    with simulator(rpm={"qwen-plus": 60}, per_second=True, clock=lambda: now[0]) as running:
        client = connect(running.dashscope_url())
        ask(client)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client)
        assert caught.value.code == "limit_requests"
        now[0] += 1.1
        assert ask(client)


def test_a_burst_is_refused_where_asked_for(connect: Connect) -> None:
    """More than the burst in one second is `limit_burst_rate`."""
    with simulator(burst=2, clock=lambda: 5.0) as running:
        client = connect(running.dashscope_url())
        ask(client)
        ask(client)
        with pytest.raises(openai.RateLimitError) as caught:
            ask(client)
        assert caught.value.code == "limit_burst_rate"


def test_the_registry_s_own_limits_hold_where_asked_for(connect: Connect) -> None:
    """qwq-plus takes 60 requests a minute in Singapore."""
    with simulator(on=BEFORE, rate_limits=True, clock=lambda: 5.0, answer_tokens=(1, 1)) as running:
        client = connect(running.dashscope_url())
        for _ in range(60):
            ask(client, "qwq-plus", stream=True).close()
        with pytest.raises(openai.RateLimitError):
            ask(client, "qwq-plus", stream=True)
