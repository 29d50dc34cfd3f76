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
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self, TypedDict, TypeVar, overload

from qwenroute.analysis import analyse, count_exactly, read_request
from qwenroute.caching import GivenAgain, Keeping, KeptAnswers
from qwenroute.domain.budget import BudgetStanding
from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import Assignment, ExperimentState
from qwenroute.domain.health import DeploymentHealth
from qwenroute.domain.protocols import Transport
from qwenroute.domain.record import Record
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Signals
from qwenroute.embedding import Resemblance
from qwenroute.errors import CallFailed, ConfigurationError, InvalidRequest, QwenRouteError
from qwenroute.execution import background
from qwenroute.execution.codec import Codec, Piece
from qwenroute.execution.hooks import Hook, Hooks
from qwenroute.execution.loop import Run
from qwenroute.experimenting import Shadows, Tried, trial_of
from qwenroute.policy import Alike, Policy, load_policy
from qwenroute.providers import AiohttpTransport, HttpxTransport
from qwenroute.providers.answers import ChatCompletion, ChatCompletionChunk, Completion
from qwenroute.providers.codecs import CHAT, COMPLETION
from qwenroute.providers.openai_errors import as_openai
from qwenroute.recording import Note, Recorded
from qwenroute.regime import Regime, Surroundings
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from qwenroute.routing.assignment import AS_COPY, Drawn
from qwenroute.routing.way import Part
from qwenroute.state import Budgets, Trials
from qwenroute.streams import AsyncStream, Closing, Source, Stream
from qwenroute.telemetry import log
from qwenroute.watching import Hangup, Watch

if TYPE_CHECKING:
    import httpx
    from openai.types.chat import ChatCompletionMessageParam

    Messages = Iterable[ChatCompletionMessageParam] | Iterable[Mapping[str, object]]

