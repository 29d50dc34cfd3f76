"""Perform what the machine says: send, wait, relay. Decide nothing here."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Generic

from qwenroute.analysis.tokens import estimate
from qwenroute.domain.budget import Cashier, Hold, Payer, Shortfall
from qwenroute.domain.decision import Decision, Rejection, Step
from qwenroute.domain.failure import Failure
from qwenroute.domain.health import Gatekeeper, Obstacle
from qwenroute.domain.price import Exchange, Money, Usage
from qwenroute.domain.protocols import Provider
from qwenroute.domain.record import Attempt, Record, Splice
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import (
    AllAttemptsFailed,
    AttemptFailed,
    BudgetExceeded,
    CallFailed,
    DeadlineExceeded,
    NothingAvailable,
    StreamInterrupted,
)
from qwenroute.execution.attempt import LiveAttempt
from qwenroute.execution.backoff import Backoff
from qwenroute.execution.bounding import bounded
from qwenroute.execution.codec import Answer, Codec, Piece
from qwenroute.execution.hooks import Arriving
from qwenroute.execution.machine import (
    Call,
    Cancel,
    Cause,
    Command,
    Deliver,
    Event,
    Execution,
    Failed,
    Finished,
    FirstToken,
    GiveUp,
    Refused,
    Relay,
    SetTimer,
    Timer,
    TimerFired,
)
from qwenroute.registry import media_tokens
from qwenroute.routing.worst import worst_case

Live = LiveAttempt[Answer, Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What every call of one router is performed with."""

    providers: Mapping[str, Provider]
    gatekeeper: Gatekeeper
    exchange: Exchange
    backoff: Backoff
    on_attempt: Callable[[Attempt], None]
    before_attempt: Callable[[Request, Step], Awaitable[None]] | None = None
    cashier: Cashier | None = None
    """Who keeps the budgets; None where there are none."""


