"""Read a policy file, tell every mistake at once, and compile what is left."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from qwenroute.documents import Document, Trail, nearest, read, validate
from qwenroute.domain.capability import RateLimits, Role
from qwenroute.domain.decision import HedgeRules, RetryRules, Timeouts
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.endpoint import Served
from qwenroute.domain.price import Exchange, Price, Tier
from qwenroute.domain.resilience import (
    BreakerRules,
    CacheRules,
    Choice,
    CooldownRules,
    OutlierRules,
    Resilience,
    RetryBudgetRules,
)
from qwenroute.errors import ConfigurationError, DocumentError
from qwenroute.policy import schema
from qwenroute.policy.condition import Condition, Range, condition, sign_of
from qwenroute.policy.encoder import Embedding
from qwenroute.policy.endpoints import EndpointTemplate, Setting
from qwenroute.policy.policy import USUAL, Limits, Objective, Policy, Pool, Retired, Route, Rule
from qwenroute.policy.teaching import Lesson
from qwenroute.policy.teaching_mistakes import SIGNS, teaching_mistakes
from qwenroute.registry import Registry

SHIPPED = Path(__file__).parent.parent / "policies"
_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}")


def load_policy(source: str | Path, registry: Registry | None = None) -> Policy:
    """Return the policy of a shipped name (`default`) or of a path.

    Model ids in the file are checked against `registry`, by default the shipped one.

    Raises:
        ConfigurationError: there is no shipped policy of this name.
        DocumentError: the file cannot be read or has mistakes; all of them, with their places.
    """
    path = _shipped(source) if isinstance(source, str) and _is_name(source) else Path(source)
    document = read(path)
    known = registry or Registry.load()
    findings = [*_secrets(document), *_references(document, known), *teaching_mistakes(document)]
    try:
        file = validate(document, schema.PolicyFile)
    except DocumentError as error:
        findings += error.diagnostics
    if findings:
        # A value that is wrong twice over is told once, by the check that knows more.
        places = {(d.line, d.column): d for d in reversed(findings)}
        raise DocumentError(sorted(places.values(), key=lambda d: (d.line, d.column)))
    return _compile(file, document, path, known)


def _is_name(source: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9_-]+", source) is not None


def _shipped(name: str) -> Path:
    path = SHIPPED / f"{name}.yaml"
    if not path.is_file():
        names = sorted(p.stem for p in SHIPPED.glob("*.yaml"))
        close = nearest(name, names)
        hint = f"did you mean `{close}`?" if close else f"shipped: {', '.join(names)}"
        raise ConfigurationError(
            f"no policy named `{name}` is shipped; {hint}. A file is given by its path, `./{name}.yaml`"
        )
    return path


def _secrets(document: Document) -> Iterator[Diagnostic]:
    """Find keys written into the file; the message never repeats them."""
    help_ = "write `api_key: {env: NAME}` or `api_key: {file: PATH}`, and revoke the key if the file was shared"
    for trail, text in _texts(document.value, ()):
        is_key = trail == ("embedding", "api_key") or (
            len(trail) == 3 and trail[0] == "endpoints" and trail[2] == "api_key"
        )
        if is_key or _SECRET.search(text):
            yield document.diagnostic(trail, "QR110", "a secret does not belong in this file", help_)


def _texts(value: object, trail: Trail) -> Iterator[tuple[Trail, str]]:
    if isinstance(value, str):
        yield trail, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*trail, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*trail, index))


def _references(document: Document, registry: Registry) -> Iterator[Diagnostic]:
    """Check names against each other, on the raw value, so that a mistake elsewhere hides none."""
    top = _mapping(document.value)
    endpoints = _mapping(top.get("endpoints"))
    objectives = {*_mapping(top.get("objectives")), *(objective.name for objective in USUAL)}
    pools = {*_mapping(top.get("pools")), *Role}

    def unknown(trail: Trail, what: str, name: object, known: Iterable[str], code: str) -> Iterator[Diagnostic]:
        if not isinstance(name, str) or name in (choices := sorted(known)):
            return
        close = nearest(name, choices)
        hint = f"did you mean `{close}`?" if close else f"known: {', '.join(choices)}"
        yield document.diagnostic(trail, code, f"unknown {what} `{name}`", hint)

    def unknown_model(trail: Trail, name: object) -> Iterator[Diagnostic]:
        if not isinstance(name, str):
            return
        model, _, endpoint = name.partition("@")
        if registry.find(model) is None:
            close = registry.suggest(model)
            hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
            yield document.diagnostic(trail, "QR205", f"unknown model `{model}`", hint)
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
            message = f"pool `{name}` has neither `roles` nor `models`"
            yield document.diagnostic(("pools", name), "QR206", message, "say which deployments belong to it")
        for index, model in enumerate(_list(pool.get("models"))):
            yield from unknown_model(("pools", name, "models", index), model)
        for index, place in enumerate(_list(pool.get("endpoints"))):
            yield from unknown(("pools", name, "endpoints", index), "endpoint", place, endpoints, "QR203")
    yield from unknown(
        ("embedding", "endpoint"), "endpoint", _mapping(top.get("embedding")).get("endpoint"), endpoints, "QR203"
    )
    yield from unknown(("objective",), "objective", top.get("objective"), objectives, "QR202")
    for index, region in enumerate(_list(_mapping(top.get("limits")).get("regions"))):
        yield from unknown(("limits", "regions", index), "region", region, registry.regions, "QR204")
    licences = {card.licence for card in registry.cards.values()}
    for index, licence in enumerate(_list(_mapping(top.get("limits")).get("licences"))):
        yield from unknown(("limits", "licences", index), "licence", licence, licences, "QR209")
    for name, raw in _mapping(top.get("routes")).items():
        rules = [_mapping(rule) for rule in _list(raw)]
        for index, rule in enumerate(rules):
            at = ("routes", name, index)
            yield from unknown((*at, "pool"), "pool", rule.get("pool"), pools, "QR201")
            for place, fallback in enumerate(_list(rule.get("fallback"))):
                yield from unknown((*at, "fallback", place), "pool", fallback, pools, "QR201")
            yield from unknown((*at, "objective"), "objective", rule.get("objective"), objectives, "QR202")
        yield from _order(document, str(name), rules)
    yield from _disagreeing(document, top)


def _lacking(document: Document, at: Trail, endpoint: Mapping[str, object]) -> Iterator[Diagnostic]:
    """Find keys that this provider cannot do without."""
    needed = {"dashscope": ("region", "api_key"), "openai_compatible": ("base_url", "models"), "litellm": ("models",)}
    for key in needed.get(str(endpoint.get("provider")), ()):
        if key not in endpoint:
            message = f"endpoint `{at[-1]}` needs `{key}` for the provider {endpoint['provider']}"
            yield document.diagnostic(at, "QR102", message)


_AT_MOST = (
    ("breaker", "open_s", "open_cap_s", schema.Breaker()),
    ("cooldown", "rate_limit_s", "cap_s", schema.Cooldown()),
    ("cooldown", "tokens_limit_s", "cap_s", schema.Cooldown()),
    ("cooldown", "burst_s", "cap_s", schema.Cooldown()),
    ("retries", "base_s", "cap_s", schema.Retries()),
)


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


def _order(document: Document, route: str, rules: list[Mapping[str, object]]) -> Iterator[Diagnostic]:
    """Find rules that can never match, requests that no rule takes, and names used twice."""
    seen: dict[object, int] = {}
    always: int | None = None
    for index, rule in enumerate(rules):
        at: Trail = ("routes", route, index)
        name = rule.get("rule")
        line = document.diagnostic(("routes", route, seen.setdefault(name, index)), "", "").line
        if seen[name] != index:
            yield document.diagnostic(
                (*at, "rule"), "QR208", f"route `{route}` has a rule `{name}` already (line {line})"
            )
        if always is not None:
            line = document.diagnostic(("routes", route, always), "", "").line
            message = (
                f"rule `{name}` can never match: rule `{rules[always].get('rule')}` (line {line}) takes everything"
            )
            yield document.diagnostic((*at, "rule"), "QR207", message)
        elif not rule.get("when"):
            always = index
    if rules and always is None:
        message = f"the last rule of route `{route}` has conditions: a request that meets none has nowhere to go"
        hint = "end the route with a rule without `when`"
        yield document.diagnostic(("routes", route, len(rules) - 1), "QR207", message, hint)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _list(value: object) -> list[object]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _compile(file: schema.PolicyFile, document: Document, path: Path, registry: Registry) -> Policy:
    objectives = {objective.name: objective for objective in USUAL}
    for name, o in file.objectives.items():
        objectives[name] = Objective(name=name, quality=o.quality, cost=o.cost, latency=o.latency)
    usual = objectives[file.objective]
    hedge = _hedge(file.hedge)
    pools = {str(role): Pool(name=str(role), roles=(role,)) for role in Role}
    for name, p in file.pools.items():
        pools[name] = Pool(
            name=name,
            roles=tuple(p.roles),
            models=tuple(_canonical(model, registry) for model in p.models),
            endpoints=None if p.endpoints is None else frozenset(p.endpoints),
            providers=None if p.providers is None else frozenset(p.providers),
        )
    routes = {
        name: Route(
            name=name,
            rules=tuple(
                Rule(
                    name=rule.rule,
                    conditions=_conditions(rule.when),
                    pool=rule.pool,
                    fallback=tuple(rule.fallback),
                    objective=usual if rule.objective is None else objectives[rule.objective],
                    hedge=hedge if rule.hedge is None else _hedge(rule.hedge),
                )
                for rule in rules
            ),
        )
        for name, rules in file.routes.items()
    }
    limits = file.limits
    content = json.dumps(document.value, sort_keys=True, ensure_ascii=False)
    return Policy(
        name=path.stem,
        hash=hashlib.blake2b(content.encode(), digest_size=8).hexdigest(),
        endpoints=tuple(_endpoint(name, e, path, registry) for name, e in file.endpoints.items()),
        objectives=MappingProxyType(objectives),
        objective=usual,
        pools=MappingProxyType(pools),
        routes=MappingProxyType(routes),
        teach=tuple(_lesson(entry) for entry in file.teach or ()),
        embedding=_embedding(file.embedding, path),
        exchange=Exchange(report=file.currency.report, rates=MappingProxyType(dict(file.currency.rates))),
        limits=Limits(
            deadline_s=limits.deadline_s,
            max_attempts=limits.max_attempts,
            max_cost_usd=limits.max_cost_usd,
            queue_s=limits.queue_s,
            regions=None if limits.regions is None else frozenset(limits.regions),
            licences=None if limits.licences is None else frozenset(limits.licences),
        ),
        timeouts=Timeouts(**file.timeouts.model_dump()),
        retries=RetryRules(**file.retries.model_dump(exclude={"budget"})),
        hedge=hedge,
        resume=file.resume,
        resilience=Resilience(
            breaker=BreakerRules(**file.breaker.model_dump()),
            cooldown=CooldownRules(**file.cooldown.model_dump()),
            outliers=OutlierRules(**file.outliers.model_dump()),
            retry_budget=RetryBudgetRules(**file.retries.budget.model_dump()),
            max_in_flight=limits.max_in_flight,
            max_in_flight_total=limits.max_in_flight_total,
        ),
        choice=Choice(**file.choice.model_dump()),
        cache=_cache(file.cache, path),
        fall_back_on=frozenset(file.fall_back_on),
        retired=Retired(file.retired),
    )


def _hedge(entry: schema.Hedge | str) -> HedgeRules | None:
    return None if isinstance(entry, str) else HedgeRules(**entry.model_dump())


def _cache(entry: schema.Cache | str, path: Path) -> CacheRules | None:
    if isinstance(entry, str):
        return None
    rules = CacheRules(**entry.model_dump())
    return rules if rules.path is None else replace(rules, path=str(path.parent / rules.path))


def _lesson(entry: schema.Teach) -> Lesson:
    key = next(key for key in SIGNS if getattr(entry, key) is not None)
    return Lesson(task=entry.task, sign=sign_of(key, getattr(entry, key)))


def _embedding(entry: schema.Embedding | None, path: Path) -> Embedding | None:
    if entry is None:
        return None
    return Embedding(
        model=entry.model,
        min_similarity=entry.min_similarity,
        timeout_s=entry.timeout_ms / 1000,
        endpoint=entry.endpoint,
        base_url=_setting(entry.base_url, path),
        api_key=_setting(entry.api_key, path),
    )


def _conditions(when: schema.When | None) -> tuple[Condition, ...]:
    if when is None:
        return ()
    found = []
    for key in type(when).model_fields:
        wanted: object = getattr(when, key)
        if isinstance(wanted, schema.PromptTokens):
            wanted = Range(at_least=wanted.at_least, at_most=wanted.at_most)
        if wanted is not None:
            found.append(condition(key, wanted))
    return tuple(found)


def _endpoint(name: str, entry: schema.Endpoint, path: Path, registry: Registry) -> EndpointTemplate:
    models: tuple[Served, ...] | Setting | None
    if isinstance(entry.models, list):
        models = tuple(_served(item, registry) for item in entry.models)
    else:
        models = _setting(entry.models, path)
    return EndpointTemplate(
        name=name,
        provider=entry.provider,
        region=_setting(entry.region, path),
        workspace=_setting(entry.workspace, path),
        base_url=_setting(entry.base_url, path),
        api_key=_setting(entry.api_key, path),
        models=models,
        weight=entry.weight,
        rate_limits=RateLimits(**entry.rate_limits.model_dump()),
    )


def _setting(value: schema.FromVariable | schema.FromFile | str | None, path: Path) -> Setting | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Setting(literal=value)
    if isinstance(value, schema.FromFile):
        return Setting(file=path.parent / value.file)
    return Setting(env=value.env, default=value.default, optional=value.optional)


def _served(item: schema.ServedModel | str, registry: Registry) -> Served:
    if isinstance(item, str):
        item = schema.ServedModel(model=item)
    model = _canonical(item.model, registry)
    price = None
    if item.price is not None:
        tier = Tier(input=item.price.input, output=item.price.output)
        price = Price(currency=item.price.currency, tiers=(tier,))
    wire = item.served_as or (None if item.model == model else item.model)
    return Served(
        model=model,
        wire_model=wire,
        context_tokens=item.context_tokens,
        price=price,
        rate_limits=RateLimits(**item.rate_limits.model_dump()),
    )


def _canonical(name: str, registry: Registry) -> str:
    """Return the registry's id for a model, keeping an endpoint that follows it."""
    model, at, endpoint = name.partition("@")
    found = registry.find(model)
    return f"{model if found is None else found.card.id}{at}{endpoint}"
