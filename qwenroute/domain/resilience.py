"""How patient to be with a deployment: the rules that a policy sets and the state room keeps."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from qwenroute.domain.health import LatencyObjective


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a deployment is left alone, and for how long."""

    failures: int = 5
    """In a row."""
    error_rate: float = 0.5
    """Over the window, once there were `min_attempts`."""
    min_attempts: int = 10
    window_s: float = 30.0
    open_s: float = 10.0
    """The first time; doubled each time that the probe fails."""
    open_cap_s: float = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownRules:
    """How long a limit is respected where the server does not say; `Retry-After` is a lower bound."""

    rate_limit_s: float = 1.0
    tokens_limit_s: float = 20.0
    burst_s: float = 1.0
    cap_s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierRules:
    """When a deployment is set aside for being worse than its peers: those that share a role."""

    factor: float = 3.0
    min_attempts: int = 20
    eject_s: float = 30.0
    most_ejected_share: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudgetRules:
    """Retries and hedges as a share of requests, beside a floor that lets a quiet service retry."""

    share: float = 0.1
    floor_per_s: float = 1.0
    window_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """What counts as lately."""

    seconds: float = 60.0
    samples: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Resilience:
    """All of it together."""

    breaker: BreakerRules = field(default_factory=BreakerRules)
    cooldown: CooldownRules = field(default_factory=CooldownRules)
    outliers: OutlierRules = field(default_factory=OutlierRules)
    retry_budget: RetryBudgetRules = field(default_factory=RetryBudgetRules)
    window: WindowRules = field(default_factory=WindowRules)
    max_in_flight: int | None = None
    """Per deployment (bulkhead)."""
    max_in_flight_total: int | None = None
    """Of the whole router; more are refused early (load shedding)."""
    objectives: tuple[LatencyObjective, ...] = ()
    """What live figures are held against."""


class ChoiceBy(StrEnum):
    """How one is picked among deployments that are as good as each other."""

    SCORE = "score"
    WEIGHT = "weight"
    LEAST_BUSY = "least_busy"
    POWER_OF_TWO = "power_of_two"
    STICKY = "sticky"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which deployments count as equal, and how one of them is picked."""

    by: ChoiceBy = ChoiceBy.SCORE
    within: float = 0.02
    """How far below the best score still counts as equal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheRules:
    """Exact answers kept for a while. Never shared between tenants or policies."""

    ttl_s: float = 300.0
    max_entries: int = 1_000
    max_mb: float = 64.0
    path: str | None = None
    """A SQLite file; None keeps answers in memory."""
