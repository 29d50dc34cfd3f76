"""Which deployment is so much worse than its peers that it had better be left out for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from qwenroute.domain.resilience import OutlierRules

MIN_ERROR_RATE = 0.1
"""A lower rate is never an outlier: three times nearly nothing is nearly nothing."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What one deployment has been like, next to what was expected of it."""

    attempts: int
    error_rate: float
    ttft_s: float | None
    """The median; None without samples."""
    expected_ttft_s: float


def worse(own: Standing, peers: Sequence[Standing], rules: OutlierRules) -> str | None:
    """Return in what it is that much worse than the median of its peers, or None.

    Slow counts only where it is slow for itself too: models that share a role differ in size.
    """
    if own.attempts < rules.min_attempts:
        return None
    known = [peer for peer in peers if peer.attempts >= rules.min_attempts]
    if not known:
        return None
    usual = _median([peer.error_rate for peer in known])
    if own.error_rate >= MIN_ERROR_RATE and own.error_rate >= rules.factor * usual:
        return f"{own.error_rate:.0%} of its attempts fail, {usual:.0%} of its peers'"
    waits = [peer.ttft_s for peer in known if peer.ttft_s is not None]
    if own.ttft_s is None or not waits:
        return None
    usual = _median(waits)
    if own.ttft_s >= rules.factor * max(usual, own.expected_ttft_s):
        return f"its first token takes {own.ttft_s:.2g} s, its peers' {usual:.2g} s"
    return None


def may_eject(out: int, peers: int, rules: OutlierRules) -> bool:
    """Whether one more of so many may be left out, where some are out already."""
    return out + 1 <= rules.most_ejected_share * peers


def _median(values: list[float]) -> float:
    values = sorted(values)
    middle = len(values) // 2
    return values[middle] if len(values) % 2 else (values[middle - 1] + values[middle]) / 2
