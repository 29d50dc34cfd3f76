"""Budgets in the choice: nothing changes while there is room, then a cheaper step, a cheaper pool, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwenroute.domain.budget import Budget, Per, WhenSpent, Window, units
from qwenroute.domain.capability import Deployment
from qwenroute.domain.decision import Decision
from qwenroute.domain.price import Price, Tier
from qwenroute.domain.request import Hints
from qwenroute.errors import BudgetExceeded, NoDeployment
from qwenroute.policy import Policy, Pool
from qwenroute.routing import Fleet, decide
from tests.routing.fleets import DAILY, Purse, deployment, fleet, policy, quality, request, rule, signals

ASK = signals(text_tokens=100, max_output_tokens=1_000)


def priced(model: str, output: float, worth: float = 0.5) -> Deployment:
    """A model whose 1,000 tokens cost so many thousandths of a dollar."""
    price = Price(currency="USD", tiers=(Tier(input=0.0, output=output),))
    return deployment(model, price=price, quality=quality(worth))


GOOD, FAIR, POOR = priced("good", 10.0, 0.9), priced("fair", 5.0, 0.5), priced("poor", 1.0, 0.2)


def world(*budgets: Budget) -> tuple[Policy, Fleet]:
    """Good and fair ones in a pool, a poor one in another."""
    pools = (Pool(name="main", models=("good", "fair")), Pool(name="cheap", models=("poor",)))
    rules = replace(policy({"auto": (rule("all", "main"),)}, pools), budgets=budgets)
    return rules, fleet(GOOD, FAIR, POOR, of=rules)


def judged(left_usd: float, *budgets: Budget, reserved_usd: float = 0.0, hints: Hints | None = None) -> Decision:
    """Decide with so much left of each budget."""
    rules, here = world(*budgets)
    funds = Purse(*budgets, left_usd=left_usd, reserved_usd=reserved_usd)
    return decide(request(hints=hints), ASK, rules, here, funds=funds)


def models(decision: Decision) -> list[str]:
    """Those of the plan, in order."""
    return [step.deployment.model for step in decision.plan.steps]


def test_with_room_the_plan_is_the_very_same_one() -> None:
    """A budget that has room costs no second look: the kept plan is used."""
    rules, here = world(DAILY)
    plain = decide(request(), ASK, rules, here)
    decision = decide(request(), ASK, rules, here, funds=Purse(DAILY, left_usd=0.010))
    assert decision.plan is plain.plan
    assert models(decision) == ["good", "fair"]
    assert [allowance.budget for allowance in decision.allowances] == [DAILY]
    assert decision.warnings == ()


def test_what_is_too_dear_for_the_rest_is_left_out() -> None:
    """One billionth less than the worst case of the first, and the next is the first."""
    decision = judged(0.009_999_999, DAILY)
    assert models(decision) == ["fair"]
    assert decision.rejected["good@dashscope"].startswith("budget: could cost 0.010000 USD")


def test_what_others_hold_is_not_spent() -> None:
    """Money that calls under way hold may come back: the plan stays, and the attempt may wait."""
    assert models(judged(0.010, DAILY, reserved_usd=0.009)) == ["good", "fair"]


def test_nothing_fits_and_nothing_is_told_of_others() -> None:
    """The refusal names the budget and its amount; what is left, and who spent it, stays with the operator."""
    with pytest.raises(BudgetExceeded) as caught:
        judged(0.004321, DAILY)
    said = str(caught.value)
    assert "`daily` (1 USD a day) has too little left" in said
    assert "2026-11-25T00:00:00" in said
    assert "0.004321" not in said
    with pytest.raises(BudgetExceeded, match="is spent; it begins anew"):
        judged(0.0, DAILY)


def test_a_spent_budget_leads_to_its_pool() -> None:
    """From the first request on that could exceed it, counting what calls under way hold."""
    cheaper = replace(DAILY, when_spent=WhenSpent.POOL, pool="cheap")
    assert models(judged(0.010, cheaper)) == ["good", "fair"]
    for decision in (judged(0.009, cheaper), judged(0.010, cheaper, reserved_usd=0.001), judged(0.0, cheaper)):
        assert models(decision) == ["poor"]
        assert decision.pool == "cheap"
        assert "on to its pool `cheap`" in decision.warnings[-1]
    both = (cheaper, replace(DAILY, name="hard"))
    assert models(judged(0.001, *both)) == ["poor"]
    with pytest.raises(BudgetExceeded, match="`hard`"):
        judged(0.0009, *both)


def test_a_pool_that_cannot_serve_is_said_to_be_of_no_help() -> None:
    """The error names the budget, and why its pool does not do."""
    cheaper = replace(DAILY, when_spent=WhenSpent.POOL, pool="omni")
    with pytest.raises(BudgetExceeded, match="Its pool `omni` cannot serve it either"):
        judged(0.0, cheaper)


def test_a_budget_that_only_warns() -> None:
    """It leaves the plan alone, and says what is spent."""
    warns = replace(DAILY, when_spent=WhenSpent.WARN, warn_at=0.5)
    assert judged(0.51, warns).warnings == ()
    assert judged(0.49, warns).warnings == ("51% of the budget `daily` (1 USD a day) is spent",)
    assert models(judged(0.0, warns)) == ["good", "fair"]


def test_who_is_counted() -> None:
    """A budget for a tenant, key or route counts theirs alone; who names none is counted under the empty name."""
    acme = replace(DAILY, tenants=frozenset({"acme"}), per=Per.TENANT)
    assert judged(0.0, acme, hints=Hints(tenant="beta")).allowances == ()
    with pytest.raises(BudgetExceeded):
        judged(0.0, acme, hints=Hints(tenant="acme"))
    for per in (Per.TENANT, Per.KEY):
        warns = Budget(name="each", amount=units(1), window=Window.HOUR, per=per, when_spent=WhenSpent.WARN)
        assert [a.scope for a in judged(0.5, warns).allowances] == [""]
        assert [a.scope for a in judged(0.5, warns, hints=Hints(tenant="a", key="a")).allowances] == ["a"]
    by_route = Budget(name="each", amount=1, window=Window.HOUR, per=Per.ROUTE, when_spent=WhenSpent.WARN)
    assert [a.scope for a in judged(0.5, by_route).allowances] == ["auto"]


def test_what_nothing_can_serve_is_not_the_budgets_fault() -> None:
    """A request that no model fits is refused as ever, whatever is left."""
    rules, here = world(DAILY)
    with pytest.raises(NoDeployment):
        decide(request(), signals(text_tokens=1_000_000), rules, here, funds=Purse(DAILY, left_usd=0.0))


def test_every_answer_asked_for_counts() -> None:
    """Four answers at once can cost four times as much."""
    rules, _ = world(DAILY)
    here = fleet(replace(FAIR, max_choices=4), of=rules)
    funds = Purse(DAILY, left_usd=0.019)
    decide(request(), replace(ASK, choices=3), rules, here, funds=funds)
    with pytest.raises(BudgetExceeded):
        decide(request(), replace(ASK, choices=4), rules, here, funds=funds)
