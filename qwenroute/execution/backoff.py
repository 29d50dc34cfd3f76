"""How long to wait before a retry, asked of tenacity's strategies."""

from __future__ import annotations

from collections.abc import Callable

import tenacity

from qwenroute.domain.decision import RetryRules

Backoff = Callable[[int], float]
"""From the number of the retry (1 for the first) to seconds."""


def backoff(rules: RetryRules) -> Backoff:
    """Return exponential backoff with full jitter, between nothing and the cap."""
    strategy = tenacity.wait_random_exponential(multiplier=rules.base_s, max=rules.cap_s)

    def wait(retry: int) -> float:
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = retry
        return strategy(state)

    return wait
