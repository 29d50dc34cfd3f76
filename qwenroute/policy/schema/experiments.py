"""A newcomer beside what a rule does anyway."""

from __future__ import annotations

from typing import Annotated

from pydantic import Discriminator, Field, Tag

from qwenroute.domain import experiment as usual
from qwenroute.policy.schema.values import Number, Off, Section, Whole, Word, kind_of_switch

_ROLLBACK = usual.RollbackRules()


class Rollback(Section):
    """When a canary is taken back by itself. Judged after each of its requests against the control."""

    error_rate: Annotated[Number, Field(ge=0, lt=1)] | None = _ROLLBACK.error_rate
    """Points that its error rate may lie above the control's: 0.05 allows 6 % beside 1 %. null: not looked at."""
    latency: Annotated[Number, Field(ge=0)] | None = _ROLLBACK.latency
    """Share that it may be slower by: 0.5 allows half as long again. Requests of both arms are held against each other
    two by two, at about the same time. null: not looked at."""
    cost: Annotated[Number, Field(ge=0)] | None = _ROLLBACK.cost
    """Share that its requests may cost more, held against each other likewise. null: not looked at."""
    min_requests: Whole = Field(default=_ROLLBACK.min_requests, ge=5)
    """Requests that each arm has to have had before anything is judged."""
    confidence: Number = Field(default=_ROLLBACK.confidence, ge=0.5, lt=1)
    """That a newcomer which is no worse than allowed is left alone, over `per_requests` of its requests."""
    per_requests: Whole = Field(default=_ROLLBACK.per_requests, ge=50)
    """Requests of the newcomer after which evidence is gathered anew, so that an old record does not excuse a new
    fault."""


RollbackOrOff = Annotated[Annotated[Rollback, Tag("rules")] | Off, Discriminator(kind_of_switch)]


class Experiment(Section):
    """One experiment. Rules that take part name it under `experiment`."""

    experiment: Word
    """Its name, for rules, records and reports."""
    kind: usual.ExperimentKind
    """canary: a share of live traffic, taken back by itself where the newcomer is worse. ab: a split that is measured
    and left to people. shadow: copies whose answers are discarded."""
    pool: Word
    """The newcomer. The rule's own pool is the control, and stands behind the newcomer where that cannot serve. A pool
    that lists models is asked to think as the control's roles are."""
    share: Number = Field(gt=0, le=1)
    """Share of the requests: 0.05 for 5 %."""
    sticky: usual.Sticky = usual.Sticky.TENANT
    """What always goes to the same arm: tenant, key, session, or request for none. Requests that do not name theirs
    are drawn one by one."""
    rollback: RollbackOrOff | None = None
    """Of a canary: when it is taken back. Left out: at the usual bounds; `off`: never by itself."""
    max_cost_per_day: Annotated[Number, Field(gt=0)] | None = None
    """Of a shadow, and needed there: what its copies may cost in a day (of `timezone`), in `currency.report`, for each
    process. It is no part of any budget."""
