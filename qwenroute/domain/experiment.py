"""Experiments: a newcomer beside what a rule does anyway."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ExperimentKind(StrEnum):
    """What becomes of the newcomer's answers, and who ends it."""

    CANARY = "canary"
    """A share of live traffic, taken back by itself where the newcomer is worse."""
    AB = "ab"
    """A split that is measured, and left to people."""
    SHADOW = "shadow"
    """A copy of a share of the traffic, whose answers are discarded."""


class Sticky(StrEnum):
    """What always goes to the same arm."""

    TENANT = "tenant"
    KEY = "key"
    SESSION = "session"
    REQUEST = "request"
    """Nothing: each request is drawn by itself."""


class Arm(StrEnum):
    """The side of an experiment that a request is on."""

    CONTROL = "control"
    VARIANT = "variant"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackRules:
    """What a canary may be worse by before it is taken back. None: this is not looked at."""

    error_rate: float | None = 0.05
    """Points above the control's: 0.05 allows 6 % where the control has 1 %."""
    latency: float | None = 0.5
    """As a share: 0.5 allows half as much again."""
    cost: float | None = 0.5
    """The same of the cost of a request."""
    min_requests: int = 20
    """Of each arm, before anything is judged."""
    confidence: float = 0.95
    """That a newcomer which is no worse than allowed is not taken back within `per_requests` of its requests."""
    per_requests: int = 500
    """After so many of the newcomer's requests the evidence is gathered anew: what went well long ago must not hide
    what goes wrong today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """One experiment of a policy."""

    name: str
    kind: ExperimentKind
    pool: str
    """The newcomer."""
    share: float
    """Of the requests that come to a rule with this experiment, 0 to 1."""
    sticky: Sticky = Sticky.TENANT
    rollback: RollbackRules | None = None
    """Of a canary; None: never by itself."""
    max_cost_per_day: float | None = None
    """Of a shadow, in the policy's currency, for each process."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """The part of one request in an experiment."""

    experiment: str
    kind: ExperimentKind
    arm: Arm
    copied: bool = False
    """A copy of it goes to the newcomer of a shadow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one request of an experiment went, in one arm."""

    experiment: str
    arm: Arm
    failed: bool
    """The arm's own pool did not answer at the first attempt."""
    latency_s: float | None
    """To the first token of a stream, or to the end of a whole answer; None where there was none."""
    cost: float | None
    """Of all attempts, in the policy's currency; None where no price is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmFigures:
    """What was seen of one arm by this process. Percentiles are of the latest 1,000 requests."""

    requests: int
    failures: int
    latency_p50_s: float | None
    latency_p90_s: float | None
    cost: float
    """Of all its requests together, in the policy's currency."""
    cost_p50: float | None

    @property
    def error_rate(self) -> float | None:
        """Failures among the requests."""
        return self.failures / self.requests if self.requests else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentState:
    """One experiment, for people."""

    experiment: Experiment
    control: ArmFigures
    variant: ArmFigures
    rolled_back: str | None = None
    """Why it was taken back; None while it runs."""