class Run(Generic[Answer, Piece]):
    """One call, from its plan to its answer and its record.

    Use `answer` for a whole answer; `open`, then `next` until None, for a stream. `aclose` ends
    either early. Whatever ends it, every attempt is settled.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the record's id
        request: Request,
        decision: Decision,
        means: Means,
        codec: Codec[Answer, Piece],
        began: float,
    ) -> None:
        self._id = id
        self._asked = request
        self._request = request
        self._decision = decision
        self._means = means
        self._codec = codec
        self._now = asyncio.get_running_loop().time
        self._started = began
        gatekeeper, plan = means.gatekeeper, decision.plan
        percentile = None if plan.hedge is None else plan.hedge.percentile
        fixed_s = None if plan.hedge is None else plan.hedge.after_s

        def hedge_after_s(step: Step) -> float | None:
            known = None if percentile is None else gatekeeper.hedge_after_s(step.deployment, percentile)
            return fixed_s if known is None else known

        self._machine = Execution(
            plan,
            means.backoff,
            streamed=request.stream,
            may_retry=gatekeeper.withdraw_retry,
            hedge_after_s=hedge_after_s,
            waited_s=self._now() - began,
            worst_usd=self._worst_usd,
        )
        self._live: dict[int, Live[Answer, Piece]] = {}
        self._tasks: dict[int, asyncio.Task[Event]] = {}
        self._timers: list[tuple[float, Timer]] = []
        self._winner: Live[Answer, Piece] | None = None
        self._ended: list[Attempt] = []
        self._passed_over: list[Rejection] = []
        self._splices: list[Splice] = []
        self._said: list[str] = []
        self._first: Piece | None = None
        self._simulated = False
        self._answered: int | None = None
        self._relayed: set[int] = set()
        self._short: Shortfall | None = None
        self._reader: asyncio.Task[object] | None = None
        self._left: asyncio.Event | None = None

    async def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: no attempt that the plan allows brought one.
        """
        await self._drive(self._machine.start(self._now()))
        winner, self._winner = self._winner, None
        assert winner is not None
        answer = winner.answer
        assert answer is not None
        await self._end(winner, None)
        return answer

    async def open(self) -> None:
        """Return once the first token is there, or the end of an answer without one.

        Raises:
            CallFailed: no attempt that the plan allows brought one.
        """
        await self._drive(self._machine.start(self._now()))

    async def next(self) -> Piece | None:
        """Return the next piece of the stream, or None at its end.

        Raises:
            StreamInterrupted: everything received has been handed on.
            RuntimeError: another task waits for the next piece already.
        """
        if self._reader is not None:
            raise RuntimeError("another thread or task is reading this stream: only one may at a time")
        reader = self._reader = asyncio.current_task()
        try:
            return await self._next()
        except BaseException as error:
            await self.aclose()
            left = self._left is not None and isinstance(error, asyncio.CancelledError)
            if left and reader is not None and reader.uncancel() == 0:  # nobody else wanted it to stop
                raise StreamInterrupted("the stream was closed while it was read", self.record()) from None
            raise
        finally:
            self._reader = None
            if self._left is not None:
                self._left.set()

    async def _next(self) -> Piece | None:
        while (winner := self._winner) is not None:
            try:
                piece = await winner.read()
            except AttemptFailed as error:
                await self._broke(winner, error.failure)
                continue
            if piece is None:
                self._winner = None
                await self._end(winner, None)
                return None
            if self._first is None:
                self._first = piece
            elif self._splices:
                piece = self._codec.continued(piece, self._first)
            return piece
        return None

    async def aclose(self) -> None:
        """Give up what is still under way. Idempotent."""
        reader = self._reader
        if reader is not None and reader is not asyncio.current_task():
            if self._left is None:
                self._left = asyncio.Event()
                reader.cancel()  # it cleans up behind itself: two at once would settle everything twice
            await self._left.wait()
            return
        live = [*self._live.values(), *([] if self._winner is None else [self._winner])]
        tasks = list(self._tasks.values())
        self._live.clear()
        self._tasks.clear()
        self._winner = None
        for attempt in live:  # before anything is waited for: a second cancellation may end that
            self._settle(attempt, None, cancelled=True)
        for task in tasks:
            task.cancel()
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for attempt in live:
                await attempt.aclose()

    def arriving(self) -> Arriving:
        """Return where the pieces come from just now."""
        winner = self._winner
        step = self._decision.plan.steps[0] if winner is None else winner.step
        return Arriving(id=self._id, request=self._request, step=step)

    def record(self) -> Record:
        """Return the record as it stands."""
        under_way = [] if self._winner is None else [self._written(self._winner, None, cancelled=False)]
        attempts = tuple(sorted((*self._ended, *under_way), key=lambda attempt: attempt.number))
        answered = next((a for a in attempts if a.number == self._answered), None)
        first_tokens = [a.first_token_s for a in attempts if a.number in self._relayed and a.first_token_s is not None]
        return Record(
            id=self._id,
            decision=self._decision,
            attempts=attempts,
            passed_over=tuple(self._passed_over),
            splices=tuple(self._splices),
            latency_s=max((a.ended_s for a in attempts), default=self._now() - self._started),
            answered=self._answered,
            ttft_s=min(first_tokens, default=None),
            usage=None if answered is None else answered.usage,
            cost=self._total(attempts),
            simulated=self._simulated,
        )

    async def _drive(self, commands: list[Command]) -> None:
        """Perform until the machine says that there is something to hand on."""
        try:
            while True:
                for command in commands:
                    match command:
                        case Call():
                            event = self._admit(command)
                            if event is not None:
                                commands = self._machine.handle(event, self._now())
                                break
                        case SetTimer(timer=timer, seconds=seconds):
                            self._timers.append((self._now() + seconds, timer))
                        case Cancel(attempt=number):
                            await self._cancel(number)
                        case Relay(attempt=number) | Deliver(attempt=number):
                            self._winner = self._live.pop(number)
                            self._answered = number
                            self._relayed.add(number)
                            self._timers.clear()
                            return
                        case GiveUp(cause=cause):
                            if cause is Cause.UNAVAILABLE and self._short is not None and self._short_alone():
                                allowance = self._short.allowance
                                raise BudgetExceeded(allowance.refusal, allowance=allowance, decision=self._decision)
                            raise _ERRORS[cause](cause.value, self.record())
                else:
                    commands = self._machine.handle(await self._event(), self._now())
        except BaseException:
            await self.aclose()
            raise

    def _admit(self, call: Call) -> Event | None:
        """Start an attempt, or say what stands in its way."""
        deployment = call.step.deployment
        if call.resumes:
            self._request = _continuing(self._asked, "".join(self._said))
        tokens = 0
        if deployment.rate_limits.tpm is not None:
            tokens = self._prompt_tokens(call.step)  # settled with what the answer really took
        hold = self._reserve(call.step)
        if isinstance(hold, Shortfall):
            self._short = hold
            return self._pass_over(call, hold.obstacle)
        ticket = self._means.gatekeeper.admit(deployment, tokens, self._now())
        if isinstance(ticket, Obstacle):
            if hold is not None and self._means.cashier is not None:
                self._means.cashier.settle(hold, None)
            return self._pass_over(call, ticket)
        plan = self._decision.plan
        attempt = LiveAttempt(call.attempt, call.step, ticket, self._codec, plan.timeouts, self._machine.deadline)
        attempt.hold = hold
        self._live[call.attempt] = attempt
        return None

    def _reserve(self, step: Step) -> Hold | Shortfall | None:
        """Reserve what an attempt can cost at worst, where budgets are kept and a price is known."""
        cashier = self._means.cashier
        worst = None if cashier is None else self._worst(step)
        if cashier is None or worst is None:
            return None
        hints = self._asked.hints
        payer = Payer(route=self._decision.route, tenant=hints.tenant or "", key=hints.key or "")
        return cashier.reserve(payer, worst, self._now(), self._machine.deadline)

    def _pass_over(self, call: Call, obstacle: Obstacle) -> Refused:
        passed = Rejection(deployment=call.step.deployment.id, gate=obstacle.gate, reason=obstacle.reason)
        if passed not in self._passed_over:
            self._passed_over.append(passed)
        return Refused(call.attempt, obstacle)

    def _short_alone(self) -> bool:
        """Whether nothing but budgets stood in the way."""
        return all(passed.gate == "budget" for passed in self._passed_over)

    async def _event(self) -> Event:
        """Wait for the next thing to happen."""
        if not self._timers and len(self._live) == 1 and not self._tasks:
            return await self._advance(next(iter(self._live.values())))  # nothing to wait for beside it: no task needed
        for number, attempt in self._live.items():
            if number not in self._tasks:
                self._tasks[number] = asyncio.create_task(self._advance(attempt))
        wait_s = None
        if self._timers:
            self._timers.sort(key=lambda timer: timer[0])
            wait_s = max(0.0, self._timers[0][0] - self._now())
        if self._tasks:
            await asyncio.wait(self._tasks.values(), timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            for number, task in self._tasks.items():
                if task.done():
                    del self._tasks[number]
                    return task.result()
        elif wait_s:
            await asyncio.sleep(wait_s)
        return TimerFired(self._timers.pop(0)[1])

    async def _advance(self, attempt: Live[Answer, Piece]) -> Event:
        """Bring an attempt to its next event."""
        step, number = attempt.step, attempt.number
        gatekeeper = self._means.gatekeeper
        try:
            if attempt.first_token_at is None:
                request, longest = self._request, self._decision.plan.max_output_tokens
                if longest is not None:
                    request, note = bounded(request, step.deployment, longest, self._prompt_tokens(step, upper=True))
                    attempt.notes += () if note is None else (note,)
                if self._means.before_attempt is not None:
                    try:
                        async with asyncio.timeout_at(self._machine.deadline):
                            await self._means.before_attempt(request, step)
                    except TimeoutError:
                        self._live.pop(number, None)
                        self._settle(attempt, None, cancelled=True)
                        return Refused(number, Obstacle(gate="deadline", reason="it ended before anything was sent"))
                await attempt.begin(self._means.providers[step.deployment.endpoint], request)
                self._simulated = self._simulated or attempt.simulated
                if attempt.first_token_at is not None:
                    gatekeeper.first_token(attempt.ticket, self._now())
                    if self._request.stream or (attempt.answer is None and self._decision.plan.hedge is not None):
                        return FirstToken(number)
                elif self._request.stream:
                    return Finished(number)
            await attempt.collect()
        except AttemptFailed as error:
            self._live.pop(number, None)
            written = await self._end(attempt, error.failure)
            return Failed(number, error.failure, cost_usd=self._usd(written))
        return Finished(number)

    async def _broke(self, winner: Live[Answer, Piece], failure: Failure) -> None:
        """Ask the machine whether a stream that broke goes on elsewhere; raise if it does not."""
        self._said += winner.text
        self._winner = self._answered = None
        written = await self._end(winner, failure)
        resumable = self._resumable(winner)
        event = Failed(winner.number, failure, resumable=resumable, cost_usd=self._usd(written))
        await self._drive(self._machine.handle(event, self._now()))
        after = self._winner
        assert after is not None
        splice = Splice(
            after_characters=sum(map(len, self._said)),
            broken=winner.step.deployment.id,
            failure=failure.kind,
            continued_by=after.step.deployment.id,
        )
        self._splices.append(splice)

    def _resumable(self, winner: Live[Answer, Piece]) -> bool:
        """Whether the caller has plain text of a chat answer, which another model can go on from."""
        plain = self._decision.signals.response_format == "text" and self._request.kind is Kind.CHAT
        begun = _begun(self._asked)
        plain = plain and (begun is None or isinstance(begun.get("content"), str))
        return plain and winner.continuable and bool("".join(self._said))

    async def _cancel(self, number: int) -> None:
        attempt = self._live.pop(number, None)
        task = self._tasks.pop(number, None)
        if attempt is not None:
            self._machine.spend(self._usd(self._settle(attempt, None, cancelled=True)))
        try:
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        finally:
            if attempt is not None:
                await attempt.aclose()

    async def _end(self, attempt: Live[Answer, Piece], failure: Failure | None) -> Attempt:
        """Settle an attempt, and release what it holds."""
        written = self._settle(attempt, failure)
        await attempt.aclose()
        return written

    def _settle(self, attempt: Live[Answer, Piece], failure: Failure | None, *, cancelled: bool = False) -> Attempt:
        """Write an attempt down, and give back what was reserved for it."""
        written = self._written(attempt, failure, cancelled=cancelled)
        self._ended.append(written)
        if attempt.hold is not None and self._means.cashier is not None:
            self._means.cashier.settle(attempt.hold, written.cost)
        self._means.gatekeeper.settle(attempt.ticket, failure, written.usage, self._now(), cancelled=cancelled)
        self._means.on_attempt(written)
        return written

    def _written(self, attempt: Live[Answer, Piece], failure: Failure | None, *, cancelled: bool) -> Attempt:
        deployment, started = attempt.step.deployment, self._started
        usage, reckoned = attempt.usage, False
        if not attempt.sent:
            usage = Usage(prompt_tokens=0, completion_tokens=0)
        elif usage is None and (cancelled or attempt.given_up or attempt.first_token_at is not None):
            # It ended before it could report: what it was sent and what arrived will be billed.
            usage = Usage(prompt_tokens=self._prompt_tokens(attempt.step), completion_tokens=attempt.output_tokens)
            reckoned = True
        price, cost = deployment.price, None
        if usage is not None and price is not None:
            cost = price.cost(usage, thought=bool(attempt.step.thinking) or usage.reasoning_tokens > 0)
        return Attempt(
            number=attempt.number,
            deployment=deployment.id,
            model=deployment.model,
            started_s=attempt.started_at - started,
            first_token_s=None if attempt.first_token_at is None else attempt.first_token_at - started,
            ended_s=self._now() - started,
            failure=failure,
            usage=usage,
            reckoned=reckoned,
            cost=cost,
            cancelled=cancelled,
            notes=attempt.notes,
        )

    def _prompt_tokens(self, step: Step, *, upper: bool = False) -> int:
        signals = self._decision.signals
        media = step.deployment.media
        text = signals.text_tokens_upper if upper else signals.text_tokens
        return text + media_tokens(signals.media, media, high_resolution=signals.high_resolution)

    def _worst(self, step: Step) -> Money | None:
        """Return the most that an attempt can cost now; what is to be continued is sent along."""
        said_tokens = math.ceil(estimate(self._said).upper)
        return worst_case(step, self._decision.signals, self._decision.plan, said_tokens=said_tokens)

    def _worst_usd(self, step: Step) -> float:
        if not self._said:
            return step.worst_cost_usd
        worst = self._worst(step)
        return 0.0 if worst is None else self._means.exchange.usd(worst)

    def _usd(self, attempt: Attempt) -> float:
        if attempt.cost is None or self._decision.plan.max_cost_usd is None:
            return 0.0
        return self._means.exchange.usd(attempt.cost)

    def _total(self, attempts: Iterable[Attempt]) -> Money | None:
        exchange = self._means.exchange
        costs = [exchange.convert(a.cost) for a in attempts if a.cost is not None]
        return Money(amount=sum(c.amount for c in costs), currency=exchange.report) if costs else None


def _continuing(request: Request, said: str) -> Request:
    """Return the request that asks a model to go on from what the caller already has."""
    begun = _begun(request)
    before = request.messages if begun is None else request.messages[:-1]
    text = said if begun is None else f"{begun.get('content')}{said}"
    prefix: Mapping[str, object] = {"role": "assistant", "content": text, "partial": True}
    return replace(request, messages=(*before, prefix))


def _begun(request: Request) -> Mapping[str, object] | None:
    """Return the message in which the caller began the answer."""
    last = request.messages[-1] if request.messages else None
    return last if last is not None and last.get("partial") else None


_ERRORS: Mapping[Cause, type[CallFailed]] = {
    Cause.ALL_FAILED: AllAttemptsFailed,
    Cause.UNAVAILABLE: NothingAvailable,
    Cause.DEADLINE: DeadlineExceeded,
    Cause.INTERRUPTED: StreamInterrupted,
}
