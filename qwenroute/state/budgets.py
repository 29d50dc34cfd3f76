"""The budgets of one policy: what they have left, and the money that calls under way hold."""

from __future__ import annotations

import os
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, tzinfo
from itertools import count

from qwenroute.domain.budget import (
    UNIT,
    Account,
    Allowance,
    Balance,
    Budget,
    BudgetStanding,
    LedgerRules,
    Payer,
    Per,
    Shortfall,
    WhenSpent,
    Window,
    units,
)
from qwenroute.domain.price import Exchange, Money
from qwenroute.errors import ConfigurationError
from qwenroute.state.spending import MemoryLedger, SpendLedger
from qwenroute.state.spending_sqlite import SqliteLedger

GAP_S = 0.0005
"""Those who wait for money that others hold ask again one after the other, so far apart."""
MANY_TOLD = 10_000


class Reserved:
    """The money that one attempt holds."""

    __slots__ = ("accounts", "id", "settled")

    def __init__(self, id: str, accounts: tuple[Account, ...]) -> None:  # noqa: A002 - its name in the ledger
        self.id = id
        self.accounts = accounts
        self.settled = False


class Budgets:
    """`Funds` and `Cashier` in one.

    `clock` tells the time in seconds since 1970; `on_warning` hears of each budget once a window
    when enough of it is spent, `on_failure` of a cost that could not be written down yet. The file of
    `before`, if it is the same, goes on to be used; `memory` is the ledger where there is no file.

    Raises:
        ConfigurationError: the ledger's file cannot be opened, or is no database.
    """

    def __init__(
        self,
        budgets: Sequence[Budget],
        rules: LedgerRules,
        *,
        exchange: Exchange,
        zone: tzinfo,
        clock: Callable[[], float],
        on_warning: Callable[[Allowance], None] = lambda _: None,
        on_failure: Callable[[str], None] = lambda _: None,
        before: Budgets | None = None,
        memory: MemoryLedger | None = None,
    ) -> None:
        self._budgets = tuple(budgets)
        self._rules = rules
        self._exchange = exchange
        self._zone = zone
        self._clock = clock
        self._on_warning = on_warning
        self._on_failure = on_failure
        self._windows: dict[Window, tuple[int, int, datetime]] = {}
        self._told: set[Account] = set()
        self._slot = 0.0
        self._prefix = os.urandom(8).hex()
        self._numbers = count()
        self._unsettled: deque[tuple[str, tuple[Account, ...], int]] = deque()
        self.ledger: SpendLedger
        if rules.path is None:
            self.ledger = memory or MemoryLedger()
        elif before is not None and before._rules.path == rules.path:  # noqa: SLF001 - another of the same kind
            self.ledger, self._unsettled = before.ledger, before._unsettled  # noqa: SLF001
        else:
            self.ledger = SqliteLedger(rules.path)
        _all.add(self)

    # --- what routing reads ---

    def allowances(self, payer: Payer) -> Sequence[Allowance]:
        """Return how each budget that counts a request stands, in the order of the policy."""
        at = self._clock()
        counting = [(budget, self._account(budget, budget.scope(payer), at)) for budget in self._counting(payer)]
        found = []
        for (budget, account), balance in zip(counting, self._balances(counting, at), strict=True):
            allowance = self._allowance(budget, account, balance)
            found.append(allowance)
            if allowance.worth_a_warning and account not in self._told:
                if len(self._told) >= MANY_TOLD:
                    self._told.clear()
                self._told.add(account)
                self._on_warning(allowance)
        return found

    # --- what every attempt passes through ---

    def reserve(self, payer: Payer, worst: Money, now: float, until: float) -> Reserved | Shortfall | None:
        """Reserve the most that an attempt can cost, or say which budget has too little free."""
        amount = units(self._exchange.convert(worst).amount)
        counting = self._counting(payer)
        if not counting or not amount:
            return None
        self._settle_late()
        at = self._clock()
        asked = [
            (self._account(b, b.scope(payer), at), b.amount if b.when_spent is WhenSpent.REFUSE else None)
            for b in counting
        ]
        hold = Reserved(f"{self._prefix}-{os.getpid()}-{next(self._numbers)}", tuple(account for account, _ in asked))
        lasts_s = max(self._rules.reservation_s, until - now)
        short = self.ledger.reserve(hold.id, asked, amount, at, at + lasts_s)
        if short is None:
            return hold
        budget = counting[hold.accounts.index(short)]
        allowance = self._allowance(budget, short, self.ledger.balances([short], at)[0])
        if amount > allowance.unspent:
            return Shortfall(allowance=allowance, until=now + (short.ends - at), spent=True)
        self._slot = max(self._slot, now) + GAP_S
        return Shortfall(allowance=allowance, until=self._slot, spent=False)

    def settle(self, hold: object, cost: Money | None) -> None:
        """Put what an attempt cost in place of what was reserved. Idempotent; raises nothing."""
        assert isinstance(hold, Reserved)
        if hold.settled:
            return
        hold.settled = True
        amount = 0 if cost is None else units(self._exchange.convert(cost).amount)
        try:
            self._settle_late()
            self.ledger.settle(hold.id, hold.accounts, amount)
        except ConfigurationError as error:
            # The answer is paid for, and its caller gets it; the next call waits for this to be written down.
            self._unsettled.append((hold.id, hold.accounts, amount))
            self._on_failure(str(error))

    # --- what people and the router ask ---

    def standings(self) -> tuple[BudgetStanding, ...]:
        """Return how every budget stands in its current window, for everyone who spent anything.

        Raises:
            ConfigurationError: what is kept cannot be read.
        """
        at = self._clock()
        told = []
        for budget in self._budgets:
            accounts = [(budget, self._account(budget, scope, at)) for scope in self._scopes(budget, at)]
            for (_, account), balance in zip(accounts, self._balances(accounts, at), strict=True):
                allowance = self._allowance(budget, account, balance)
                told.append(
                    BudgetStanding(
                        budget=budget.name,
                        per=budget.per,
                        scope=account.scope,
                        window=budget.window,
                        currency=account.currency,
                        amount=budget.amount / UNIT,
                        spent=allowance.spent / UNIT,
                        reserved=allowance.reserved / UNIT,
                        left=allowance.free / UNIT,
                        resets_at=allowance.resets_at.isoformat(),
                    )
                )
        return tuple(told)

    def close(self) -> None:
        """Write down what could not be written before, and let go of the ledger. Idempotent."""
        try:
            self._settle_late()
        except ConfigurationError as error:
            self._on_failure(f"{len(self._unsettled)} costs are lost: {error}")
        self.ledger.close()

    def leave_behind(self) -> None:
        """After a fork: what is still to be written down is for the parent to write."""
        self._unsettled.clear()

    def __del__(self) -> None:
        with suppress(Exception):  # of a policy that is no longer in force: its last call has ended
            self._settle_late()

    # --- inside ---

    def _counting(self, payer: Payer) -> list[Budget]:
        return [budget for budget in self._budgets if budget.counts(payer)]

    def _account(self, budget: Budget, scope: str, at: float) -> Account:
        window = self._windows.get(budget.window)
        if window is None or not window[0] <= at < window[1]:
            begins, ends = budget.window.around(at, self._zone)
            window = self._windows[budget.window] = (begins, ends, datetime.fromtimestamp(ends, self._zone))
        return Account(
            budget=budget.name,
            scope=scope,
            window=budget.window,
            currency=self._exchange.report,
            begins=window[0],
            ends=window[1],
        )

    def _balances(self, counting: Iterable[tuple[Budget, Account]], at: float) -> list[Balance]:
        return self.ledger.balances([account for _, account in counting], at)

    def _allowance(self, budget: Budget, account: Account, balance: Balance) -> Allowance:
        window = self._windows[budget.window]
        resets_at = window[2] if window[1] == account.ends else datetime.fromtimestamp(account.ends, self._zone)
        return Allowance(
            budget=budget,
            scope=account.scope,
            spent=balance.spent,
            reserved=balance.reserved,
            currency=account.currency,
            resets_at=resets_at,
        )

    def _scopes(self, budget: Budget, at: float) -> list[str]:
        if budget.per is Per.TOTAL:
            return [""]
        listed = {Per.TENANT: budget.tenants, Per.KEY: budget.keys, Per.ROUTE: budget.routes}[budget.per] or frozenset()
        return sorted({*listed, *self.ledger.scopes(self._account(budget, "", at), at)})

    def _settle_late(self) -> None:
        """Write down what could not be written when it was due."""
        while self._unsettled:
            try:
                late = self._unsettled.popleft()  # first, or two threads would both write it down
            except IndexError:
                return
            try:
                self.ledger.settle(*late)
            except BaseException:
                self._unsettled.appendleft(late)
                raise


_all: weakref.WeakSet[Budgets] = weakref.WeakSet()


def _leave_behind() -> None:
    for budgets in list(_all):
        budgets.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)
