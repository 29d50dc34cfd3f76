"""What follows when a platform says that a limit is reached: one reaction for each of the three.

Too many requests: a short pause that doubles while it goes on. Too many tokens: a pause until the
minute has moved on. Traffic that rose too fast: a short pause, then half the rate, which recovers
slowly. `Retry-After` is a lower bound, with a cap; no later failure shortens a pause.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.resilience import CooldownRules

BURST_RECOVERY_S = 30.0
"""How long a halved rate takes to be back where it was."""
SLOWEST_PER_S = 0.5
"""The rate is not halved below one call in two seconds."""

_SAID: Mapping[FailureKind, str] = {
    FailureKind.RATE_LIMITED: "too many requests",
    FailureKind.TOKENS_LIMITED: "too many tokens",
    FailureKind.BURST_LIMITED: "traffic rose too fast",
}


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The pause of one limit; over at `until`."""

    until: float = -math.inf
    why: str = ""
    kind: FailureKind | None = None
    in_a_row: int = 0

    def after(self, failure: Failure, *, began: float, now: float, rules: CooldownRules) -> Cooldown:
        """Return the pause that a failure leads to.

        It grows only where the attempt began after the last pause: those that were under way
        together tell of one event.
        """
        again = failure.kind is self.kind
        in_a_row = self.in_a_row + (began >= self.until) if again else 1
        seconds = min(rules.cap_s, _base_s(failure.kind, rules) * 2.0 ** min(in_a_row - 1, 32))
        wanted = failure.retry_after_s
        if wanted is not None:
            seconds = max(seconds, min(wanted, rules.cap_s))
        until = now + seconds
        if until <= self.until:
            return replace(self, in_a_row=in_a_row) if again else self
        said = _SAID.get(failure.kind, str(failure.kind))
        asked = "" if wanted is None else f"; the server asked for {wanted:g} s"
        return Cooldown(until, f"{said}: pausing for {seconds:g} s{asked}", failure.kind, in_a_row)

    def answered(self, *, began: float) -> Cooldown:
        """Forget the repetitions once an attempt that began after the pause was answered."""
        return Cooldown() if self.kind is not None and began >= self.until else self


def _base_s(kind: FailureKind, rules: CooldownRules) -> float:
    match kind:
        case FailureKind.RATE_LIMITED:
            return rules.rate_limit_s
        case FailureKind.TOKENS_LIMITED:
            return rules.tokens_limit_s
        case FailureKind.BURST_LIMITED:
            return rules.burst_s
    return 0.0  # only what the server asks for


@dataclass(frozen=True, slots=True)
class Ramp:
    """A rate that was halved and recovers: additive increase, multiplicative decrease."""

    per_s: float
    """Allowed at `since`."""
    gain: float
    """By how much it rises each second."""
    full: float
    """Where it is no limit any more."""
    since: float
    next_at: float
    """From when on the next call may begin."""

    @staticmethod
    def halved(before: Ramp | None, seen_per_s: float, *, began: float, now: float) -> Ramp:
        """Return half the rate at which it was hit; once for all attempts that were under way together."""
        if before is not None and began < before.since:
            return before
        hit = max(seen_per_s if before is None else min(seen_per_s, before.rate(now)), 2 * SLOWEST_PER_S)
        per_s = hit / 2
        return Ramp(per_s, per_s / BURST_RECOVERY_S, 2 * hit, now, now + 1 / per_s)

    def rate(self, now: float) -> float:
        """Return how many calls a second may begin."""
        return self.per_s + self.gain * max(0.0, now - self.since)

    def over(self, now: float) -> bool:
        """Whether it has recovered to where it limits nothing."""
        return self.rate(now) >= self.full

    def took(self, now: float) -> Ramp:
        """Return the ramp after a call has begun."""
        return replace(self, next_at=max(now, self.next_at) + 1 / self.rate(now))
