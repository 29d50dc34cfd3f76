"""Paces: live figures in steps."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from qwenroute.state.pace import pace, stepped


@given(st.floats(0.001, 1000))
def test_a_step_is_near_the_figure(value: float) -> None:
    """It is off by an eighth of a doubling at the most."""
    assert abs(math.log2(stepped(value, None) / value)) <= 0.1251


@given(st.floats(0.001, 1000), st.floats(-0.05, 0.05))
def test_small_changes_do_not_show(value: float, doublings: float) -> None:
    """A figure that was told stays so while it moves by little, also at the edge of a step."""
    told = stepped(value, None)
    assert stepped(value * 2**doublings, told) == told


def test_large_changes_show() -> None:
    """A quarter of a doubling is another step."""
    assert stepped(2**0.25, 1.0) == 2**0.25


def test_a_rare_failure_is_none() -> None:
    """Error rates below one in a hundred are told as nothing, and none is above one."""
    assert pace(1.0, 1.0, 0.009, None).error_rate == 0.0
    assert pace(1.0, 1.0, 1.0, None).error_rate == 1.0
