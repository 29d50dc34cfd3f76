"""Why something did not happen, as somebody on call would look it up: who took it, who scored better, who is gone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qwenroute.cases.scene import names
from qwenroute.domain.decision import Candidate, Decision
from qwenroute.domain.request import Hints
from qwenroute.policy import Policy
from qwenroute.routing import Fleet
from qwenroute.routing.explain import tried


def rule(wanted: str, decision: Decision, hints: Hints, policy: Policy) -> Iterator[str]:
    """Say why another rule took it."""
    asked = {one.rule: one for one in decision.rules_tried}
    if wanted in asked:
        yield f"`{wanted}` was asked before it: {tried(asked[wanted], decision.signals, hints)}"
        return
    if decision.route not in policy.routes:
        yield f"`{decision.route}` is no route, so no rule was asked"
        return
    rules = [one.name for one in policy.routes[decision.route].rules]
    if wanted not in rules:
        holders = [name for name, route in policy.routes.items() if any(one.name == wanted for one in route.rules)]
        where = f"; it belongs to the route `{holders[0]}`" if holders else ""
        yield f"the route `{decision.route}` has no rule `{wanted}`{where}"
        return
    taker = next(one for one in policy.routes[decision.route].rules if one.name == decision.rule)
    held = " and ".join(str(condition) for condition in taker.conditions) or "it takes everything"
    yield f"`{decision.rule}` stands before it and holds: {held}"


def taken(decision: Decision, hints: Hints) -> tuple[str, ...]:
    """Say which rule it was, and how it came to that."""
    lines = [f"the rule `{decision.rule}` took it"]
    lines += [
        f"`{one.rule}`: {tried(one, decision.signals, hints)}" for one in decision.rules_tried if one.failed is not None
    ]
    return tuple(lines)


def not_first(wanted: Iterable[str], decision: Decision, fleet: Fleet) -> Iterator[str]:
    """Say what kept each of these models or deployments from being the first choice."""
    first = decision.plan.steps[0].deployment.id if decision.plan.steps else None
    best = next((c for c in decision.candidates if c.deployment == first), None)
    for name in wanted:
        ids = [d.id for d in fleet.deployments if name in names(d)]
        candidates = [c for c in decision.candidates if c.deployment in ids]
        if candidates and best is not None:
            yield _behind(candidates[0], best, decision.candidates)
            continue
        yield from not_considered(name, decision, fleet)


def not_considered(name: str, decision: Decision, fleet: Fleet) -> Iterator[str]:
    """Say where a model or deployment was lost."""
    ids = [d.id for d in fleet.deployments if name in names(d)]
    left_out = [r for r in decision.rejections if r.deployment in ids or r.deployment == name]
    if left_out:
        yield from (f"`{r.deployment}` is left out: {r.reason} [{r.gate}]" for r in left_out)
    elif ids:
        yield f"`{name}` is in none of the pools of the rule `{decision.rule}`"
    else:
        yield from _absent(name, fleet)


def unused(pool: str, decision: Decision, policy: Policy, fleet: Fleet) -> Iterator[str]:
    """Say why a pool gave nothing to the plan."""
    route = policy.routes.get(decision.route)
    rule = None if route is None else next((one for one in route.rules if one.name == decision.rule), None)
    if rule is not None and pool not in (rule.pool, *rule.fallback):
        yield f"`{pool}` is no pool of the rule `{rule.name}`: {', '.join((rule.pool, *rule.fallback))}"
        return
    if any(candidate.pool == pool for candidate in decision.candidates):
        yield f"`{pool}` has something that could serve it, and the plan has no place left for it"
        return
    members = {d.id for d in fleet.pool(policy.pools[pool])} if pool in policy.pools else set()
    before = [candidate.deployment for candidate in decision.candidates if candidate.deployment in members]
    if before:
        yield f"all of `{pool}` that can serve it stands in an earlier pool already: {', '.join(before)}"
    elif members:
        reasons = {r.deployment: f"{r.reason} [{r.gate}]" for r in decision.rejections}
        yield from (f"`{id_}` is left out: {reasons[id_]}" for id_ in sorted(members) if id_ in reasons)
    else:
        yield f"no endpoint in use serves anything for `{pool}`"


def _behind(candidate: Candidate, best: Candidate, candidates: Sequence[Candidate]) -> str:
    if candidate.pool != best.pool:
        return f"`{candidate.deployment}` stands by in the pool `{candidate.pool}`, which comes later"
    place = [c.deployment for c in candidates if c.pool == best.pool].index(candidate.deployment) + 1
    return (
        f"`{candidate.deployment}` is number {place} of the pool: {_figures(candidate)}; "
        f"`{best.deployment}`: {_figures(best)}"
    )


def _figures(candidate: Candidate) -> str:
    cost = "price unknown" if candidate.expected_cost_usd is None else f"{candidate.expected_cost_usd:.6f} USD"
    return (
        f"score {candidate.score:+.3f} (quality {candidate.quality:.2f}, {cost}, {candidate.expected_latency_s:.1f} s)"
    )


def _absent(name: str, fleet: Fleet) -> Iterator[str]:
    model, _, endpoint = name.partition("@")
    places = [e for e in fleet.endpoints.values() if not endpoint or e.name == endpoint]
    if not places:
        yield f"no endpoint `{endpoint}` is in use; in use: {', '.join(fleet.endpoints)}"
        return
    if model == "*" or fleet.registry is None:
        return
    for place in places:
        if place.served is not None:
            yield f"`{place.name}` does not serve `{model}`"
            continue
        state = fleet.registry.lifecycle(model, provider=place.provider, region=place.region, on=fleet.on)
        when = f" since {state.retires_on}" if state.retires_on is not None and state.retires_on <= fleet.on else ""
        region = f" ({place.region})" if place.region else ""
        yield f"`{model}` is {state.status.replace('_', ' ')} at {place.name}{region} on {fleet.on}{when}"
