"""Experiments from which nothing can be learnt."""

from __future__ import annotations

from collections.abc import Iterator

from qwenroute.documents import Trail
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.experiment import Experiment, ExperimentKind
from qwenroute.domain.price import Usage
from qwenroute.linting.asking import plainest, said
from qwenroute.linting.limiting import servable, standing_reason
from qwenroute.linting.logic import TooMuch, cases
from qwenroute.linting.subject import Subject
from qwenroute.linting.worst import short_requests
from qwenroute.policy import Rule, schema

CODES = {
    "QR370": "a rule in an experiment whose newcomer can serve nothing that the rule lets through",
    "QR371": "a bound on what a newcomer costs that needs a price which is not known",
    "QR372": "a shadow whose cap is below what even a short copy may cost, so that none is ever sent",
    "QR373": "a canary that costs more than its `rollback.cost` allows, so that it is taken back for that alone",
}
CALL = Usage(prompt_tokens=500, completion_tokens=500)
"""By which prices are compared."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    written, experiments = subject.loaded.file.experiments, subject.policy.experiments
    for index, (entry, experiment) in enumerate(zip(written, experiments, strict=True)):
        at: Trail = ("experiments", index)
        if experiment.kind is ExperimentKind.SHADOW:
            yield from _cap(subject, (*at, "max_cost_per_day"), experiment)
            continue
        if isinstance(entry.rollback, schema.Rollback) and "cost" in entry.rollback.model_fields_set:
            yield from _costs(subject, (*at, "rollback", "cost"), experiment)
        yield from _dear(subject, (*at, "pool"), experiment)
    for at, rule, taken in subject.rules():
        if taken.experiment is not None:
            yield from _unfit(subject, (*at, "experiment"), rule, taken, taken.experiment)


def _cap(subject: Subject, at: Trail, experiment: Experiment) -> Iterator[Diagnostic]:
    pool, policy = experiment.pool, subject.policy
    asked = {policy.pools[rule.pool].thinks for rule in _taking_part(subject, experiment)} or {None}
    costs = [cost for thinks in asked for cost in short_requests(subject, (pool,), policy.limits, thinks=thinks)]
    if not costs and (names := _unpriced(subject, pool)):
        message = f"no price is known for {names}: what a copy costs cannot be held against the cap, so none is sent"
        yield subject.error(at, "QR371", message, "write a `price` beside each model at its endpoint; 0 if it is yours")
        return
    cap_usd = (experiment.max_cost_per_day or 0.0) * (policy.usd_per(policy.exchange.report) or 0.0)
    if costs and min(costs) > cap_usd:
        message = f"even a short copy may cost {min(costs):.4f} USD in the pool `{pool}`, more than a day's cap"
        hint = "raise it, or bound the answer with `limits.max_output_tokens`: its largest counts"
        yield subject.error(at, "QR372", message, hint)


def _costs(subject: Subject, at: Trail, experiment: Experiment) -> Iterator[Diagnostic]:
    """Find a bound that is looked at only for requests whose cost is known on both sides."""
    if experiment.rollback is None or experiment.rollback.cost is None:
        return
    for pool in dict.fromkeys((experiment.pool, *(rule.pool for rule in _taking_part(subject, experiment)))):
        if names := _unpriced(subject, pool):
            message = f"no price is known for {names}, so the cost of what it answers is not compared"
            hint = "write a `price` beside each model at its endpoint; 0 if it is yours"
            yield subject.warning(at, "QR371", message, hint)
            return


def _dear(subject: Subject, at: Trail, experiment: Experiment) -> Iterator[Diagnostic]:
    """Find a newcomer that costs more than it may, whichever of its pool and of the rule's own answers."""
    if experiment.rollback is None or experiment.rollback.cost is None:
        return
    news = _prices(subject, experiment.pool)
    for rule in _taking_part(subject, experiment):
        usual = _prices(subject, rule.pool)
        if news and usual and max(usual) > 0 and min(news) > max(usual) * (1 + experiment.rollback.cost):
            times, most = min(news) / max(usual), 1 + experiment.rollback.cost
            message = (
                f"the pool `{experiment.pool}` costs at least {times:.1f} times what `{rule.pool}` does "
                f"(rule `{rule.name}`), and `rollback.cost` allows {most:g}: it will be taken back"
            )
            hint = "write a wider `rollback: {cost: …}`, or null to not look at it"
            yield subject.warning(at, "QR373", message, hint)
            return


def _prices(subject: Subject, pool: str) -> list[float]:
    """Return what the same short call costs at each deployment of a pool."""
    return [
        deployment.price.cost(CALL).amount * subject.usual.usd_per[deployment.price.currency]
        for deployment in subject.usual.pool(subject.policy.pools[pool])
        if deployment.price is not None and standing_reason(deployment, subject.policy.limits) is None
    ]


def _taking_part(subject: Subject, experiment: Experiment) -> list[Rule]:
    return [rule for _, _, rule in subject.rules() if rule.experiment == experiment]


def _unpriced(subject: Subject, pool: str) -> str:
    members = subject.usual.pool(subject.policy.pools[pool])
    found = [d.id for d in members if d.price is None and standing_reason(d, subject.policy.limits) is None]
    return ", ".join(f"`{id_}`" for id_ in found[:3]) + (f" and {len(found) - 3} more" if len(found) > 3 else "")


def _unfit(
    subject: Subject, at: Trail, written: schema.Rule, rule: Rule, experiment: Experiment
) -> Iterator[Diagnostic]:
    try:
        found = cases(written.when)
    except TooMuch:
        return
    stages = subject.possible.chain(experiment.pool).stages
    limits = rule.limits or subject.policy.limits
    if found and not any(servable(stages, plainest(case), limits) for case in found):
        message = (
            f"nothing of the pool `{experiment.pool}` can serve what rule `{rule.name}` lets through "
            f"({said(found[0])}), so both sides would be the control"
        )
        yield subject.warning(at, "QR370", message, "take the rule out of the experiment, or name a pool that can")
