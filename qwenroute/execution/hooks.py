"""What an application hangs into a call: redaction, guardrails, metrics of its own."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal, TypeVar

from qwenroute.domain.decision import Step
from qwenroute.domain.record import Record
from qwenroute.domain.request import Request
from qwenroute.errors import ConfigurationError, HookFailed, InvalidRequest

Piece = TypeVar("Piece")

THREADS = 4
"""For hooks that are not async: one that hangs holds its thread, and once all are held the rest fail
by their time limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Arriving:
    """Where a chunk comes from."""

    id: str
    """Of the request, as its record will have it."""
    request: Request
    step: Step
    """Of the attempt that is being relayed; another one after a stream was resumed."""


class Hook:
    """Subclass it and write any of its four methods, sync or async.

    Several hooks run in the order in which they are given, each on what the one before it left.

    A sync method runs on a thread of its own, so that the event loop never waits for it; `inline`
    says that it is quick and may run right where the call is. An inline method cannot be
    interrupted: for it, the time limit does not hold.
    """

    timeout_s: float = 1.0
    """How long each of its methods may take."""
    on_failure: Literal["raise", "ignore"] = "raise"
    """Whether the call fails with it (`HookFailed`), or goes on as if the hook were not there."""
    inline: bool = False

    def before_routing(self, request: Request) -> Request | Awaitable[Request | None] | None:
        """Return the request to go on with; None leaves it as it is.

        Raise `InvalidRequest` to refuse it: that reaches the caller whatever `on_failure` says.
        """

    def before_attempt(self, request: Request, step: Step) -> Awaitable[None] | None:
        """See what is about to be sent, and where. `InvalidRequest` refuses it, as before routing."""

    def on_chunk(self, chunk: object, arriving: Arriving) -> object | Awaitable[object | None] | None:
        """Return the chunk to hand on; None leaves it as it is, an emptied one hides what it held."""

    def after_answer(self, answer: object | None, record: Record) -> Awaitable[None] | None:
        """See the answer (None: it was streamed) before the caller has it, or the end of the stream."""


_POINTS = ("before_routing", "before_attempt", "on_chunk", "after_answer")


