"""Hooks: what they may change, how long they may take, and how they fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import pytest

from qwenroute.domain.request import Request
from qwenroute.errors import ConfigurationError, HookFailed, InvalidRequest, QwenRouteError
from qwenroute.execution.hooks import THREADS, Arriving, Hook, Hooks

REQUEST = Request(model="auto", messages=({"role": "user", "content": "call 555-0100"},))
STEP: Any = object()
RECORD: Any = object()
ARRIVING = Arriving(id="r1", request=REQUEST, step=STEP)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "before_routing": (REQUEST,),
    "before_attempt": (REQUEST, STEP),
    "on_chunk": ("chunk", ARRIVING),
    "after_answer": ("answer", RECORD),
}
POINTS = tuple(ARGUMENTS)


def hook_at(point: str, body: Callable[..., Any], *, style: str, **declared: Any) -> Hook:
    """Return a hook whose one method does `body`: async, sync on a thread, or inline."""

    async def method(self: Hook, *arguments: Any) -> Any:
        return body(*arguments)

    def plain(self: Hook, *arguments: Any) -> Any:
        return body(*arguments)

    declared["inline"] = style == "inline"
    return type("Own", (Hook,), {point: method if style == "async" else plain, **declared})()


async def at(hooks: Hooks, point: str) -> Any:
    return await getattr(hooks, point)(*ARGUMENTS[point])


def strict(*hooks: Hook) -> Hooks:
    def never(failed: HookFailed) -> None:
        raise AssertionError(failed)

    return Hooks(hooks, never)


styles = pytest.mark.parametrize("style", ["async", "thread", "inline"])


def test_nobody_listens() -> None:
    """A point at which no hook has a method of its own is None."""
    hooks = strict(Hook(), hook_at("on_chunk", lambda *_: None, style="inline"))
    assert [getattr(hooks, point) is None for point in POINTS] == [True, True, False, True]


def test_a_method_put_on_the_instance_counts() -> None:
    """A hook may get its method after it was made."""
    hook: Any = Hook()
    hook.after_answer = lambda answer, record: None
    assert strict(hook).after_answer is not None


@styles
@pytest.mark.parametrize("point", POINTS)
async def test_arguments_arrive(point: str, style: str) -> None:
    """Each method gets what its point has to tell, whichever way it runs."""
    seen: list[Any] = []
    hooks = strict(hook_at(point, lambda *arguments: seen.append(arguments), style=style))
    kept = await at(hooks, point)
    assert seen == [ARGUMENTS[point]]
    assert kept == {"before_routing": REQUEST, "on_chunk": "chunk"}.get(point)
    hooks.close()


@styles
async def test_changes_are_handed_on_in_order(style: str) -> None:
    """The second hook sees what the first one made of the request."""

    def redact(request: Request) -> Request:
        return replace(request, messages=({"role": "user", "content": "call [number]"},))

    seen: list[Request] = []
    hooks = strict(hook_at("before_routing", redact, style=style), hook_at("before_routing", seen.append, style=style))
    changed = await at(hooks, "before_routing")
    assert changed is seen[0]
    assert changed.messages[0]["content"] == "call [number]"
    hooks.close()


@styles
async def test_chunks_may_be_changed(style: str) -> None:
    """A chunk that is returned takes the place of the one that came."""
    hooks = strict(hook_at("on_chunk", lambda chunk, _: chunk.upper(), style=style))
    assert await at(hooks, "on_chunk") == "CHUNK"
    hooks.close()


def fail(*_: Any) -> None:
    raise ValueError("with call 555-0100 in it")


@styles
@pytest.mark.parametrize("point", POINTS)
async def test_failing_hook_raises(point: str, style: str) -> None:
    """The call fails with an error that names class and method, has the cause, and quotes nothing of it."""
    hooks = strict(hook_at(point, fail, style=style))
    with pytest.raises(HookFailed, match=f"^hook `Own.{point}` failed with ValueError$") as caught:
        await at(hooks, point)
    assert isinstance(caught.value, QwenRouteError)
    assert isinstance(caught.value.__cause__, ValueError)
    assert (caught.value.hook, caught.value.point) == ("Own", point)
    hooks.close()


@styles
@pytest.mark.parametrize("point", POINTS)
async def test_failing_hook_is_ignored(point: str, style: str) -> None:
    """Where its declaration says so the failure is told and counted, and the next hook has its turn."""
    told: list[HookFailed] = []
    reached: list[Any] = []
    hooks = Hooks(
        [
            hook_at(point, fail, style=style, on_failure="ignore"),
            hook_at(point, lambda *arguments: reached.append(arguments), style=style),
        ],
        told.append,
    )
    await at(hooks, point)
    assert [str(each) for each in told] == [f"hook `Own.{point}` failed with ValueError"]
    assert hooks.ignored == 1
    assert reached == [ARGUMENTS[point]]
    hooks.close()


@pytest.mark.parametrize("on_failure", ["raise", "ignore"])
async def test_slow_async_hook_is_cut_off(on_failure: str) -> None:
    """An async hook is cancelled at its limit."""
    ended: list[str] = []

    class Slow(Hook):
        timeout_s = 0.01

        async def before_routing(self, request: Request) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.append("cancelled")

    Slow.on_failure = on_failure  # type: ignore[assignment]
    told: list[HookFailed] = []
    hooks = Hooks([Slow()], told.append)
    if on_failure == "raise":
        with pytest.raises(HookFailed, match=r"`Slow.before_routing` took longer than 0.01 s"):
            await at(hooks, "before_routing")
    else:
        assert await at(hooks, "before_routing") is REQUEST
        assert len(told) == 1
    assert ended == ["cancelled"]


async def test_slow_sync_hook_does_not_hold_the_loop() -> None:
    """While a sync hook hangs on its thread the loop runs on, and the call fails at the limit."""
    release = threading.Event()
    hooks = strict(hook_at("before_attempt", lambda *_: release.wait(30), style="thread", timeout_s=0.05))
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    try:
        with pytest.raises(HookFailed, match=r"took longer than 0\.05 s"):
            await at(hooks, "before_attempt")
    finally:
        release.set()
        counting.cancel()
    assert turns > 10
    hooks.close()


async def test_hanging_hooks_do_not_pile_up_threads() -> None:
    """Hooks that hang hold a few threads at most; those beyond fail by their limit without one."""
    release = threading.Event()
    hooks = strict(hook_at("before_attempt", lambda *_: release.wait(30), style="thread", timeout_s=0.05))
    outcomes = await asyncio.gather(*(at(hooks, "before_attempt") for _ in range(3 * THREADS)), return_exceptions=True)
    held = [thread for thread in threading.enumerate() if thread.name.startswith("qwenroute-hook")]
    release.set()
    assert all(isinstance(outcome, HookFailed) for outcome in outcomes)
    assert len(held) == THREADS
    hooks.close()
    for thread in held:
        thread.join(10)
        assert not thread.is_alive()


async def test_timeout_of_its_own_is_no_lateness() -> None:
    """A TimeoutError that the hook raises by itself is told as such."""

    def own(*_: Any) -> None:
        raise TimeoutError

    for style in ("async", "thread", "inline"):
        hooks = strict(hook_at("before_routing", own, style=style))
        with pytest.raises(HookFailed, match="failed with TimeoutError"):
            await at(hooks, "before_routing")
        hooks.close()


@styles
async def test_exhausted_iterator_is_a_failure_like_any_other(style: str) -> None:
    """StopIteration, which neither coroutines nor futures can carry, is told at once."""
    hooks = strict(hook_at("before_routing", lambda _: next(iter(())), style=style, timeout_s=30.0))
    with pytest.raises(HookFailed, match=r"failed with (RuntimeError|StopIteration)"):
        await at(hooks, "before_routing")
    hooks.close()


@styles
@pytest.mark.parametrize("on_failure", ["raise", "ignore"])
@pytest.mark.parametrize("point", ["before_routing", "before_attempt"])
async def test_refusal_reaches_the_caller(point: str, on_failure: str, style: str) -> None:
    """InvalidRequest before anything is sent refuses the request, whatever the declaration says."""
    refusal = InvalidRequest("no numbers, please", param="messages")

    def refuse(*_: Any) -> None:
        raise refusal

    hooks = strict(hook_at(point, refuse, style=style, on_failure=on_failure))
    with pytest.raises(InvalidRequest) as caught:
        await at(hooks, point)
    assert caught.value is refusal
    hooks.close()


@pytest.mark.parametrize("point", ["on_chunk", "after_answer"])
async def test_nothing_is_refused_once_it_was_answered(point: str) -> None:
    """InvalidRequest from a hook behind the answer is a failure of the hook like any other."""

    def refuse(*_: Any) -> None:
        raise InvalidRequest("too late")

    with pytest.raises(HookFailed, match="failed with InvalidRequest"):
        await at(strict(hook_at(point, refuse, style="inline")), point)


@pytest.mark.parametrize("point", ["before_routing", "on_chunk"])
async def test_wrong_return_value_is_a_failure(point: str) -> None:
    """What is returned has to be of the kind that was given."""
    with pytest.raises(HookFailed, match=r"returned a dict; it may return a \w+ or None"):
        await at(strict(hook_at(point, lambda *_: {}, style="inline")), point)
    told: list[HookFailed] = []
    hooks = Hooks([hook_at(point, lambda *_: {}, style="async", on_failure="ignore")], told.append)
    assert await at(hooks, point) is ARGUMENTS[point][0]
    assert len(told) == 1


@pytest.mark.parametrize("style", ["thread", "inline"])
async def test_sync_method_may_return_an_awaitable(style: str) -> None:
    """A decorated async method looks sync; what it returns is awaited all the same."""

    async def later(request: Request) -> Request:
        return replace(request, model="coding")

    hooks = strict(hook_at("before_routing", later, style=style))
    assert (await at(hooks, "before_routing")).model == "coding"
    hooks.close()


where: ContextVar[str] = ContextVar("where", default="nowhere")


async def test_threads_see_the_context() -> None:
    """Context variables of the caller are there on the hook's thread, which is another one."""
    where.set("here")
    seen: list[Any] = []
    hooks = strict(
        hook_at("before_routing", lambda _: seen.append((where.get(), threading.get_ident())), style="thread")
    )
    await at(hooks, "before_routing")
    assert seen[0][0] == "here"
    assert seen[0][1] != threading.get_ident()
    hooks.close()


