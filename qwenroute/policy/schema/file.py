"""The whole file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qwenroute.domain.decision import Resume
from qwenroute.domain.failure import FailureKind
from qwenroute.policy.schema.budgets import Budget, Ledger
from qwenroute.policy.schema.endpoints import Endpoint, Pool
from qwenroute.policy.schema.experiments import Experiment
from qwenroute.policy.schema.patience import (
    Breaker,
    CacheOrOff,
    Choice,
    Cooldown,
    HedgeOrOff,
    Limits,
    Outliers,
    Retries,
    Timeouts,
)
from qwenroute.policy.schema.records import Records
from qwenroute.policy.schema.rules import Embedding, Objective, Rule, Teach
from qwenroute.policy.schema.values import Currency, Number, Section, Word


class Rates(Section):
    """The currency of reports, and what one unit of the others costs in it."""

    report: Currency = "USD"
    """The currency of reports, three capitals (ISO 4217)."""
    rates: dict[Currency, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)
    """What one unit of another currency costs in the currency of reports. Every currency that a price is in needs a
    rate."""


class PolicyFile(Section):
    """The whole file."""

    version: Literal[1]
    """The version of this format: 1."""
    extends: Word | None = None
    """A shipped policy's name, or a path from this file's folder: what is not said here is as it stands there. Mappings
    are put together key by key, a list takes the place of the list there, unless `inherited` stands in it for that
    list's entries, and `null` takes a key back."""
    timezone: Word = "UTC"
    """IANA name such as `Europe/Berlin`: what `time` conditions and calendar windows go by."""
    currency: Rates = Field(default_factory=Rates)
    """The currency of reports and what others cost in it."""
    endpoints: dict[Word, Endpoint] = Field(min_length=1)
    """Where models are served, by names of your own. One whose variables are not set is left out; one has to remain."""
    pools: dict[Word, Pool] = Field(default_factory=dict)
    """Named sets of deployments. Each role is a pool of its own name without being listed here."""
    objectives: dict[Word, Objective] = Field(default_factory=dict)
    """Named ways to weigh quality, cost and time against each other; `quality`, `balanced` and `cheap` are always
    there."""
    objective: Word = "balanced"
    """What to prefer where neither the rule nor the caller says."""
    teach: Annotated[list[Teach], Field(min_length=1)] | None = None
    """What you know of your own requests: which words make them which task. The first line that holds counts."""
    embedding: Embedding | None = None
    """Who tells which `examples` a request is like; needed where there are examples."""
    routes: dict[Word, Annotated[list[Rule], Field(min_length=1)]] = Field(min_length=1)
    """What callers ask for by name (`model="auto"`), and its rules: the first whose `when` holds decides."""
    limits: Limits = Field(default_factory=Limits)
    """What every request has to stay within."""
    budgets: list[Budget] = Field(default_factory=list)
    """What may be spent in a minute, hour, day, week or month: in all, or for each tenant, key or route."""
    ledger: Ledger = Field(default_factory=Ledger)
    """Where spending is kept."""
    experiments: list[Experiment] = Field(default_factory=list)
    """Newcomers beside what rules do: canaries, splits, shadows. A rule takes part by naming one."""
    timeouts: Timeouts = Field(default_factory=Timeouts)
    """Seconds that each phase of an attempt may take."""
    retries: Retries = Field(default_factory=Retries)
    """How one deployment is tried again before the next is asked."""
    hedge: HedgeOrOff = "off"
    """A second attempt beside a slow first one: `off`, or when. It costs money."""
    resume: Resume = Resume.REPORT
    """What becomes of a stream that breaks after its first token: `report` it to the caller, or `continue` where the
    model can go on."""
    breaker: Breaker = Field(default_factory=Breaker)
    """When a deployment that keeps failing is left alone, and for how long."""
    cooldown: Cooldown = Field(default_factory=Cooldown)
    """How long a limit is respected where the server does not say."""
    outliers: Outliers = Field(default_factory=Outliers)
    """When a deployment is set aside for being much worse than its peers."""
    choice: Choice = Field(default_factory=Choice)
    """How one is picked among deployments that are as good as each other."""
    cache: CacheOrOff = "off"
    """Exact answers kept for equal requests: `off`, or how many and how long. Never shared between tenants."""
    records: Records | None = None
    """Where one record for each request is written; left out, none are."""
    fall_back_on: list[FailureKind] = Field(default_factory=list)
    """Refusals after which the next deployment is tried although they usually end the call: `content_filter`,
    `authentication`, `billing`, `configuration`."""
    retired: Literal["replace", "refuse"] = "replace"
    """A model named outright that has left its platform: `replace` it by its successor with a warning, or `refuse`."""
