"""Pools and rules that nothing can serve, and fallbacks that are none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from qwenroute.documents import Trail
from qwenroute.domain.capability import Modality
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.linting.asking import plainest, said
from qwenroute.linting.limiting import capable, servable, standing_reason
from qwenroute.linting.logic import Case, Some, TooMuch, cases
from qwenroute.linting.subject import Subject
from qwenroute.policy import Limits, Pool, Rule, schema

CODES = {
    "QR320": "a pool to which nothing belongs, whatever the endpoints serve",
    "QR321": "a pool that limits, lifecycle or licences always empty",
    "QR322": "a pool of which nothing can serve what its rule lets through",
    "QR323": "requests that a rule lets through and nothing behind it can serve",
    "QR324": "a fallback that adds nothing to the pools before it",
    "QR325": "an endpoint of which no deployment can be made",
    "QR326": "a model in a pool that no endpoint serves, or an exception that takes nothing away",
    "QR327": "images, sound, videos or speech for which one deployment is all there is",
}
_KINDS = (
    ("input", Modality.IMAGE, "images"),
    ("input", Modality.AUDIO, "sound"),
    ("input", Modality.VIDEO, "videos"),
    ("output", Modality.AUDIO, "speech"),
)
_MANY = 24
"""Cases of one rule that are tried; more are like them."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    for name, why in subject.unusable.items():
        yield subject.error(("endpoints", name, "models"), "QR325", why)
    yield from _members(subject)
    told: dict[str, Diagnostic] = {}
    for at, written, rule in subject.rules():
        limits = rule.limits or subject.policy.limits
        chain = [(rule.pool, (*at, "pool")), *((n, (*at, "fallback", i)) for i, n in enumerate(rule.fallback))]
        dead = [(name, place) for name, place in chain if _never(subject, name, limits)]
        for name, place in dead:
            found = _emptied(subject, name, place, limits, whole=len(dead) == len(chain))
            if name not in told or found.severity < told[name].severity:  # error before warning
                told[name] = found
        if (rule.pool, (*at, "pool")) not in dead:
            yield from _serving(subject, at, written, rule)
        yield from _idle(subject, chain)
    yield from told.values()
    yield from _alone(subject)


def _members(subject: Subject) -> Iterator[Diagnostic]:
    """Find models that a pool names and nobody serves, and exceptions of what is not there."""
    fleet = subject.possible
    for name, entry in subject.loaded.file.pools.items():
        pool = subject.policy.pools[name]
        for index, model in enumerate(pool.models):
            if not any(model in {d.model, d.id} for d in fleet.deployments):
                if _retired(subject, model):
                    continue
                message = f"no endpoint serves `{model}`"
                at: Trail = ("pools", name, "models", index)
                yield subject.warning(at, "QR326", message, "add it to an endpoint's `models`, or leave it out")
        named = {name for d in fleet.pool(replace(pool, without=frozenset())) for name in (d.model, d.id)}
        for index, model in enumerate(entry.except_ or ()):
            found = subject.registry.find(model.partition("@")[0])
            canonical = model if found is None else found.card.id + "".join(model.partition("@")[1:])
            if canonical not in named:
                message = f"`{model}` does not belong to the pool `{name}` anyway"
                yield subject.warning(("pools", name, "except", index), "QR326", message, "leave it out")


def _retired(subject: Subject, model: str) -> bool:
    """Whether a model is not served since it has left; another check tells that."""
    name = model.partition("@")[0]
    states = [
        subject.registry.lifecycle(name, provider=e.provider, region=e.region, on=subject.on)
        for e in subject.possible.endpoints.values()
        if e.served is None
    ]
    return any(state.retires_on is not None and state.retires_on <= subject.on for state in states)


def _never(subject: Subject, name: str, limits: Limits) -> bool:
    """Whether nothing of a pool can ever be called."""
    members = subject.possible.pool(subject.policy.pools[name])
    return all(standing_reason(deployment, limits) is not None for deployment in members)


def _emptied(subject: Subject, name: str, place: Trail, limits: Limits, *, whole: bool) -> Diagnostic:
    """Say why a pool is empty: an error where nothing else follows, so that its rule serves nobody."""
    tell = subject.error if whole else subject.warning
    members = subject.possible.pool(subject.policy.pools[name])
    if not members:
        hint = "add an endpoint that serves one of its models, or take the pool out of the rule"
        return tell(place, "QR320", f"nothing belongs to the pool `{name}`: no endpoint serves it", hint)
    reasons = Counter(why[1] for d in members if (why := standing_reason(d, limits)) is not None)
    reason, _ = reasons.most_common(1)[0]
    most = "most since " if len(reasons) > 1 else ""
    message = f"nothing of the pool `{name}` can ever be called ({len(members)} left out): {most}{reason}"
    return tell(place, "QR321", message, "widen `limits`, or add an endpoint that is within them")


