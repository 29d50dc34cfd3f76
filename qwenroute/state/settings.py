"""How patient the fleet is: the numbers behind every gate of this room, as a policy file fills them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRules:
    """When a circuit opens, and for how long."""

    failures: int = 5
    """Failures in a row that open it."""
    error_rate: float = 0.5
    """Share of the attempts in the window whose failure opens it,"""
    min_attempts: int = 10
    """once there were this many."""
    window_s: float = 30.0
    open_s: float = 10.0
    """How long it stays open; twice as long each time that the probe fails,"""
    open_cap_s: float = 120.0
    """up to this."""
    block_s: float = 300.0
    """How long what does not pass by itself keeps it open: a wrong key, an unpaid bill, a model that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CooldownRules:
    """How long a limit is left alone after the platform said that it is reached."""

    rate_limit_s: float = 1.0
    """After too many requests; doubles while it goes on."""
    tokens_limit_s: float = 20.0
    """After too many tokens, which come back as the minute slides on; doubles while it goes on."""
    burst_s: float = 1.0
    """After traffic rose too fast; from then on at half the rate,"""
    burst_recovery_s: float = 30.0
    """which is back where it was after this long."""
    cap_s: float = 60.0
    """No cooldown is longer, whatever the server asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutlierRules:
    """When a deployment is so much worse than its peers (those that share a role) that it is left out."""

    factor: float = 3.0
    """So many times the median of its peers, in error rate or in the median time to the first token."""
    min_attempts: int = 20
    min_error_rate: float = 0.1
    """A lower rate is never an outlier: three times nearly nothing is nearly nothing."""
    eject_s: float = 30.0
    most_ejected_share: float = 0.5
    """Of any role: those with an open circuit count as ejected here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulkhead:
    """How many attempts one deployment may have under way."""

    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadShedding:
    """How many attempts may be under way in all."""

    max_in_flight_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryBudgetRules:
    """How many retries and hedges all calls together may make, so that they cannot multiply an outage."""

    share: float = 0.1
    """Retries per request of the window,"""
    floor_per_s: float = 1.0
    """and so many per second besides, so that little traffic may be retried too."""
    window_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowRules:
    """How much of the past counts as lately."""

    seconds: float = 60.0
    samples: int = 512
    """At most; the latest."""
    min_samples: int = 20
    """Fewer say nothing: no live figures for routing, no percentile to hedge by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRules:
    """Everything above."""

    breaker: BreakerRules = field(default_factory=BreakerRules)
    cooldown: CooldownRules = field(default_factory=CooldownRules)
    outliers: OutlierRules = field(default_factory=OutlierRules)
    bulkhead: Bulkhead = field(default_factory=Bulkhead)
    shedding: LoadShedding = field(default_factory=LoadShedding)
    retry_budget: RetryBudgetRules = field(default_factory=RetryBudgetRules)
    window: WindowRules = field(default_factory=WindowRules)
