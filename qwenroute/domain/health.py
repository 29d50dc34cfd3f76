"""How deployments are doing: what keeps one from being called now, and what it has been like lately."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from qwenroute.domain.capability import Deployment
from qwenroute.domain.failure import Failure
from qwenroute.domain.price import Usage


class Circuit(StrEnum):
    """The state of a deployment's breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Why a deployment must not be called now."""

    gate: str
    """circuit, ejected, cooldown, burst, bulkhead, quota, shed or budget."""
    reason: str
    until: float | None = None
    """Monotonic instant from which on it may be asked again; None where nobody knows."""


class Timed(StrEnum):
    """Which part of an answer a latency is about."""

    FIRST_TOKEN = "first_token"  # noqa: S105 - not a secret
    ANSWER = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyObjective:
    """How fast a share of the answers should be: `percentile` (0..100) of them within so many seconds."""

    of: Timed
    percentile: float
    within_s: float

    def __str__(self) -> str:
        of = "the first token" if self.of is Timed.FIRST_TOKEN else "the answer"
        return f"{self.percentile:g} % of {of} within {self.within_s:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What a deployment has been like over its window, rounded so that small changes do not show."""

    ttft_s: float
    tokens_per_s: float
    error_rate: float
    missed: tuple[tuple[LatencyObjective, float], ...] = ()
    """Objectives that it missed, and the seconds it took instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentHealth:
    """The state of one deployment, for people. Times in seconds; percentiles over the window."""

    deployment: str
    circuit: Circuit
    available: bool
    why: str | None
    """What keeps it from being called, in words."""
    until: str | None
    """Local time (ISO 8601) from which on it may be called again."""
    in_flight: int
    attempts: int
    error_rate: float | None
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    ttft_p99_s: float | None
    tokens_per_s_p50: float | None
    last_failure: str | None


class Conditions(Protocol):
    """What routing reads of the state of the fleet."""

    @property
    def revision(self) -> int:
        """Rises whenever `paces` changes: equal revisions mean equal paces."""

    @property
    def paces(self) -> Mapping[str, Pace]:
        """Live figures of the deployments that have any, by id."""

    def obstacles(self, now: float) -> Mapping[str, Obstacle]:
        """Return what stands in the way, by deployment id; empty where all is well."""

    def in_flight(self, deployment: str) -> int:
        """Return how many attempts are under way there."""


class Ticket(Protocol):
    """One admitted attempt. It has to be settled, once."""

    deployment: Deployment


class Gatekeeper(Protocol):
    """Admits attempts, and learns from how they end."""

    def admit(self, deployment: Deployment, tokens: int, now: float) -> Ticket | Obstacle:
        """Reserve a place and the quota for one attempt, or say what stands in the way."""

    def first_token(self, ticket: Ticket, now: float) -> None:
        """Take note of a first token."""

    def settle(
        self, ticket: Ticket, failure: Failure | None, usage: Usage | None, now: float, *, cancelled: bool
    ) -> None:
        """Give back what was reserved and learn from the outcome. Idempotent."""

    def request_began(self, now: float) -> None:
        """Pay a request's share into the retry budget."""

    def withdraw_retry(self, now: float) -> bool:
        """Pay for a retry or a hedge; False where the budget is spent."""

    def hedge_after_s(self, deployment: Deployment, percentile: float) -> float | None:
        """Return that percentile of the deployment's recent latency; None before there is enough of it."""
