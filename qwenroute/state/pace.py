"""Live figures for routing, in steps of a quarter of a doubling, so that small changes do not show."""

from __future__ import annotations

import math

from qwenroute.domain.health import LatencyObjective, Pace

PER_DOUBLING = 4
SLACK = 0.75
"""How many steps a figure may stray from where it was told: half a step would flicker at the edge."""
LEAST_RATE = 0.01


def stepped(value: float, before: float | None) -> float:
    """Return a positive figure as a step, the one told before if it is still near."""
    exact = PER_DOUBLING * math.log2(max(value, 1e-6))
    if before is not None and before > 0 and abs(exact - PER_DOUBLING * math.log2(before)) <= SLACK:
        return before
    return math.exp2(round(exact) / PER_DOUBLING)


def pace(
    ttft_s: float,
    tokens_per_s: float,
    error_rate: float,
    before: Pace | None,
    missed: tuple[tuple[LatencyObjective, float], ...] = (),
) -> Pace:
    """Return the figures in steps."""
    return Pace(
        ttft_s=stepped(ttft_s, None if before is None else before.ttft_s),
        tokens_per_s=stepped(tokens_per_s, None if before is None else before.tokens_per_s),
        error_rate=0.0
        if error_rate < LEAST_RATE
        else min(1.0, stepped(error_rate, None if before is None else before.error_rate)),
        missed=missed,
    )
