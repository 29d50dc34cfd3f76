"""Whether a mutant is a mistake at all: on a broad grid of requests it may decide just as the policy does."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product

from qwenroute.cases import Rehearsal, Scene
from qwenroute.cases.scene import Lately, Weather
from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import Arm
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import NoDeployment
from qwenroute.policy import Policy, Wording
from qwenroute.routing import Fleet, decide
from qwenroute.routing.assignment import Placed
from tests.cases.mutations import Mutant

SLOW = Lately(first_token_s=1_000.0, answer_s=1_000.0, tokens_per_s=1_000.0)


def difference(
    mutant: Mutant,
    original: Rehearsal,
    scenes: Iterable[Scene],
    grid: Iterable[tuple[Request, Signals]],
    moments: Sequence[datetime],
) -> str | None:
    """Return the first request of the grid that a mutant treats in another way; None where there is none."""
    changed = Rehearsal(mutant.policy, original.registry, like=original)
    before, after = original.policy.routes[mutant.route], mutant.policy.routes[mutant.route]
    taken: dict[tuple[int, Signals], tuple[Request, Signals, datetime]] = {}
    for request, signals in grid:
        wording = Wording(request)
        for at in moments:
            one, _ = before.match(signals, request.hints, wording, at)
            other, _ = after.match(signals, request.hints, wording, at)
            if one.name != other.name:
                return f"{other.name} takes what {one.name} took: {_shown(request, signals)}"
            if one.name == mutant.rule:
                # How sure the task is, and what time it is, has done its work.
                taken.setdefault((id(request), replace(signals, task_confidence=1.0)), (request, signals, at))
    if mutant.moved:
        return None
    for scene in scenes:
        here, there = original.fleet(scene.environ, scene.on), changed.fleet(scene.environ, scene.on)
        for request, signals, at in taken.values():
            given = (request, signals, at)
            if _outcome(*given, original.policy, here) != _outcome(*given, mutant.policy, there):
                return f"another plan for {_shown(request, signals)}"
    return None


def _outcome(request: Request, signals: Signals, at: datetime, policy: Policy, fleet: Fleet) -> object:
    """Return all that somebody could notice: while all is well and, if that counts, while some are slow."""
    every = [None]
    if policy.resilience.objectives:
        slow = {deployment.id: SLOW for deployment in fleet.deployments[::2]}
        every.append(Weather(slow, fleet.deployments, policy.resilience.objectives))
    found = []
    for conditions, arm in product(every, Arm if policy.experiments else (Arm.CONTROL,)):
        try:
            decision = decide(request, signals, policy, fleet, at=at, conditions=conditions, part=Placed(arm))
        except NoDeployment as error:
            decision = error.decision
        found.append(_noticed(decision))
    return found


def _noticed(decision: Decision) -> object:
    plan = decision.plan
    return (
        decision.objective,
        tuple((c.deployment, c.pool, c.score) for c in decision.candidates),
        tuple((s.deployment.id, s.pool, s.role, s.thinking) for s in plan.steps),
        plan.deadline_s,
        plan.max_cost_usd,
        plan.max_attempts,
        plan.max_output_tokens,
        plan.hedge,
        decision.warnings,
    )


def _shown(request: Request, signals: Signals) -> str:
    said = {key: value for key, value in vars_of(request).items() if value}
    return f"{signals.task} {signals.task_confidence} {signals.difficulty} {sorted(signals.input)} {said}"


def vars_of(request: Request) -> dict[str, object]:
    """Return the hints that matter for a message."""
    hints = request.hints
    return {"quality": hints.quality, "thinking": hints.thinking, "tenant": hints.tenant, "tags": hints.tags}
