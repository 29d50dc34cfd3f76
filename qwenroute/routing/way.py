"""Where a request's name and the policy's rules lead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from qwenroute.documents import nearest
from qwenroute.domain.decision import HedgeRules, RuleTried
from qwenroute.domain.health import LatencyObjective
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import InvalidRequest
from qwenroute.policy import Limits, Objective, Policy, Rule, Wording
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.named import named
from qwenroute.routing.target import Target

NAMED = "named outright"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A target, and how it was come to."""

    route: str
    rule: str
    tried: tuple[RuleTried, ...]
    target: Target
    objective: Objective
    hedge: HedgeRules | None
    limits: Limits
    """The policy's, as the rule narrows them."""
    latency: LatencyObjective | None = None


def find_way(
    request: Request, signals: Signals, policy: Policy, fleet: Fleet, wording: Wording, at: datetime | None
) -> Way:
    """Return where a request leads.

    Raises:
        UnknownModel, ModelRetired, InvalidRequest: as `decide` says.
    """
    hints = request.hints
    name = request.model
    route = policy.routes.get(name)
    role = hints.role
    if route is not None and role is not None:
        # A role in the hints narrows any route down to that role's own.
        name, route = str(role), policy.routes.get(role)
    if route is not None:
        rule, tried = route.match(signals, hints, wording, at)
        limits = rule.limits or policy.limits
        return Way(
            route=route.name,
            rule=rule.name,
            tried=tried,
            target=fleet.target(rule, lambda: fleet.chain(rule.pool, *rule.fallback, limits=limits)),
            objective=_objective(request, policy, rule),
            hedge=rule.hedge,
            limits=limits,
            latency=rule.latency,
        )
    if name in policy.pools:
        target, how = fleet.target((name, "pool"), lambda: fleet.chain(name)), f"the {name} pool"
    else:
        target, how = fleet.target((name, "model"), lambda: named(name, fleet)), NAMED
    objective = _objective(request, policy, None)
    return Way(
        route=name, rule=how, tried=(), target=target, objective=objective, hedge=policy.hedge, limits=policy.limits
    )


def _objective(request: Request, policy: Policy, rule: Rule | None) -> Objective:
    """Return what to prefer: as the caller says, else as the rule does, else the policy's own."""
    hints = request.hints
    if hints.objective is not None:
        wanted = policy.objectives.get(hints.objective)
        if wanted is None:
            close = nearest(hints.objective, policy.objectives)
            known = f"did you mean `{close}`?" if close else f"known: {', '.join(policy.objectives)}"
            raise InvalidRequest(
                f"the policy `{policy.name}` has no objective `{hints.objective}`; {known}", param="qwenroute.objective"
            )
        return wanted
    if hints.quality == "top" and "quality" in policy.objectives:
        return policy.objectives["quality"]
    return policy.objective if rule is None else rule.objective
