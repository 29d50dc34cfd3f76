"""How long, how often and how much: limits, timeouts, retries, and what is left alone when it fails."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from qwenroute.domain import resilience as usual
from qwenroute.domain.decision import HedgeRules
from qwenroute.policy.schema.values import Number, Off, Section, Whole, Word, Words, kind_of_switch

_BREAKER, _COOLDOWN, _OUTLIERS = usual.BreakerRules(), usual.CooldownRules(), usual.OutlierRules()
_BUDGET, _CHOICE, _CACHE, _HEDGE = usual.RetryBudgetRules(), usual.Choice(), usual.CacheRules(), HedgeRules()


class Hedge(Section):
    """When a second attempt is made beside a slow first one."""

    percentile: Number = Field(default=_HEDGE.percentile, gt=0, lt=100)
    after_s: Number | None = Field(default=_HEDGE.after_s, gt=0)


class Cache(Section):
    """How long, and how many, answers are kept."""

    ttl_s: Number = Field(default=_CACHE.ttl_s, gt=0)
    max_entries: Whole = Field(default=_CACHE.max_entries, ge=1)
    max_mb: Number = Field(default=_CACHE.max_mb, gt=0)
    path: Word | None = None


HedgeOrOff = Annotated[Annotated[Hedge, Tag("rules")] | Off, Discriminator(kind_of_switch)]
CacheOrOff = Annotated[Annotated[Cache, Tag("rules")] | Off, Discriminator(kind_of_switch)]


class Limits(Section):
    """What every request has to stay within."""

    deadline_s: Number = Field(default=300.0, gt=0)
    max_attempts: Whole = Field(default=5, ge=1, le=20)
    max_cost_usd: Number | None = Field(default=None, gt=0)
    queue_s: Number = Field(default=2.0, ge=0)
    max_in_flight: Whole | None = Field(default=None, ge=1)
    max_in_flight_total: Whole | None = Field(default=None, ge=1)
    regions: Words | None = None
    licences: Words | None = None


class Timeouts(Section):
    """One limit per phase of an attempt; null means none."""

    connect_s: Annotated[Number, Field(gt=0)] | None = 5.0
    first_token_s: Annotated[Number, Field(gt=0)] | None = 60.0
    between_tokens_s: Annotated[Number, Field(gt=0)] | None = 30.0
    answer_s: Annotated[Number, Field(gt=0)] | None = 180.0


class RetryBudget(Section):
    """Retries and hedges of all calls together, as a share of the requests."""

    share: Number = Field(default=_BUDGET.share, ge=0, le=1)
    floor_per_s: Number = Field(default=_BUDGET.floor_per_s, ge=0)


class Retries(Section):
    """How often and how patiently one deployment is tried again."""

    per_step: Whole = Field(default=1, ge=0, le=10)
    base_s: Number = Field(default=0.5, gt=0)
    cap_s: Number = Field(default=8.0, gt=0)
    retry_after_cap_s: Number = Field(default=30.0, ge=0)
    budget: RetryBudget = Field(default_factory=RetryBudget)


class Breaker(Section):
    """When a deployment that fails is left alone, and for how long."""

    failures: Whole = Field(default=_BREAKER.failures, ge=1)
    error_rate: Number = Field(default=_BREAKER.error_rate, gt=0, le=1)
    min_attempts: Whole = Field(default=_BREAKER.min_attempts, ge=1)
    window_s: Number = Field(default=_BREAKER.window_s, gt=0)
    open_s: Number = Field(default=_BREAKER.open_s, gt=0)
    open_cap_s: Number = Field(default=_BREAKER.open_cap_s, gt=0)


class Cooldown(Section):
    """How long a limit is respected where the server does not say."""

    rate_limit_s: Number = Field(default=_COOLDOWN.rate_limit_s, gt=0)
    tokens_limit_s: Number = Field(default=_COOLDOWN.tokens_limit_s, gt=0)
    burst_s: Number = Field(default=_COOLDOWN.burst_s, gt=0)
    cap_s: Number = Field(default=_COOLDOWN.cap_s, gt=0)


class Outliers(Section):
    """When a deployment is set aside for being worse than its peers."""

    factor: Number = Field(default=_OUTLIERS.factor, gt=1)
    min_attempts: Whole = Field(default=_OUTLIERS.min_attempts, ge=1)
    eject_s: Number = Field(default=_OUTLIERS.eject_s, gt=0)
    most_ejected_share: Number = Field(default=_OUTLIERS.most_ejected_share, ge=0, le=1)


class Choice(Section):
    """How one is picked among deployments that are as good as each other."""

    by: usual.ChoiceBy = _CHOICE.by
    within: Number = Field(default=_CHOICE.within, ge=0, le=1)
