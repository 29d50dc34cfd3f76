"""Deployments and fleets by hand, so that tests say only what matters to them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from types import MappingProxyType

from qwenroute.domain.capability import Deployment, Modality, Quality, Role, Speed
from qwenroute.domain.price import Exchange, Price, Tier
from qwenroute.domain.request import Hints, Request
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
    )


def rule(name: str, pool: str, *fallback: str, objective: Objective = BALANCED) -> Rule:
    """A rule without conditions."""
    return Rule(name=name, conditions=(), pool=pool, fallback=fallback, objective=objective)


def fleet(*deployments: Deployment, of: Policy | None = None) -> Fleet:
    """A fleet of these deployments."""
    return Fleet(of or policy(), deployments, on=TODAY)


def request(model: str = "auto", hints: Hints | None = None, **params: object) -> Request:
    """A request whose text does not matter, its signals being given."""
    return Request(model=model, messages=({"role": "user", "content": "…"},), params=params, hints=hints or Hints())
