"""Router and AsyncRouter: the only place that wires the rooms together."""

from __future__ import annotations

import asyncio
import atexit
import os
import random
import threading
import time
import uuid
import weakref
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypedDict, TypeVar, overload

from qwenroute.analysis import analyse, count_exactly, read_request
from qwenroute.caching import GivenAgain, Keeping, KeptAnswers
from qwenroute.domain.decision import Decision
from qwenroute.domain.health import DeploymentHealth
from qwenroute.domain.protocols import Transport
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Signals
from qwenroute.embedding import Encoder, Resemblance
from qwenroute.errors import ConfigurationError, InvalidRequest, QwenRouteError
from qwenroute.execution import background
from qwenroute.execution.backoff import backoff
from qwenroute.execution.codec import Codec, Piece
from qwenroute.execution.hooks import Hook, Hooks
from qwenroute.execution.loop import Means, Run
from qwenroute.policy import Alike, Policy, Wording, load_policy
from qwenroute.providers import AiohttpTransport, HttpxTransport, build_provider
from qwenroute.providers.answers import ChatCompletion, ChatCompletionChunk, Completion
from qwenroute.providers.codecs import CHAT, COMPLETION
from qwenroute.providers.openai_errors import as_openai
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from qwenroute.state import HealthBoard, limit_keys
from qwenroute.streams import AsyncStream, Closing, Source, Stream
from qwenroute.telemetry import log

if TYPE_CHECKING:
    import httpx
    from openai.types.chat import ChatCompletionMessageParam

    Messages = Iterable[ChatCompletionMessageParam] | Iterable[Mapping[str, object]]

Result = TypeVar("Result", ChatCompletion, Completion)


class Hints(TypedDict, total=False):
    """What `qwenroute={…}` takes. Every key is optional; see `qwenroute.domain.request.Hints`."""

    task: str
    difficulty: str
    role: str
    objective: str
    quality: Literal["top"]
    thinking: bool
    sound: bool
    deadline_s: float
    max_cost_usd: float
    tenant: str
    tags: list[str]
    media_seconds: float
    hedge: bool
    session: str


