"""Perform what the machine says: send, wait, relay. Decide nothing here."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import replace
from typing import Generic

from qwenroute.domain.decision import Decision
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.price import Exchange, Money, Usage
from qwenroute.domain.protocols import Provider, Reply
from qwenroute.domain.record import Attempt, Record
from qwenroute.domain.request import Request
from qwenroute.errors import AllAttemptsFailed, AttemptFailed, CallFailed, DeadlineExceeded, StreamInterrupted
from qwenroute.execution.backoff import Backoff
from qwenroute.execution.codec import Answer, Codec, Piece
from qwenroute.execution.machine import (
    Call,
    Cause,
    Deliver,
    Event,
    Execution,
    Failed,
    Finished,
    FirstToken,
    GiveUp,
    Relay,
    Wait,
    Waited,
)


class Run(Generic[Answer, Piece]):
    """One call, from its plan to its answer and its record.

    Use `answer` for a whole answer; `open`, then `next` until None, for a stream. `aclose` ends
    either early. `on_attempt` hears of every attempt as it ends.
    """

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the record's id
        request: Request,
        decision: Decision,
        providers: Mapping[str, Provider],
        codec: Codec[Answer, Piece],
        exchange: Exchange,
        backoff: Backoff,
        on_attempt: Callable[[Attempt], None],
    ) -> None:
        self._id = id
        self._request = request
        self._decision = decision
        self._providers = providers
        self._codec = codec
        self._exchange = exchange
        self._on_attempt = on_attempt
        self._now = asyncio.get_running_loop().time
        self._started = self._now()
        self._machine = Execution(decision.plan, backoff, streamed=request.stream)
        self._attempts: list[Attempt] = []
        self._current: Attempt | None = None
        self._reply: Reply | None = None
        self._documents: AsyncIterator[bytes] | None = None
        self._held: deque[Piece] = deque()
        self._usage: Usage | None = None
        self._answer: Answer | None = None
        self._simulated = False

    async def answer(self) -> Answer:
        """Return the whole answer.

        Raises:
            CallFailed: no attempt that the plan allows brought one.
        """
        await self._drive()
        assert self._answer is not None
        return self._answer

    async def open(self) -> None:
        """Return once the first token is there, or the end of an answer without one.

        Raises:
            CallFailed: no attempt that the plan allows brought one.
        """
        await self._drive()

    async def next(self) -> Piece | None:
        """Return the next piece of the stream, or None at its end.

        Raises:
            StreamInterrupted, DeadlineExceeded: everything received has been handed on.
        """
        if self._held:
            return self._held.popleft()
        if self._reply is None:
            return None
        between_s = self._decision.plan.timeouts.between_tokens_s
        try:
            async with asyncio.timeout_at(self._limit(between_s)):
                piece = await self._read()
        except TimeoutError:
            failure = Failure(kind=FailureKind.TIMEOUT, message=f"no token for {between_s} s")
        except AttemptFailed as error:
            failure = error.failure
        else:
            if piece is None:
                await self._end(None)
            return piece
        await self._end(failure)
        command = self._machine.handle(Failed(failure), self._now())
        assert isinstance(command, GiveUp)
        raise self._error(command.cause)

    async def aclose(self) -> None:
        """Give up what is still under way. Idempotent."""
        self._held.clear()
        if self._current is not None:
            await self._end(None)

    def record(self) -> Record:
        """Return the record as it stands."""
        attempts = tuple(self._attempts)
        if self._current is not None:
            attempts += (self._closed(self._current, None),)
        last = attempts[-1] if attempts and attempts[-1].failure is None else None
        return Record(
            id=self._id,
            decision=self._decision,
            attempts=attempts,
            latency_s=attempts[-1].ended_s if attempts else self._elapsed(),
            ttft_s=None if last is None else last.first_token_s,
            usage=None if last is None else last.usage,
            cost=self._total(attempts),
            simulated=self._simulated,
        )

    async def _drive(self) -> None:
        command = self._machine.start(self._started)
        while True:
            match command:
                case Call():
                    event: Event = await self._attempt(command)
                case Wait(seconds=seconds):
                    await asyncio.sleep(seconds)
                    event = Waited()
                case GiveUp(cause=cause):
                    raise self._error(cause)
                case Relay() | Deliver():
                    return
            command = self._machine.handle(event, self._now())

    async def _attempt(self, call: Call) -> Event:
        """Perform one attempt up to the point where the machine has to be asked again."""
        deployment = call.step.deployment
        self._usage = None
        self._held.clear()
        self._current = Attempt(
            number=call.number,
            deployment=deployment.id,
            model=deployment.model,
            started_s=self._elapsed(),
            ended_s=0.0,
        )
        timeouts = self._decision.plan.timeouts
        limit_s = timeouts.first_token_s if self._request.stream or deployment.stream_only else timeouts.answer_s
        try:
            async with asyncio.timeout_at(self._limit(limit_s)) as scope:
                provider = self._providers[deployment.endpoint]
                reply = await provider.call(self._request, call.step, connect_s=timeouts.connect_s)
                self._reply = reply
                self._documents = reply.documents()
                self._simulated = self._simulated or reply.simulated
                self._current = replace(self._current, notes=reply.notes)
                if not reply.streamed:
                    event = await self._whole()
                elif self._request.stream:
                    event = await self._first_token()
                else:
                    event = await self._collect(scope)
        except TimeoutError:
            waited = self._elapsed() - self._current.started_s
            seen = "nothing" if self._current.first_token_s is None else "no end of the answer"
            failure = Failure(kind=FailureKind.TIMEOUT, message=f"{seen} after {waited:.1f} s")
        except AttemptFailed as error:
            failure = error.failure
        except BaseException:
            await self._end(None)
            raise
        else:
            if isinstance(event, Finished):
                await self._end(None)
            return event
        await self._end(failure)
        return Failed(failure)

    async def _whole(self) -> Event:
        """Read an answer that comes in one piece."""
        assert self._documents is not None
        if self._request.stream:
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="asked for a stream, got one piece"))
        document = await anext(self._documents, None)
        if document is None:
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="the answer is empty"))
        self._answer = self._codec.whole(document)
        self._usage = self._codec.usage(self._answer)
        self._saw_token()
        return Finished()

    async def _first_token(self) -> Event:
        """Hold pieces back until one has something to show."""
        while (piece := await self._read()) is not None:
            self._held.append(piece)
            if self._codec.useful(piece):
                self._saw_token()
                return FirstToken()
        return Finished()

    async def _collect(self, scope: asyncio.Timeout) -> Event:
        """Put the pieces of a stream together for a caller who wants the whole."""
        collector = self._codec.collector()
        between_s = self._decision.plan.timeouts.between_tokens_s
        begun = False
        while (piece := await self._read()) is not None:
            collector.add(piece)
            if not begun and self._codec.useful(piece):
                begun = True
                self._saw_token()
            if begun:
                scope.reschedule(self._limit(between_s))
        self._answer = collector.finish()
        return Finished()

    async def _read(self) -> Piece | None:
        assert self._documents is not None
        document = await anext(self._documents, None)
        if document is None:
            return None
        piece = self._codec.piece(document)
        usage = self._codec.usage(piece)
        if usage is not None:
            self._usage = usage
        return piece

    def _saw_token(self) -> None:
        assert self._current is not None
        self._current = replace(self._current, first_token_s=self._elapsed())

    async def _end(self, failure: Failure | None) -> None:
        """Close what the attempt holds open and write it down."""
        current, self._current = self._current, None
        reply, self._reply, self._documents = self._reply, None, None
        if current is not None:
            attempt = self._closed(current, failure)
            self._attempts.append(attempt)
            self._on_attempt(attempt)
        if reply is not None:
            await reply.aclose()

    def _closed(self, attempt: Attempt, failure: Failure | None) -> Attempt:
        step = next(s for s in self._decision.plan.steps if s.deployment.id == attempt.deployment)
        price = step.deployment.price
        cost = None
        if self._usage is not None and price is not None:
            cost = price.cost(self._usage, thought=bool(step.thinking) or self._usage.reasoning_tokens > 0)
        return replace(attempt, ended_s=self._elapsed(), failure=failure, usage=self._usage, cost=cost)

    def _total(self, attempts: tuple[Attempt, ...]) -> Money | None:
        costs = [self._exchange.convert(a.cost) for a in attempts if a.cost is not None]
        if not costs:
            return None
        return Money(amount=sum(c.amount for c in costs), currency=self._exchange.report)

    def _limit(self, phase_s: float | None) -> float:
        """Return the instant at which a phase that starts now has to be over."""
        deadline = self._machine.deadline
        return deadline if phase_s is None else min(deadline, self._now() + phase_s)

    def _elapsed(self) -> float:
        return self._now() - self._started

    def _error(self, cause: Cause) -> CallFailed:
        return _ERRORS[cause](cause.value, self.record())


_ERRORS: Mapping[Cause, type[CallFailed]] = {
    Cause.ALL_FAILED: AllAttemptsFailed,
    Cause.DEADLINE: DeadlineExceeded,
    Cause.INTERRUPTED: StreamInterrupted,
}
