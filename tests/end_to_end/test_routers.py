"""The two routers: what they open they close, whoever shares or leaves them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
import respx

from qwenroute import AsyncRouter, ConfigurationError, Router, StreamInterrupted
from qwenroute.testing import SimulatorHandle, simulator

HELLO = [{"role": "user", "content": "Hello"}]
BASE = "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """One server for the file."""
    with simulator(time_scale=0, rate_limits=False) as handle:
        yield handle


async def drain(stream: AsyncIterator[object], into: list[object]) -> None:
    """Keep what arrives, whatever follows."""
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401 - what arrived before an error has to stay


def loop_threads() -> list[threading.Thread]:
    """Return the background loops of this process."""
    return [t for t in threading.enumerate() if t.name == "qwenroute"]


def test_answers_are_of_the_openai_types(platform: SimulatorHandle) -> None:
    """An application changes the import and keeps its code."""
    with Router(environ=platform.environ()) as router:
        answer = router.chat.completions.create(model="auto", messages=HELLO)
        assert isinstance(answer, openai.types.chat.ChatCompletion)
        assert "route" not in answer.model_dump()
        with router.chat.completions.create(messages=HELLO, stream=True) as stream:
            assert all(isinstance(chunk, openai.types.chat.ChatCompletionChunk) for chunk in stream)
            assert stream.route.usage is not None


def test_the_usage_chunk_is_shown_only_to_those_who_asked(platform: SimulatorHandle) -> None:
    """It is always requested upstream, so that the cost can be settled."""
    with Router(environ=platform.environ()) as router:
        plain = list(router.chat.completions.create(messages=HELLO, stream=True))
        asked = list(
            router.chat.completions.create(messages=HELLO, stream=True, stream_options={"include_usage": True})
        )
    assert all(chunk.choices for chunk in plain)
    assert asked[-1].usage is not None
    assert platform.requests[-2].body["stream_options"] == {"include_usage": True}


def test_the_last_sync_router_stops_the_background_loop(platform: SimulatorHandle) -> None:
    """Routers share one thread, and leave none behind."""
    with Router(environ=platform.environ()) as one, Router(environ=platform.environ()) as two:
        one.chat.completions.create(messages=HELLO)
        two.chat.completions.create(messages=HELLO)
        assert len(loop_threads()) == 1
    assert loop_threads() == []


def test_threads_share_a_router(platform: SimulatorHandle) -> None:
    """Each gets the answer to its own question."""
    with Router(environ=platform.environ()) as router, ThreadPoolExecutor(8) as pool:

        def ask(number: int) -> tuple[str, str]:
            prompt = f"question number {number}"
            stream = router.chat.completions.create(messages=[{"role": "user", "content": prompt}], stream=True)
            first = "".join(c.choices[0].delta.content or "" for c in stream)
            again = router.chat.completions.create(messages=[{"role": "user", "content": prompt}])
            return first, again.choices[0].message.content or ""

        answers = list(pool.map(ask, range(24)))
    assert all(a == b for a, b in answers)
    assert len({a for a, _ in answers}) == 24


@pytest.mark.parametrize("used", [True, False])
def test_a_closed_router_says_so(platform: SimulatorHandle, used: bool) -> None:
    """Used or not, closing is final and can be repeated."""
    router = Router(environ=platform.environ())
    if used:
        router.chat.completions.create(messages=HELLO)
    router.close()
    router.close()
    with pytest.raises(ConfigurationError, match="closed"):
        router.chat.completions.create(messages=HELLO)
    assert loop_threads() == []


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_router_works_on_in_a_forked_child(platform: SimulatorHandle) -> None:
    """The child has no thread of its parent's: it starts its own, and closing waits for no other."""
    with Router(environ=platform.environ()) as router:
        router.chat.completions.create(messages=HELLO)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                answer = router.chat.completions.create(messages=HELLO)
                router.close()
                code = 0 if answer.route.deployment else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        router.chat.completions.create(messages=HELLO)


async def test_leaving_a_stream_early_keeps_the_router_usable(platform: SimulatorHandle) -> None:
    """The connection is given up, the next call opens another."""
    async with AsyncRouter(environ=platform.environ()) as router:
        async with await router.chat.completions.create(messages=HELLO, stream=True) as stream:
            await anext(stream)
        assert [c async for c in stream] == []
        assert stream.route.attempts[-1].failure is None
        answer = await router.chat.completions.create(messages=HELLO)
    assert answer.choices[0].message.content


async def test_a_broken_stream_is_told_with_everything_that_arrived(platform: SimulatorHandle) -> None:
    """After the first token nothing is rerouted."""
    from qwenroute.simulator import Cut

    platform.fail("*", Cut(after_chunks=3), times=1)
    received: list[object] = []
    async with AsyncRouter(environ=platform.environ()) as router:
        stream = await router.chat.completions.create(messages=HELLO, stream=True)
        with pytest.raises(StreamInterrupted) as caught:
            await drain(stream, received)
    platform.clear_faults()
    assert received
    assert len(caught.value.attempts) == 1


