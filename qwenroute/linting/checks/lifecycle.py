"""Models that have left or are about to, and pools that nothing alive serves."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from qwenroute.documents import Trail
from qwenroute.domain.capability import Deployment, Lifecycle
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.endpoint import Endpoint
from qwenroute.linting.limiting import standing_reason
from qwenroute.linting.subject import Subject
from qwenroute.policy import Limits, Pool, schema
from qwenroute.policy.endpoints import Setting
from qwenroute.registry import LifecycleState

CODES = {
    "QR330": "a pool that nothing alive serves where the endpoints are by default",
    "QR331": "a model that is about to leave; the message has the date and what replaces it",
    "QR332": "a model that has left or was never there; the message has what replaces it",
    "QR333": "a pool of which everything is about to leave",
}
SOON = timedelta(days=60)


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    yield from _pools(subject)
    file = subject.loaded.file
    for endpoint in subject.usual.endpoints.values():
        entry = file.endpoints[endpoint.name]
        for index, item in enumerate(entry.models if isinstance(entry.models, list) else ()):
            name = item if isinstance(item, str) else item.model
            yield from _named(subject, ("endpoints", endpoint.name, "models", index), name, [endpoint])
    for pool, members in file.pools.items():
        for index, name in enumerate(members.models):
            yield from _named(subject, ("pools", pool, "models", index), name, list(_dashscope(subject, name)))
    for at, limits in _limits(subject):
        for index, name in enumerate(limits.models or ()):
            yield from _named(subject, (*at, "models", index), name, list(_dashscope(subject, name)))


def _limits(subject: Subject) -> Iterator[tuple[Trail, schema.RuleLimits]]:
    yield ("limits",), subject.loaded.file.limits
    for at, rule, _ in subject.rules():
        if rule.limits is not None:
            yield (*at, "limits"), rule.limits


def _dashscope(subject: Subject, name: str) -> Iterator[Endpoint]:
    """Yield the endpoints that would serve a model without listing it; those that list it tell of it there."""
    at = name.partition("@")[2]
    for endpoint in subject.usual.endpoints.values():
        if endpoint.served is None and at in {"", endpoint.name}:
            yield endpoint


def _named(subject: Subject, at: Trail, name: str, endpoints: list[Endpoint]) -> Iterator[Diagnostic]:
    """Find what became of a model that the file names."""
    model = name.partition("@")[0]
    states = [
        (e, subject.registry.lifecycle(model, provider=e.provider, region=e.region, on=subject.on)) for e in endpoints
    ]
    if not states or (at[0] != "endpoints" and _elsewhere(subject, model)):
        return
    left = [(e, state) for e, state in states if not state.status.callable]
    leaving = [(e, state) for e, state in states if _soon(state, subject.on)]
    if len(left) == len(states):
        endpoint, state = left[0]
        when = f" on {state.retires_on}" if state.status is Lifecycle.RETIRED and state.retires_on else ""
        said = f"has left {_place(endpoint)}{when}" if state.status is Lifecycle.RETIRED else _status(state, endpoint)
        yield subject.warning(at, "QR332", f"`{model}` {said}", _instead(state))
    elif len(leaving) == len(states):
        endpoint, state = leaving[0]
        days = (state.retires_on - subject.on).days if state.retires_on else 0
        message = f"`{model}` leaves {_place(endpoint)} on {state.retires_on}, in {days} days"
        yield subject.warning(at, "QR331", message, _instead(state))


def _elsewhere(subject: Subject, model: str) -> bool:
    """Whether an endpoint that says what it serves has the model, or could have by a variable."""
    found = subject.registry.find(model)
    return any(
        found is not None and d.model == found.card.id and d.lifecycle.callable
        for d in subject.possible.deployments
        if subject.possible.endpoints[d.endpoint].served is not None
    )


def _soon(state: LifecycleState, on: date) -> bool:
    return state.status.callable and state.retires_on is not None and on <= state.retires_on <= on + SOON


def _status(state: LifecycleState, endpoint: Endpoint) -> str:
    return f"is {state.status.replace('_', ' ')} at {_place(endpoint)}"


def _place(endpoint: Endpoint) -> str:
    return f"`{endpoint.name}`" if endpoint.region is None else f"`{endpoint.name}` ({endpoint.region})"


def _instead(state: LifecycleState) -> str:
    return (
        f"name {' or '.join(f'`{m}`' for m in state.replacements[:2])} instead"
        if state.replacements
        else "name another"
    )


def _pools(subject: Subject) -> Iterator[Diagnostic]:
    """Find pools of rules that nothing alive serves by default, or that soon nothing will."""
    told: set[str] = set()
    for at, _, rule in subject.rules():
        limits = rule.limits or subject.policy.limits
        places = [(rule.pool, (*at, "pool")), *((n, (*at, "fallback", i)) for i, n in enumerate(rule.fallback))]
        for name, place in places:
            if name not in told:
                told.add(name)
                yield from _pool(subject, name, place, limits)


def _pool(subject: Subject, name: str, place: Trail, limits: Limits) -> Iterator[Diagnostic]:
    pool = subject.policy.pools[name]
    living = [d for d in subject.usual.pool(pool) if standing_reason(d, limits) is None]
    possible = [d for d in subject.possible.pool(pool) if standing_reason(d, limits) is None]
    if not living:
        if _open_ended(subject, pool, possible) or not possible:
            return  # a variable says what is served, or another check tells that nothing ever is
        where = ", ".join(dict.fromkeys(_place(e) for e in subject.usual.endpoints.values()))
        message = f"nothing alive serves the pool `{name}` on {subject.on} where the endpoints are by default: {where}"
        hint = f"it has something in {_regions(possible)}: set a variable so, or add an endpoint"
        yield subject.warning(place, "QR330", message, hint)
        return
    ends = [d.retires_on for d in living]
    if pool.roles and all(end is not None and end <= subject.on + SOON for end in ends):
        last = max(end for end in ends if end is not None)
        message = f"all that serves the pool `{name}` leaves by {last}"
        yield subject.warning(place, "QR333", message, "add an endpoint whose models serve it beyond that")


def _open_ended(subject: Subject, pool: Pool, possible: list[Deployment]) -> bool:
    """Whether something of a pool may stand in a variable that says what an endpoint serves."""
    listed = {t.name for t in subject.policy.endpoints if isinstance(t.models, Setting)}
    return any(d.endpoint in listed for d in possible) and (pool.endpoints is None or bool(pool.endpoints & listed))


def _regions(deployments: list[Deployment]) -> str:
    regions = sorted({d.region for d in deployments if d.region is not None})
    return " or ".join(regions) if regions else "other places"
