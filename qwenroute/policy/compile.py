"""From a policy file whose shape is right to the frozen data that routing reads."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import time
from pathlib import Path
from types import MappingProxyType

from qwenroute.documents import Document, Trail
from qwenroute.domain.budget import Budget, LedgerRules, WhenSpent, units
from qwenroute.domain.capability import RateLimits, Role
from qwenroute.domain.decision import HedgeRules, RetryRules, Timeouts
from qwenroute.domain.endpoint import Served
from qwenroute.domain.experiment import Experiment, ExperimentKind, RollbackRules
from qwenroute.domain.health import LatencyObjective
from qwenroute.domain.price import Exchange, Price, Tier
from qwenroute.domain.recording import RecordRules
from qwenroute.domain.resilience import (
    BreakerRules,
    CacheRules,
    Choice,
    CooldownRules,
    OutlierRules,
    Resilience,
    RetryBudgetRules,
)
from qwenroute.policy import schema
from qwenroute.policy.condition import DAYS, Condition, Hours, Range, condition, group, header, sign_of
from qwenroute.policy.encoder import Embedding
from qwenroute.policy.endpoints import EndpointTemplate, Setting
from qwenroute.policy.policy import USUAL, Limits, Objective, Policy, Pool, Retired, Route, Rule
from qwenroute.policy.teaching import Lesson
from qwenroute.policy.teaching_mistakes import SIGNS
from qwenroute.policy.timezone import zone_of
from qwenroute.registry import Registry


def compile_policy(file: schema.PolicyFile, document: Document, path: Path, registry: Registry) -> Policy:
    """Return the policy that a file says."""
    objectives = {objective.name: objective for objective in USUAL}
    for name, o in file.objectives.items():
        objectives[name] = Objective(name=name, **o.model_dump())
    usual = objectives[file.objective]
    limits = _limits(file.limits, registry)
    hedge = _hedge(file.hedge)
    pools = {str(role): Pool(name=str(role), roles=(role,)) for role in Role}
    for name, p in file.pools.items():
        pools[name] = Pool(
            name=name,
            roles=tuple(p.roles),
            models=tuple(_canonical(model, registry) for model in p.models),
            endpoints=None if p.endpoints is None else frozenset(p.endpoints),
            providers=None if p.providers is None else frozenset(p.providers),
            tags=None if p.tags is None else frozenset(p.tags),
            without=frozenset(_canonical(model, registry) for model in p.except_ or ()),
        )
    experiments = {entry.experiment: _experiment(entry) for entry in file.experiments}
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
                    limits=None if rule.limits is None else limits.narrowed(_limits(rule.limits, registry)),
                    experiment=None if rule.experiment is None else experiments[rule.experiment],
                    latency=_latency(rule.latency),
                )
                for rule in rules
            ),
        )
        for name, rules in file.routes.items()
    }
    content = json.dumps(document.value, sort_keys=True, ensure_ascii=False)
    return Policy(
        name=path.stem,
        hash=hashlib.blake2b(content.encode(), digest_size=8).hexdigest(),
        files=tuple(Path(layer.name).absolute() for layer in document.layers()),
        endpoints=tuple(_endpoint(name, e, document, registry) for name, e in file.endpoints.items()),
        objectives=MappingProxyType(objectives),
        objective=usual,
        pools=MappingProxyType(pools),
        routes=MappingProxyType(routes),
        teach=tuple(_lesson(entry) for entry in file.teach or ()),
        embedding=_embedding(file.embedding, document),
        exchange=Exchange(report=file.currency.report, rates=MappingProxyType(dict(file.currency.rates))),
        limits=limits,
        budgets=tuple(_budget(entry) for entry in file.budgets),
        ledger=_ledger(file.ledger, document),
        experiments=tuple(experiments.values()),
        timeouts=Timeouts(**file.timeouts.model_dump()),
        retries=RetryRules(**file.retries.model_dump(exclude={"budget"})),
        hedge=hedge,
        resume=file.resume,
        resilience=Resilience(
            breaker=BreakerRules(**file.breaker.model_dump()),
            cooldown=CooldownRules(**file.cooldown.model_dump()),
            outliers=OutlierRules(**file.outliers.model_dump()),
            retry_budget=RetryBudgetRules(**file.retries.budget.model_dump()),
            max_in_flight=file.limits.max_in_flight,
            max_in_flight_total=file.limits.max_in_flight_total,
            objectives=tuple(
                dict.fromkeys(
                    rule.latency for route in routes.values() for rule in route.rules if rule.latency is not None
                )
            ),
        ),
        choice=Choice(**file.choice.model_dump()),
        cache=_cache(file.cache, document),
        records=_records(file.records, document),
        fall_back_on=frozenset(file.fall_back_on),
        retired=Retired(file.retired),
        timezone=zone_of(file.timezone),
    )


def _hedge(entry: schema.Hedge | str) -> HedgeRules | None:
    return None if isinstance(entry, str) else HedgeRules(**entry.model_dump())


def _limits(entry: schema.RuleLimits, registry: Registry) -> Limits:
    """Return limits; those of a rule leave the patience to the policy."""
    usual = Limits(deadline_s=math.inf if entry.deadline_s is None else entry.deadline_s)
    if isinstance(entry, schema.Limits):
        usual = replace(usual, max_attempts=entry.max_attempts, queue_s=entry.queue_s)
    models = None if entry.models is None else frozenset(_canonical(model, registry) for model in entry.models)
    return replace(
        usual,
        max_cost_usd=entry.max_cost_usd,
        max_output_tokens=entry.max_output_tokens,
        max_prompt_tokens=entry.max_prompt_tokens,
        regions=_names(entry.regions),
        licences=_names(entry.licences),
        providers=_names(entry.providers),
        models=models,
    )


def _names(entry: Iterable[str] | None) -> frozenset[str] | None:
    return None if entry is None else frozenset(entry)


def _latency(entry: schema.Latency | None) -> LatencyObjective | None:
    return None if entry is None else LatencyObjective(**entry.model_dump())


def _experiment(entry: schema.Experiment) -> Experiment:
    rollback = None
    if entry.kind is ExperimentKind.CANARY and entry.rollback != "off":
        rollback = RollbackRules(**(entry.rollback or schema.Rollback()).model_dump())
    return Experiment(
        name=entry.experiment,
        kind=entry.kind,
        pool=entry.pool,
        share=entry.share,
        sticky=entry.sticky,
        rollback=rollback,
        max_cost_per_day=entry.max_cost_per_day,
    )


def _budget(entry: schema.Budget) -> Budget:
    pool = entry.when_spent.pool if isinstance(entry.when_spent, schema.CheaperPool) else None
    return Budget(
        name=entry.budget,
        amount=units(entry.amount),
        window=entry.window,
        per=entry.per,
        tenants=_names(entry.tenants),
        keys=_names(entry.keys),
        routes=_names(entry.routes),
        when_spent=WhenSpent.POOL if isinstance(entry.when_spent, schema.CheaperPool) else WhenSpent(entry.when_spent),
        pool=pool,
        warn_at=entry.warn_at,
    )


def _ledger(entry: schema.Ledger, document: Document) -> LedgerRules:
    rules = LedgerRules(**entry.model_dump())
    return rules if rules.path is None else replace(rules, path=str(document.beside(("ledger", "path"), rules.path)))


def _cache(entry: schema.Cache | str, document: Document) -> CacheRules | None:
    if isinstance(entry, str):
        return None
    rules = CacheRules(**entry.model_dump())
    return rules if rules.path is None else replace(rules, path=str(document.beside(("cache", "path"), rules.path)))


def _records(entry: schema.Records | None, document: Document) -> RecordRules | None:
    if entry is None:
        return None
    path = str(document.beside(("records", "path"), entry.path))
    given = entry.model_dump() | {"path": path, "redact": tuple(entry.redact)}
    return RecordRules(**given)


def _lesson(entry: schema.Teach) -> Lesson:
    key = next(key for key in SIGNS if getattr(entry, key) is not None)
    return Lesson(task=entry.task, sign=sign_of(key, getattr(entry, key)))


def _embedding(entry: schema.Embedding | None, document: Document) -> Embedding | None:
    if entry is None:
        return None
    return Embedding(
        model=entry.model,
        min_similarity=entry.min_similarity,
        timeout_s=entry.timeout_ms / 1000,
        endpoint=entry.endpoint,
        base_url=_setting(entry.base_url, document, ("embedding", "base_url")),
        api_key=_setting(entry.api_key, document, ("embedding", "api_key")),
    )


def _conditions(when: schema.When | None) -> tuple[Condition, ...]:
    if when is None:
        return ()
    found: list[Condition] = []
    for name, entry in type(when).model_fields.items():
        key, wanted = entry.alias or name, getattr(when, name)
        if wanted is None:
            continue
        if key == "headers":
            found += (header(name, None if wish == "present" else wish) for name, wish in wanted.items())
        elif key in {"any", "all"}:
            found.append(group(key, [_conditions(inner) for inner in wanted]))
        elif key == "not":
            found.append(group(key, [_conditions(wanted)]))
        elif key == "time":
            found.append(condition(key, _hours(wanted)))
        elif isinstance(wanted, schema.PromptTokens):
            found.append(condition(key, Range(at_least=wanted.at_least, at_most=wanted.at_most)))
        else:
            found.append(condition(key, wanted))
    return tuple(found)


def _hours(entry: schema.Hours) -> Hours:
    begin, end = (time.fromisoformat(clock or "00:00") for clock in (entry.from_, entry.to))
    return Hours(days=DAYS if entry.days is None else tuple(entry.days), begin=begin, end=end)


def _endpoint(name: str, entry: schema.Endpoint, document: Document, registry: Registry) -> EndpointTemplate:
    at: Trail = ("endpoints", name)
    models: tuple[Served, ...] | Setting | None
    if isinstance(entry.models, list):
        models = tuple(_served(item, registry) for item in entry.models)
    else:
        models = _setting(entry.models, document, (*at, "models"))
    return EndpointTemplate(
        name=name,
        provider=entry.provider,
        region=_setting(entry.region, document, (*at, "region")),
        workspace=_setting(entry.workspace, document, (*at, "workspace")),
        base_url=_setting(entry.base_url, document, (*at, "base_url")),
        api_key=_setting(entry.api_key, document, (*at, "api_key")),
        models=models,
        weight=entry.weight,
        rate_limits=RateLimits(**entry.rate_limits.model_dump()),
        tags=frozenset(entry.tags or ()),
    )


def _setting(
    value: schema.FromVariable | schema.FromFile | str | None, document: Document, at: Trail
) -> Setting | None:
    if value is None:
        return None
    if isinstance(value, str):
        return Setting(literal=value)
    if isinstance(value, schema.FromFile):
        return Setting(file=document.beside((*at, "file"), value.file))
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
