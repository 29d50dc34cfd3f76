"""A choice within budgets: as it is where they have room, else a cheaper one, else none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from qwenroute.domain.budget import Allowance, WhenSpent, units
from qwenroute.domain.decision import Decision
from qwenroute.errors import BudgetExceeded, NoDeployment
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.needs import Spare
from qwenroute.routing.way import Way
from qwenroute.routing.worst import worst_case

Along = Callable[..., Decision]
"""Takes a way and, where a budget is short, what it has left."""


def within_budgets(allowances: Sequence[Allowance], along: Along, way: Way, fleet: Fleet) -> Decision:
    """Return the choice among what a way leads to, as the budgets that count it allow.

    The first budget of the policy that is spent and names a cheaper pool sends the request there.

    Raises:
        NoDeployment: nothing can serve it, whatever it costs.
        BudgetExceeded: what can serve it could cost more than is left.
    """
    decision = along(way)
    if allowances:
        worst = _worst(decision, fleet)
        spent = next((a for a in allowances if a.budget.pool is not None and worst > a.free), None)
        if spent is not None:
            decision = _cheaper(spent, along, way := _detour(spent, way, fleet))
            worst = _worst(decision, fleet)
        refusing = [a for a in allowances if a.budget.when_spent is WhenSpent.REFUSE]
        shortest = min(refusing, key=lambda a: a.unspent, default=None)
        if shortest is not None and worst > shortest.unspent:
            decision = along(way, Spare(allowance=shortest, exchange=fleet.policy.exchange))
        told = [a.warning for a in allowances if a.worth_a_warning]
        if spent is not None:
            told.append(spent.detour)
        decision = replace(decision, allowances=tuple(allowances), warnings=(*decision.warnings, *told))
    return decision


def _worst(decision: Decision, fleet: Fleet) -> int:
    """Return the most that the first step can cost, in units of the budgets; no known price counts as free."""
    worst = worst_case(decision.first, decision.signals, decision.plan)
    return 0 if worst is None else units(fleet.policy.exchange.convert(worst).amount)


def _detour(spent: Allowance, way: Way, fleet: Fleet) -> Way:
    pool = spent.budget.pool
    assert pool is not None
    key = (way.route, way.rule, "spent", pool)
    # Whoever is sent elsewhere for want of money tells nothing of an experiment's arm.
    target = fleet.target(key, lambda: fleet.chain(pool, limits=way.limits))
    return replace(way, target=target, assignment=None)


def _cheaper(spent: Allowance, along: Along, way: Way) -> Decision:
    try:
        return along(way)
    except NoDeployment as error:
        message = f"{spent.refusal}\nIts pool `{spent.budget.pool}` cannot serve it either: {error}"
        raise BudgetExceeded(message, allowance=spent, decision=error.decision) from None
