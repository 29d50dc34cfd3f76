"""Prices that are missing, ceilings that let nothing through, and budgets that one request can exceed."""

from __future__ import annotations

from collections.abc import Iterator

from qwenroute.documents import Trail
from qwenroute.domain.budget import UNIT, Budget, WhenSpent
from qwenroute.domain.capability import Deployment
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.experiment import ExperimentKind
from qwenroute.linting.limiting import standing_reason
from qwenroute.linting.subject import Subject
from qwenroute.linting.worst import longest_requests, short_requests
from qwenroute.policy import Policy

CODES = {
    "QR340": "a currency in which something is priced, without a rate",
    "QR341": "prices that are not known where a ceiling, a budget or a weight on cost needs them",
    "QR342": "a ceiling on the cost under which nothing of a pool can be called",
    "QR343": "a budget that a single request can exceed",
    "QR344": "a budget below what even a short request may cost, so that it refuses all of them",
}


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    for currency, deployment in subject.unconvertible.items():
        message = f"`{deployment}` is priced in {currency}, and `currency.rates` does not say what that is worth"
        yield subject.error(("currency", "rates"), "QR340", message, f"add a rate for {currency}")
    yield from _unpriced(subject)
    yield from _ceilings(subject)
    for index, budget in enumerate(subject.policy.budgets):
        yield from _budget(subject, ("budgets", index, "amount"), budget)


def _unpriced(subject: Subject) -> Iterator[Diagnostic]:
    """Find deployments without a price, once for each endpoint, with what that means for them."""
    policy = subject.policy
    used = {pool for route in policy.routes.values() for rule in route.rules for pool in (rule.pool, *rule.fallback)}
    used |= {budget.pool for budget in policy.budgets if budget.pool is not None}
    used |= {experiment.pool for experiment in policy.experiments if experiment.kind is not ExperimentKind.SHADOW}
    members = {d.id for name in used for d in subject.usual.pool(policy.pools[name])}
    by_endpoint: dict[str, list[Deployment]] = {}
    for deployment in subject.usual.deployments:
        if deployment.price is None and deployment.id in members and not standing_reason(deployment, policy.limits):
            by_endpoint.setdefault(deployment.endpoint, []).append(deployment)
    for endpoint, found in by_endpoint.items():
        listed = subject.usual.endpoints[endpoint].served is not None
        what = _suffers(policy, found, listed=listed)
        if what is None:
            continue
        names = ", ".join(f"`{d.model}`" for d in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")
        hint = "write a `price` beside each model at its endpoint; 0 if it is yours"
        yield subject.warning(
            ("endpoints", endpoint, "models"), "QR341", f"no price is known for {names} at `{endpoint}`: {what}", hint
        )


def _suffers(policy: Policy, found: list[Deployment], *, listed: bool) -> str | None:
    """Return what the lack of a price comes to, the worst first.

    What a weight on cost makes of it is told only of models that the file lists: where the platform
    publishes no price, nobody left one out.
    """
    if policy.limits.max_cost_usd is not None:
        return "under `limits.max_cost_usd` it is never called"
    rules = [rule for route in policy.routes.values() for rule in route.rules]
    if any(rule.limits is not None and rule.limits.max_cost_usd is not None for rule in rules):
        return "rules with a `max_cost_usd` never call it"
    if policy.budgets:
        return "no budget counts what it costs"
    hosted = listed and any(d.provider != "openai_compatible" for d in found)
    if hosted and (policy.objective.cost > 0 or any(rule.objective.cost > 0 for rule in rules)):
        return "where cost weighs, it counts as dear as the dearest"
    return None


def _ceilings(subject: Subject) -> Iterator[Diagnostic]:
    """Find ceilings that keep every deployment of a rule from even a short request."""
    policy = subject.policy
    told: set[tuple[str, float]] = set()
    for route, rules in policy.routes.items():
        for index, rule in enumerate(rules.rules):
            limits = rule.limits or policy.limits
            ceiling = limits.max_cost_usd
            if ceiling is None or (rule.pool, ceiling) in told:
                continue
            told.add((rule.pool, ceiling))
            costs = short_requests(subject, (rule.pool,), limits)
            if costs and min(costs) > ceiling:
                rest = short_requests(subject, rule.fallback, limits)
                tell = subject.warning if rest and min(rest) <= ceiling else subject.error
                own = subject.loaded.file.routes[route][index].limits
                mine = own is not None and own.max_cost_usd == ceiling
                at: Trail = ("routes", route, index, "limits") if mine else ("limits",)
                message = (
                    f"even a short request may cost {min(costs):.4f} USD in the pool `{rule.pool}`, and the ceiling is "
                    f"{ceiling:g}: nothing of it is ever called"
                )
                hint = "raise it, or bound the answer with `max_output_tokens`: its largest counts"
                yield tell((*at, "max_cost_usd"), "QR342", message, hint)


def _budget(subject: Subject, at: Trail, budget: Budget) -> Iterator[Diagnostic]:
    policy = subject.policy
    dollar = policy.usd_per(policy.exchange.report)
    if dollar is None:
        return
    amount = budget.amount / UNIT * dollar
    least, most = [], []
    for name, route in policy.routes.items():
        if budget.routes is not None and name not in budget.routes:
            continue
        for rule in route.rules:
            limits = rule.limits or policy.limits
            costs = short_requests(subject, (rule.pool, *rule.fallback), limits)
            if costs:
                least.append(min(costs))
            most += longest_requests(subject, (rule.pool, *rule.fallback), limits)
    if not most:
        return
    shown = f"{budget.amount / UNIT:g} {policy.exchange.report} a {budget.window}"
    if budget.when_spent is not WhenSpent.WARN and least and min(least) > amount:
        message = f"even a short request may cost {min(least):.4f} USD, and the budget `{budget.name}` has {shown}"
        hint = "raise it, or bound the answer with `limits.max_output_tokens`: its largest counts"
        yield subject.error(at, "QR344", message, hint)
    elif max(most)[0] > amount:
        cost, who = max(most)
        message = f"one request may cost {cost:.2f} USD (`{who}`), more than the budget `{budget.name}` has: {shown}"
        hint = "bound single requests: `limits.max_cost_usd`, `max_output_tokens`, `max_prompt_tokens`"
        yield subject.warning(at, "QR343", message, hint)
