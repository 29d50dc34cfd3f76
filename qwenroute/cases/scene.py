"""Where and when a request is decided: the variables that are set, the moment, how deployments are doing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import MappingProxyType

from qwenroute.domain.budget import Allowance, Budget, Payer, units
from qwenroute.domain.capability import Deployment
from qwenroute.domain.experiment import Arm
from qwenroute.domain.health import LatencyObjective, Obstacle, Pace, Timed

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
    answer_s: float | None = None
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
    spent: Mapping[str, float] = field(default_factory=dict)
    """Budget to what is spent of it for whoever asks, in the currency of reports."""
    arm: Arm | None = None
    """The side of its rule's experiment; None: drawn, and without a tenant, key or session the control's."""


def names(deployment: Deployment) -> tuple[str, str, str]:
    """Return what a deployment can be called by in a case."""
    return deployment.id, deployment.model, f"*@{deployment.endpoint}"


class Weather:
    """How deployments are doing, as stated: what routing reads of the fleet's state."""

    revision = 0

    def __init__(
        self,
        health: Mapping[str, str | Lately],
        deployments: Iterable[Deployment],
        objectives: Sequence[LatencyObjective] = (),
    ) -> None:
        paces: dict[str, Pace] = {}
        blocked: dict[str, Obstacle] = {}
        for deployment in deployments:
            for stated in _stated(health, deployment):
                if isinstance(stated, str):
                    blocked.setdefault(deployment.id, STATES[stated])
                else:
                    paces.setdefault(deployment.id, _pace(stated, deployment, objectives))
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


class Purse:
    """What budgets have left, as stated: what routing reads of the accounts."""

    def __init__(self, budgets: Sequence[Budget], spent: Mapping[str, float], currency: str, at: datetime) -> None:
        """`at` is in the time zone that windows go by."""
        assert at.tzinfo is not None
        self._budgets = budgets
        self._spent = spent
        self._currency = currency
        self._at = at
        self._zone = at.tzinfo

    def allowances(self, payer: Payer) -> Sequence[Allowance]:
        """Return how each budget that counts the payer stands."""
        return [
            Allowance(
                budget=budget,
                scope=budget.scope(payer),
                spent=units(self._spent.get(budget.name, 0.0)),
                reserved=0,
                currency=self._currency,
                resets_at=datetime.fromtimestamp(budget.window.around(self._at.timestamp(), self._zone)[1], self._zone),
            )
            for budget in self._budgets
            if budget.counts(payer)
        ]


def _pace(lately: Lately, deployment: Deployment, objectives: Sequence[LatencyObjective]) -> Pace:
    speed = deployment.speed
    took = {Timed.FIRST_TOKEN: lately.first_token_s, Timed.ANSWER: lately.answer_s}
    return Pace(
        ttft_s=speed.ttft_s if lately.first_token_s is None else lately.first_token_s,
        tokens_per_s=speed.tokens_per_s if lately.tokens_per_s is None else lately.tokens_per_s,
        error_rate=lately.error_rate,
        missed=tuple((o, s) for o in objectives if (s := took[o.of]) is not None and s > o.within_s),
    )
