"""Which deployments the limits of a policy leave, whatever is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qwenroute.domain.capability import Deployment, Modality
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.policy import Limits
from qwenroute.routing import gates
from qwenroute.routing.needs import Needs, Parameters, thinks
from qwenroute.routing.target import Stage, switch_for

STANDING = frozenset({"lifecycle", "region", "licence", "provider", "model"})
"""Gates that look at the deployment and the policy alone."""
_GATES = (*gates.CAPABILITY, *(pair for pair in gates.SIZE if pair[0] not in {"cost_ceiling", "budget"}))
_TEXT = frozenset({Modality.TEXT})


def standing_reason(deployment: Deployment, limits: Limits) -> tuple[str, str] | None:
    """Return the gate, and why, that keeps a deployment from ever being called under these limits."""
    needs = Needs(signals=plain(), parameters=Parameters(), limits=limits, usd_per={})
    for name, gate in gates.CAPABILITY:
        if name in STANDING and (reason := gate(needs, deployment, False)) is not None:
            return name, reason
    return None


def capable(stage: Stage, signals: Signals, limits: Limits) -> Iterator[Deployment]:
    """Yield what of a stage can serve a request with these signals, its price apart."""
    needs = Needs(signals=signals, parameters=Parameters(completion=signals.fim), limits=limits, usd_per={})
    for deployment in stage.deployments:
        thinking = thinks(deployment, switch_for(deployment, stage.thinks, signals))
        if all(gate(needs, deployment, thinking) is None for _, gate in _GATES):
            yield deployment


def servable(stages: Iterable[Stage], signals: Signals, limits: Limits) -> bool:
    """Whether something of these stages can serve a request with these signals."""
    return any(True for stage in stages for _ in capable(stage, signals, limits))


def plain(**facts: object) -> Signals:
    """Return the signals of a short question, but for what `facts` says."""
    usual: dict[str, object] = {
        "task": Task.GENERAL,
        "task_confidence": 1.0,
        "difficulty": Difficulty.MEDIUM,
        "difficulty_confidence": 1.0,
        "language": "en",
        "input": _TEXT,
        "output": _TEXT,
        "text_tokens": 100,
        "text_tokens_upper": 120,
    }
    return Signals(**(usual | facts))  # type: ignore[arg-type]
