"""What was spent, by account and window: in the memory of one process."""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Protocol

from qwenroute.domain.budget import Account, Balance

KEEP_S = 35 * 86_400
"""How long what a window came to is kept after its end."""
MANY = 1_024
"""As many accounts are looked through for old ones."""


class SpendLedger(Protocol):
    """Adds up spending. Amounts are whole; every time is in seconds since 1970."""

    def reserve(
        self, hold: str, accounts: Sequence[tuple[Account, int | None]], amount: int, at: float, until: float
    ) -> Account | None:
        """Reserve an amount in every account, or in none: then return the first whose limit it would exceed.

        An account comes with its limit, or with None where it is only counted.

        Raises:
            ConfigurationError: what is kept cannot be read or written.
        """

    def settle(self, hold: str, accounts: Sequence[Account], amount: int) -> None:
        """Spend an amount in every account, in place of what was reserved, if that still holds.

        Raises:
            ConfigurationError: as above; nothing was changed.
        """

    def balances(self, accounts: Sequence[Account], at: float) -> list[Balance]:
        """Return what each account holds.

        Raises:
            ConfigurationError: as above.
        """

    def scopes(self, account: Account, at: float) -> list[str]:
        """Return the scopes for which anything is in an account like this one, whatever its own is.

        Raises:
            ConfigurationError: as above.
        """

    def close(self) -> None:
        """Let go of what is held open. Idempotent."""

    def leave_behind(self) -> None:
        """After a fork: what is reserved is the parent's, and so is whoever was at it."""


LEDGERS: weakref.WeakSet[SpendLedger] = weakref.WeakSet()
"""Those of this process, which a fork has to know."""


class _Held:
    __slots__ = ("accounts", "amount", "until")

    def __init__(self, accounts: tuple[Account, ...], amount: int, until: float) -> None:
        self.accounts = accounts
        self.amount = amount
        self.until = until


class MemoryLedger:
    """Spending of one process; a fork goes on with what was spent, and without what its parent reserved."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._spent: dict[Account, int] = {}
        self._reserved: dict[Account, int] = {}
        self._held: dict[str, _Held] = {}
        self._expires = math.inf
        """Nothing that is held expires before."""
        self._many = MANY
        LEDGERS.add(self)

    def reserve(
        self, hold: str, accounts: Sequence[tuple[Account, int | None]], amount: int, at: float, until: float
    ) -> Account | None:
        """Reserve an amount in every account, or in none: then return the first whose limit it would exceed."""
        with self._lock:
            if at >= self._expires:
                self._expire(at)
            if len(self._spent) >= self._many:
                self._forget(at)
            for account, limit in accounts:
                if limit is not None and self._used(account) + amount > limit:
                    return account
            held = _Held(tuple(account for account, _ in accounts), amount, until)
            for account in held.accounts:
                self._reserved[account] = self._reserved.get(account, 0) + amount
            self._held[hold] = held
            self._expires = min(self._expires, until)
            return None

    def settle(self, hold: str, accounts: Sequence[Account], amount: int) -> None:
        """Spend an amount in every account, in place of what was reserved, if that still holds."""
        with self._lock:
            held = self._held.pop(hold, None)
            if held is not None:
                self._release(held)
            for account in accounts if amount else ():
                self._spent[account] = self._spent.get(account, 0) + amount

    def balances(self, accounts: Sequence[Account], at: float) -> list[Balance]:
        """Return what each account holds."""
        with self._lock:
            if at >= self._expires:
                self._expire(at)
            return [Balance(spent=self._spent.get(a, 0), reserved=self._reserved.get(a, 0)) for a in accounts]

    def scopes(self, account: Account, at: float) -> list[str]:
        """Return the scopes for which anything is in an account like this one."""
        with self._lock:
            if at >= self._expires:
                self._expire(at)
            alike = [a for a in {**self._spent, **self._reserved} if a.like == account.like]
        return sorted({a.scope for a in alike})

    def close(self) -> None:
        """Do nothing: it is gone with its owner."""

    def leave_behind(self) -> None:
        """After a fork: what is reserved is the parent's, and so is whoever held the lock."""
        self._lock = threading.Lock()
        self._held.clear()
        self._reserved.clear()
        self._expires = math.inf

    def _used(self, account: Account) -> int:
        return self._spent.get(account, 0) + self._reserved.get(account, 0)

    def _release(self, held: _Held) -> None:
        for account in held.accounts:
            left = self._reserved.get(account, 0) - held.amount
            if left:
                self._reserved[account] = left
            else:
                self._reserved.pop(account, None)

    def _expire(self, at: float) -> None:
        """Free what was reserved for longer than it may be."""
        for hold, held in list(self._held.items()):
            if held.until <= at:
                del self._held[hold]
                self._release(held)
        self._expires = min((held.until for held in self._held.values()), default=math.inf)

    def _forget(self, at: float) -> None:
        """Forget windows that ended long ago; look again when there are twice as many."""
        self._spent = {a: spent for a, spent in self._spent.items() if a.ends + KEEP_S > at}
        self._many = max(MANY, 2 * len(self._spent))


def _leave_behind() -> None:
    for ledger in list(LEDGERS):
        ledger.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)
