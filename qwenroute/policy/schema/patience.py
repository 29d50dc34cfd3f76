"""How long, how often and how much: limits, timeouts, retries, and what is left alone when it fails."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from qwenroute.domain import resilience as usual
from qwenroute.domain.decision import HedgeRules
from qwenroute.policy.schema.values import Number, Off, Section, Whole, Word, Words, kind_of_switch, listed

_BREAKER, _COOLDOWN, _OUTLIERS = usual.BreakerRules(), usual.CooldownRules(), usual.OutlierRules()
_BUDGET, _CHOICE, _CACHE, _HEDGE = usual.RetryBudgetRules(), usual.Choice(), usual.CacheRules(), HedgeRules()


class Hedge(Section):
    """When a second attempt is made beside a slow first one."""

    percentile: Number = Field(default=_HEDGE.percentile, gt=0, lt=100)
    """A first attempt slower than this share (in %) of that deployment's recent ones gets a second beside it."""
    after_s: Number | None = Field(default=_HEDGE.after_s, gt=0)
    """Seconds after which the second starts until enough is known of the deployment; null: not before that."""


class Cache(Section):
    """How long, and how many, answers are kept."""

    ttl_s: Number = Field(default=_CACHE.ttl_s, gt=0)
    """Seconds that an answer is kept."""
    max_entries: Whole = Field(default=_CACHE.max_entries, ge=1)
    """How many answers are kept; the one that was not asked for the longest goes first."""
    max_mb: Number = Field(default=_CACHE.max_mb, gt=0)
    """How much they may take together, in MB."""
    path: Word | None = None
    """A SQLite file, relative to this one, that several processes can share; omitted: in memory."""


HedgeOrOff = Annotated[Annotated[Hedge, Tag("rules")] | Off, Discriminator(kind_of_switch)]
CacheOrOff = Annotated[Annotated[Cache, Tag("rules")] | Off, Discriminator(kind_of_switch)]


Providers = Annotated[list[Literal["dashscope", "openai_compatible", "litellm"]], BeforeValidator(listed)]


class RuleLimits(Section):
    """What the requests of one rule have to stay within. It narrows the policy's own limits and never widens them."""

    deadline_s: Number | None = Field(default=None, gt=0)
    """Seconds for the whole request, all of its attempts together."""
    max_cost_usd: Number | None = Field(default=None, gt=0)
    """US dollars that one request may cost at worst, all of its attempts together. What could cost more is not called;
    what has no known price neither."""
    max_output_tokens: Whole | None = Field(default=None, ge=1)
    """Tokens that an answer may have. A request that asks for more, or does not say, is sent with this bound."""
    max_prompt_tokens: Whole | None = Field(default=None, ge=1)
    """Tokens that a prompt may have, attachments included. A longer one is refused before anything is sent."""
    regions: Words | None = None
    """Only deployments in these regions; an endpoint that states no region is left out. This is what keeps data in
    place."""
    licences: Words | None = None
    """Only models under these licences, for example `apache-2.0`; `qwenroute models show` has each model's."""
    providers: Annotated[Providers, Field(min_length=1)] | None = None
    """Only endpoints of these kinds: `dashscope`, `openai_compatible`, `litellm`."""
    models: Words | None = None
    """Only these models, by id, or as `model@endpoint`."""


class Limits(RuleLimits):
    """What every request has to stay within."""

    deadline_s: Number = Field(default=300.0, gt=0)
    """Seconds for the whole request, all of its attempts together."""
    max_attempts: Whole = Field(default=5, ge=1, le=20)
    """Calls that one request may make: retries, fallbacks and hedges together."""
    queue_s: Number = Field(default=2.0, ge=0)
    """Seconds that a limit which ends soon, or a budget that others have reserved, is waited for, where nothing else is
    left to call."""
    max_in_flight: Whole | None = Field(default=None, ge=1)
    """Attempts under way at one deployment; it is passed over while it has more."""
    max_in_flight_total: Whole | None = Field(default=None, ge=1)
    """Requests under way in the whole router; more are refused at once."""


