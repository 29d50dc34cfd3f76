"""Names that have to fit each other, and numbers that contradict each other, in a policy file.

Checked on the raw value, so that a mistake elsewhere hides none.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from zoneinfo import available_timezones

from qwenroute.documents import Document, Trail, listing, nearest, quoted
from qwenroute.domain.capability import Role
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.policy import schema
from qwenroute.policy.policy import USUAL
from qwenroute.policy.timezone import zone_of
from qwenroute.registry import Registry


def references(document: Document, registry: Registry) -> Iterator[Diagnostic]:
    """Check names against each other."""
    top = _mapping(document.value)
    endpoints = _mapping(top.get("endpoints"))
    objectives = {*_mapping(top.get("objectives")), *(objective.name for objective in USUAL)}
    pools = {*_mapping(top.get("pools")), *Role}
    routes = set(_mapping(top.get("routes")))
    experiments = {
        str(entry["experiment"]): entry
        for entry in map(_mapping, _list(top.get("experiments")))
        if isinstance(entry.get("experiment"), str)
    }
    tags = {t for one in endpoints.values() for t in _list(_mapping(one).get("tags")) if isinstance(t, str)}

    def unknown(trail: Trail, what: str, name: object, known: Collection[str], code: str) -> Iterator[Diagnostic]:
        if not isinstance(name, str) or name in known:
            return
        choices = sorted(known)
        close = nearest(name, choices)
        known_ones = f"known: {listing(choices)}" if choices else f"there is no {what} in this file yet"
        hint = f"did you mean `{close}`?" if close else known_ones
        yield document.diagnostic(trail, code, f"unknown {what} {quoted(name)}", hint)

    def unknown_model(trail: Trail, name: object) -> Iterator[Diagnostic]:
        if not isinstance(name, str):
            return
        model, _, endpoint = name.partition("@")
        if registry.find(model) is None:
            close = registry.suggest(model)
            hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
            yield document.diagnostic(trail, "QR205", f"unknown model {quoted(model)}", hint)
        if endpoint:
            yield from unknown(trail, "endpoint", endpoint, endpoints, "QR203")

    for name, raw in endpoints.items():
        endpoint = _mapping(raw)
        at: Trail = ("endpoints", name)
        region = endpoint.get("region")
        region = region.get("default") if isinstance(region, Mapping) else region
        yield from unknown((*at, "region"), "region", region, registry.regions, "QR204")
        yield from _lacking(document, at, endpoint)
        if isinstance(models := endpoint.get("models"), list):
            for index, item in enumerate(models):
                yield from unknown_model((*at, "models", index), item.get("model") if isinstance(item, dict) else item)
    for name, raw in _mapping(top.get("pools")).items():
        pool = _mapping(raw)
        if not pool.get("roles") and not pool.get("models"):
            message = f"pool {quoted(name)} has neither `roles` nor `models`"
            yield document.diagnostic(("pools", name), "QR206", message, "say which deployments belong to it")
        for index, model in enumerate(_list(pool.get("models"))):
            yield from unknown_model(("pools", name, "models", index), model)
        for index, model in enumerate(_list(pool.get("except"))):
            yield from unknown_model(("pools", name, "except", index), model)
        for index, tag in enumerate(_list(pool.get("tags"))):
            yield from unknown(("pools", name, "tags", index), "tag", tag, tags, "QR223")
        for index, place in enumerate(_list(pool.get("endpoints"))):
            yield from unknown(("pools", name, "endpoints", index), "endpoint", place, endpoints, "QR203")
    yield from unknown(
        ("embedding", "endpoint"), "endpoint", _mapping(top.get("embedding")).get("endpoint"), endpoints, "QR203"
    )
    yield from unknown(("objective",), "objective", top.get("objective"), objectives, "QR202")
    licences = {card.licence for card in registry.cards.values()}

    def limits(trail: Trail, raw: object) -> Iterator[Diagnostic]:
        entry = _mapping(raw)
        for index, region in enumerate(_list(entry.get("regions"))):
            yield from unknown((*trail, "regions", index), "region", region, registry.regions, "QR204")
        for index, licence in enumerate(_list(entry.get("licences"))):
            yield from unknown((*trail, "licences", index), "licence", licence, licences, "QR209")
        for index, model in enumerate(_list(entry.get("models"))):
            yield from unknown_model((*trail, "models", index), model)

    yield from limits(("limits",), top.get("limits"))
    for name, raw in _mapping(top.get("routes")).items():
        rules = [_mapping(rule) for rule in _list(raw)]
        for index, rule in enumerate(rules):
            at = ("routes", name, index)
            yield from unknown((*at, "pool"), "pool", rule.get("pool"), pools, "QR201")
            for place, fallback in enumerate(_list(rule.get("fallback"))):
                yield from unknown((*at, "fallback", place), "pool", fallback, pools, "QR201")
            yield from _twice(document, at, rule)
            yield from unknown((*at, "objective"), "objective", rule.get("objective"), objectives, "QR202")
            yield from limits((*at, "limits"), rule.get("limits"))
            experiment = rule.get("experiment")
            yield from unknown((*at, "experiment"), "experiment", experiment, experiments, "QR240")
            if isinstance(experiment, str) and rule.get("pool", "") == experiments.get(experiment, {}).get("pool"):
                message = f"experiment {quoted(experiment)} tries the pool that this rule has anyway"
                hint = "name a pool with the newcomer alone under the experiment's `pool`"
                yield document.diagnostic((*at, "experiment"), "QR243", message, hint)
        yield from _order(document, str(name), rules)
    for index, raw in enumerate(_list(top.get("budgets"))):
        entry = _mapping(raw)
        cheaper = _mapping(entry.get("when_spent")).get("pool")
        yield from unknown(("budgets", index, "when_spent", "pool"), "pool", cheaper, pools, "QR201")
        for place, route in enumerate(_list(entry.get("routes"))):
            trail = ("budgets", index, "routes", place)
            yield from unknown(trail, "route", route, routes | pools, "QR231")
    for index, raw in enumerate(_list(top.get("experiments"))):
        yield from unknown(("experiments", index, "pool"), "pool", _mapping(raw).get("pool"), pools, "QR201")
    yield from _namesakes(document, top.get("budgets"), "a budget", "QR230", "two would share one count")
    yield from _namesakes(document, top.get("experiments"), "an experiment", "QR241", "give each a name of its own")
    yield from _experiments(document, top)
    yield from _timezone(document, top.get("timezone"))
    yield from _disagreeing(document, top)


def _twice(document: Document, at: Trail, rule: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Find pools that a request would fall back to after they have failed it."""
    seen = {pool for pool in (rule.get("pool"),) if isinstance(pool, str)}
    for place, fallback in enumerate(_list(rule.get("fallback"))):
        if not isinstance(fallback, str):
            continue
        if fallback in seen:
            itself = fallback == rule.get("pool")
            twice = f"{quoted(fallback)} stands twice among the fallbacks"
            message = f"pool {quoted(fallback)} falls back to itself" if itself else twice
            hint = "leave it out: it has been tried by then"
            yield document.diagnostic((*at, "fallback", place), "QR224", message, hint)
        seen.add(fallback)


