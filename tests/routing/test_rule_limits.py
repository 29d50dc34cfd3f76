"""Limits and latency objectives of a rule: they narrow what the policy says, for its requests alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwenroute.domain.health import LatencyObjective, Timed
from qwenroute.domain.resilience import Choice, ChoiceBy
from qwenroute.errors import NoDeployment
from qwenroute.policy import Limits
from qwenroute.routing import decide, explain
from tests.routing.fleets import Weather, deployment, fleet, pace, policy, quality, request, rule, signals

SOON = LatencyObjective(of=Timed.FIRST_TOKEN, percentile=95.0, within_s=2.0)


def test_limits_narrow_and_never_widen() -> None:
    """Of numbers the lower, of lists what both have; how often to try stays the policy's."""
    own = Limits(
        deadline_s=60.0, max_attempts=3, max_cost_usd=0.5, regions=frozenset({"a", "b"}), models=frozenset({"m", "n@x"})
    )
    rules = Limits(
        deadline_s=90.0,
        max_attempts=1,
        max_cost_usd=0.1,
        max_output_tokens=7,
        regions=frozenset({"b", "c"}),
        licences=frozenset({"l"}),
        models=frozenset({"m@y", "n", "o"}),
    )
    assert own.narrowed(rules) == Limits(
        deadline_s=60.0,
        max_attempts=3,
        max_cost_usd=0.1,
        max_output_tokens=7,
        regions=frozenset({"b"}),
        licences=frozenset({"l"}),
        models=frozenset({"m@y", "n@x"}),
    )


def test_a_rules_limits_hold_for_its_requests_alone() -> None:
    """Two rules over one pool: what one forbids, the other still does, in any order and again."""
    narrow = replace(rule("narrow", "general"), limits=Limits(regions=frozenset({"cn-beijing"}), deadline_s=5.0))
    routes = {"narrow": (narrow,), "auto": (rule("wide", "general"),)}
    rules = policy(routes)
    here = fleet(deployment("a"), deployment("b", region="cn-beijing"), of=rules)
    for _ in range(2):
        decision = decide(request("narrow"), signals(), rules, here)
        assert [step.deployment.model for step in decision.plan.steps] == ["b"]
        assert decision.plan.deadline_s == 5.0
        assert "region" in decision.rejected["a@dashscope"]
        assert len(decide(request(), signals(), rules, here).plan.steps) == 2


def test_a_bound_on_prompts_is_held_to_the_exact_count() -> None:
    """Where the estimate leaves it open, tokens are counted; one too many is refused, and the message says so."""
    rules = policy({"auto": (replace(rule("all", "general"), limits=Limits(max_prompt_tokens=1_000)),)})
    here = fleet(deployment(), of=rules)
    about = signals(text_tokens=950, text_tokens_upper=1_050)
    assert decide(request(), about, rules, here, count_exactly=lambda _: 1_000).plan.steps
    with pytest.raises(NoDeployment, match="allows prompts of 1,000 tokens, this one has 1,001"):
        decide(request(), about, rules, here, count_exactly=lambda _: 1_001)
    with pytest.raises(NoDeployment, match="this one has up to 1,050"):
        decide(request(), about, rules, here)


def test_a_bound_on_answers_lowers_what_is_asked_for_and_what_it_can_cost() -> None:
    """Asking for more than the bound is no reason to be refused, and the worst case is that of the bound."""
    limits = Limits(max_output_tokens=100, max_cost_usd=0.01)
    rules = policy({"auto": (replace(rule("all", "general"), limits=limits),)})
    here = fleet(deployment(), of=rules)
    for asked in (None, 50_000):
        decision = decide(request(), signals(text_tokens=0, max_output_tokens=asked), rules, here)
        assert decision.first.worst_cost_usd == pytest.approx(100 * 2e-6)
        assert decision.plan.max_output_tokens == 100


def test_what_missed_its_objective_stands_behind() -> None:
    """Behind those of its pool that met it, before the next pool; without figures, or another rule, nothing changes."""
    objective = replace(rule("soon", "general", "coder"), latency=SOON)
    rules = policy({"soon": (objective,), "auto": (rule("all", "general", "coder"),)})
    good, fair = deployment("good", quality=quality(0.9)), deployment("fair", quality=quality(0.5))
    other = deployment("other", roles=("coder",))
    here = fleet(good, fair, other, of=rules)
    weather = Weather()

    def order(route: str) -> list[str]:
        decision = decide(request(route), signals(), rules, here, conditions=weather)
        return [step.deployment.model for step in decision.plan.steps]

    assert order("soon") == order("auto") == ["good", "fair", "other"]
    late = replace(pace(), missed=((SOON, 3.0),))
    weather.turn({"good@dashscope": late})
    assert order("soon") == ["fair", "good", "other"]
    assert order("auto") == ["good", "fair", "other"]
    told = explain(decide(request("soon"), signals(), rules, here, conditions=weather))
    assert "it missed 95 % of the first token within 2 s, and lately it took 3 s" in told
    weather.turn({"good@dashscope": late, "fair@dashscope": late})
    assert order("soon") == ["good", "fair", "other"]
    weather.turn({"good@dashscope": pace(), "fair@dashscope": pace()})
    assert order("soon") == ["good", "fair", "other"]


def test_what_missed_its_objective_is_nobodys_equal() -> None:
    """A choice among equals is among those that meet it."""
    objective = replace(rule("soon", "general"), latency=SOON)
    rules = policy({"auto": (objective,)}, choice=Choice(by=ChoiceBy.LEAST_BUSY, within=0.5))
    here = fleet(deployment("a"), deployment("b"), deployment("c"), of=rules)
    weather = Weather(busy={"b@dashscope": 2, "c@dashscope": 1})
    assert decide(request(), signals(), rules, here, conditions=weather).first.deployment.model == "a"
    weather.turn({"a@dashscope": replace(pace(), missed=((SOON, 3.0),))})
    assert decide(request(), signals(), rules, here, conditions=weather).first.deployment.model == "c"
