"""Where a request's name and the policy's rules lead."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime

from qwenroute.documents import nearest
from qwenroute.domain.decision import HedgeRules, RuleTried
from qwenroute.domain.experiment import Arm, Assignment, Experiment
from qwenroute.domain.health import LatencyObjective
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import InvalidRequest
from qwenroute.policy import Limits, Objective, Policy, Rule, Wording
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.named import named
from qwenroute.routing.target import Target

Part = Callable[[Experiment, Hints], Assignment | None]
"""Tells the part of a request in an experiment; None where the experiment has been taken back."""
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
    assignment: Assignment | None = None
    """Its part in the rule's experiment."""


def find_way(
    request: Request,
    signals: Signals,
    policy: Policy,
    fleet: Fleet,
    wording: Wording,
    at: datetime | None,
    part: Part,
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
        pools, assignment, thinks = (rule.pool, *rule.fallback), None, None
        key: Hashable = rule
        if rule.experiment is not None:
            assignment = part(rule.experiment, hints)
            if assignment is not None and assignment.arm is Arm.VARIANT:
                # The control stands behind the newcomer, unless this is a copy that nobody waits for.
                pools = (rule.experiment.pool, *(() if assignment.copied else pools))
                key = (rule, assignment.arm)
                # Thinking takes time and money: both sides do, or neither.
                thinks = policy.pools[rule.pool].thinks
        return Way(
            route=route.name,
            rule=rule.name,
            tried=tried,
            target=fleet.target(key, lambda: fleet.chain(*pools, limits=limits, thinks=thinks)),
            objective=_objective(request, policy, rule),
            hedge=rule.hedge,
            limits=limits,
            latency=rule.latency,
            assignment=assignment,
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
