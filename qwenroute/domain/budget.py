"""Money that may be spent in a stretch of time: the rules, what is left, and who keeps count.

Amounts are whole billionths of the currency that the policy reports in, so that sums are exact.
Windows are those of the calendar, in the policy's time zone: a day ends at midnight.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from typing import Protocol

from qwenroute.domain.health import Obstacle
from qwenroute.domain.price import Money

UNIT = 1_000_000_000
"""Billionths in one unit of the currency. The cheapest token costs some tens of them."""


def units(amount: float) -> int:
    """Return an amount of the currency in whole billionths."""
    return round(amount * UNIT)


class Window(StrEnum):
    """A stretch of the calendar."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    """From Monday on."""
    MONTH = "month"

    def around(self, at: float, zone: tzinfo) -> tuple[int, int]:
        """Return where the window that holds an instant begins and ends, in seconds since 1970."""
        local = datetime.fromtimestamp(at, zone)
        if self in _SECONDS:
            # By the clock on the wall: an hour begins at :00 where the zone is half an hour off, too.
            offset = local.utcoffset() or timedelta()
            length, shift = _SECONDS[self], int(offset.total_seconds())
            begins = (int(at // 1) + shift) // length * length - shift
            return begins, begins + length
        day = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        match self:
            case Window.DAY:
                after = day + timedelta(days=1)
            case Window.WEEK:
                day -= timedelta(days=day.weekday())
                after = day + timedelta(days=7)
            case _:
                day = day.replace(day=1)
                after = (day + timedelta(days=31)).replace(day=1)
        return int(day.timestamp()), int(after.timestamp())


_SECONDS = {Window.MINUTE: 60, Window.HOUR: 3_600}


class Per(StrEnum):
    """For whom a budget is counted: for all together, or for each of them."""

    TOTAL = "total"
    TENANT = "tenant"
    KEY = "key"
    ROUTE = "route"


class WhenSpent(StrEnum):
    """What a budget does with requests once it is spent."""

    REFUSE = "refuse"
    WARN = "warn"
    POOL = "pool"
    """They go to a cheaper pool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """For whom a request is made; what is not said counts under the empty name."""

    route: str
    tenant: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """One rule: so much in a window, for whom, and what happens then."""

    name: str
    amount: int
    window: Window
    per: Per = Per.TOTAL
    tenants: frozenset[str] | None = None
    """Only these; None: all. The same for keys and routes."""
    keys: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    when_spent: WhenSpent = WhenSpent.REFUSE
    pool: str | None = None
    """Where requests go once it is spent, where it says so."""
    warn_at: float | None = None
    """The share of it from which on decisions carry a warning."""

    def counts(self, payer: Payer) -> bool:
        """Whether it counts what is spent for somebody."""
        return _among(payer.tenant, self.tenants) and _among(payer.key, self.keys) and _among(payer.route, self.routes)

    def scope(self, payer: Payer) -> str:
        """Return the name that it counts somebody under; the empty one where it counts all together."""
        return "" if self.per is Per.TOTAL else str(getattr(payer, self.per))


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRules:
    """Where spending is kept, and for how long a reservation holds."""

    path: str | None = None
    """A SQLite file, which processes may share; None: in memory."""
    reservation_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one budget counts for one scope in one window."""

    budget: str
    scope: str
    window: Window
    currency: str
    begins: int
    ends: int

    @property
    def like(self) -> tuple[str, str, str, int]:
        """What it has in common with those of other scopes."""
        return self.budget, self.window.value, self.currency, self.begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """What an account holds: spent for good, and reserved for calls under way."""

    spent: int = 0
    reserved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How a budget stands for one scope, just now."""

    budget: Budget
    scope: str
    spent: int
    reserved: int
    currency: str
    resets_at: datetime

    @property
    def unspent(self) -> int:
        """What is not spent for good; never below 0."""
        return max(0, self.budget.amount - self.spent)

    @property
    def free(self) -> int:
        """What is neither spent nor reserved; never below 0."""
        return max(0, self.budget.amount - self.spent - self.reserved)

    @property
    def used(self) -> float:
        """The share of it that is spent for good."""
        return self.spent / self.budget.amount

    @property
    def worth_a_warning(self) -> bool:
        """Whether so much of it is spent that it should be told."""
        budget = self.budget
        if budget.warn_at is not None and self.used >= budget.warn_at:
            return True
        return budget.when_spent is not WhenSpent.REFUSE and self.spent >= budget.amount

    @property
    def warning(self) -> str:
        """What to tell then."""
        return f"{math.floor(100 * self.used)}% of the budget {self.named}{self.whose} is spent"

    @property
    def whose(self) -> str:
        """Whom it counts here, in words that follow its name."""
        per = self.budget.per
        if per is Per.TOTAL:
            return ""
        return f" for {per} `{self.scope}`" if self.scope else f" for requests that name no {per}"

    @property
    def detour(self) -> str:
        """What to tell of a request that goes to the budget's pool instead."""
        return f"the budget {self.named} has too little left{self.whose}: on to its pool `{self.budget.pool}`"

    @property
    def named(self) -> str:
        """Its name, amount and window, in words."""
        budget = self.budget
        return f"`{budget.name}` ({budget.amount / UNIT:g} {self.currency} a {budget.window})"

    @property
    def refusal(self) -> str:
        """What to tell whoever cannot be served because of it; no figure of anybody else's is in it."""
        state = f"has too little left{self.whose} for what this request could cost"
        if self.unspent == 0:
            state = f"is spent{self.whose}"
        return (
            f"the budget {self.named} {state}; it begins anew at {self.resets_at.isoformat()}. "
            "Ask for less (a shorter prompt, a lower max_tokens), or raise the `amount` in the policy"
        )


class Funds(Protocol):
    """What routing reads of the budgets."""

    def allowances(self, payer: Payer) -> Sequence[Allowance]:
        """Return how each budget that counts a request stands, in the order of the policy."""


class Hold(Protocol):
    """What is reserved for one attempt. It has to be settled, once."""

    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A budget that has too little free for an attempt, and when it may have more."""

    allowance: Allowance
    until: float
    """On the caller's monotonic clock."""
    spent: bool
    """It is used up, and not only reserved by calls under way."""

    @property
    def obstacle(self) -> Obstacle:
        """The same as what it is to the deployment."""
        budget = self.allowance.named
        reason = f"the budget {budget} has too little left"
        if not self.spent:
            reason = f"calls under way hold what is left of the budget {budget}"
        return Obstacle(gate="budget", reason=reason, until=self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetStanding:
    """How a budget stands for one scope, for people; amounts in the currency."""

    budget: str
    per: Per
    scope: str
    """The tenant, key or route; empty where it counts all together, or those that named none."""
    window: Window
    currency: str
    amount: float
    spent: float
    reserved: float
    left: float
    """What is neither spent nor reserved."""
    resets_at: str
    """Local time (ISO 8601) at which it begins anew."""


class Cashier(Protocol):
    """Reserves money before an attempt, and settles it after."""

    def reserve(self, payer: Payer, worst: Money, now: float, until: float) -> Hold | Shortfall | None:
        """Reserve the most that an attempt can cost, or say which budget stands in the way.

        None where nothing counts it. `now` and `until` (when the attempt is over at the latest) are
        seconds on the caller's monotonic clock.

        Raises:
            ConfigurationError: what is kept cannot be read or written.
        """

    def settle(self, hold: Hold, cost: Money | None) -> None:
        """Put what it cost in place of what was reserved. Idempotent; raises nothing."""


def _among(name: str, names: Collection[str] | None) -> bool:
    return names is None or name in names
