"""A policy as somebody on call would want it told: what goes where, what serves it today, and within which bounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qwenroute.documents import Document
from qwenroute.linting.limiting import standing_reason
from qwenroute.linting.subject import Subject
from qwenroute.linting.words import in_words
from qwenroute.policy import Objective, schema
from qwenroute.policy.endpoints import EndpointTemplate
from qwenroute.policy.schema.values import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointSeen:
    """An endpoint, and what keeps it from being used here."""

    name: str
    provider: str
    regions: tuple[str, ...]
    """More than one where nothing says which."""
    lacks: tuple[str, ...]
    """Variables that are needed and not set."""
    fault: str | None
    deployments: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleSeen:
    """A rule in words."""

    rule: str
    when: str
    pools: tuple[str, ...]
    """The first, and those that follow when it has nothing left."""
    says: tuple[str, ...]
    """What else it says, in words: its objective, limits, hedge, experiment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSeen:
    """A pool, and what of it can be called."""

    pool: str
    living: tuple[str, ...]
    """Deployments in the order in which they are considered, before they are scored."""
    left_out: Mapping[str, str]
    """And why."""
    used: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """All of it."""

    policy: str
    hash: str
    file: str
    on: str
    extends: tuple[str, ...]
    """The files that it stands on, the nearest first."""
    usable: bool
    """Whether any endpoint has what it needs here; else all are shown as if they had."""
    endpoints: tuple[EndpointSeen, ...]
    routes: Mapping[str, tuple[RuleSeen, ...]]
    pools: tuple[PoolSeen, ...]
    bounds: Mapping[str, tuple[str, ...]]
    """What is preferred, limits, budgets, experiments and the like, in words."""


def overview(subject: Subject) -> Overview:
    """Return what there is to tell; variables count as the subject has them."""
    policy, file = subject.policy, subject.loaded.file
    lacking = {template.name: template.missing(subject.environ) for template in policy.endpoints}
    usable = any(not lacks and name not in subject.unusable for name, lacks in lacking.items())
    absent = {name for name, lacks in lacking.items() if lacks and usable} | set(subject.unusable)
    routes = {name: tuple(map(_rule, rules)) for name, rules in file.routes.items()}
    used = dict.fromkeys(pool for rules in routes.values() for rule in rules for pool in rule.pools)
    beside = {budget.pool for budget in policy.budgets} | {one.pool for one in file.experiments}
    return Overview(
        policy=policy.name,
        hash=policy.hash,
        file=subject.loaded.document.name,
        on=subject.on.isoformat(),
        extends=tuple(_bases(subject.loaded.document)),
        usable=usable,
        endpoints=tuple(_endpoint(subject, template, lacking[template.name]) for template in policy.endpoints),
        routes=routes,
        pools=tuple(
            _pool(subject, name, absent, used=name in used or name in beside)
            for name in dict.fromkeys([*used, *file.pools])
        ),
        bounds=dict(_bounds(subject)),
    )


def _bases(document: Document) -> Iterator[str]:
    while document.base is not None:
        document = document.base
        yield document.name


def _endpoint(subject: Subject, template: EndpointTemplate, lacks: tuple[str, ...]) -> EndpointSeen:
    served = [d for d in subject.usual.deployments if d.endpoint == template.name]
    return EndpointSeen(
        name=template.name,
        provider=template.provider,
        regions=tuple(dict.fromkeys(d.region for d in served if d.region is not None)),
        lacks=lacks,
        fault=subject.unusable.get(template.name),
        deployments=len(served),
    )


def _rule(rule: schema.Rule) -> RuleSeen:
    said: list[str] = []
    for key, value in _dumped(rule).items():
        if key not in {"rule", "when", "pool", "fallback"}:
            said.append(f"{key} {_plain(value)}")
    return RuleSeen(rule=rule.rule, when=in_words(rule.when), pools=(rule.pool, *rule.fallback), says=tuple(said))


def _pool(subject: Subject, name: str, absent: set[str], *, used: bool) -> PoolSeen:
    living: dict[str, None] = {}
    left_out: dict[str, str] = {}
    stages = subject.usual.chain(name).stages
    for deployment in (d for stage in stages for d in stage.deployments):
        why = standing_reason(deployment, subject.policy.limits)
        if why is not None:
            left_out[deployment.id] = why[1]
        elif deployment.endpoint in absent:
            left_out[deployment.id] = f"`{deployment.endpoint}` cannot be used here"
        else:
            living[deployment.id] = None
    for model in subject.policy.pools[name].models:
        left_out |= _absent(model, [*living, *left_out])
    return PoolSeen(pool=name, living=tuple(living), left_out=left_out, used=used)


def _absent(model: str, there: list[str]) -> Iterator[tuple[str, str]]:
    """Yield a model that a pool names and no endpoint serves."""
    wanted, _, at = model.partition("@")
    if any(id_.partition("@")[0] == wanted and (not at or id_.partition("@")[2] == at) for id_ in there):
        return
    yield model, "no endpoint serves it"


def _bounds(subject: Subject) -> Iterator[tuple[str, tuple[str, ...]]]:
    policy, file = subject.policy, subject.loaded.file
    yield "prefers", (_objective(policy.objective),)
    limits = file.limits.model_dump(mode="json", by_alias=True, exclude_none=True)
    yield "limits", tuple(f"{key} {_plain(value)}" for key, value in limits.items())
    for key in ("budgets", "experiments"):
        entries = getattr(file, key, None) or ()
        if entries:
            yield key, tuple(_entry(_dumped(entry)) for entry in entries)
    changed = [f"{key} {_plain(value)}" for key, value in _changed(file).items() if key not in _TOLD_ELSEWHERE]
    if changed:
        yield "and", tuple(changed)


def _dumped(section: Section) -> dict[str, Any]:
    return section.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_unset=True, warnings="none")


def _changed(section: Section) -> dict[str, Any]:
    """Return what is not as it would be if the file said nothing of it."""
    found: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, usual = getattr(section, name), field.get_default(call_default_factory=True)
        if value == usual:
            continue
        if isinstance(value, Section):
            value = _changed(value) if isinstance(usual, Section) else _dumped(value)
        found[field.alias or name] = value
    return found


_TOLD_ELSEWHERE = frozenset(
    {"version", "extends", "currency", "endpoints", "pools", "objectives", "objective", "teach", "routes", "limits"}
    | {"budgets", "experiments"}
)


def _objective(objective: Objective) -> str:
    return (
        f"{objective.name} (quality {objective.quality:g}, cost {objective.cost:g}, latency {objective.latency:g}), "
        "where neither the rule nor the caller says"
    )


def _entry(entry: Mapping[str, Any]) -> str:
    """Say an entry of a list: its name, and the rest."""
    name, *rest = entry.items()
    return f"{name[1]}: " + ", ".join(f"{key} {_plain(value)}" for key, value in rest)


def _plain(value: object) -> str:
    """Say a value as the file would, on one line."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_plain(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return ", ".join(map(_plain, value)) if value else "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
