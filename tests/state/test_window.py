"""The window: what has been lately, and nothing older."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.resilience import WindowRules
from qwenroute.state.window import Figure, Tally, Window

RULES = WindowRules(seconds=60.0, samples=100)


def test_tally_counts_and_forgets() -> None:
    """Attempts and failures count until the window has passed over them."""
    tally = Tally(10.0)
    tally.add(0.0, failed=True)
    tally.add(5.0, failed=False)
    assert tally.counts(9.9) == (2, 1)
    assert tally.counts(10.0) == (1, 0)
    assert tally.counts(100.0) == (0, 0)


@given(st.lists(st.tuples(st.floats(0, 4), st.booleans()), max_size=60))
def test_tally_agrees_with_counting(events: list[tuple[float, bool]]) -> None:
    """It holds everything of the last nine tenths of its window, and nothing older than the window."""
    tally, now, seen = Tally(10.0), 0.0, []
    for passed, failed in events:
        now += passed
        tally.add(now, failed=failed)
        seen.append((now, failed))
    attempts, failures = tally.counts(now)
    for count, wanted in ((attempts, seen), (failures, [s for s in seen if s[1]])):
        assert sum(at > now - 9.0 for at, _ in wanted) <= count <= sum(at > now - 10.0 - 1e-9 for at, _ in wanted)


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 50.0), (95, 95.0), (99, 99.0), (100, 100.0)])
def test_percentiles_are_values_that_were_seen(percent: float, value: float) -> None:
    """The smallest value that so many per cent do not exceed."""
    window = Window(RULES)
    for n in range(100, 0, -1):
        window.record(0.0, ttft_s=float(n))
    assert window.percentile(Figure.TTFT, percent, 0.0) == value


def test_nothing_measured_nothing_told() -> None:
    """There is no percentile of no samples, nor of another figure's."""
    window = Window(RULES)
    assert window.percentile(Figure.TTFT, 50, 0.0) is None
    window.record(0.0, wait_s=1.0)
    assert window.percentile(Figure.TTFT, 50, 0.0) is None
    assert window.percentile(Figure.WAIT, 50, 0.0) == 1.0


def test_old_samples_leave() -> None:
    """What is older than the window does not count, though nothing new has come."""
    window = Window(RULES)
    window.record(0.0, e2e_s=9.0)
    window.record(50.0, e2e_s=1.0)
    assert window.percentile(Figure.E2E, 100, 50.0) == 9.0
    assert window.percentile(Figure.E2E, 100, 60.0) == 1.0
    assert window.count(Figure.E2E, 200.0) == 0


def test_only_the_latest_are_kept() -> None:
    """Memory is bounded: the oldest of too many samples go."""
    window = Window(RULES)
    for n in range(1_000):
        window.record(0.0, wait_s=float(n))
    assert window.count(Figure.WAIT, 0.0) == 100
    assert window.percentile(Figure.WAIT, 0, 0.0) == 900.0


def test_sorted_once_for_many_questions() -> None:
    """A question within the second gets the answer worked out before, until an eighth is new."""
    window = Window(RULES)
    for _ in range(40):
        window.record(0.0, wait_s=1.0)
    assert window.percentile(Figure.WAIT, 100, 0.0) == 1.0
    for _ in range(5):
        window.record(0.1, wait_s=2.0)
    assert window.percentile(Figure.WAIT, 100, 0.2) == 1.0
    assert window.percentile(Figure.WAIT, 100, 1.0) == 2.0
    for _ in range(6):
        window.record(1.0, wait_s=3.0)
    assert window.percentile(Figure.WAIT, 100, 1.1) == 3.0
