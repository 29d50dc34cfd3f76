"""Deployments and fleets by hand, so that tests say only what matters to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from types import MappingProxyType

from qwenroute.domain.budget import Allowance, Budget, Payer, Window, units
from qwenroute.domain.capability import Deployment, Modality, Quality, Role, Speed
from qwenroute.domain.decision import HedgeRules
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.health import Obstacle, Pace
from qwenroute.domain.price import Exchange, Price, Tier
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.resilience import Choice
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.policy import Limits, Objective, Policy, Pool, Retired, Route, Rule
from qwenroute.policy.policy import USUAL
from qwenroute.routing.fleet import Fleet

TEXT = frozenset({Modality.TEXT})
SIGHT = frozenset({Modality.TEXT, Modality.IMAGE, Modality.VIDEO})
ALL = frozenset(Modality)
TODAY = date(2026, 11, 24)

QUALITY, BALANCED, CHEAP = USUAL


def quality(value: float) -> Mapping[str, Quality]:
    """The same prior for every task and difficulty."""
    cells = (f"{task}/{difficulty}" for task in Task for difficulty in Difficulty)
    return dict.fromkeys(cells, Quality(value=value, uncertainty=0.1, basis="test"))


def deployment(model: str = "qwen-a", **facts: object) -> Deployment:
    """A text model of the general role that can do a lot, except for what `facts` says."""
    endpoint = str(facts.pop("endpoint", "dashscope"))
    values: dict[str, object] = {
        "id": f"{model}@{endpoint}",
        "model": model,
        "wire_model": model,
        "endpoint": endpoint,
        "provider": "dashscope",
        "region": "intl-singapore",
        "roles": (Role.GENERAL,),
        "licence": "apache-2.0",
        "input": TEXT,
        "output": TEXT,
        "context_tokens": 131_072,
        "max_input_tokens": 129_024,
        "max_output_tokens": 8_192,
        "tools": True,
        "json_object": True,
        "json_schema": True,
        "partial": True,
        "price": Price(currency="USD", tiers=(Tier(input=1.0, output=2.0),)),
        "speed": Speed(ttft_s=0.5, tokens_per_s=50.0, basis="test"),
        "quality": quality(0.5),
    }
    return Deployment(**(values | facts))  # type: ignore[arg-type]


def signals(**facts: object) -> Signals:
    """An easy general question of 50 tokens, except for what `facts` says."""
    values: dict[str, object] = {
        "task": Task.GENERAL,
        "task_confidence": 0.9,
        "difficulty": Difficulty.EASY,
        "difficulty_confidence": 0.8,
        "language": "en",
        "input": TEXT,
        "output": TEXT,
        "text_tokens": 50,
        "text_tokens_upper": 60,
    }
    if "text_tokens" in facts and "text_tokens_upper" not in facts:
        facts["text_tokens_upper"] = facts["text_tokens"]
    return Signals(**(values | facts))  # type: ignore[arg-type]


def policy(
    routes: Mapping[str, tuple[Rule, ...]] | None = None,
    pools: Iterable[Pool] = (),
    *,
    limits: Limits | None = None,
    retired: Retired = Retired.REPLACE,
    choice: Choice | None = None,
    hedge: HedgeRules | None = None,
) -> Policy:
    """A policy with a pool for each role and the three usual objectives."""
    named = {str(role): Pool(name=str(role), roles=(role,)) for role in Role} | {pool.name: pool for pool in pools}
    rules = routes or {"auto": (rule("anything", "general"),)}
    return Policy(
        name="test",
        hash="test",
        endpoints=(),
        objectives=MappingProxyType({o.name: o for o in (QUALITY, BALANCED, CHEAP)}),
        objective=BALANCED,
        pools=MappingProxyType(named),
        routes=MappingProxyType({name: Route(name=name, rules=r) for name, r in rules.items()}),
        exchange=Exchange(report="USD", rates={"CNY": 0.1434}),
        limits=limits or Limits(),
        retired=retired,
        choice=choice or Choice(),
        hedge=hedge,
    )


def rule(
    name: str, pool: str, *fallback: str, objective: Objective = BALANCED, hedge: HedgeRules | None = None
) -> Rule:
    """A rule without conditions."""
    return Rule(name=name, conditions=(), pool=pool, fallback=fallback, objective=objective, hedge=hedge)


def fleet(*deployments: Deployment, of: Policy | None = None, weights: Mapping[str, float] | None = None) -> Fleet:
    """A fleet of these deployments; endpoints weigh what `weights` says."""
    endpoints = [Endpoint(name=name, provider="dashscope", weight=w) for name, w in (weights or {}).items()]
    return Fleet(of or policy(), deployments, endpoints=endpoints, on=TODAY)


@dataclass
class Weather:
    """Conditions by hand. `turn` counts as a change of the live figures."""

    paces: Mapping[str, Pace] = field(default_factory=dict)
    blocked: Mapping[str, Obstacle] = field(default_factory=dict)
    busy: Mapping[str, int] = field(default_factory=dict)
    revision: int = 1

    def obstacles(self, now: float) -> Mapping[str, Obstacle]:
        """What stands in the way and is not over."""
        return {name: o for name, o in self.blocked.items() if o.until is None or o.until > now}

    def in_flight(self, deployment: str) -> int:
        """What is said of it, else nothing."""
        return self.busy.get(deployment, 0)

    def turn(self, paces: Mapping[str, Pace]) -> None:
        """Change the live figures."""
        self.paces = paces
        self.revision += 1


DAILY = Budget(name="daily", amount=units(1.0), window=Window.DAY)


class Purse:
    """Budgets by hand: so much is left of each, and so much of that is reserved."""

    def __init__(self, *budgets: Budget, left_usd: float, reserved_usd: float = 0.0) -> None:
        self.budgets = budgets
        self.left = units(left_usd)
        self.reserved = units(reserved_usd)

    def allowances(self, payer: Payer) -> tuple[Allowance, ...]:
        """How those stand that count the payer."""
        return tuple(
            Allowance(
                budget=budget,
                scope=budget.scope(payer),
                spent=budget.amount - self.left,
                reserved=self.reserved,
                currency="USD",
                resets_at=datetime(2026, 11, 25, tzinfo=UTC),
            )
            for budget in self.budgets
            if budget.counts(payer)
        )


def obstacle(gate: str = "circuit", reason: str = "5 failures in a row", until: float | None = None) -> Obstacle:
    """Something in the way."""
    return Obstacle(gate=gate, reason=reason, until=until)


def pace(ttft_s: float = 0.5, tokens_per_s: float = 50.0, error_rate: float = 0.0) -> Pace:
    """Live figures, by default as the registry's."""
    return Pace(ttft_s=ttft_s, tokens_per_s=tokens_per_s, error_rate=error_rate)


def request(model: str = "auto", hints: Hints | None = None, **params: object) -> Request:
    """A request whose text does not matter, its signals being given."""
    return Request(model=model, messages=({"role": "user", "content": "…"},), params=params, hints=hints or Hints())