class AsyncRouter:
    """Route each request to the Qwen model that fits it, and call it.

    Args:
        policy: a shipped policy's name, a path to a policy file, or a loaded `Policy`.
        registry: the facts; `Registry.load(overlays=[…])` adds an operator's own.
        environ: where keys and addresses are looked up; the process environment by default.
        on: the date at which models are alive or retired; today by default.
        hooks: what to call before routing, before each attempt, on each chunk and after the answer.
        http_client: an `httpx.AsyncClient` of your own (proxies, mTLS); it is used and not closed.

    Raises:
        DocumentError: the policy has mistakes.
        MissingCredentials: no endpoint of the policy has a key.
    """

    def __init__(
        self,
        policy: str | Path | Policy = "default",
        *,
        registry: Registry | None = None,
        environ: Mapping[str, str] | None = None,
        on: date | None = None,
        hooks: Sequence[Hook] = (),
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self.policy = policy if isinstance(policy, Policy) else load_policy(policy)
        self.registry = Registry.load() if registry is None else registry
        self._environ = dict(os.environ if environ is None else environ)
        self._on = on
        self._http_client = http_client
        self._hooks = Hooks(hooks, log.hook_ignored)
        self._fleet_on = self._on or date.today()
        try:
            self._fleet = Fleet.build(self.policy, self.registry, self._environ, self._fleet_on)
            self._encoder_at = self._find_encoder()
        except QwenRouteError as error:
            raise as_openai(error) from error.__cause__
        endpoints = self._fleet.endpoints.values()
        self._board = HealthBoard(self._fleet.deployments, limit_keys(endpoints), self.policy.resilience)
        self._kept = None if self.policy.cache is None else KeptAnswers(self.policy, endpoints)
        self._transport: Transport | None = None
        self._resemblance: Resemblance | None = None
        self._means: Means | None = None
        self._calls: set[asyncio.Task[object]] = set()
        self._ending: set[asyncio.Task[object]] = set()
        self._ended: asyncio.Event | None = None
        self._streams: weakref.WeakSet[Closing] = weakref.WeakSet()
        self._closed = False
        self.chat = AsyncChat(self)
        self.completions = AsyncTextCompletions(self)

    @property
    def fleet(self) -> Fleet:
        """The deployments as of today; a long-lived process sees models retire."""
        today = self._on or date.today()
        if self._fleet_on != today:
            self._fleet = Fleet.build(self.policy, self.registry, self._environ, today)
            self._fleet_on = today
            self._board.adopt(self._fleet.deployments, limit_keys(self._fleet.endpoints.values()))
            self._means = None
        return self._fleet

    def health(self) -> tuple[DeploymentHealth, ...]:
        """Return the state of every deployment: whether it may be called, why not, until when."""
        return self._board.snapshot(time.monotonic(), datetime.now().astimezone())

    def route(
        self,
        /,  # a request of a file may hold any name
        *,
        messages: Messages | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Decision:
        """Decide without calling. Takes what `chat.completions.create` or `completions.create` takes.

        Nothing is sent, to an encoder neither: where the policy's examples could have mattered, the
        decision's `warnings` say that they were not consulted.

        Raises:
            InvalidRequest, ModelRetired, NoDeployment: as the call would.
        """
        try:
            body = _body(params, model=model, messages=messages, qwenroute=qwenroute)
            kind = Kind.COMPLETION if messages is None and "prompt" in body else Kind.CHAT
            request = read_request(body, kind=kind)
            return self._decide(request, analyse(request), None)
        except QwenRouteError as error:
            raise as_openai(error) from error.__cause__

    async def call(
        self, kind: Kind, body: Mapping[str, object], codec: Codec[Result, Piece]
    ) -> Result | AsyncStream[Piece]:
        """Route and call one request body; what `create` stands on."""
        self.check_open()
        task: asyncio.Task[object] | None = asyncio.current_task()
        if task is not None:
            self._calls.add(task)
        try:
            return await self._call(kind, body, codec)
        except QwenRouteError as error:
            raise as_openai(error) from error.__cause__
        except asyncio.CancelledError:
            if task in self._ending and task.uncancel() == 0:  # nobody but `aclose` wanted it
                raise as_openai(ConfigurationError("this router was closed during the call")) from None
            raise
        finally:
            if task is not None:
                self._calls.discard(task)
                if self._ended is not None:
                    self._ending.discard(task)
                    self._ended.set()

    async def _call(
        self, kind: Kind, body: Mapping[str, object], codec: Codec[Result, Piece]
    ) -> Result | AsyncStream[Piece]:
        began = asyncio.get_running_loop().time()  # hooks and the decision take from the caller's time, too
        hooks = self._hooks
        request = read_request(body, kind=kind)
        if hooks.before_routing is not None:
            request = await hooks.before_routing(request)
        signals = analyse(request)
        alike = await self._compare(request, signals) if self.policy.examples else None
        decision = self._decide(request, signals, alike)
        log.decided(decision)
        kept = self._kept
        key = None if kept is None else kept.key(request)
        if kept is not None and key is not None and (found := kept.find(key, codec)) is not None:
            return await self._again(kept, *found, request, decision, codec)
        self._board.request_began(time.monotonic())
        run = Run(id=uuid.uuid4().hex, request=request, decision=decision, means=self._open(), codec=codec, began=began)
        if request.stream:
            await run.open()
            source = run if kept is None or key is None else Keeping(run, key, request, kept, codec)
            return self._stream(source, request, codec)
        answer = await run.answer()
        answer.route = run.record()
        if kept is not None and key is not None:
            kept.keep(key, request, answer.route, answer)
        if hooks.after_answer is not None:
            await hooks.after_answer(answer, answer.route)
        return answer

    async def _again(
        self,
        kept: KeptAnswers,
        held: bytes,
        answer: Result,
        request: Request,
        decision: Decision,
        codec: Codec[Result, Piece],
    ) -> Result | AsyncStream[Piece]:
        """Give a kept answer again."""
        answer.route = kept.record(uuid.uuid4().hex, decision, codec.usage(answer))
        if request.stream:
            again: GivenAgain[Result, Piece] = GivenAgain(held, request, decision, codec, answer.route)
            return self._stream(again, request, codec)
        if self._hooks.after_answer is not None:
            await self._hooks.after_answer(answer, answer.route)
        return answer

    def _stream(self, source: Source[Piece], request: Request, codec: Codec[Result, Piece]) -> AsyncStream[Piece]:
        wanted = request.params.get("stream_options")
        usage_asked = isinstance(wanted, Mapping) and wanted.get("include_usage") is True
        stream = AsyncStream(source, (lambda _: True) if usage_asked else codec.shows, self._hooks)
        self._streams.add(stream)
        return stream

    def _decide(self, request: Request, signals: Signals, alike: Alike | None) -> Decision:
        return decide(
            request,
            signals,
            self.policy,
            self.fleet,
            count_exactly=count_exactly,
            conditions=self._board,
            now=time.monotonic(),
            chance=random.random,
            alike=alike,
        )

    async def _compare(self, request: Request, signals: Signals) -> Alike:
        """Ask the policy's encoder what a request is like, if that could matter."""
        wording = Wording(request)
        if not self.policy.compares(request, signals, wording):
            return Alike()
        if self._encoder_at is None:
            return Alike(silent="its encoder lacks an address or a key here")
        if self._resemblance is None:
            rules = self.policy.embedding
            assert rules is not None  # the loader sees to it
            base_url, api_key = self._encoder_at
            self._resemblance = Resemblance(
                Encoder(base_url, api_key, rules.model, self._connect()),
                self.policy.examples,
                at_least=rules.min_similarity,
                within_s=rules.timeout_s,
                tell=log.encoder_failed,
            )
        return await self._resemblance.compare(wording.text)

    def _find_encoder(self) -> tuple[str, str | None] | None:
        embedding = self.policy.embedding
        if embedding is None:
            return None
        return embedding.place(self._environ, self._fleet.endpoints, self.policy.limits.regions)

    def check_open(self) -> None:
        """Raise ConfigurationError if the router was closed."""
        if self._closed:
            raise ConfigurationError("this router is closed: make a new one")

    def shut(self) -> None:
        """Take no more calls; what is open stays so until `aclose`."""
        self._closed = True

    async def aclose(self) -> None:
        """End what is under way, and close every connection that was opened here. Idempotent."""
        self.shut()
        here, loop = asyncio.current_task(), asyncio.get_running_loop()
        self._ended = self._ended or asyncio.Event()
        for call in self._calls - self._ending - {here}:
            self._ending.add(call)
            call.cancel()
        while any(call.get_loop() is loop for call in self._ending - {here}):
            self._ended.clear()
            await self._ended.wait()
        for stream in list(self._streams):
            await stream.cut_off()
        means, self._means = self._means, None
        resemblance, self._resemblance = self._resemblance, None
        if resemblance is not None:
            await resemblance.aclose()
        for provider in () if means is None else means.providers.values():
            await provider.aclose()
        transport, self._transport = self._transport, None
        if transport is not None and self._http_client is None:
            await transport.aclose()
        self._hooks.close()
        if self._kept is not None:
            self._kept.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _open(self) -> Means:
        fleet = self.fleet
        if self._means is None:
            transport = self._connect()
            self._means = Means(
                providers={name: build_provider(endpoint, transport) for name, endpoint in fleet.endpoints.items()},
                gatekeeper=self._board,
                exchange=self.policy.exchange,
                backoff=backoff(self.policy.retries),
                on_attempt=log.attempt_ended,
                before_attempt=self._hooks.before_attempt,
            )
        return self._means

    def _connect(self) -> Transport:
        if self._transport is None:
            client = self._http_client
            self._transport = AiohttpTransport() if client is None else HttpxTransport(client)
        return self._transport


class AsyncChat:
    """`router.chat`."""

    def __init__(self, router: AsyncRouter) -> None:
        self.completions = AsyncChatCompletions(router)


class AsyncChatCompletions:
    """`router.chat.completions`."""

    def __init__(self, router: AsyncRouter) -> None:
        self._router = router

    @overload
    async def create(
        self,
        *,
        messages: Messages,
        model: str = "auto",
        stream: Literal[False] = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion: ...
    @overload
    async def create(
        self,
        *,
        messages: Messages,
        stream: Literal[True],
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def create(
        self,
        *,
        messages: Messages,
        stream: bool,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
    async def create(
        self,
        *,
        messages: Messages,
        model: str = "auto",
        stream: bool = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """Answer a chat request; the fields are those of the OpenAI API.

        Args:
            messages: the conversation.
            model: `auto`, a route or role of the policy, a model id, or `model@endpoint`.
            stream: whether to return the answer piece by piece.
            qwenroute: what the application knows about the request (task, quality, deadline_s, …).
            params: every other field of the API; `timeout` is the deadline in seconds.

        Raises:
            InvalidRequest: nothing was sent; `param` names the field.
            NoDeployment: nothing that the policy allows can serve it; nothing was sent.
            CallFailed: `attempts` lists what was tried.
        """
        body = _body(params, messages=messages, model=model, stream=stream, qwenroute=qwenroute)
        return await self._router.call(Kind.CHAT, body, CHAT)


class AsyncTextCompletions:
    """`router.completions`: code between a prefix and a suffix."""

    def __init__(self, router: AsyncRouter) -> None:
        self._router = router

    @overload
    async def create(
        self,
        *,
        prompt: str,
        suffix: str | None = None,
        model: str = "auto",
        stream: Literal[False] = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion: ...
    @overload
    async def create(
        self,
        *,
        prompt: str,
        stream: Literal[True],
        suffix: str | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> AsyncStream[Completion]: ...
    @overload
    async def create(
        self,
        *,
        prompt: str,
        stream: bool,
        suffix: str | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion | AsyncStream[Completion]: ...
    async def create(
        self,
        *,
        prompt: str,
        suffix: str | None = None,
        model: str = "auto",
        stream: bool = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion | AsyncStream[Completion]:
        """Complete code from `prompt`, up to `suffix` where one is given; raises as chat does."""
        body = _body(params, prompt=prompt, suffix=suffix, model=model, stream=stream, qwenroute=qwenroute)
        return await self._router.call(Kind.COMPLETION, body, COMPLETION)


class Router:
    """The same for synchronous callers: the async router, on an event loop of its own thread.

    Takes what `AsyncRouter` takes. Threads may share one router. Use it as a context manager,
    or call `close`.
    """

    def __init__(
        self,
        policy: str | Path | Policy = "default",
        *,
        registry: Registry | None = None,
        environ: Mapping[str, str] | None = None,
        on: date | None = None,
        hooks: Sequence[Hook] = (),
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        self._async = AsyncRouter(
            policy, registry=registry, environ=environ, on=on, hooks=hooks, http_client=http_client
        )
        self._loop = _Loop(self._async)
        self.chat = Chat(self)
        self.completions = TextCompletions(self)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._async.policy

    @property
    def registry(self) -> Registry:
        """The facts in force."""
        return self._async.registry

    @property
    def fleet(self) -> Fleet:
        """The deployments as of today."""
        return self._async.fleet

    def health(self) -> tuple[DeploymentHealth, ...]:
        """Return the state of every deployment: whether it may be called, why not, until when."""
        return self._async.health()

    def route(
        self,
        /,  # a request of a file may hold any name
        *,
        messages: Messages | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Decision:
        """Decide without calling. Takes what `chat.completions.create` or `completions.create` takes.

        Raises:
            InvalidRequest, ModelRetired, NoDeployment: as the call would.
        """
        return self._async.route(messages=messages, model=model, qwenroute=qwenroute, **params)

    def call(self, kind: Kind, body: Mapping[str, object], codec: Codec[Result, Piece]) -> Result | Stream[Piece]:
        """Route and call one request body; what `create` stands on."""
        loop = self._loop.current()
        outcome = loop.run(self._async.call(kind, body, codec))
        return Stream(outcome, loop) if isinstance(outcome, AsyncStream) else outcome

    def close(self) -> None:
        """Close every connection that was opened here. Idempotent."""
        self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Chat:
    """`router.chat`."""

    def __init__(self, router: Router) -> None:
        self.completions = ChatCompletions(router)


class ChatCompletions:
    """`router.chat.completions`."""

    def __init__(self, router: Router) -> None:
        self._router = router

    @overload
    def create(
        self,
        *,
        messages: Messages,
        model: str = "auto",
        stream: Literal[False] = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion: ...
    @overload
    def create(
        self,
        *,
        messages: Messages,
        stream: Literal[True],
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Stream[ChatCompletionChunk]: ...
    @overload
    def create(
        self,
        *,
        messages: Messages,
        stream: bool,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion | Stream[ChatCompletionChunk]: ...
    def create(
        self,
        *,
        messages: Messages,
        model: str = "auto",
        stream: bool = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> ChatCompletion | Stream[ChatCompletionChunk]:
        """Answer a chat request; see `AsyncChatCompletions.create`."""
        body = _body(params, messages=messages, model=model, stream=stream, qwenroute=qwenroute)
        return self._router.call(Kind.CHAT, body, CHAT)


class TextCompletions:
    """`router.completions`: code between a prefix and a suffix."""

    def __init__(self, router: Router) -> None:
        self._router = router

    @overload
    def create(
        self,
        *,
        prompt: str,
        suffix: str | None = None,
        model: str = "auto",
        stream: Literal[False] = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion: ...
    @overload
    def create(
        self,
        *,
        prompt: str,
        stream: Literal[True],
        suffix: str | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Stream[Completion]: ...
    @overload
    def create(
        self,
        *,
        prompt: str,
        stream: bool,
        suffix: str | None = None,
        model: str = "auto",
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion | Stream[Completion]: ...
    def create(
        self,
        *,
        prompt: str,
        suffix: str | None = None,
        model: str = "auto",
        stream: bool = False,
        qwenroute: Hints | None = None,
        **params: object,
    ) -> Completion | Stream[Completion]:
        """Complete code from `prompt`, up to `suffix` where one is given; raises as chat does."""
        body = _body(params, prompt=prompt, suffix=suffix, model=model, stream=stream, qwenroute=qwenroute)
        return self._router.call(Kind.COMPLETION, body, COMPLETION)


class _Loop:
    """A sync router's hold on the process's background loop."""

    def __init__(self, router: AsyncRouter) -> None:
        self._router = router
        self._lock = threading.Lock()
        self._held: background.BackgroundLoop | None = None
        self._finalizer: weakref.finalize[[AsyncRouter, background.BackgroundLoop], _Loop] | None = None

    def current(self) -> background.BackgroundLoop:
        """Return the loop of this process, started on first use and again after a fork."""
        self._router.check_open()
        held = self._held
        if held is None or not background.is_current(held):
            with self._lock:
                held = self._held
                if held is None or not background.is_current(held):
                    held = self._held = background.acquire()
                    self._finalizer = weakref.finalize(self, _drop, self._router, held)
                    self._finalizer.atexit = False
                    _open_loops.add(self)
        return held

    def close(self) -> None:
        """Close the router on its loop and let go of it. Idempotent."""
        self._router.shut()
        held, finalizer = self._held, self._finalizer
        if held is None or finalizer is None or finalizer.detach() is None or not background.is_current(held):
            return
        if not held.is_here():
            held.run(self._router.aclose())
        background.release(held)


_open_loops: weakref.WeakSet[_Loop] = weakref.WeakSet()


@atexit.register
def _close_what_is_left() -> None:
    for loop in list(_open_loops):
        loop.close()


def _drop(router: AsyncRouter, loop: background.BackgroundLoop) -> None:
    """End a router that was dropped without `close`, and wait for nothing: the garbage collector runs anywhere."""
    if background.is_current(loop):
        loop.post(router.aclose(), lambda: background.release(loop))


def _body(params: Mapping[str, object], **known: object) -> dict[str, object]:
    """Put a request body together, without the openai package's marks for `not given`."""
    body = {**known, **params}
    for name in [n for n, v in body.items() if v is None or type(v).__name__ in {"NotGiven", "Omit"}]:
        del body[name]
    for name in ("extra_headers", "extra_query"):
        if name in body:
            raise InvalidRequest(f"`{name}` is not taken: requests may go to several hosts", param=name)
    if "timeout" in body:
        hints, timeout = body.get("qwenroute"), body.pop("timeout")
        seconds = getattr(timeout, "read", timeout)  # httpx.Timeout, as the openai client takes it too
        if seconds is not None:
            body["qwenroute"] = {"deadline_s": seconds, **(hints if isinstance(hints, Mapping) else {})}
    return body
