"""Where and when a request is decided: the variables that are set, the moment, how deployments are doing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from qwenroute.domain.capability import Deployment
from qwenroute.domain.health import Obstacle, Pace

STATES: Mapping[str, Obstacle] = MappingProxyType(
    {
        "open": Obstacle(gate="circuit", reason="its breaker is open"),
        "ejected": Obstacle(gate="ejected", reason="it is set aside for being worse than its peers"),
        "cooldown": Obstacle(gate="cooldown", reason="it cools down after a rate limit"),
        "burst": Obstacle(gate="burst", reason="its traffic rose too fast"),
        "busy": Obstacle(gate="bulkhead", reason="as many attempts as may be are under way"),
        "quota": Obstacle(gate="quota", reason="its quota is used up"),
    }
)
"""What can be said of a deployment's health, and what it means to routing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lately:
    """What a deployment has been like; None: as the registry has it."""

    first_token_s: float | None = None
    tokens_per_s: float | None = None
    error_rate: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """A situation that requests are decided in."""

    environ: Mapping[str, str]
    on: date
    at: datetime | None = None
    """In the time zone of the policy where it has none of its own."""
    health: Mapping[str, str | Lately] = field(default_factory=dict)
    """Deployment, model or `*@endpoint`, to one of `STATES` or to figures."""


def names(deployment: Deployment) -> tuple[str, str, str]:
    """Return what a deployment can be called by in a case."""
    return deployment.id, deployment.model, f"*@{deployment.endpoint}"


class Weather:
    """How deployments are doing, as stated: what routing reads of the fleet's state."""

    revision = 0

    def __init__(self, health: Mapping[str, str | Lately], deployments: Iterable[Deployment]) -> None:
        paces: dict[str, Pace] = {}
        blocked: dict[str, Obstacle] = {}
        for deployment in deployments:
            for stated in _stated(health, deployment):
                if isinstance(stated, str):
                    blocked.setdefault(deployment.id, STATES[stated])
                else:
                    paces.setdefault(deployment.id, _pace(stated, deployment))
        self.paces: Mapping[str, Pace] = paces
        self._blocked = blocked

    def obstacles(self, now: float) -> Mapping[str, Obstacle]:  # noqa: ARG002 - they stay as stated
        """Return what stands in the way."""
        return self._blocked

    def in_flight(self, deployment: str) -> int:  # noqa: ARG002
        """Return how many attempts are under way: none."""
        return 0


def _stated(health: Mapping[str, str | Lately], deployment: Deployment) -> Iterator[str | Lately]:
    """Yield what is said of a deployment, the nearest name first."""
    return (health[name] for name in names(deployment) if name in health)


def _pace(lately: Lately, deployment: Deployment) -> Pace:
    speed = deployment.speed
    return Pace(
        ttft_s=speed.ttft_s if lately.first_token_s is None else lately.first_token_s,
        tokens_per_s=speed.tokens_per_s if lately.tokens_per_s is None else lately.tokens_per_s,
        error_rate=lately.error_rate,
    )
