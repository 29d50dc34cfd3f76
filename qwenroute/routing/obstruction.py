"""What stands in the way of deployments just now, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qwenroute.domain.decision import Rejection, Step
from qwenroute.domain.health import Obstacle

MAX_NAMED = 3


def rejection(deployment: str, obstacle: Obstacle, now: float) -> Rejection:
    """Return an obstacle as what it is to a decision."""
    return Rejection(deployment=deployment, gate=obstacle.gate, reason=_said(obstacle, now))


def held_up(steps: Sequence[Step], obstacles: Mapping[str, Obstacle], now: float) -> str:
    """Return the warning where something stands in the way of every deployment that could serve."""
    said = [
        f"`{step.deployment.id}` ({obstacle.gate}: {_said(obstacle, now)})"
        for step in steps
        if (obstacle := obstacles.get(step.deployment.id)) is not None
    ]
    rest = f" and {len(said) - MAX_NAMED} more" if len(said) > MAX_NAMED else ""
    return f"nothing that can serve it may be called now: {', '.join(said[:MAX_NAMED])}{rest}"


def _said(obstacle: Obstacle, now: float) -> str:
    if obstacle.until is None or obstacle.until <= now:
        return obstacle.reason
    return f"{obstacle.reason}, for another {obstacle.until - now:.1f} s"
