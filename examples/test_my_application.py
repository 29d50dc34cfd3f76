"""How an application tests itself against the simulator: run with pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qwenroute import Router

if TYPE_CHECKING:  # pytest imports the plugin itself, and wants to be the first
    from qwenroute.testing import SimulatorHandle

pytest_plugins = ["qwenroute.testing"]


def summarise(text: str, router: Router) -> str:
    """Stand for your own code."""
    answer = router.chat.completions.create(messages=[{"role": "user", "content": f"Summarise: {text}"}])
    return answer.choices[0].message.content or ""


def test_a_summary_is_made(qwen_simulator: SimulatorHandle) -> None:
    """The request really goes over HTTP; what arrived can be looked at."""
    with Router(environ=qwen_simulator.environ()) as router:
        assert "simulated" in summarise("It rained all day.", router)
    assert "It rained" in str(qwen_simulator.requests[-1].body["messages"])


@pytest.mark.parametrize("fault", ["ModelUnavailable", "Throttling.RateQuota"])
def test_a_failing_model_does_not_stop_us(qwen_simulator: SimulatorHandle, fault: str) -> None:
    """The first call fails; the router retries or goes elsewhere, and we never notice."""
    qwen_simulator.fail("*", fault, times=1)
    with Router(environ=qwen_simulator.environ()) as router:
        assert "simulated" in summarise("It rained all day.", router)
    assert len(qwen_simulator.requests) == 2