def _serving(subject: Subject, at: Trail, written: schema.Rule, rule: Rule) -> Iterator[Diagnostic]:
    """Find requests that a rule lets through and that its pools cannot serve."""
    try:
        found = cases(written.when)
    except TooMuch:
        return
    limits = rule.limits or subject.policy.limits
    first, *_ = stages = subject.possible.chain(rule.pool, *rule.fallback).stages
    of_pool = [stage for stage in stages if stage.pool == first.pool]
    served_by_pool = False
    lost: dict[str, None] = {}
    for case in found[:_MANY]:
        signals = plainest(case)
        here = servable(of_pool, signals, limits)
        served_by_pool |= here
        if not here and not servable(stages, signals, limits):
            lost[said(case)] = None
    if found and lost:
        message = f"rule `{rule.name}` lets requests through that nothing behind it can serve: {'; '.join(lost)}"
        yield subject.error((*at, "pool"), "QR323", message, "add a pool to `fallback` that can, or narrow `when`")
    elif found and not served_by_pool:
        message = f"nothing of the pool `{rule.pool}` can serve what rule `{rule.name}` lets through: {said(found[0])}"
        yield subject.warning((*at, "pool"), "QR322", message, "put a pool first that can")


def _alone(subject: Subject) -> Iterator[Diagnostic]:
    """Find attachments, and speech, that end at rules where a single deployment can serve them; once for each."""
    alone: dict[str, list[tuple[str, str, Trail]]] = {}
    for route, rules in subject.loaded.file.routes.items():
        compiled = subject.policy.routes[route].rules
        for key, kind, what in _KINDS:
            wanted = Case().also(key, Some(frozenset({frozenset({kind.value})})))
            assert wanted is not None  # nothing else is asked for
            for index, case in _takers(rules, key, kind.value, wanted):
                rule = compiled[index]
                stages = subject.usual.chain(rule.pool, *rule.fallback).stages
                limits = rule.limits or subject.policy.limits
                able = {d.id for stage in stages for d in capable(stage, plainest(case), limits)}
                if len(able) == 1:
                    at: Trail = ("routes", route, index, "pool")
                    alone.setdefault(able.pop(), []).append((what, rule.name, at))
    for deployment, found in alone.items():
        *others, last = dict.fromkeys(what for what, _, _ in found)
        kinds = f"{', '.join(others)} and {last}" if others else last
        names = [f"`{name}`" for name in dict.fromkeys(name for _, name, _ in found)]
        listed = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        where = f"rule {listed}" if len(names) == 1 else f"rules {listed}"
        at = next((at for _, _, at in found if subject.own(*at)), found[0][2])
        message = f"`{deployment}` is all there is for {kinds} ({where}): nothing follows if it fails"
        yield subject.warning(at, "QR327", message, "add a pool to `fallback` that can serve the same")


def _takers(rules: Sequence[schema.Rule], key: str, kind: str, wanted: Case) -> Iterator[tuple[int, Case]]:
    """Yield the rules that ask for a kind, up to the first that takes all such requests, with what comes to each."""
    for index, rule in enumerate(rules):
        try:
            found = cases(rule.when)
        except TooMuch:
            continue
        named = next((case for case in found if kind in case.has(key)), None)
        if named is not None:
            yield index, named
        if any(wanted.within(case) for case in found):
            if named is None:
                yield index, wanted
            return


def _idle(subject: Subject, chain: Sequence[tuple[str, Trail]]) -> Iterator[Diagnostic]:
    """Find fallbacks whose deployments have all been tried by then."""
    fleet = subject.possible
    before: set[tuple[str, str | None]] = set()
    earlier: list[Pool] = []
    for name, place in chain:
        pool = subject.policy.pools[name]
        members = {(d.id, d.region) for d in fleet.pool(pool)}
        if earlier and members and members <= before and not _broader(pool, earlier):
            message = f"the fallback `{name}` adds nothing: all of its deployments have been tried by then"
            yield subject.warning(place, "QR324", message, "leave it out, or name a pool with others")
        before |= members
        earlier.append(pool)


def _broader(pool: Pool, earlier: Sequence[Pool]) -> bool:
    """Whether a pool would add something on another day, or with another endpoint: what it asks for is more."""
    return bool(set(pool.roles) - {role for other in earlier for role in other.roles}) or any(
        (pool.endpoints is None and other.endpoints is not None)
        or (pool.providers is None and other.providers is not None)
        or (pool.tags is None and other.tags is not None)
        for other in earlier
    )
