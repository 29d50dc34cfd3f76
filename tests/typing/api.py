"""The public API, used as an application would. Never run: `mypy --strict` reads it in `make check`.

`assert_type` fails the check where a type is not the one that is promised, `Any` included.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import assert_type

import httpx
from openai.types.chat import ChatCompletionMessageParam

import qwenroute
from qwenroute import (
    AsyncRouter,
    AsyncStream,
    Attempt,
    CallFailed,
    Decision,
    InvalidRequest,
    MissingCredentials,
    NoDeployment,
    Plan,
    Policy,
    QwenRouteError,
    Record,
    Registry,
    Router,
    Signals,
    Step,
    Stream,
    explain,
    load_policy,
)

MESSAGES: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the derivative of x**3?"}]


def made_in_every_way() -> None:
    """A router needs no argument, and takes each of them in the types one has at hand."""
    Router().close()
    Router("default").close()
    Router(Path("policies/default.yaml")).close()
    policy = load_policy("default")
    assert_type(policy, Policy)
    registry = Registry.load(overlays=[Path("ours.yaml")])
    assert_type(registry, Registry)
    Router(policy, registry=registry, environ={"DASHSCOPE_API_KEY": "sk-none"}, on=date(2025, 6, 1)).close()


def called() -> None:
    """An answer is the one type or the other, as `stream` says; the record is beside it."""
    with Router() as router:
        answer = router.chat.completions.create(model="auto", messages=MESSAGES)
        assert_type(answer.choices[0].message.content, str | None)
        assert_type(answer.route, Record)
        assert_type(answer.route.decision, Decision)
        assert_type(answer.route.attempts, tuple[Attempt, ...])

        stream = router.chat.completions.create(messages=MESSAGES, stream=True, temperature=0.2, max_tokens=20)
        for chunk in stream:
            assert_type(chunk.choices[0].delta.content, str | None)
        assert_type(stream.route, Record)

        code = router.completions.create(prompt="def add(a, b):\n", suffix="\n    return total", model="coder")
        assert_type(code.choices[0].text, str)
        assert_type(code.route, Record)


def called_with_hints() -> None:
    """Hints are checked by name and type; plain dictionaries do for messages."""
    with Router() as router:
        router.chat.completions.create(
            messages=[{"role": "user", "content": "Prove it."}],
            qwenroute={"task": "math", "difficulty": "hard", "quality": "top", "deadline_s": 20.0, "tenant": "a"},
        )
        router.chat.completions.create(messages=MESSAGES, qwenroute={"taks": "math"})  # type: ignore[call-overload]


async def awaited() -> None:
    """The asynchronous router mirrors the synchronous one."""
    async with AsyncRouter() as router:
        answer = await router.chat.completions.create(model="auto", messages=MESSAGES)
        assert_type(answer.choices[0].message.content, str | None)
        assert_type(answer.route, Record)

        stream = await router.chat.completions.create(messages=MESSAGES, stream=True)
        async for chunk in stream:
            assert_type(chunk.choices[0].delta.content, str | None)
        assert_type(stream.route, Record)


async def brought_its_own_client() -> None:
    """An application with proxies or client certificates hands its own client in."""
    async with httpx.AsyncClient() as client, AsyncRouter(http_client=client) as router:
        await router.chat.completions.create(messages=MESSAGES)


def decided_only() -> str:
    """A decision is data: signals, plan and rejections are there without a call."""
    with Router() as router:
        decision = router.route(messages=MESSAGES, model="auto")
    assert_type(decision, Decision)
    assert_type(decision.signals, Signals)
    assert_type(decision.plan, Plan)
    assert_type(decision.first, Step)
    assert_type(decision.first.deployment.id, str)
    return explain(decision)


def failed() -> None:
    """Every error has one base; those that tried something say what."""
    try:
        called()
    except NoDeployment as error:
        assert_type(error.decision, Decision)
    except InvalidRequest as error:
        assert_type(error.param, str | None)
    except CallFailed as error:
        assert_type(error.attempts, tuple[Attempt, ...])
        assert_type(error.record, Record)
    except MissingCredentials:
        raise
    except QwenRouteError as error:
        assert_type(error, qwenroute.QwenRouteError)


def told_apart(stream: Stream[int], asynchronous: AsyncStream[int]) -> None:
    """Both kinds of stream can be named in an application's own annotations."""
    for number in stream:
        assert_type(number, int)
    assert_type(asynchronous.route, Record)
