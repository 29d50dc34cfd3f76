"""Sync and async are one implementation: the same events lead to the same commands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from qwenroute import AsyncRouter, QwenRouteError, Router
from qwenroute.execution.machine import Execution
from qwenroute.testing import Cut, Fault, SimulatorHandle, simulator

HELLO = [{"role": "user", "content": "Hello"}]
SCENARIOS: dict[str, list[tuple[str | Fault, int]]] = {
    "all is well": [],
    "a passing failure": [("ModelUnavailable", 1)],
    "a dead first choice": [("ModelUnavailable", 2)],
    "a rate limit": [("Throttling.RateQuota", 1)],
    "a gone model": [("Model.AccessDenied", 1)],
    "a wrong request": [("DataInspectionFailed", 1)],
    "nothing left": [("Model.AccessDenied", 9)],
    "a cut": [(Cut(after_chunks=2), 1)],
}


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """One server for the file."""
    with simulator(time_scale=0) as handle:
        yield handle


@pytest.fixture
def trace(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the machine was told and said, without the time it took."""
    said: list[str] = []
    start, handle = Execution.start, Execution.handle

    def started(self: Execution, now: float) -> Any:
        commands = start(self, now)
        said.extend(["start", *map(told, commands)])
        return commands

    def handled(self: Execution, event: Any, now: float) -> Any:
        commands = handle(self, event, now)
        said.extend([type(event).__name__, *map(told, commands)])
        return commands

    monkeypatch.setattr(Execution, "start", started)
    monkeypatch.setattr(Execution, "handle", handled)
    return said


def told(command: Any) -> str:
    """Return a command in a word or two; waits are random by design."""
    step = getattr(command, "step", None)
    return f"{type(command).__name__} {'' if step is None else step.deployment.id}"


def script(platform: SimulatorHandle, name: str) -> None:
    """Set the faults of a scenario."""
    platform.clear_faults()
    for fault, times in SCENARIOS[name]:
        platform.fail("*", fault, times=times)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_same_commands_either_way(
    platform: SimulatorHandle, trace: list[str], name: str, stream: bool
) -> None:
    """Fallbacks, retries and endings are the same for both clients."""
    script(platform, name)
    async with AsyncRouter(environ=platform.environ()) as router:
        with suppress(QwenRouteError):
            answer = await router.chat.completions.create(messages=HELLO, stream=stream)
            if stream:
                async for _ in answer:
                    pass
    asynchronous = list(trace)
    trace.clear()
    script(platform, name)
    with Router(environ=platform.environ()) as router, suppress(QwenRouteError):
        answer = router.chat.completions.create(messages=HELLO, stream=stream)
        if stream:
            for _ in answer:
                pass
    platform.clear_faults()
    assert trace == asynchronous
    assert len(trace) >= 4