Result = TypeVar("Result", ChatCompletion, Completion)
ReloadOn = Literal["change", "sighup"]


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
    key: str
    headers: Mapping[str, str]
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
        reload_on: when to read the policy's file again, beside calls of `reload`: "change" watches it and
            what it extends (needs the extra `watch`), "sighup" listens to the signal (main thread only).
            A file with mistakes is logged and kept in `policy_error`, and the old policy stays in force.

    Raises:
        DocumentError: the policy has mistakes.
        MissingCredentials: no endpoint of the policy has a key.
        ConfigurationError: `on` is no date, or `reload_on` cannot be had here.
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
        reload_on: Collection[ReloadOn] = (),
    ) -> None:
        self.registry = Registry.load() if registry is None else registry
        self.policy_error: QwenRouteError | None = None
        """Why the policy's file, as it is now, is not the one in force; None where it is."""
        self._source = policy
        self._on = _day(on)
        self._http_client = http_client
        self._hooks = Hooks(hooks, log.hook_ignored)
        self._around = Surroundings(
            registry=self.registry,
            environ=dict(os.environ if environ is None else environ),
            hooks=self._hooks,
            connect=self._connect,
        )
        self._changing = threading.Lock()
        self._transport: Transport | None = None
        self._calls: set[asyncio.Task[object]] = set()
        self._ending: set[asyncio.Task[object]] = set()
        self._ended: asyncio.Event | None = None
        self._streams: weakref.WeakSet[Closing] = weakref.WeakSet()
        self._past: list[Resemblance] = []
        self._trials = Trials()
        self._shadows = Shadows()
        self._closed = False
        self.chat = AsyncChat(self)
        self.completions = AsyncTextCompletions(self)
        loaded = policy if isinstance(policy, Policy) else load_policy(policy, self.registry)
        try:
            self._regime = Regime(loaded, self._on or date.today(), self._around)
        except QwenRouteError as error:
            raise as_openai(error) from error.__cause__
        self._board = self._regime.take_over(None)
        self._trials.adopt(loaded.experiments)
        self._watches = self._watch(reload_on)
        _routers.add(self)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._regime.policy

    @property
    def fleet(self) -> Fleet:
        """The deployments as of today; a long-lived process sees models retire."""
        return self._in_force().fleet

    async def reload(self, policy: str | Path | Policy | None = None) -> bool:
        """Put the policy's file, as it is now, into force, or another policy; return whether anything changed.

        It comes into force whole, for the calls that begin from then on; those under way end under
        the one that they began with. What is known of the deployments that stay is kept.

        Raises:
            DocumentError: it has mistakes; the old one stays in force.
            MissingCredentials, ConfigurationError: the environment does not fit it; the old one stays.
        """
        return await asyncio.to_thread(self.reload_here, policy)

    def reload_here(self, policy: str | Path | Policy | None = None) -> bool:
        """Do what `reload` does, on the caller's thread."""
        self.check_open()
        with self._changing:
            source = self._source if policy is None else policy
            if policy is None and isinstance(source, Policy):
                raise ConfigurationError(
                    "this router was made of a loaded `Policy`, not of a file: give `reload` the new one"
                )
            before = self._regime
            try:
                loaded = source if isinstance(source, Policy) else load_policy(source, self.registry)
                changed = loaded.hash != before.policy.hash
                if changed:
                    self._enforce(Regime(loaded, self._on or date.today(), self._around, before))
            except QwenRouteError as error:
                self.policy_error = as_openai(error)
                log.policy_refused(before.policy, error)
                raise self.policy_error from error.__cause__
            self._source, self.policy_error = source, None
            if changed:
                log.policy_changed(before.policy, loaded)
            return changed

    def health(self) -> tuple[DeploymentHealth, ...]:
        """Return the state of every deployment: whether it may be called, why not, until when."""
        return self._board.snapshot(time.monotonic(), datetime.now().astimezone())

    def budgets(self) -> tuple[BudgetStanding, ...]:
        """Return how each of the policy's budgets stands in its current window.

        Of those that are counted per tenant, key or route: for everyone who spent anything.

        Raises:
            ConfigurationError: the ledger cannot be read.
        """
        budgets = self._in_force().budgets
        try:
            return () if budgets is None else budgets.standings()
        except QwenRouteError as error:
            raise as_openai(error) from error.__cause__

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
            InvalidRequest, ModelRetired, NoDeployment, BudgetExceeded: as the call would.
        """
        try:
            body = _body(params, model=model, messages=messages, qwenroute=qwenroute)
            kind = Kind.COMPLETION if messages is None and "prompt" in body else Kind.CHAT
            request = read_request(body, kind=kind)
            regime = self._in_force()
            return self._decide(regime, request, analyse(request), None, funds=regime.budgets)
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
        regime = self._in_force()
        if regime.recording is None:
            return await self._perform(kind, body, codec, regime, None)
        note = regime.recording.begin(regime.policy, kind)
        try:
            outcome = await self._perform(kind, body, codec, regime, note)
        except BaseException as error:
            note.failed(error)
            raise
        if not isinstance(outcome, AsyncStream):
            note.answered(outcome.route)
        return outcome

    async def _perform(
        self, kind: Kind, body: Mapping[str, object], codec: Codec[Result, Piece], regime: Regime, note: Note | None
    ) -> Result | AsyncStream[Piece]:
        began = asyncio.get_running_loop().time()  # hooks and the decision take from the caller's time, too
        hooks = self._hooks
        request = read_request(body, kind=kind)
        if hooks.before_routing is not None:
            request = await hooks.before_routing(request)
        signals = analyse(request)
        if note is not None:
            note.analysed(request, signals)
        alike = await regime.compare(request, signals) if regime.policy.examples else None
        kept = regime.kept
        key = None if kept is None else kept.key(request)
        found = None if kept is None or key is None else kept.find(key, codec)
        # An answer that is given again costs nothing: no budget stands in its way.
        decision = self._decide(regime, request, signals, alike, funds=regime.budgets if found is None else None)
        if note is not None:
            note.alike, note.decision = alike, decision
        log.decided(decision)
        if kept is not None and found is not None:
            return await self._again(kept, *found, request, decision, codec, note)
        self._board.request_began(time.monotonic())
        means = regime.means(self._board)
        part = decision.assignment
        if part is not None and part.copied:
            self._copy(regime, request, signals, alike, part, codec)
        run = Run(id=uuid.uuid4().hex, request=request, decision=decision, means=means, codec=codec, began=began)
        if note is not None:
            note.run = run
        if request.stream:
            try:
                await run.open()
            except CallFailed as error:
                self._try(error.record, streamed=True)
                raise
            source = run if kept is None or key is None else Keeping(run, key, request, kept, codec)
            if part is not None:
                return self._stream(Tried(source, partial(self._try, streamed=True)), request, codec, note)
            return self._stream(source, request, codec, note)
        try:
            answer = await run.answer()
        except CallFailed as error:
            self._try(error.record, streamed=False)
            raise
        answer.route = run.record()
        self._try(answer.route, streamed=False)
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
        note: Note | None,
    ) -> Result | AsyncStream[Piece]:
        """Give a kept answer again."""
        answer.route = kept.record(uuid.uuid4().hex, decision, codec.usage(answer))
        if request.stream:
            again: GivenAgain[Result, Piece] = GivenAgain(held, request, decision, codec, answer.route)
            return self._stream(again, request, codec, note)
        if self._hooks.after_answer is not None:
            await self._hooks.after_answer(answer, answer.route)
        return answer

    def _stream(
        self, source: Source[Piece], request: Request, codec: Codec[Result, Piece], note: Note | None
    ) -> AsyncStream[Piece]:
        if note is not None:
            source = Recorded(source, note)
        wanted = request.params.get("stream_options")
        usage_asked = isinstance(wanted, Mapping) and wanted.get("include_usage") is True
        stream = AsyncStream(source, (lambda _: True) if usage_asked else codec.shows, self._hooks)
        self._streams.add(stream)
        return stream

    def _decide(
        self,
        regime: Regime,
        request: Request,
        signals: Signals,
        alike: Alike | None,
        *,
        funds: Budgets | None = None,
        part: Part | None = None,
    ) -> Decision:
        return decide(
            request,
            signals,
            regime.policy,
            regime.fleet,
            count_exactly=count_exactly,
            conditions=self._board,
            now=time.monotonic(),
            at=datetime.now(UTC) if regime.policy.timely else None,
            chance=random.random,
            alike=alike,
            funds=funds,
            part=part or (Drawn(random.random, self._trials.halted) if regime.policy.experiments else None),
        )

    def _try(self, record: Record, *, streamed: bool) -> None:
        """Count a request of an experiment in its arm."""
        trial = trial_of(record, streamed=streamed)
        if trial is not None and (over := self._trials.add(trial)) is not None:
            log.rolled_back(over)

    def _copy(
        self,
        regime: Regime,
        request: Request,
        signals: Signals,
        alike: Alike | None,
        part: Assignment,
        codec: Codec[Result, Piece],
    ) -> None:
        """Send the newcomer of a shadow a copy, if its cap allows it."""
        policy = regime.policy
        experiment = next(one for one in policy.experiments if one.name == part.experiment)

        def tell(record: Record, error: CallFailed | None) -> None:
            self._try(record, streamed=request.stream)
            if regime.recording is not None:
                note = regime.recording.begin(policy, request.kind)
                note.analysed(request, signals)
                note.alike, note.decision = alike, record.decision
                if error is None:
                    note.answered(record)
                else:
                    note.failed(error)

        cap = experiment.max_cost_per_day or 0.0
        self._shadows.begin(
            experiment,
            request,
            lambda copy: self._decide(regime, copy, signals, alike, part=AS_COPY),
            regime.means_of_copies(self._board),
            codec,
            cap_usd=cap * (policy.usd_per(policy.exchange.report) or 0.0),
            today=policy.local(datetime.now(UTC), date.today()).date(),
            tell=tell,
        )

    def experiments(self) -> tuple[ExperimentState, ...]:
        """Return how each experiment stands in this process: both arms, and why it was taken back if it was."""
        return self._trials.snapshot()

    def _in_force(self) -> Regime:
        """Return the regime of today."""
        regime, today = self._regime, self._on or date.today()
        if regime.fleet.on != today and self._changing.acquire(blocking=False):  # else someone is at it
            try:
                regime = Regime(self._regime.policy, today, self._around, self._regime)
                self._enforce(regime)
            finally:
                self._changing.release()
        return regime

    def _enforce(self, regime: Regime) -> None:
        before = self._regime
        self._past = [past for past in self._past if past.learning]
        if before.resemblance is not None and before.resemblance is not regime.resemblance:
            self._past.append(before.resemblance)
        regime.take_over(self._board)
        self._trials.adopt(regime.policy.experiments)
        self._regime = regime

    def _watch(self, reload_on: Collection[ReloadOn]) -> tuple[Watch | Hangup, ...]:
        unknown = set(reload_on) - {"change", "sighup"}
        if unknown or isinstance(reload_on, str):
            raise ConfigurationError('`reload_on` takes any of "change" and "sighup", in a list')
        if not reload_on:
            return ()
        if not self.policy.files:
            raise ConfigurationError("`reload_on` needs a policy that comes from a file")
        router = weakref.ref(self)

        def files() -> tuple[Path, ...]:
            held = router()
            return () if held is None else held.policy.files

        def changed() -> bool | None:
            held = router()
            if held is not None:
                with suppress(QwenRouteError):  # told already, and kept in `policy_error`
                    return held.reload_here()
            return None

        def told() -> None:
            held = router()
            if changed() is False and held is not None:  # whoever sent the signal wants to know that it came
                log.policy_unchanged(held.policy)

        found: list[Watch | Hangup] = []
        if "sighup" in reload_on:
            found.append(Hangup(told))
        if "change" in reload_on:
            found.append(Watch(files, changed))
        return tuple(found)

    def check_open(self) -> None:
        """Raise ConfigurationError if the router was closed."""
        if self._closed:
            raise ConfigurationError("this router is closed: make a new one")

    def shut(self) -> None:
        """Take no more calls, and no other policy; what is open stays so until `aclose`."""
        self._closed = True
        for watch in self._watches:
            watch.close()

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
        await self._shadows.aclose()
        for past in self._past:
            await past.aclose()
        await self._regime.aclose()
        transport, self._transport = self._transport, None
        if transport is not None and self._http_client is None:
            await transport.aclose()
        self._hooks.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def _connect(self) -> Transport:
        if self._transport is None:
            client = self._http_client
            self._transport = AiohttpTransport() if client is None else HttpxTransport(client)
        return self._transport


def _day(on: object) -> date | None:
    """Return the date that was given, or complain before a comparison deep inside would."""
    if on is None or (isinstance(on, date) and not isinstance(on, datetime)):
        return on
    raise as_openai(ConfigurationError(f"`on` must be a `datetime.date`, such as date(2025, 1, 31), and is {on!r}"))


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
            BudgetExceeded: it could cost more than a budget has left; nothing was sent.
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
        reload_on: Collection[ReloadOn] = (),
    ) -> None:
        self._async = AsyncRouter(
            policy,
            registry=registry,
            environ=environ,
            on=on,
            hooks=hooks,
            http_client=http_client,
            reload_on=reload_on,
        )
        self._loop = _Loop(self._async)
        self.chat = Chat(self)
        self.completions = TextCompletions(self)

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._async.policy

    @property
    def policy_error(self) -> QwenRouteError | None:
        """Why the policy's file, as it is now, is not the one in force; None where it is."""
        return self._async.policy_error

    def reload(self, policy: str | Path | Policy | None = None) -> bool:
        """Put the policy's file, as it is now, into force, or another policy; see `AsyncRouter.reload`."""
        return self._async.reload_here(policy)

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

    def experiments(self) -> tuple[ExperimentState, ...]:
        """Return how each experiment stands in this process: both arms, and why it was taken back if it was."""
        return self._async.experiments()

    def budgets(self) -> tuple[BudgetStanding, ...]:
        """Return how each of the policy's budgets stands in its current window; see `AsyncRouter.budgets`."""
        return self._async.budgets()

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
            InvalidRequest, ModelRetired, NoDeployment, BudgetExceeded: as the call would.
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


_routers: weakref.WeakSet[AsyncRouter] = weakref.WeakSet()


def _leave_behind() -> None:
    """After a fork: whoever was changing the policy is in the parent."""
    for router in list(_routers):
        router._changing = threading.Lock()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)


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