def _timezone(document: Document, name: object) -> Iterator[Diagnostic]:
    if not isinstance(name, str):
        return
    try:
        zone_of(name)
    except ValueError:
        names = available_timezones()
        close = nearest(name, sorted(names))
        hint = f"did you mean `{close}`?" if close else "names look like `Europe/Berlin`, or `UTC`"
        if not names:
            hint = "no time zones are installed here: `pip install tzdata`"
        yield document.diagnostic(("timezone",), "QR225", f"there is no time zone {quoted(name)}", hint)


def _lacking(document: Document, at: Trail, endpoint: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Find keys that this provider cannot do without."""
    needed = {"dashscope": ("region", "api_key"), "openai_compatible": ("base_url", "models"), "litellm": ("models",)}
    for key in needed.get(str(endpoint.get("provider")), ()):
        if endpoint.get(key) is None:
            message = f"endpoint {quoted(at[-1])} needs `{key}` for the provider {endpoint['provider']}"
            yield document.diagnostic(at, "QR102", message)
    for key in ("region", "workspace", "base_url"):
        value = endpoint.get(key)
        if isinstance(value, str) and (shell := _SHELL_VARIABLE.search(value)) is not None:
            message = f"`{key}` has {quoted(shell[0])} in it, and nothing fills that in"
            whole = shell[0] == value
            hint = f"write `{key}: {{env: {shell[1]}}}`" + ("" if whole else ", with the whole text in the variable")
            yield document.diagnostic((*at, key), "QR103", message, hint)


_SHELL_VARIABLE = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)[^}]*\}?")

_AT_MOST = (
    ("breaker", "open_s", "open_cap_s", schema.Breaker()),
    ("cooldown", "rate_limit_s", "cap_s", schema.Cooldown()),
    ("cooldown", "tokens_limit_s", "cap_s", schema.Cooldown()),
    ("cooldown", "burst_s", "cap_s", schema.Cooldown()),
    ("retries", "base_s", "cap_s", schema.Retries()),
)


def _experiments(document: Document, top: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Find what does not go with the kind of an experiment."""
    for index, raw in enumerate(_list(top.get("experiments"))):
        at: Trail = ("experiments", index)
        entry = _mapping(raw)
        kind = entry.get("kind")
        if kind != "canary" and entry.get("rollback") is not None:
            message = "only a canary is taken back by itself"
            yield document.diagnostic((*at, "rollback"), "QR242", message, "leave `rollback` out, or make it a canary")
        if kind != "shadow" and entry.get("max_cost_per_day") is not None:
            message = "only a shadow has a cap of its own: what others cost is the requests' own cost"
            hint = "leave `max_cost_per_day` out, or use a budget"
            yield document.diagnostic((*at, "max_cost_per_day"), "QR242", message, hint)
        if kind == "shadow" and entry.get("max_cost_per_day") is None:
            message = "a shadow needs `max_cost_per_day`: its answers are thrown away, its calls are billed"
            yield document.diagnostic(at, "QR242", message, "say what that may cost in a day, in `currency.report`")


def _disagreeing(document: Document, top: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Find numbers that contradict each other; what is not written has its usual value."""
    for section, low, high, usual in _AT_MOST:
        written = _mapping(top.get(section))
        less, more = (written.get(key, getattr(usual, key)) for key in (low, high))
        if isinstance(less, int | float) and isinstance(more, int | float) and less > more:
            at: Trail = (section, high if high in written else low)
            message = f"`{section}.{low}` is {less:g}, and `{section}.{high}` allows no more than {more:g}"
            yield document.diagnostic(at, "QR210", message, f"raise `{high}` or lower `{low}`")
    limits = _mapping(top.get("limits"))
    if limits.get("max_attempts") == 1:
        hedges: list[Trail] = [("hedge",)] if isinstance(top.get("hedge"), Mapping) else []
        for name, raw in _mapping(top.get("routes")).items():
            rules = enumerate(_mapping(rule) for rule in _list(raw))
            hedges += [("routes", name, i, "hedge") for i, rule in rules if isinstance(rule.get("hedge"), Mapping)]
        for at in hedges:
            hint = "raise `limits.max_attempts`, or leave `hedge` out"
            yield document.diagnostic(at, "QR211", "a hedge is a second attempt, and one attempt is allowed", hint)


def _namesakes(document: Document, entries: object, what: str, code: str, hint: str) -> Iterator[Diagnostic]:
    """Find entries of one name."""
    key = what.rsplit(maxsplit=1)[-1]
    seen: dict[str, int] = {}
    for index, raw in enumerate(_list(entries)):
        name = _mapping(raw).get(key)
        if isinstance(name, str) and seen.setdefault(name, index) != index:
            at, where = document.rivals((f"{key}s", seen[name], key), (f"{key}s", index, key))
            yield document.diagnostic(at, code, f"there is {what} {quoted(name)} already ({where})", hint)


def _order(document: Document, route: str, rules: list[Mapping[str, object]]) -> Iterator[Diagnostic]:
    """Find rules that can never match, requests that no rule takes, and names used twice."""
    seen: dict[str, int] = {}
    always: int | None = None
    told: set[Trail] = set()
    for index, rule in enumerate(rules):
        at: Trail = ("routes", route, index, "rule")
        name = rule.get("rule")
        if not isinstance(name, str):
            continue  # the schema's to tell
        if seen.setdefault(name, index) != index:
            blamed, where = document.rivals(("routes", route, seen[name], "rule"), at)
            message = f"route {quoted(route)} has a rule {quoted(name)} already ({where})"
            yield document.diagnostic(blamed, "QR208", message, "name it after what it is for")
        if always is None:
            always = None if rule.get("when") else index
            continue
        blamed, where = document.rivals(("routes", route, always, "rule"), at)
        first = quoted(rules[always].get("rule"))
        if blamed == at:
            message = f"rule {quoted(name)} can never match: rule {first} ({where}) takes everything"
            yield document.diagnostic(at, "QR207", message, "move it up, or leave it out")
        elif blamed not in told:
            told.add(blamed)
            message = f"rule {first} takes everything, so what is inherited after it ({where}) can never match"
            yield document.diagnostic(blamed, "QR207", message, "give it a `when`, or leave `inherited` out")
    if always is None and seen:
        message = f"the last rule of route {quoted(route)} has conditions: a request that meets none has nowhere to go"
        keep = ", or with `inherited`, which keeps those of the file that this one extends" if document.base else ""
        hint = f"end the route with a rule without `when`{keep}"
        yield document.diagnostic(("routes", route, len(rules) - 1), "QR207", message, hint)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return [] if value is None else value if isinstance(value, list) else [value]