async def test_cancelled_caller_cancels_the_hook() -> None:
    """The caller's own cancellation is not a failure of the hook."""
    started = asyncio.Event()

    class Waits(Hook):
        on_failure = "ignore"

        async def before_routing(self, request: Request) -> None:
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(at(strict(Waits()), "before_routing"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


class NotAHook:
    pass


def declared(**values: Any) -> Hook:
    return type("Own", (Hook,), values)()


@pytest.mark.parametrize(
    ("hook", "says"),
    [
        (NotAHook(), "`NotAHook` is not a hook; subclass `Hook`"),
        (Hook, "`Hook` is not a hook; give an instance: `Hook()`"),
        (declared(on_failure="log"), "`Own.on_failure` has to be `raise` or `ignore`, not `log`"),
        (declared(timeout_s=0), "`Own.timeout_s` has to be a number of seconds above 0, not `0`"),
        (declared(timeout_s=float("nan")), "`Own.timeout_s` has to be a number of seconds above 0, not `nan`"),
        (declared(timeout_s="1"), "`Own.timeout_s` has to be a number of seconds above 0, not `1`"),
    ],
)
def test_mistakes_are_said_at_once(hook: Any, says: str) -> None:
    """What cannot be a hook is refused when the router is made, with what to do."""
    with pytest.raises(ConfigurationError) as caught:
        strict(hook)
    assert str(caught.value) == says


def test_close_is_idempotent() -> None:
    """Closing twice, or what never ran, is nothing."""
    hooks = strict(Hook())
    hooks.close()
    hooks.close()
