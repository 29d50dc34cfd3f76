"""A model that a request names outright: itself where it is alive, else what has replaced it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from difflib import get_close_matches
from typing import TYPE_CHECKING

from qwenroute.documents import nearest
from qwenroute.domain.capability import Deployment, Lifecycle
from qwenroute.domain.decision import Rejection
from qwenroute.errors import ModelRetired, UnknownModel
from qwenroute.policy import Retired
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.target import Stage, Target

if TYPE_CHECKING:
    from qwenroute.domain.endpoint import Endpoint
    from qwenroute.registry import Found, Registry


def named(name: str, fleet: Fleet) -> Target:
    """Return where a registry id, an id of a platform, or `model@endpoint` leads.

    Raises:
        UnknownModel: nobody knows the name.
        ModelRetired: the model has left, and the policy refuses to replace it.
    """
    known = fleet.by_id.get(name)
    if known is not None:
        return Target((Stage(name, None, (known,)),), longest_prompt=fleet.policy.limits.max_prompt_tokens)
    model, _, endpoint = name.partition("@")
    registry = fleet.registry
    found = None if registry is None else registry.find(model)
    if registry is None or found is None:
        raise _unknown(name, fleet)
    if endpoint and endpoint not in fleet.endpoints:
        close = nearest(endpoint, fleet.endpoints)
        hint = f"did you mean `{model}@{close}`?" if close else f"in use: {', '.join(fleet.endpoints)}"
        raise UnknownModel(f"`{name}`: no endpoint `{endpoint}` is in use; {hint}", param="model")
    endpoints = [e for e in fleet.endpoints.values() if not endpoint or e.name == endpoint]
    alive = tuple(_alive(found, endpoints, fleet, registry))
    if alive:
        return Target((Stage(name, None, alive),), longest_prompt=fleet.policy.limits.max_prompt_tokens)
    return _successors(name, found, endpoints, fleet, registry)


def _alive(found: Found, endpoints: list[Endpoint], fleet: Fleet, registry: Registry) -> Iterator[Deployment]:
    """Yield the deployments of a model, under the very id that was named where that id still answers."""
    snapshot = None if found.api_id == found.card.id else found.api_id
    for endpoint in endpoints:
        for deployment in fleet.by_model.get(found.card.id, ()):
            if deployment.endpoint != endpoint.name:
                continue
            if snapshot is None or endpoint.provider != "dashscope" or deployment.wire_model == snapshot:
                yield deployment
                continue
            state = registry.lifecycle(snapshot, provider=endpoint.provider, region=endpoint.region, on=fleet.on)
            if state.status.callable:
                yield replace(deployment, wire_model=snapshot, lifecycle=state.status, retires_on=state.retires_on)


def _successors(name: str, found: Found, endpoints: list[Endpoint], fleet: Fleet, registry: Registry) -> Target:
    """Return what answers in place of a model that no endpoint serves any more."""
    model = found.api_id
    absent: list[Rejection] = []
    left: str | None = None
    gone: str | None = None
    following: list[str] = []
    for endpoint in endpoints:
        label = f"{found.card.id}@{endpoint.name}"
        if endpoint.served is not None:
            absent.append(Rejection(deployment=label, gate="lifecycle", reason="its endpoint does not serve it"))
            continue
        state = registry.lifecycle(model, provider=endpoint.provider, region=endpoint.region, on=fleet.on)
        place = endpoint.name if endpoint.region is None else f"{endpoint.name} ({endpoint.region})"
        when = f" on {state.retires_on}" if state.retires_on else ""
        reason = f"it is {state.status.replace('_', ' ')} here"
        if state.status is Lifecycle.RETIRED:
            left = left or f"`{model}` left {place}{when}"
            reason = f"it left{when}"
        if state.replacements and not state.status.callable:
            gone = gone or left or f"`{model}` is {state.status.replace('_', ' ')} at {place}"
            following += state.replacements
        absent.append(Rejection(deployment=label, gate="lifecycle", reason=reason))
    following = list(dict.fromkeys(following))
    if left is not None and fleet.policy.retired is Retired.REFUSE:
        instead = ", ".join(f"`{model}`" for model in following)
        instead = f"name its successor yourself: {instead}" if following else "name another"
        raise ModelRetired(f"{left}, and the policy `{fleet.policy.name}` says `retired: refuse`; {instead}")
    role = next(iter(found.card.roles_on(fleet.on)), None)
    if fleet.policy.retired is Retired.REFUSE:
        following, gone = [], None
    allowed = {e.name for e in endpoints}
    stages = [
        Stage(
            model,
            role,
            tuple(d for d in fleet.by_model.get(model, ()) if d.endpoint in allowed),
            None if role is None else role.thinks,
        )
        for model in following
    ]
    return Target(
        tuple(stages) or (Stage(name, None, ()),),
        absent=tuple(absent),
        gone=gone,
        longest_prompt=fleet.policy.limits.max_prompt_tokens,
    )


def _unknown(name: str, fleet: Fleet) -> UnknownModel:
    policy = fleet.policy
    known = () if fleet.registry is None else fleet.registry.cards
    choices = dict.fromkeys([*policy.routes, *policy.pools, *fleet.by_id, *fleet.by_model, *known])
    close = [f"`{match}`" for match in get_close_matches(name, choices, n=3)]
    hint = (
        f"did you mean {' or '.join(close)}?"
        if close
        else f"routes: {', '.join(policy.routes)}; see also `qwenroute models`"
    )
    return UnknownModel(f"`{name}` is neither a route, a role, a model nor a deployment; {hint}", param="model")
