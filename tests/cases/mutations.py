"""Policies with one mistake in one rule, such as somebody in a hurry makes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from types import MappingProxyType

from qwenroute.policy import Limits, Policy, Route, Rule
from qwenroute.policy.condition import Condition, group


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A policy, and what is wrong with it."""

    route: str
    rule: str
    what: str
    policy: Policy
    moved: bool = False
    """It may hold for other requests, and does the same with them."""

    def __str__(self) -> str:
        return f"{self.route}/{self.rule}: {self.what}"


def mutants(policy: Policy) -> Iterator[Mutant]:
    """Yield every mistake in every rule that the loader would not have refused."""
    for route in policy.routes.values():
        for index, rule in enumerate(route.rules):
            for what, rules in _moved(route.rules, index):
                yield Mutant(
                    route=route.name, rule=rule.name, what=what, policy=_with(policy, route, rules), moved=True
                )
            for what, changed in _redirected(policy, rule):
                rules = (*route.rules[:index], changed, *route.rules[index + 1 :])
                yield Mutant(route=route.name, rule=rule.name, what=what, policy=_with(policy, route, rules))


def _with(policy: Policy, route: Route, rules: Sequence[Rule]) -> Policy:
    routes = {**policy.routes, route.name: Route(name=route.name, rules=tuple(rules))}
    return replace(policy, routes=MappingProxyType(routes))


def _moved(rules: tuple[Rule, ...], index: int) -> Iterator[tuple[str, Sequence[Rule]]]:
    """Yield what makes a rule hold for other requests."""
    rule, before, after = rules[index], rules[:index], rules[index + 1 :]
    if after:
        yield "removed", (*before, *after)
        if after[0].conditions:
            yield f"behind `{after[0].name}`", (*before, after[0], rule, *after[1:])
    for what, conditions in _conditions(rule.conditions):
        # A rule that takes everything is the last one, or the loader refuses what follows.
        if conditions:
            yield what, (*before, replace(rule, conditions=conditions), *after)


def _redirected(policy: Policy, rule: Rule) -> Iterator[tuple[str, Rule]]:
    """Yield what makes a rule do something else with the same requests."""
    for pool in policy.pools:
        if pool != rule.pool:
            yield f"to {pool} instead of {rule.pool}", replace(rule, pool=pool)
    if rule.fallback:
        yield "without fallback", replace(rule, fallback=())
    for index, pool in enumerate(rule.fallback):
        if len(rule.fallback) > 1:
            less = rule.fallback[:index] + rule.fallback[index + 1 :]
            yield f"without the fallback {pool}", replace(rule, fallback=less)
    for name, objective in policy.objectives.items():
        if name != rule.objective.name:
            yield f"by {name} instead of {rule.objective.name}", replace(rule, objective=objective)
    if rule.hedge != policy.hedge:
        yield "without its hedge", replace(rule, hedge=policy.hedge)
    if rule.experiment is not None:
        yield "without its experiment", replace(rule, experiment=None)
    for experiment in policy.experiments:
        if rule.experiment not in (None, experiment):
            yield f"in the experiment {experiment.name}", replace(rule, experiment=experiment)
    if rule.latency is not None:
        yield "without its latency", replace(rule, latency=None)
    if rule.limits is not None:
        yield "without its limits", replace(rule, limits=None)
        usual = policy.limits
        own = [f.name for f in fields(Limits) if getattr(rule.limits, f.name) != getattr(usual, f.name)]
        for name in own if len(own) > 1 else ():
            less_strict = replace(rule.limits, **{name: getattr(usual, name)})
            yield f"without the limit {name}", replace(rule, limits=less_strict)


def _conditions(every: tuple[Condition, ...]) -> Iterator[tuple[str, tuple[Condition, ...]]]:
    """Yield them with one left out or turned round, down to the innermost."""
    for place, condition in enumerate(every):
        first, rest = every[:place], every[place + 1 :]
        yield f"without `{condition}`", (*first, *rest)
        yield f"not `{condition}`", (*first, group("not", [[condition]]), *rest)
        for index, part in enumerate(condition.parts):
            others = condition.parts[:index], condition.parts[index + 1 :]
            if others[0] or others[1]:
                yield (
                    f"`{condition.key}` without part {index + 1}",
                    (*first, group(condition.key, (*others[0], *others[1])), *rest),
                )
            for what, inner in _conditions(part):
                # What asks nothing always holds; the loader refuses it.
                if inner:
                    yield (
                        f"{condition.key}: {what}",
                        (*first, group(condition.key, (*others[0], inner, *others[1])), *rest),
                    )