class Timeouts(Section):
    """One limit per phase of an attempt; null means none."""

    connect_s: Annotated[Number, Field(gt=0)] | None = 5.0
    """Seconds until the connection stands; null: none but the deadline."""
    first_token_s: Annotated[Number, Field(gt=0)] | None = 60.0
    """Seconds until a streamed answer begins; a thought counts as beginning."""
    between_tokens_s: Annotated[Number, Field(gt=0)] | None = 30.0
    """Seconds of silence within a stream."""
    answer_s: Annotated[Number, Field(gt=0)] | None = 180.0
    """Seconds for an answer in one piece, of which nothing can be seen before its end."""


class RetryBudget(Section):
    """Retries and hedges of all calls together, as a share of the requests."""

    share: Number = Field(default=_BUDGET.share, ge=0, le=1)
    """Retries and hedges allowed, as a share of the requests: 0.1 is one for ten."""
    floor_per_s: Number = Field(default=_BUDGET.floor_per_s, ge=0)
    """And this many a second anyway, so that a quiet service can retry."""


class Retries(Section):
    """How often and how patiently one deployment is tried again."""

    per_step: Whole = Field(default=1, ge=0, le=10)
    """How often one deployment is tried again before the next."""
    base_s: Number = Field(default=0.5, gt=0)
    """Seconds before the first retry; doubled each time, and spread at random."""
    cap_s: Number = Field(default=8.0, gt=0)
    """Seconds that one such wait never exceeds."""
    retry_after_cap_s: Number = Field(default=30.0, ge=0)
    """A server that asks for a longer wait than this many seconds is left for the next deployment."""
    budget: RetryBudget = Field(default_factory=RetryBudget)
    """What all requests together may spend on retries, so that retries cannot multiply an outage."""


class Breaker(Section):
    """When a deployment that fails is left alone, and for how long."""

    failures: Whole = Field(default=_BREAKER.failures, ge=1)
    """Failures in a row after which a deployment is left alone."""
    error_rate: Number = Field(default=_BREAKER.error_rate, gt=0, le=1)
    """Or this share of failures (0 to 1) within `window_s`."""
    min_attempts: Whole = Field(default=_BREAKER.min_attempts, ge=1)
    """Attempts within the window before the share says anything."""
    window_s: Number = Field(default=_BREAKER.window_s, gt=0)
    """Seconds that count as lately."""
    open_s: Number = Field(default=_BREAKER.open_s, gt=0)
    """Seconds that it is left alone the first time; doubled with each probe that fails."""
    open_cap_s: Number = Field(default=_BREAKER.open_cap_s, gt=0)
    """Seconds that it is left alone at most."""


class Cooldown(Section):
    """How long a limit is respected where the server does not say."""

    rate_limit_s: Number = Field(default=_COOLDOWN.rate_limit_s, gt=0)
    """Seconds after too many requests."""
    tokens_limit_s: Number = Field(default=_COOLDOWN.tokens_limit_s, gt=0)
    """Seconds after too many tokens."""
    burst_s: Number = Field(default=_COOLDOWN.burst_s, gt=0)
    """Seconds after a rise that was too steep."""
    cap_s: Number = Field(default=_COOLDOWN.cap_s, gt=0)
    """Seconds that any of them lasts at most, whatever the server asks for."""


class Outliers(Section):
    """When a deployment is set aside for being worse than its peers."""

    factor: Number = Field(default=_OUTLIERS.factor, gt=1)
    """How many times the median of its peers, in errors or in seconds to the first token, is too much."""
    min_attempts: Whole = Field(default=_OUTLIERS.min_attempts, ge=1)
    """Attempts before anything is said of a deployment."""
    eject_s: Number = Field(default=_OUTLIERS.eject_s, gt=0)
    """Seconds that it is set aside."""
    most_ejected_share: Number = Field(default=_OUTLIERS.most_ejected_share, ge=0, le=1)
    """Share of the peers (0 to 1) that may be set aside at once; the rest have to carry the load."""


class Choice(Section):
    """How one is picked among deployments that are as good as each other."""

    by: usual.ChoiceBy = _CHOICE.by
    """`score` takes the best, always; `weight` by the endpoints' weights; `least_busy`; `power_of_two` the less busy of
    two; `sticky` the same for the same session."""
    within: Number = Field(default=_CHOICE.within, ge=0, le=1)
    """How far below the best score (0 to 1) still counts as equal."""
