"""Whether one arm of an experiment is worse than the other, judged as often as one likes.

Looking after every request and stopping at the first bad sign finds a difference where there is
none, sooner or later, with the tests of textbooks. The evidence here may be looked at any time: it
is a betting score that is 1 at the start and, as long as the newcomer is no worse than allowed,
reaches 1/a with a probability of at most a, ever (Ville's inequality for nonnegative
supermartingales; G. Shafer, "Testing by betting", J. R. Stat. Soc. A 184, 2021).

It is a mean of likelihood ratios: of rates above the one allowed against the one allowed. Errors are
rates. Latency and cost are made rates by holding one request of each arm against the other: the
newcomer's lies above the control's, raised by what is allowed, in no more than half of the pairs if
it is no worse (a sign test). So one slow answer counts as one, and no distribution is assumed.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log

GRID = 16
"""Alternatives that are bet on, evenly over the odds' logarithm between what is allowed and almost 1."""
MOST_LOG_ODDS = 5.0


def evidence(hits: int, misses: int, allowed: float) -> float:
    """Return the score against "hits come at a rate of at most `allowed`" (0 to 1)."""
    if allowed >= 1.0 or hits + misses == 0 or hits / (hits + misses) <= allowed:
        return 0.0  # no evidence, whatever the bets say
    total = 0.0
    for of_hit, of_miss in _bets(max(allowed, 1e-6)):
        total += exp(min(700.0, hits * of_hit + misses * of_miss))
    return total / GRID


@lru_cache(maxsize=64)
def _bets(allowed: float) -> tuple[tuple[float, float], ...]:
    """Return what a hit and a miss add to the logarithm of each bet."""
    least = log(allowed / (1.0 - allowed))
    step = max(MOST_LOG_ODDS - least, 1.0) / GRID
    rates = [1.0 / (1.0 + exp(-(least + number * step))) for number in range(1, GRID + 1)]
    return tuple((log(rate / allowed), log((1.0 - rate) / (1.0 - allowed))) for rate in rates)


def most_likely_at_most(hits: int, misses: int, doubt: float) -> float:
    """Return a rate that the true one exceeds, at any time, with a probability of at most `doubt`.

    It is the lowest rate at which the score of the misses against it is not yet 1/doubt.
    """
    low, high = hits / (hits + misses) if hits + misses else 1.0, 1.0
    for _ in range(20):
        middle = (low + high) / 2
        if evidence(misses, hits, 1.0 - middle) >= 1.0 / doubt:
            high = middle
        else:
            low = middle
    return high
