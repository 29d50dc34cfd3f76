"""The shape of a policy file. Unknown keys are refused; names are checked against each other later."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, StringConstraints, Tag

from qwenroute.domain import resilience as usual
from qwenroute.domain.capability import Modality, Role
from qwenroute.domain.decision import HedgeRules, Resume
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.signals import Difficulty, Task

_BREAKER, _COOLDOWN, _OUTLIERS = usual.BreakerRules(), usual.CooldownRules(), usual.OutlierRules()
_BUDGET, _CHOICE, _CACHE, _HEDGE = usual.RetryBudgetRules(), usual.Choice(), usual.CacheRules(), HedgeRules()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Switch = Annotated[bool, Strict()]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Words = Annotated[list[Word], BeforeValidator(_listed), Field(min_length=1)]


class FromVariable(_Strict):
    """A value from the environment."""

    env: Word
    default: Word | None = None
    optional: Switch = False


class FromFile(_Strict):
    """A secret from a file of its own."""

    file: Word


def _is_mapping(value: object) -> str:
    return "variable" if isinstance(value, dict) else "text"


def _is_file(value: object) -> str:
    return "file" if isinstance(value, dict) and "file" in value else "variable"


Value = Annotated[Annotated[FromVariable, Tag("variable")] | Annotated[Word, Tag("text")], Discriminator(_is_mapping)]
Secret = Annotated[Annotated[FromVariable, Tag("variable")] | Annotated[FromFile, Tag("file")], Discriminator(_is_file)]


class ServedPrice(_Strict):
    """A price per 1,000,000 tokens."""

    currency: Currency
    input: Number = Field(ge=0)
    output: Number = Field(ge=0)


class RateLimits(_Strict):
    """Requests and tokens per minute."""

    rpm: Whole | None = Field(default=None, gt=0)
    tpm: Whole | None = Field(default=None, gt=0)


class ServedModel(_Strict):
    """A model that an endpoint serves, with what is particular there."""

    model: Word
    served_as: Word | None = None
    context_tokens: Whole | None = Field(default=None, gt=0)
    price: ServedPrice | None = None
    rate_limits: RateLimits = Field(default_factory=RateLimits)


def _kind_of_served(value: object) -> str:
    return "details" if isinstance(value, dict) else "id"


def _kind_of_models(value: object) -> str:
    return "variable" if isinstance(value, dict) else "list"


Served = Annotated[Annotated[ServedModel, Tag("details")] | Annotated[Word, Tag("id")], Discriminator(_kind_of_served)]
Models = Annotated[
    Annotated[FromVariable, Tag("variable")] | Annotated[list[Served], Field(min_length=1), Tag("list")],
    Discriminator(_kind_of_models),
]


class Endpoint(_Strict):
    """Where models are served."""

    provider: Literal["dashscope", "openai_compatible", "litellm"]
    region: Value | None = None
    workspace: Value | None = None
    base_url: Value | None = None
    api_key: Secret | None = None
    models: Models | None = None
    weight: Number = Field(default=1.0, gt=0)
    rate_limits: RateLimits = Field(default_factory=RateLimits)


class Pool(_Strict):
    """A named set of deployments."""

    roles: Annotated[list[Role], BeforeValidator(_listed)] = Field(default_factory=list)
    models: Annotated[list[Word], BeforeValidator(_listed)] = Field(default_factory=list)
    endpoints: Words | None = None
    providers: (
        Annotated[list[Literal["dashscope", "openai_compatible", "litellm"]], BeforeValidator(_listed)] | None
    ) = None


class Objective(_Strict):
    """How much each thing weighs."""

    quality: Number = Field(default=1.0, ge=0)
    cost: Number = Field(default=0.0, ge=0)
    latency: Number = Field(default=0.0, ge=0)


class PromptTokens(_Strict):
    """Bounds on the size of the prompt, inclusive."""

    at_least: Whole | None = Field(default=None, ge=0)
    at_most: Whole | None = Field(default=None, ge=0)


Example = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Examples = Annotated[list[Example], BeforeValidator(_listed), Field(min_length=1)]


class Teach(_Strict):
    """Requests whose words show this are of this task. One of the three."""

    task: Task
    keywords: Words | None = None
    pattern: Words | None = None
    examples: Examples | None = None


class Embedding(_Strict):
    """Any OpenAI-compatible `/embeddings`."""

    endpoint: Word | None = None
    base_url: Value | None = None
    api_key: Secret | None = None
    model: Word
    min_similarity: Number = Field(gt=0, le=1)
    timeout_ms: Whole = Field(default=200, ge=1, le=10_000)


class When(_Strict):
    """Conditions, all of which have to hold."""

    task: Annotated[list[Task], BeforeValidator(_listed), Field(min_length=1)] | None = None
    difficulty: Annotated[list[Difficulty], BeforeValidator(_listed), Field(min_length=1)] | None = None
    input: Annotated[list[Modality], BeforeValidator(_listed), Field(min_length=1)] | None = None
    output: Annotated[list[Modality], BeforeValidator(_listed), Field(min_length=1)] | None = None
    language: Words | None = None
    response_format: (
        Annotated[list[Literal["text", "json_object", "json_schema"]], BeforeValidator(_listed), Field(min_length=1)]
        | None
    ) = None
    quality: Annotated[list[Literal["top"]], BeforeValidator(_listed), Field(min_length=1)] | None = None
    tenant: Words | None = None
    tags: Words | None = None
    thinking: Switch | None = None
    sound: Switch | None = None
    tools: Switch | None = None
    fim: Switch | None = None
    prompt_tokens: PromptTokens | None = None
    min_confidence: Number | None = Field(default=None, ge=0, le=1)
    keywords: Words | None = None
    pattern: Words | None = None
    examples: Examples | None = None


class Hedge(_Strict):
    """When a second attempt is made beside a slow first one."""

    percentile: Number = Field(default=_HEDGE.percentile, gt=0, lt=100)
    after_s: Number | None = Field(default=_HEDGE.after_s, gt=0)


class Cache(_Strict):
    """How long, and how many, answers are kept."""

    ttl_s: Number = Field(default=_CACHE.ttl_s, gt=0)
    max_entries: Whole = Field(default=_CACHE.max_entries, ge=1)
    max_mb: Number = Field(default=_CACHE.max_mb, gt=0)
    path: Word | None = None


def _kind_of_switch(value: object) -> str:
    return "rules" if isinstance(value, dict) else "switch"


Off = Annotated[Literal["off"], Tag("switch")]
HedgeOrOff = Annotated[Annotated[Hedge, Tag("rules")] | Off, Discriminator(_kind_of_switch)]
CacheOrOff = Annotated[Annotated[Cache, Tag("rules")] | Off, Discriminator(_kind_of_switch)]


class Rule(_Strict):
    """One rule of a route."""

    rule: Word
    when: When | None = None
    pool: Word
    fallback: Annotated[list[Word], BeforeValidator(_listed)] = Field(default_factory=list)
    objective: Word | None = None
    hedge: HedgeOrOff | None = None


class Rates(_Strict):
    """The currency of reports, and what one unit of the others costs in it."""

    report: Currency = "USD"
    rates: dict[Currency, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)


class Limits(_Strict):
    """What every request has to stay within."""

    deadline_s: Number = Field(default=300.0, gt=0)
    max_attempts: Whole = Field(default=5, ge=1, le=20)
    max_cost_usd: Number | None = Field(default=None, gt=0)
    queue_s: Number = Field(default=2.0, ge=0)
    max_in_flight: Whole | None = Field(default=None, ge=1)
    max_in_flight_total: Whole | None = Field(default=None, ge=1)
    regions: Words | None = None
    licences: Words | None = None


class Timeouts(_Strict):
    """One limit per phase of an attempt; null means none."""

    connect_s: Annotated[Number, Field(gt=0)] | None = 5.0
    first_token_s: Annotated[Number, Field(gt=0)] | None = 60.0
    between_tokens_s: Annotated[Number, Field(gt=0)] | None = 30.0
    answer_s: Annotated[Number, Field(gt=0)] | None = 180.0


class RetryBudget(_Strict):
    """Retries and hedges of all calls together, as a share of the requests."""

    share: Number = Field(default=_BUDGET.share, ge=0, le=1)
    floor_per_s: Number = Field(default=_BUDGET.floor_per_s, ge=0)


class Retries(_Strict):
    """How often and how patiently one deployment is tried again."""

    per_step: Whole = Field(default=1, ge=0, le=10)
    base_s: Number = Field(default=0.5, gt=0)
    cap_s: Number = Field(default=8.0, gt=0)
    retry_after_cap_s: Number = Field(default=30.0, ge=0)
    budget: RetryBudget = Field(default_factory=RetryBudget)


class Breaker(_Strict):
    """When a deployment that fails is left alone, and for how long."""

    failures: Whole = Field(default=_BREAKER.failures, ge=1)
    error_rate: Number = Field(default=_BREAKER.error_rate, gt=0, le=1)
    min_attempts: Whole = Field(default=_BREAKER.min_attempts, ge=1)
    window_s: Number = Field(default=_BREAKER.window_s, gt=0)
    open_s: Number = Field(default=_BREAKER.open_s, gt=0)
    open_cap_s: Number = Field(default=_BREAKER.open_cap_s, gt=0)


class Cooldown(_Strict):
    """How long a limit is respected where the server does not say."""

    rate_limit_s: Number = Field(default=_COOLDOWN.rate_limit_s, gt=0)
    tokens_limit_s: Number = Field(default=_COOLDOWN.tokens_limit_s, gt=0)
    burst_s: Number = Field(default=_COOLDOWN.burst_s, gt=0)
    cap_s: Number = Field(default=_COOLDOWN.cap_s, gt=0)


class Outliers(_Strict):
    """When a deployment is set aside for being worse than its peers."""

    factor: Number = Field(default=_OUTLIERS.factor, gt=1)
    min_attempts: Whole = Field(default=_OUTLIERS.min_attempts, ge=1)
    eject_s: Number = Field(default=_OUTLIERS.eject_s, gt=0)
    most_ejected_share: Number = Field(default=_OUTLIERS.most_ejected_share, ge=0, le=1)


class Choice(_Strict):
    """How one is picked among deployments that are as good as each other."""

    by: usual.ChoiceBy = _CHOICE.by
    within: Number = Field(default=_CHOICE.within, ge=0, le=1)


class PolicyFile(_Strict):
    """The whole file."""

    version: Literal[1]
    currency: Rates = Field(default_factory=Rates)
    endpoints: dict[Word, Endpoint] = Field(min_length=1)
    pools: dict[Word, Pool] = Field(default_factory=dict)
    objectives: dict[Word, Objective] = Field(default_factory=dict)
    objective: Word = "balanced"
    """Where neither the rule nor the caller says."""
    teach: Annotated[list[Teach], Field(min_length=1)] | None = None
    embedding: Embedding | None = None
    routes: dict[Word, Annotated[list[Rule], Field(min_length=1)]] = Field(min_length=1)
    limits: Limits = Field(default_factory=Limits)
    timeouts: Timeouts = Field(default_factory=Timeouts)
    retries: Retries = Field(default_factory=Retries)
    hedge: HedgeOrOff = "off"
    resume: Resume = Resume.REPORT
    breaker: Breaker = Field(default_factory=Breaker)
    cooldown: Cooldown = Field(default_factory=Cooldown)
    outliers: Outliers = Field(default_factory=Outliers)
    choice: Choice = Field(default_factory=Choice)
    cache: CacheOrOff = "off"
    fall_back_on: list[FailureKind] = Field(default_factory=list)
    retired: Literal["replace", "refuse"] = "replace"
