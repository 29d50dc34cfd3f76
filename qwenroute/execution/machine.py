"""Decide what happens next in a call, given what just happened; perform nothing.

Events and the time go in, commands come out. An attempt starts only within the deadline and the
one allowance (attempts, money, the retry budget) that everything in the call shares; nothing is
rerouted after the first token has reached the caller, but for a resumption that the policy asks
for; and no command follows the final one.

Timers name what they are for, so that one that fires late is harmless.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from qwenroute.domain.capability import Thinking
from qwenroute.domain.decision import Plan, Resume, Step
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Obstacle
from qwenroute.execution.backoff import Backoff
from qwenroute.execution.verdicts import VERDICTS, FallBack, Retry


@dataclass(frozen=True, slots=True)
class FirstToken:
    """An attempt has something to show."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Finished:
    """An attempt has its whole answer."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt failed.

    `resumable`: the caller has plain text of it that another model can go on from. `cost_usd`: what
    it is reckoned to have cost.
    """

    attempt: int
    failure: Failure
    resumable: bool = False
    cost_usd: float = 0.0


@dataclass(frozen=True, slots=True)
class Refused:
    """An attempt was not sent: something stands in the way."""

    attempt: int
    obstacle: Obstacle


@dataclass(frozen=True, slots=True)
class Retrying:
    """The timer before the same step is tried again."""

    step: int


@dataclass(frozen=True, slots=True)
class Hedging:
    """The timer after which an attempt counts as slow."""

    attempt: int


Timer = Retrying | Hedging


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A timer that was asked for has run out."""

    timer: Timer


Event = FirstToken | Finished | Failed | Refused | TimerFired


@dataclass(frozen=True, slots=True)
class Call:
    """Start an attempt. `resumes`: it goes on from what the caller already has."""

    attempt: int
    step: Step
    resumes: bool = False


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Report back after a while."""

    timer: Timer
    seconds: float


@dataclass(frozen=True, slots=True)
class Cancel:
    """End an attempt that is not needed any more."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Relay:
    """Hand on what an attempt brings from now on: the commit point."""

    attempt: int


@dataclass(frozen=True, slots=True)
class Deliver:
    """An attempt's answer is the answer."""

    attempt: int


