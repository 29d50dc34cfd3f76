"""The order of what passed the gates, and the plan that is made of it.

Both are the same for all requests that are alike, so they are kept; what changes from call to call
(what stands in the way, how busy each one is) is laid over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from qwenroute.domain.capability import Lifecycle
from qwenroute.domain.decision import Plan, Step
from qwenroute.domain.resilience import ChoiceBy
from qwenroute.domain.signals import Signals
from qwenroute.policy import Policy
from qwenroute.routing.target import Survey, Target
from qwenroute.routing.way import NAMED, Way

BEHIND = 1_000.0
"""What is taken off the score of one that missed its latency objective: it is nobody's equal but theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """A plan, and what there is to say of it."""

    plan: Plan
    reason: str
    warnings: tuple[str, ...]
    equals: tuple[Step, ...] = ()
    """Those of the first pool that are as good as the first, where one is to be picked among several."""
    places: int = 0
    """How many of the plan's steps they take."""
    held_up: bool = False
    """Something stands in the way of everything that passed the gates; planned all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Everything that passed, best first within each pool."""

    steps: tuple[Step, ...]
    scores: tuple[float, ...]
    chosen: Chosen
    """Where nothing stands in the way."""


def rank(survey: Survey, way: Way, signals: Signals, policy: Policy, ceiling: float | None) -> Ranking:
    """Return the ranking of a survey."""
    steps = survey.steps
    scores = tuple(c.score if c.missed is None else c.score - BEHIND for c in survey.candidates)
    limits = way.limits
    steps_cut = cut(steps, way.target, limits.max_attempts)
    plan = Plan(
        steps=steps_cut,
        deadline_s=limits.deadline_s,
        max_attempts=limits.max_attempts,
        timeouts=policy.timeouts,
        retry=policy.retries,
        queue_s=limits.queue_s,
        hedge=way.hedge,
        resume=policy.resume,
        max_cost_usd=ceiling,
        max_output_tokens=limits.max_output_tokens,
        fall_back_on=policy.fall_back_on,
    )
    chosen = Chosen(
        plan=plan,
        reason=_reason(steps_cut, way, signals, passed_over=False) if steps else "nothing can serve it",
        warnings=tuple(warnings(steps_cut, way.target)),
    )
    return Ranking(steps=steps, scores=scores, chosen=_with_equals(chosen, steps, scores, policy))


def around(ranking: Ranking, blocked: frozenset[str], way: Way, signals: Signals, policy: Policy) -> Chosen:
    """Return the choice where something stands in the way of some: they come last, in case it is gone by then."""
    kept = [i for i, step in enumerate(ranking.steps) if step.deployment.id not in blocked]
    if len(kept) == len(ranking.steps):
        return ranking.chosen
    if not kept:
        return replace(ranking.chosen, equals=(), held_up=True)
    steps = tuple(ranking.steps[i] for i in kept)
    scores = tuple(ranking.scores[i] for i in kept)
    most = way.limits.max_attempts
    planned = cut(steps, way.target, most)
    later = [step for step in ranking.steps if step.deployment.id in blocked]
    planned += tuple(later[: most - len(planned)])
    first = way.target.stages[0].pool
    chosen = Chosen(
        plan=replace(ranking.chosen.plan, steps=planned),
        reason=_reason(planned, way, signals, passed_over=ranking.steps[0].pool == first),
        warnings=tuple(warnings(planned, way.target)),
    )
    return _with_equals(chosen, steps, scores, policy)


def cut(steps: Sequence[Step], target: Target, most: int) -> tuple[Step, ...]:
    """Cut a plan to the attempts allowed, so that every pool which has something keeps a place."""
    pools = [stage.pool for stage in target.stages if any(step.pool == stage.pool for step in steps)]
    chosen: list[Step] = []
    for index, pool in enumerate(dict.fromkeys(pools)):
        later = len(dict.fromkeys(pools)) - index - 1
        share = max(1, most - len(chosen) - later)
        chosen += [step for step in steps if step.pool == pool][:share]
    return tuple(chosen[:most])


def warnings(steps: Sequence[Step], target: Target) -> Iterator[str]:
    """Tell of a model that was replaced, and of a first choice that is about to leave."""
    if not steps:
        return
    first = steps[0].deployment
    if target.gone is not None:
        yield f"{target.gone}; `{first.model}` answers in its place"
    if first.lifecycle is Lifecycle.RETIRING:
        yield f"`{first.id}` retires on {first.retires_on or 'a date not published'}"


def _with_equals(chosen: Chosen, steps: Sequence[Step], scores: Sequence[float], policy: Policy) -> Chosen:
    """Note which steps are as good as the first, if the policy picks among them."""
    if policy.choice.by is ChoiceBy.SCORE or not steps:
        return chosen
    pool, least = steps[0].pool, scores[0] - policy.choice.within
    equals: list[Step] = []
    for step, score in zip(steps, scores, strict=True):
        if step.pool != pool or score < least:
            break
        equals.append(step)
    if len(equals) < 2:
        return chosen
    places = sum(step.pool == pool for step in chosen.plan.steps)
    return replace(chosen, equals=tuple(equals), places=min(places, len(equals)))


def _reason(steps: Sequence[Step], way: Way, signals: Signals, *, passed_over: bool) -> str:
    """Say in a few words why the first step is the first.

    `passed_over`: the first pool has something that could serve, were it not for what stands in the way.
    """
    step = steps[0]
    first = way.target.stages[0].pool
    if way.rule == NAMED:
        return NAMED if way.target.gone is None else f"stands in for `{way.route}`, which has left"
    what = _SUBJECTS.get(str(signals.task), str(signals.task))
    where = f"{step.pool} pool"
    if step.pool != first:
        where += f", for nothing in {first} {'may be called now' if passed_over else 'can serve it'}"
    wish = _PREFERENCES.get(way.objective.name, f"best by {way.objective.name}")
    return f"{what}, {signals.difficulty}: {where}, {wish}"


_SUBJECTS = {
    "math": "mathematics",
    "code": "code",
    "reasoning": "reasoning",
    "general": "general",
    "vision": "images",
    "vision_reasoning": "reasoning about images",
    "audio": "sound",
}
_PREFERENCES = {"quality": "best quality", "balanced": "best quality for its cost", "cheap": "cheapest that will do"}
