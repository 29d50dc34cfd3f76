"""What was measured on litellm 1.104.5 and must not happen here; `make bench` prints both."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from benchmarks import litellm_cases as cases
from qwenroute.testing import SimulatorHandle, SlowFirstToken, Status, async_simulator

pytestmark = pytest.mark.slow


@pytest.fixture
async def running() -> AsyncIterator[SimulatorHandle]:
    """Run a simulator on the test's own loop."""
    async with async_simulator(on=cases.ON) as handle:
        yield handle


@pytest.mark.parametrize("name", cases.BREAKS)
async def test_a_stream_that_breaks_goes_on(running: SimulatorHandle, name: str) -> None:
    """Theirs: an exception, and the fallback is never called."""
    found = await cases.broken_stream(running, name)
    assert found.holds, found.ours


@pytest.mark.parametrize(
    "fault",
    [SlowFirstToken(s=60.0, head=True), Status(code=500, message="An internal error has occurred")],
    ids=["silent", "500"],
)
async def test_a_deadline_is_a_deadline(running: SimulatorHandle, fault: SlowFirstToken | Status) -> None:
    """Theirs: 9 calls and 15.2 s for a deadline of 2 s. Ours: 50 ms more at most."""
    found = await cases.three_failing(running, fault, "fail")
    assert found.holds, found.ours


async def test_a_dead_primary_is_left_alone(running: SimulatorHandle) -> None:
    """Theirs: called for each of 20 requests, for it is alone in its pool. Ours: twice."""
    found = await cases.dead_primary(running)
    assert found.holds, found.ours


async def test_a_limited_primary_is_routed_around(running: SimulatorHandle) -> None:
    """Theirs: 3 calls to it, and 4.6 s. Ours: one, and no waiting."""
    found = await cases.limited_primary(running)
    assert found.holds, found.ours
