"""Outliers: worse than the peers, and enough of them left."""

from __future__ import annotations

import pytest

from qwenroute.domain.resilience import OutlierRules
from qwenroute.state.outliers import Standing, may_eject, worse

RULES = OutlierRules()


def standing(
    error_rate: float = 0.0, ttft_s: float | None = 0.5, *, attempts: int = 50, expected: float = 0.5
) -> Standing:
    """What a deployment was like: well, but for what is said."""
    return Standing(attempts, error_rate, ttft_s, expected)


PEERS = [standing(0.02), standing(0.05, 0.6), standing(0.1, 0.4)]


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (standing(), None),
        (standing(0.14), None),
        (standing(0.16), "16% of its attempts fail, 5% of its peers'"),
        (standing(0.9, attempts=19), None),
        (standing(ttft_s=1.4), None),
        (standing(ttft_s=1.5), "its first token takes 1.5 s, its peers' 0.5 s"),
        (standing(ttft_s=1.5, expected=0.6), None),
        (standing(ttft_s=None), None),
    ],
)
def test_worse_than_the_median(own: Standing, why: str | None) -> None:
    """Three times the peers' median, in errors or in waiting, and slow for itself as well."""
    assert worse(own, PEERS, RULES) == why


def test_a_few_failures_among_flawless_peers_are_no_outlier() -> None:
    """Three times nothing is nothing: below a tenth nobody is left out."""
    assert worse(standing(0.09), [standing(), standing()], RULES) is None


@pytest.mark.parametrize("peers", [[], [standing(attempts=5)]])
def test_without_known_peers_nobody_is_worse(peers: list[Standing]) -> None:
    """One alone, or beside the unknown, is compared with nothing."""
    assert worse(standing(1.0), peers, RULES) is None


@pytest.mark.parametrize(
    ("out", "peers", "may"), [(0, 1, False), (0, 2, True), (1, 2, False), (1, 4, True), (2, 4, False)]
)
def test_never_more_than_the_share(out: int, peers: int, may: bool) -> None:
    """Half of those that share a role stay, and one alone always."""
    assert may_eject(out, peers, RULES) is may
