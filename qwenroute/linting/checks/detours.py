"""Pools that requests are sent to beside their rule: by a budget that is spent, or by an experiment."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from qwenroute.documents import Trail
from qwenroute.domain.budget import Budget
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.linting.asking import plainest, said
from qwenroute.linting.limiting import servable, standing_reason
from qwenroute.linting.logic import TooMuch, cases
from qwenroute.linting.subject import Subject
from qwenroute.linting.worst import short_requests
from qwenroute.policy import Rule, schema

CODES = {
    "QR345": "a pool for when a budget is spent that costs no less",
    "QR346": "requests that have nowhere to go once a budget is spent",
    "QR347": "a pool of a budget or an experiment of which nothing can ever be called",
}


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    for index, budget in enumerate(subject.policy.budgets):
        if budget.pool is None:
            continue
        at: Trail = ("budgets", index, "when_spent", "pool")
        if _dead(subject, budget.pool):
            yield _nothing(subject, at, budget.pool)
        else:
            yield from _cheaper(subject, at, budget, budget.pool)
            yield from _refused(subject, at, budget, budget.pool)
    for index, one in enumerate(subject.policy.experiments):
        if _dead(subject, one.pool):
            yield _nothing(subject, ("experiments", index, "pool"), one.pool)


def _dead(subject: Subject, pool: str) -> bool:
    members = subject.possible.pool(subject.policy.pools[pool])
    return all(standing_reason(deployment, subject.policy.limits) is not None for deployment in members)


def _nothing(subject: Subject, at: Trail, pool: str) -> Diagnostic:
    hint = "name a pool that an endpoint serves and `limits` allow"
    return subject.error(at, "QR347", f"nothing of the pool `{pool}` can ever be called", hint)


def _counted(subject: Subject, budget: Budget) -> Iterator[tuple[schema.Rule, Rule]]:
    for at, written, rule in subject.rules():
        if budget.routes is None or at[1] in budget.routes:
            yield written, rule


def _cheaper(subject: Subject, at: Trail, budget: Budget, pool: str) -> Iterator[Diagnostic]:
    limits = subject.policy.limits
    before = [c for _, rule in _counted(subject, budget) for c in short_requests(subject, (rule.pool,), limits)]
    after = short_requests(subject, (pool,), limits)
    if before and after and fmean(after) >= fmean(before):
        message = (
            f"the pool `{pool}` is no saving: a short request costs up to {fmean(after):.4f} USD there, "
            f"and {fmean(before):.4f} in the pools that it replaces"
        )
        yield subject.warning(at, "QR345", message, "name cheaper models")


def _refused(subject: Subject, at: Trail, budget: Budget, pool: str) -> Iterator[Diagnostic]:
    """Find what rules can serve and the budget's pool cannot."""
    lost: dict[str, None] = {}
    instead = subject.possible.chain(pool).stages
    for written, rule in _counted(subject, budget):
        limits = rule.limits or subject.policy.limits
        stages = subject.possible.chain(rule.pool, *rule.fallback).stages
        try:
            found = cases(written.when)
        except TooMuch:
            continue
        for case in found:
            signals = plainest(case)
            if servable(stages, signals, limits) and not servable(instead, signals, limits):
                lost[said(case)] = None
    if lost:
        listed = "; ".join(list(lost)[:4]) + (" and others" if len(lost) > 4 else "")
        message = f"once `{budget.name}` is spent, requests are refused that `{pool}` cannot serve: {listed}"
        yield subject.warning(at, "QR346", message, "add models to the pool that can, if that is not meant")
