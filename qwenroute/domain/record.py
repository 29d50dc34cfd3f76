"""The trace of one request, frozen: everything that observes reads this."""

from __future__ import annotations

from dataclasses import dataclass

from qwenroute.domain.decision import Decision, Rejection
from qwenroute.domain.failure import CALLERS_OWN, Failure, FailureKind
from qwenroute.domain.price import Money, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One call on the wire, and how it ended. Times are seconds from the start of the request."""

    number: int
    deployment: str
    model: str
    started_s: float
    first_token_s: float | None = None
    ended_s: float
    failure: Failure | None = None
    usage: Usage | None = None
    cost: Money | None = None
    """In the currency of the price; None where no price is known."""
    reckoned: bool = False
    """The usage was reckoned: it ended before it could report one."""
    cancelled: bool = False
    """It was not needed any more: the other of two was first, or the caller left."""
    notes: tuple[str, ...] = ()
    """What was changed on the wire for this model, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Splice:
    """A place in a streamed answer where another attempt went on from what the caller had."""

    after_characters: int
    broken: str
    """The deployment whose stream broke."""
    failure: FailureKind
    continued_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Decision, attempts, usage, cost and timings of one request."""

    id: str
    decision: Decision
    attempts: tuple[Attempt, ...]
    passed_over: tuple[Rejection, ...] = ()
    """Steps that were not sent because something stood in the way just then."""
    splices: tuple[Splice, ...] = ()
    answered: int | None = None
    """Number of the attempt whose answer the caller has."""
    latency_s: float
    ttft_s: float | None = None
    usage: Usage | None = None
    """Of the attempt that answered."""
    cost: Money | None = None
    """Of all attempts, in the policy's currency; None where no price is known."""
    cached: bool = False
    """Given again from the cache: nothing was called, `usage` is what it took the first time."""
    simulated: bool = False

    @property
    def answered_by(self) -> Attempt | None:
        """The attempt whose answer the caller has, if any: of a resumed stream, the last."""
        return next((attempt for attempt in self.attempts if attempt.number == self.answered), None)

    @property
    def missed(self) -> bool:
        """Whether the pool that was chosen did not answer at the first attempt, whoever answered then."""
        decision = self.decision
        own = {step.deployment.id for step in decision.plan.steps if step.pool == decision.pool}
        first, last = self.attempts[0] if self.attempts else None, self.answered_by
        if first is not None and first.failure is not None and first.failure.kind in CALLERS_OWN:
            return False
        if first is None or first.failure is not None or first.deployment not in own:
            return not self.cached
        return last is not None and last.deployment not in own  # a hedge was quicker than it

    @property
    def deployment(self) -> str | None:
        """The deployment that answered."""
        return None if self.answered_by is None else self.answered_by.deployment

    @property
    def model(self) -> str | None:
        """The model that answered."""
        return None if self.answered_by is None else self.answered_by.model
