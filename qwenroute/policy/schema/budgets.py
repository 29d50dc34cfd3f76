"""What may be spent in a stretch of time, and where that is kept."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from qwenroute.domain import budget as usual
from qwenroute.policy.schema.values import Number, Section, Word, Words, kind_of_switch

_LEDGER = usual.LedgerRules()
MOST = 1_000_000_000.0


class CheaperPool(Section):
    """Where requests go once a budget is spent."""

    pool: Word
    """A pool that serves them for less. What it costs is still counted."""


WhenSpent = Annotated[
    Annotated[CheaperPool, Tag("rules")] | Annotated[Literal["refuse", "warn"], Tag("switch")],
    Discriminator(kind_of_switch),
]


class Budget(Section):
    """Money that may be spent in each window; reserved before a call, settled after it."""

    budget: Word
    """Its name, for messages and figures. What was spent is kept under it, so a new name starts from zero."""
    amount: Number = Field(gt=0, le=MOST)
    """How much, in the currency under `currency.report`."""
    window: usual.Window
    """minute, hour, day, week (from Monday) or month: of the calendar, in `timezone`."""
    per: usual.Per = usual.Per.TOTAL
    """Whose spending is added up: `total` for everybody's together, else each tenant, key or route has the amount.
    Requests that name no tenant or key share one under the empty name."""
    tenants: Words | None = None
    """Only requests for these tenants count. Left out: all do."""
    keys: Words | None = None
    """Only requests made with these keys (the hint `key`) count. Left out: all do."""
    routes: Words | None = None
    """Only requests on these routes count. Left out: all do."""
    when_spent: WhenSpent = "refuse"
    """refuse: no call whose worst case does not fit into what is left. {pool: NAME}: on to a cheaper pool.
    warn: nothing but a warning."""
    warn_at: Number | None = Field(default=None, gt=0, le=1)
    """The share of the amount (0.8 for 80 %) from which on decisions carry a warning, and the log has it once."""


class Ledger(Section):
    """Where spending is kept."""

    path: Word | None = None
    """A SQLite file beside this one, which several processes may share. Left out: in the memory of each process,
    where a restart forgets it."""
    reservation_s: Number = Field(default=_LEDGER.reservation_s, gt=0)
    """Seconds after which money reserved by a process that died is free again. A call that runs longer keeps it."""
