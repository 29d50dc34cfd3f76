"""What of a policy's rules no case has shown at work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from qwenroute.domain.decision import Decision
from qwenroute.policy import Policy
from qwenroute.policy.condition import Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncovered:
    """A rule that no case reaches, or a condition that no case fails."""

    route: str
    rule: str
    condition: str | None = None
    """None: the rule is never reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often each rule was reached."""

    reached: dict[tuple[str, str], int]
    """Route and rule, to the number of cases."""
    rules: tuple[Uncovered, ...]
    """Never reached."""
    conditions: tuple[Uncovered, ...]
    """Of rules that were reached: never the reason that one was passed over."""


def coverage(
    policy: Policy, decisions: Iterable[Decision], *, inherited: Collection[tuple[str, str]] = frozenset()
) -> Coverage:
    """Return what the decisions of all cases have shown.

    Rules that stand in a policy below (route and rule) are for the cases of that one.
    """
    reached: Counter[tuple[str, str]] = Counter()
    failed: set[tuple[str, str, str]] = set()
    for decision in decisions:
        for tried in decision.rules_tried:
            if tried.failed is None:
                reached[decision.route, tried.rule] += 1
            else:
                failed.add((decision.route, tried.rule, tried.failed))
    rules: list[Uncovered] = []
    conditions: list[Uncovered] = []
    for route in policy.routes.values():
        for rule in route.rules:
            if (route.name, rule.name) in inherited:
                continue
            if not reached[route.name, rule.name]:
                rules.append(Uncovered(route=route.name, rule=rule.name))
                continue
            conditions += (
                Uncovered(route=route.name, rule=rule.name, condition=str(condition))
                for condition in rule.conditions
                if not any(
                    _is(condition, text) for where, name, text in failed if (where, name) == (route.name, rule.name)
                )
            )
    every = {
        (route.name, rule.name): reached[route.name, rule.name]
        for route in policy.routes.values()
        for rule in route.rules
        if (route.name, rule.name) not in inherited
    }
    return Coverage(reached=every, rules=tuple(rules), conditions=tuple(conditions))


def _is(condition: Condition, failed: str) -> bool:
    """Whether it is this condition that was told: of `any`, `all` and `not` what is told names what failed within."""
    return failed.startswith(f"{condition.key}: ") if condition.parts else failed == str(condition)
