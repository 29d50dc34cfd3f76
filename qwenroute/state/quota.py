"""Requests and tokens per minute, reserved before a call and settled after it.

The platform holds a sixtieth of the minute's limits against each second as well (facts sheet,
`platform.rate_limits.sub_minute`), so both are counted here, over sliding windows. An amount that
is larger than a whole window passes when the window is empty, and then takes up as many windows
as it would have needed (its debt). Nothing leaks: what is reserved is corrected when the call is
settled, and gone when its window has passed at the latest.

Only what goes through here is counted. Where others spend from the same account, the platform
refuses what looked free, and the cooldown waits for it.
"""

from __future__ import annotations

import math
from collections import deque

from qwenroute.domain.capability import RateLimits

GRAINS = 20
"""What is spent within a twentieth of a window is kept together, and goes with its latest part."""


class Spent:
    """An amount in a window. `full_at`: from when on nothing more is put with it."""

    __slots__ = ("amount", "at", "expires", "full_at")

    def __init__(self, amount: float, at: float, expires: float, full_at: float) -> None:
        self.amount = amount
        self.at = at
        self.expires = expires
        self.full_at = full_at


class Meter:
    """What was spent of one limit over one sliding window."""

    __slots__ = ("_entries", "_grain_s", "limit", "seconds", "used")

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit = limit
        self.seconds = seconds
        self.used = 0.0
        self._entries: deque[Spent] = deque()
        self._grain_s = seconds / GRAINS

    def has_room(self, amount: float, now: float) -> bool:
        """Whether an amount may be spent now."""
        entries = self._entries
        while entries and entries[0].expires <= now:
            self.used -= entries.popleft().amount
        return self.used + amount <= self.limit or self.used <= 0

    def free_at(self, amount: float, now: float) -> float:
        """Return when an amount may be spent: now, or the instant at which there will be room."""
        if self.has_room(amount, now):
            return now
        over, left, at = self.used + amount - self.limit, self.used, now
        for entry in self._entries:
            over -= entry.amount
            left -= entry.amount
            at = max(at, entry.expires)
            if over <= 0 or left <= 0:
                break
        return at

    def spend(self, amount: float, now: float) -> Spent:
        """Spend an amount, whether there is room or not, and return where it is written down."""
        self.used += amount
        expires = now + self.seconds
        last = self._entries[-1] if self._entries else None
        if last is not None and now < last.full_at and amount <= self.limit:
            last.amount += amount
            last.at = now
            last.expires = expires
            return last
        full_at = now + self._grain_s
        if amount > self.limit:
            # It holds on to the window for as long as it would have needed.
            expires = now + self.seconds * amount / self.limit
            full_at = now
        entry = Spent(amount, now, expires, full_at)
        self._entries.append(entry)
        return entry

    def give_back(self, entry: Spent, amount: float, now: float) -> None:
        """Take back what was reserved too much, as far as its window still holds it."""
        if entry.expires <= now:
            return
        amount = min(amount, entry.amount)
        entry.amount -= amount
        self.used -= amount
        entry.expires = min(entry.expires, entry.at + self.seconds * max(1.0, entry.amount / self.limit))


class Reservation:
    """The tokens that one call has reserved, and where they are written down."""

    __slots__ = ("entries", "tokens")

    def __init__(self, tokens: int, entries: list[Spent]) -> None:
        self.tokens = tokens
        self.entries = entries


class Ledger:
    """The requests and tokens of one limit."""

    __slots__ = ("_meters", "_requests", "_tokens", "limits")

    def __init__(self, limits: RateLimits) -> None:
        self.limits = limits
        self._requests = _meters(limits.rpm)
        self._tokens = _meters(limits.tpm)
        self._meters = self._requests + self._tokens

    @property
    def full(self) -> bool:
        """Whether a window has no room left, as of the last look at it."""
        return any(meter.used >= meter.limit for meter in self._meters)

    def free_at(self, tokens: int, now: float) -> float:
        """Return when a call of so many tokens may be sent: now, or later."""
        requests = [meter.free_at(1, now) for meter in self._requests]
        return max([now, *requests, *[meter.free_at(tokens, now) for meter in self._tokens]])

    def reserve(self, tokens: int, now: float) -> Reservation | None:
        """Count one call, or return None where there is no room for it now."""
        for meter in self._requests:
            if not meter.has_room(1, now):
                return None
        for meter in self._tokens:
            if not meter.has_room(tokens, now):
                return None
        for meter in self._requests:
            meter.spend(1, now)
        return Reservation(tokens, [meter.spend(tokens, now) for meter in self._tokens])

    def settle(self, reservation: Reservation, tokens: int, now: float) -> None:
        """Put what was really used in place of what was reserved. The request itself stays counted."""
        more = tokens - reservation.tokens
        if more > 0:
            for meter in self._tokens:
                meter.spend(more, now)
        elif more < 0:
            for meter, entry in zip(self._tokens, reservation.entries, strict=True):
                meter.give_back(entry, -more, now)


def _meters(per_minute: int | None) -> tuple[Meter, ...]:
    """Return the second and the minute of a limit."""
    if per_minute is None:
        return ()
    return Meter(max(1, math.ceil(per_minute / 60)), 1.0), Meter(max(1, per_minute), 60.0)
