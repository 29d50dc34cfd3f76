"""What stands in the file and is never used."""

from __future__ import annotations

from collections.abc import Iterator

from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.resilience import ChoiceBy
from qwenroute.linting.subject import Subject
from qwenroute.policy.policy import USUAL

CODES = {
    "QR360": "a pool that no rule, budget or experiment uses",
    "QR361": "an objective that nothing in the file uses",
    "QR362": "an experiment that no rule takes part in",
    "QR363": "an endpoint of which no pool in use takes anything",
    "QR364": "weights of endpoints where the choice is not by weight",
    "QR365": "an objective in which nothing weighs",
}


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    file, policy = subject.loaded.file, subject.policy
    pools = [name for name in file.pools if subject.own("pools", name)]
    objectives = [name for name in file.objectives if subject.own("objectives", name)]
    rules = [rule for entries in file.routes.values() for rule in entries]
    used = {pool for rule in rules for pool in (rule.pool, *rule.fallback)}
    used |= {budget.pool for budget in policy.budgets if budget.pool is not None}
    used |= {one.pool for one in file.experiments}
    for name in pools:
        if name not in used:
            message = f"no rule uses the pool `{name}`: only callers that ask for it by name reach it"
            yield subject.warning(("pools", name), "QR360", message, "leave it out if nobody does")
    wanted = {file.objective, *(rule.objective for rule in rules), *(objective.name for objective in USUAL)}
    for name in objectives:
        if name not in wanted:
            message = f"nothing uses the objective `{name}`: only callers that ask for it by name do"
            yield subject.warning(("objectives", name), "QR361", message, "leave it out if nobody does")
    taking_part = {rule.experiment for rule in rules}
    for index, one in enumerate(file.experiments):
        if one.experiment not in taking_part:
            message = f"no rule takes part in the experiment `{one.experiment}`"
            hint = f"write `experiment: {one.experiment}` in a rule"
            yield subject.warning(("experiments", index, "experiment"), "QR362", message, hint)
    yield from _endpoints(subject, used)
    yield from _idle_weights(subject)


def _endpoints(subject: Subject, used: set[str]) -> Iterator[Diagnostic]:
    policy = subject.policy
    members = {d.endpoint for name in used for d in subject.possible.pool(policy.pools[name])}
    there = {d.endpoint for d in subject.possible.deployments}
    encoder = None if policy.embedding is None else policy.embedding.endpoint
    for template in policy.endpoints:
        if not subject.own("endpoints", template.name) or template.name == encoder:
            continue
        if template.name in there and template.name not in members:
            message = f"no pool that a rule uses takes anything of the endpoint `{template.name}`"
            yield subject.warning(("endpoints", template.name), "QR363", message, "name it in a pool, or leave it out")


def _idle_weights(subject: Subject) -> Iterator[Diagnostic]:
    """Find weights that weigh nothing, and objectives in which nothing weighs."""
    file = subject.loaded.file
    for name, endpoint in file.endpoints.items():
        if "weight" in endpoint.model_fields_set and file.choice.by is not ChoiceBy.WEIGHT:
            message = f"the `weight` of `{name}` counts only where `choice` is by weight, and it is by {file.choice.by}"
            yield subject.warning(("endpoints", name, "weight"), "QR364", message, "write `choice: {by: weight}`")
    for name, objective in file.objectives.items():
        if not (objective.quality or objective.cost or objective.latency):
            message = f"nothing weighs in the objective `{name}`: every choice is as good as any other"
            yield subject.warning(("objectives", name), "QR365", message, "give quality, cost or latency a weight")
