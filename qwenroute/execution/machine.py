"""Decide what happens next in a call, given what just happened; perform nothing.

Events and the time go in, one command comes out. No step is left before it has had its
retries, no attempt starts that the deadline or the allowance forbids, and nothing is rerouted
after the first token has reached the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from qwenroute.domain.decision import Plan, Step
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.execution.backoff import Backoff
from qwenroute.execution.verdicts import VERDICTS, FallBack, Retry


@dataclass(frozen=True, slots=True)
class Failed:
    """The attempt under way failed."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class FirstToken:
    """The attempt under way has something to show."""


@dataclass(frozen=True, slots=True)
class Finished:
    """The attempt under way has its whole answer."""


@dataclass(frozen=True, slots=True)
class Waited:
    """The wait that was asked for is over."""


Event = Failed | FirstToken | Finished | Waited


@dataclass(frozen=True, slots=True)
class Call:
    """Start an attempt."""

    number: int
    step: Step


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait before the next attempt."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Relay:
    """Hand on what arrives from now on: the commit point."""


@dataclass(frozen=True, slots=True)
class Deliver:
    """The answer is complete."""


class Cause(Enum):
    """Why a call ends without an answer."""

    ALL_FAILED = "every attempt failed"
    DEADLINE = "the deadline is over"
    INTERRUPTED = "the stream broke after its first token"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the call with an error."""

    cause: Cause


Command = Call | Wait | Relay | Deliver | GiveUp


class Execution:
    """The state of one call."""

    __slots__ = (
        "_backoff", "_committed", "_deadline", "_plan", "_retries", "_step", "_streamed", "attempts",
    )  # fmt: skip

    def __init__(self, plan: Plan, backoff: Backoff, *, streamed: bool) -> None:
        self._plan = plan
        self._backoff = backoff
        self._streamed = streamed
        self._step = 0
        self._retries = 0
        self._committed = False
        self.attempts = 0
        self._deadline = 0.0

    def start(self, now: float) -> Command:
        """Return the first command. Times are seconds on one monotonic clock."""
        self._deadline = now + self._plan.deadline_s
        return self._call(0, now)

    def handle(self, event: Event, now: float) -> Command:
        """Return what to do next, given what just happened."""
        match event:
            case FirstToken():
                self._committed = self._streamed
                return Relay()
            case Finished():
                return Deliver()
            case Waited():
                return self._call(self._step, now)
            case Failed(failure=failure):
                return self._after(failure, now)

    @property
    def deadline(self) -> float:
        """The instant at which the whole call ends."""
        return self._deadline

    def _call(self, step: int, now: float) -> Command:
        if now >= self._deadline:
            return GiveUp(Cause.DEADLINE)
        self._step = step
        self.attempts += 1
        return Call(self.attempts, self._plan.steps[step])

    def _after(self, failure: Failure, now: float) -> Command:
        if self._committed:
            return GiveUp(Cause.INTERRUPTED)
        if now >= self._deadline:
            return GiveUp(Cause.DEADLINE)
        if self.attempts >= self._plan.max_attempts:
            return GiveUp(Cause.ALL_FAILED)
        verdict = VERDICTS[failure.kind]
        if verdict.retry is Retry.FIRST and (wait := self._retry_same(failure, now)) is not None:
            return wait
        may_fall_back = verdict.fall_back is FallBack.ALWAYS or failure.kind in self._plan.fall_back_on
        if may_fall_back and (following := self._next_step(failure)) is not None:
            self._retries = 0
            return self._call(following, now)
        if verdict.retry is Retry.LAST and (wait := self._retry_same(failure, now)) is not None:
            return wait
        return GiveUp(Cause.ALL_FAILED)

    def _retry_same(self, failure: Failure, now: float) -> Wait | None:
        """Wait for another try of the same step; the server's own wish is a lower bound with a cap."""
        rules = self._plan.retry
        if self._retries >= rules.per_step:
            return None
        wanted = failure.retry_after_s or 0.0
        if wanted > rules.retry_after_cap_s:
            return None
        seconds = max(self._backoff(self._retries + 1), wanted)
        if now + seconds >= self._deadline:
            return None
        self._retries += 1
        return Wait(seconds)

    def _next_step(self, failure: Failure) -> int | None:
        """Return the next step that this failure leaves open.

        A window that was too small is left only for a larger one; a wrong key or an unpaid bill
        only for another endpoint.
        """
        here = self._plan.steps[self._step].deployment
        for index in range(self._step + 1, len(self._plan.steps)):
            there = self._plan.steps[index].deployment
            if failure.kind is FailureKind.CONTEXT_OVERFLOW:
                if (there.context_tokens or 0) <= (here.context_tokens or 0):
                    continue
            elif failure.kind in _ACCOUNT and there.endpoint == here.endpoint:
                continue
            return index
        return None


_ACCOUNT = frozenset({FailureKind.AUTHENTICATION, FailureKind.BILLING})