async def test_an_applications_own_httpx_client_is_used_and_left_open() -> None:
    """Proxies, mTLS and respx keep working; so does the client after us."""
    body = {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "qwen-flash",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    async with httpx.AsyncClient() as client:
        with respx.mock(base_url=BASE) as mocked:
            call = mocked.post("/chat/completions").respond(json=body)
            async with AsyncRouter(environ={"DASHSCOPE_API_KEY": "sk-test"}, http_client=client) as router:
                answer = await router.chat.completions.create(messages=HELLO)
        assert answer.choices[0].message.content == "hi"
        assert call.calls[0].request.headers["authorization"] == "Bearer sk-test"
        assert not client.is_closed


async def test_a_cancelled_call_leaves_nothing_behind(platform: SimulatorHandle) -> None:
    """Cancelling the caller's task ends the work upstream."""
    from qwenroute.simulator import SlowFirstToken

    platform.fail("*", SlowFirstToken(s=30), times=1)
    before = len(platform.requests)
    async with AsyncRouter(environ=platform.environ()) as router:
        task = asyncio.create_task(router.chat.completions.create(messages=HELLO))
        async with asyncio.timeout(5):
            while len(platform.requests) == before:  # noqa: ASYNC110 - the server lives on another thread
                await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    platform.clear_faults()
    assert [t for t in asyncio.all_tasks() if t is not asyncio.current_task()] == []


def test_a_stream_that_outlives_its_router_ends(platform: SimulatorHandle) -> None:
    """Leaving the router ends what is under way; closing the stream after it is harmless."""
    with Router(environ=platform.environ()) as router:
        stream = router.chat.completions.create(messages=HELLO, stream=True)
        next(stream)
    with pytest.raises(ConfigurationError, match="closed"):
        next(stream)
    stream.close()
    assert loop_threads() == []


def test_a_completion_can_be_decided_without_calling(platform: SimulatorHandle) -> None:
    """`route` takes what either kind of call takes."""
    with Router(environ=platform.environ(self_hosted=["qwen2.5-coder-7b-instruct"])) as router:
        decision = router.route(prompt="def add(a, b):\n", suffix="\nprint(add(1, 2))")
    assert decision.first.deployment.fim


def in_flight(router: Router) -> int:
    """How many attempts are under way."""
    return sum(told.in_flight for told in router.health())


def wait_until(ready: Callable[[], bool]) -> None:
    """The server and the loop live on other threads."""
    until = time.monotonic() + 5
    while not ready():
        assert time.monotonic() < until
        time.sleep(0.002)


def test_a_stream_that_is_dropped_gives_up_its_place(platform: SimulatorHandle) -> None:
    """Nobody can read it any more, so nothing stays reserved for it."""
    with Router(environ=platform.environ()) as router:
        stream = router.chat.completions.create(messages=HELLO, stream=True)
        next(stream)
        assert in_flight(router) == 1
        del stream
        gc.collect()
        wait_until(lambda: in_flight(router) == 0)


@pytest.mark.parametrize("stream", [False, True])
def test_closing_a_router_ends_a_call_on_another_thread(platform: SimulatorHandle, stream: bool) -> None:
    """The thread that waits is told by an error of ours, and nothing is called any more."""
    from qwenroute.simulator import Stall

    platform.fail("*", Stall(after_chunks=3, s=30))
    before = len(platform.requests)
    router = Router(environ=platform.environ())

    def ask() -> None:
        answer = router.chat.completions.create(messages=HELLO, stream=stream)
        if stream:
            for _ in answer:
                pass

    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(ask)
        wait_until(lambda: len(platform.requests) > before and in_flight(router) == 1)
        router.close()
        with pytest.raises((ConfigurationError, StreamInterrupted), match="closed"):
            asked.result(5)
    platform.clear_faults()
    assert len(platform.requests) == before + 1
    assert in_flight(router) == 0
    assert loop_threads() == []


async def test_closing_a_router_ends_the_calls_of_other_tasks(platform: SimulatorHandle) -> None:
    """It returns once they have ended; their tasks are not cancelled, they are told."""
    from qwenroute.simulator import SlowFirstToken

    platform.fail("*", SlowFirstToken(s=30))
    before = len(platform.requests)
    router = AsyncRouter(environ=platform.environ())
    task = asyncio.create_task(router.chat.completions.create(messages=HELLO))
    async with asyncio.timeout(5):
        while len(platform.requests) == before:  # noqa: ASYNC110 - the server lives on another thread
            await asyncio.sleep(0.005)
    await router.aclose()
    platform.clear_faults()
    assert sum(told.in_flight for told in router.health()) == 0
    with pytest.raises(ConfigurationError, match="closed during the call"):
        await task


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_stream_of_the_parent_is_refused_in_a_forked_child(platform: SimulatorHandle) -> None:
    """The child has no thread that could bring the rest: waiting would never end."""
    with Router(environ=platform.environ()) as router:
        stream = router.chat.completions.create(messages=HELLO, stream=True)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                next(stream)
            except ConfigurationError:
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert list(stream)


def test_a_dropped_router_leaves_no_thread(platform: SimulatorHandle) -> None:
    """Without `close` it is ended too, and nobody waits for it in the garbage collector."""
    router = Router(environ=platform.environ())
    router.chat.completions.create(messages=HELLO)
    [thread] = loop_threads()
    del router
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    assert loop_threads() == []


@pytest.mark.slow
def test_a_router_left_open_does_not_hold_up_the_exit(platform: SimulatorHandle) -> None:
    """A script that never closes ends by itself, and says nothing."""
    script = (
        "from qwenroute import Router\n"
        "router = Router()\n"
        "print(router.chat.completions.create(messages=[{'role': 'user', 'content': 'hi'}]).route.deployment)\n"
        "stream = router.chat.completions.create(messages=[{'role': 'user', 'content': 'hi'}], stream=True)\n"
        "next(stream)\n"
    )
    environ = {**os.environ, **platform.environ()}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=environ,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "@dashscope" in done.stdout