class Hooks:
    """The hooks of one router, by the point at which they listen.

    Each of the four attributes is None where nobody listens: nothing then has to be called. What
    is ignored goes to `on_ignored`, and is counted.
    """

    def __init__(self, hooks: Sequence[Hook], on_ignored: Callable[[HookFailed], None]) -> None:
        for hook in hooks:
            _check(hook)
        self._on_ignored = on_ignored
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0
        self.ignored = 0
        """Failures that were passed over so far."""
        before_routing, before_attempt, on_chunk, after_answer = (
            tuple(_Listener(hook, point) for hook in hooks if _listens(hook, point)) for point in _POINTS
        )
        self.before_routing: Callable[[Request], Awaitable[Request]] | None = None
        self.before_attempt: Callable[[Request, Step], Awaitable[None]] | None = None
        self.on_chunk: Callable[[object, Arriving], Awaitable[object]] | None = None
        self.after_answer: Callable[[object | None, Record], Awaitable[None]] | None = None

        if before_routing:

            async def route(request: Request) -> Request:
                for listener in before_routing:
                    request = await self._changed(listener, Request, request)
                return request

            self.before_routing = route
        if before_attempt:

            async def attempt(request: Request, step: Step) -> None:
                for listener in before_attempt:
                    await self._tell(listener, request, step)

            self.before_attempt = attempt
        if on_chunk:

            async def arrive(chunk: object, arriving: Arriving) -> object:
                for listener in on_chunk:
                    chunk = await self._changed(listener, type(chunk), chunk, arriving)
                return chunk

            self.on_chunk = arrive
        if after_answer:

            async def answer(answer: object | None, record: Record) -> None:
                for listener in after_answer:
                    await self._tell(listener, answer, record)

            self.after_answer = answer

    def close(self) -> None:
        """Let go of the threads. Idempotent; one that is still in a hook ends with it."""
        pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.shutdown(wait=False, cancel_futures=True)

    async def _changed(self, listener: _Listener, kind: type[Piece], given: Piece, *more: object) -> Piece:
        """Return what a listener makes of the first argument."""
        changed = await self._tell(listener, given, *more)
        if changed is None:
            return given
        if isinstance(changed, kind):
            return changed
        self._failed(listener, f"returned a {type(changed).__name__}; it may return a {kind.__name__} or None", None)
        return given

    async def _tell(self, listener: _Listener, *arguments: object) -> object:
        """Call a listener within its time; return None where it failed and may be ignored."""
        limit_s = listener.hook.timeout_s
        scope = asyncio.timeout(limit_s)
        outcome: object = None
        try:
            if listener.inline:
                outcome = listener.method(*arguments)
                if not inspect.isawaitable(outcome):
                    return outcome
            async with scope:
                if not listener.inline:
                    call = contextvars.copy_context().run
                    loop = asyncio.get_running_loop()
                    outcome = await loop.run_in_executor(self._threads(), call, listener.on_thread, *arguments)
                return await outcome if inspect.isawaitable(outcome) else outcome
        except InvalidRequest as refusal:
            if listener.may_refuse:
                raise
            self._failed(listener, "failed with InvalidRequest", refusal)
        except TimeoutError as error:
            late = scope.expired()
            self._failed(listener, f"took longer than {limit_s:g} s" if late else "failed with TimeoutError", error)
        except Exception as error:  # noqa: BLE001 - it is the application's code: anything may come
            self._failed(listener, f"failed with {type(error).__name__}", error)
        return None

    def _failed(self, listener: _Listener, message: str, cause: Exception | None) -> None:
        hook = listener.hook
        # What the cause says stays with the cause: it may quote a prompt, and this goes to logs.
        failed = HookFailed(message, hook=type(hook).__name__, point=listener.point)
        failed.__cause__ = cause
        if hook.on_failure == "raise":
            raise failed
        self.ignored += 1
        self._on_ignored(failed)

    def _threads(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pid != os.getpid():  # a fork leaves the parent's threads behind
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="qwenroute-hook")
            self._pid = os.getpid()
        return self._pool


class _Listener:
    """One method of one hook."""

    __slots__ = ("hook", "inline", "may_refuse", "method", "point")

    def __init__(self, hook: Hook, point: str) -> None:
        self.hook = hook
        self.point = point
        self.method: Callable[..., object] = getattr(hook, point)
        self.inline = hook.inline or inspect.iscoroutinefunction(self.method)  # calling that only makes a coroutine
        self.may_refuse = point in {"before_routing", "before_attempt"}

    def on_thread(self, *arguments: object) -> object:
        try:
            return self.method(*arguments)
        except StopIteration as error:  # a future cannot carry it: the caller would wait for nothing
            raise RuntimeError("StopIteration left the hook") from error


def _listens(hook: Hook, point: str) -> bool:
    return getattr(getattr(hook, point), "__func__", None) is not getattr(Hook, point)


def _check(hook: object) -> None:
    """Refuse what cannot be a hook, or declares what means nothing."""
    if not isinstance(hook, Hook):
        name = hook.__name__ if isinstance(hook, type) else type(hook).__name__
        instead = f"give an instance: `{name}()`" if isinstance(hook, type) else "subclass `Hook`"
        raise ConfigurationError(f"`{name}` is not a hook; {instead}")
    name = type(hook).__name__
    limit_s: object = hook.timeout_s
    if hook.on_failure not in {"raise", "ignore"}:
        raise ConfigurationError(f"`{name}.on_failure` has to be `raise` or `ignore`, not `{hook.on_failure}`")
    if isinstance(limit_s, bool) or not isinstance(limit_s, int | float) or not 0 < limit_s < float("inf"):
        raise ConfigurationError(f"`{name}.timeout_s` has to be a number of seconds above 0, not `{limit_s}`")
