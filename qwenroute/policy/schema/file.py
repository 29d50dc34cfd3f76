"""The whole file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from qwenroute.domain.decision import Resume
from qwenroute.domain.failure import FailureKind
from qwenroute.policy.schema.endpoints import Endpoint, Pool
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
from qwenroute.policy.schema.rules import Embedding, Objective, Rule, Teach
from qwenroute.policy.schema.values import Currency, Number, Section, Word


class Rates(Section):
    """The currency of reports, and what one unit of the others costs in it."""

    report: Currency = "USD"
    rates: dict[Currency, Annotated[Number, Field(gt=0)]] = Field(default_factory=dict)


class PolicyFile(Section):
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