class Cause(Enum):
    """Why a call ends without an answer."""

    ALL_FAILED = "every attempt failed"
    UNAVAILABLE = "nothing can be called now"
    DEADLINE = "the deadline is over"
    INTERRUPTED = "the stream broke after its first token"


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the call with an error."""

    cause: Cause


Command = Call | SetTimer | Cancel | Relay | Deliver | GiveUp

LOOK_AGAIN_S = 0.1
"""How soon to ask again for a deployment whose probe is under way."""

_ACCOUNT = frozenset({FailureKind.AUTHENTICATION, FailureKind.BILLING})


class Execution:
    """The state of one call.

    `may_retry` pays for a retry or a hedge out of the budget that all calls share; `hedge_after_s`
    says when a step counts as slow; `waited_s` of the deadline are gone before the start; `worst_usd`
    says what an attempt can cost at most. Times are seconds on one monotonic clock.
    """

    __slots__ = (
        "_backoff",
        "_blocked",
        "_committed",
        "_deadline",
        "_hedge_after_s",
        "_live",
        "_may_retry",
        "_over",
        "_plan",
        "_queue_until",
        "_resuming",
        "_retries",
        "_spent_usd",
        "_streamed",
        "_timers",
        "_tried",
        "_waited_s",
        "_worst_usd",
        "attempts",
        "sent",
    )

    def __init__(
        self,
        plan: Plan,
        backoff: Backoff,
        *,
        streamed: bool,
        may_retry: Callable[[float], bool] = lambda _: True,
        hedge_after_s: Callable[[Step], float | None] = lambda _: None,
        waited_s: float = 0.0,
        worst_usd: Callable[[Step], float] = lambda step: step.worst_cost_usd,
    ) -> None:
        self._plan = plan
        self._backoff = backoff
        self._streamed = streamed
        self._may_retry = may_retry
        self._hedge_after_s = hedge_after_s
        self._waited_s = waited_s
        self._worst_usd = worst_usd
        self.attempts = 0
        """How many attempts have a number."""
        self.sent = 0
        """How many of them were not refused before they were sent."""
        self._live: dict[int, int] = {}
        self._tried: set[int] = set()
        self._retries: dict[int, int] = {}
        self._blocked: dict[int, float | None] = {}
        self._queue_until: float | None = None
        self._timers: set[Timer] = set()
        self._committed: int | None = None
        self._resuming = False
        self._spent_usd = 0.0
        self._deadline = 0.0
        self._over = False

    @property
    def deadline(self) -> float:
        """The instant at which the whole call ends."""
        return self._deadline

    def start(self, now: float) -> list[Command]:
        """Return the first commands."""
        self._deadline = now + self._plan.deadline_s - self._waited_s
        return self._launch(0, now)

    def handle(self, event: Event, now: float) -> list[Command]:
        """Return what to do next, given what just happened."""
        if self._over:
            return []
        match event:
            case FirstToken(attempt=attempt):
                return self._first_token(attempt)
            case Finished(attempt=attempt):
                self._over = True
                return [*self._cancel_others(attempt), Deliver(attempt)]
            case Failed(attempt=attempt):
                return self._failed(event, self._live.pop(attempt, None), now)
            case Refused(attempt=attempt, obstacle=obstacle):
                step = self._live.pop(attempt)
                self.sent -= 1
                until = obstacle.until
                if until is None and obstacle.gate == "circuit":
                    until = now + LOOK_AGAIN_S  # a probe is under way: its end is near, and unknown
                self._blocked[step] = None if until is None or until <= now else until
                return self._go_on(None, None, now)
            case TimerFired(timer=timer):
                return self._fired(timer, now)

    def spend(self, usd: float) -> None:
        """Count what an attempt cost that was cancelled: the allowance is one for all of them."""
        self._spent_usd += usd

    def _launch(self, step: int, now: float) -> list[Command]:
        """Start an attempt, and the clock that says when it is slow."""
        if now >= self._deadline:
            return self._give_up(Cause.DEADLINE)
        self.attempts += 1
        self.sent += 1
        self._tried.add(step)
        self._blocked.pop(step, None)
        self._live[self.attempts] = step
        commands: list[Command] = [Call(self.attempts, self._plan.steps[step], self._resuming)]
        if self._plan.hedge is not None and not self._resuming and len(self._live) == 1:
            after = self._hedge_after_s(self._plan.steps[step])
            if after is not None and now + after < self._deadline:
                commands.append(self._set(Hedging(self.attempts), after))
        return commands

    def _first_token(self, attempt: int) -> list[Command]:
        cancelled = self._cancel_others(attempt)
        self._timers.discard(Hedging(attempt))  # whoever has begun to answer is not slow any more
        if not self._streamed:
            return cancelled
        self._committed = attempt
        return [*cancelled, Relay(attempt)]

    def _failed(self, event: Failed, step: int | None, now: float) -> list[Command]:
        self._spent_usd += event.cost_usd
        if step is None:
            return []  # it was cancelled
        if self._committed is not None:
            if self._plan.resume is not Resume.CONTINUE or not event.resumable:
                return self._give_up(Cause.INTERRUPTED)
            self._committed = None
            self._resuming = True
        return self._go_on(step, event.failure, now)

    def _go_on(self, step: int | None, failure: Failure | None, now: float) -> list[Command]:
        """Find what is left to do after a step failed, or (None) was not available."""
        if self._live or self._timers_left():
            return []  # something else is still under way
        if now >= self._deadline:
            return self._give_up(Cause.DEADLINE)
        if self.sent >= self._plan.max_attempts:
            return self._give_up(Cause.ALL_FAILED)
        verdict = None if failure is None else VERDICTS[failure.kind]
        if step is not None and failure is not None and verdict is not None:
            if verdict.retry is Retry.FIRST and (again := self._retry_same(step, failure, now)):
                return again
            if verdict.fall_back is not FallBack.ALWAYS and failure.kind not in self._plan.fall_back_on:
                last = self._retry_same(step, failure, now) if verdict.retry is Retry.LAST else []
                return last or self._give_up(Cause.ALL_FAILED)
        following = next(self._steps_left(step, failure), None)
        if following is not None:
            return self._launch(following, now)
        if step is not None and failure is not None and verdict is not None and verdict.retry is Retry.LAST:
            again = self._retry_same(step, failure, now)
            if again:
                return again
        return self._queue(now) or self._give_up(Cause.ALL_FAILED if self.sent else Cause.UNAVAILABLE)

    def _fired(self, timer: Timer, now: float) -> list[Command]:
        if timer not in self._timers:
            return []
        self._timers.discard(timer)
        if isinstance(timer, Retrying):
            return self._launch(timer.step, now)
        slow = self._live.get(timer.attempt)
        if slow is None or self._committed is not None or self.sent >= self._plan.max_attempts:
            return []
        beside = next(self._steps_left(None, None), None)
        if beside is None or not self._may_retry(now):
            return []
        return self._launch(beside, now)

    def _steps_left(self, failed: int | None, failure: Failure | None) -> Iterator[int]:
        """Yield the untried steps that a failure leaves open, in order.

        A window that was too small is left only for a larger one; a wrong key or an unpaid bill
        only for another endpoint; a broken stream only for a model that goes on from a prefix.
        """
        here = None if failed is None else self._plan.steps[failed].deployment
        limited = failure is not None and failure.kind in _LIMITS
        open_steps = [i for i in range(len(self._plan.steps)) if i not in self._tried and self._affordable(i)]
        if limited and here is not None:
            # The same model elsewhere first: the answer stays what the policy chose.
            open_steps.sort(key=lambda i: self._plan.steps[i].deployment.model != here.model)
        for index in open_steps:
            there = self._plan.steps[index].deployment
            if self._resuming and not _continues(self._plan.steps[index]):
                continue
            if failure is not None and here is not None:
                if failure.kind is FailureKind.CONTEXT_OVERFLOW:
                    if (there.context_tokens or 0) <= (here.context_tokens or 0):
                        continue
                elif failure.kind in _ACCOUNT and there.endpoint == here.endpoint:
                    continue
            yield index

    def _retry_same(self, step: int, failure: Failure, now: float) -> list[Command]:
        """Wait for another try of the same step; the server's own wish is a lower bound with a cap."""
        rules = self._plan.retry
        done = self._retries.get(step, 0)
        wanted = failure.retry_after_s or 0.0
        if done >= rules.per_step or wanted > rules.retry_after_cap_s or not self._affordable(step):
            return []
        if self._resuming and not _continues(self._plan.steps[step]):
            return []
        seconds = max(self._backoff(done + 1), wanted)
        if now + seconds >= self._deadline or not self._may_retry(now):
            return []
        self._retries[step] = done + 1
        return [self._set(Retrying(step), seconds)]

    def _queue(self, now: float) -> list[Command]:
        """Wait briefly for the first step that will be free, where nothing else is left."""
        known = [
            (until, step)
            for step, until in self._blocked.items()
            if until is not None
            and self._affordable(step)
            and not (self._resuming and not _continues(self._plan.steps[step]))
        ]
        if not known:
            return []
        until, step = min(known)
        if until <= now:
            return self._launch(step, now)  # it has become free while something else was tried
        if self._queue_until is None:
            self._queue_until = now + self._plan.queue_s
        if until > self._queue_until or until >= self._deadline:
            return []
        return [self._set(Retrying(step), until - now)]

    def _affordable(self, step: int) -> bool:
        ceiling = self._plan.max_cost_usd
        if ceiling is None:
            return True
        under_way = sum(self._worst_usd(self._plan.steps[i]) for i in self._live.values())
        return self._spent_usd + under_way + self._worst_usd(self._plan.steps[step]) <= ceiling

    def _set(self, timer: Timer, seconds: float) -> SetTimer:
        self._timers.add(timer)
        return SetTimer(timer, seconds)

    def _timers_left(self) -> bool:
        return any(isinstance(timer, Retrying) for timer in self._timers)

    def _cancel_others(self, attempt: int) -> list[Command]:
        others = [other for other in self._live if other != attempt]
        for other in others:
            del self._live[other]
        return [Cancel(other) for other in others]

    def _give_up(self, cause: Cause) -> list[Command]:
        self._over = True
        if self._resuming or self._committed is not None:
            cause = Cause.INTERRUPTED
        return [GiveUp(cause)]


_LIMITS = frozenset({FailureKind.RATE_LIMITED, FailureKind.TOKENS_LIMITED, FailureKind.BURST_LIMITED})


def _continues(step: Step) -> bool:
    """Whether a step can go on from a prefix: it takes one, and would not think first."""
    deployment = step.deployment
    on = deployment.thinking_default_on if step.thinking is None else step.thinking
    thinks = deployment.thinking is Thinking.ALWAYS or (deployment.thinking is Thinking.HYBRID and on)
    return deployment.partial is True and not thinks
