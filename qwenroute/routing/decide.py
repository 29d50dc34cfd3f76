"""Choose: from a request and its signals to a plan, with everything that speaks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from qwenroute.documents import nearest
from qwenroute.domain.capability import Lifecycle
from qwenroute.domain.decision import Candidate, Decision, Plan, Rejection, RuleTried, Step
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import ConfigurationError, InvalidRequest, NoDeployment
from qwenroute.policy import Objective, Policy, Rule
from qwenroute.routing.deferred import Deferred
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.named import named
from qwenroute.routing.needs import Needs, Parameters, parameters
from qwenroute.routing.refusal import refusal
from qwenroute.routing.target import Survey, Target, shape_of

CountExactly = Callable[[Request], int | None]
NAMED = "named outright"


def decide(
    request: Request,
    signals: Signals,
    policy: Policy,
    fleet: Fleet,
    *,
    count_exactly: CountExactly | None = None,
) -> Decision:
    """Return the choice for a request; equal inputs give equal decisions.

    `count_exactly` is asked only where the estimate's error could change which windows hold the
    prompt.

    Raises:
        UnknownModel: the request names neither a route, a role, a model nor a deployment.
        ModelRetired: it names a model that has left, and the policy refuses to replace it.
        NoDeployment: nothing that the policy allows can serve the request.
        InvalidRequest: a hint names an objective that the policy does not have.
    """
    if policy is not fleet.policy and policy.hash != fleet.policy.hash:
        raise ConfigurationError(f"the fleet was built for another policy than `{policy.name}`")
    way = _way(request, signals, policy, fleet)
    target = way.target
    asked = parameters(request)
    weights = target.weigh(signals)
    sides = target.sides(signals, weights, signals.text_tokens_upper)
    if (
        count_exactly is not None
        and not signals.text_tokens_exact
        and sides != target.sides(signals, weights, signals.text_tokens)
        and (exact := count_exactly(request)) is not None
    ):
        signals = replace(signals, text_tokens=exact, text_tokens_upper=exact, text_tokens_exact=True)
        sides = target.sides(signals, weights, exact)
    shape = shape_of(signals, asked)
    look: Callable[[], Survey] = cache(partial(_survey, signals, asked, policy, fleet, way, shape))
    chosen = None
    key: Hashable = None
    capped = asked.max_cost_usd is not None or policy.limits.max_cost_usd is not None
    if not capped:
        # A ceiling on the cost is compared with exact sizes: nothing to keep there.
        classes = target.classes(signals, weights)
        key = (way.rule, way.objective, signals.task, signals.difficulty, shape, sides, classes)
        chosen = target.recall(key)
    if not isinstance(chosen, _Chosen):
        chosen = _choose(look(), way, signals, policy)
        if not capped:
            target.keep(key, chosen)
    plan = chosen.plan
    if request.hints.deadline_s is not None:
        plan = replace(plan, deadline_s=request.hints.deadline_s)
    decision = Decision(
        route=way.route,
        rule=way.rule,
        pool=target.stages[0].pool,
        objective=way.objective.name,
        signals=signals,
        rules_tried=way.tried,
        candidates=Deferred(partial(_candidates, look)),
        rejections=Deferred(partial(_rejections, look)),
        plan=plan,
        policy_hash=policy.hash,
        warnings=chosen.warnings,
        reason=chosen.reason,
    )
    if not plan.steps:
        raise NoDeployment(refusal(decision, target), decision)
    return decision


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """Where the name and the rules lead."""

    route: str
    rule: str
    tried: tuple[RuleTried, ...]
    target: Target
    objective: Objective


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """What requests that are alike have in common."""

    plan: Plan
    reason: str
    warnings: tuple[str, ...]


def _way(request: Request, signals: Signals, policy: Policy, fleet: Fleet) -> _Way:
    hints = request.hints
    name = request.model
    route = policy.routes.get(name)
    role = hints.role
    if route is not None and role is not None:
        # A role in the hints narrows any route down to that role's own.
        name, route = str(role), policy.routes.get(role)
    if route is not None:
        rule, tried = route.match(signals, hints)
        return _Way(
            route=route.name,
            rule=rule.name,
            tried=tried,
            target=fleet.target(rule, lambda: fleet.chain(rule.pool, *rule.fallback)),
            objective=_objective(request, policy, rule),
        )
    if name in policy.pools:
        target, how = fleet.target((name, "pool"), lambda: fleet.chain(name)), f"the {name} pool"
    else:
        target, how = fleet.target((name, "model"), lambda: named(name, fleet)), NAMED
    return _Way(route=name, rule=how, tried=(), target=target, objective=_objective(request, policy, None))


def _objective(request: Request, policy: Policy, rule: Rule | None) -> Objective:
    """Return what to prefer: as the caller says, else as the rule does, else the policy's own."""
    hints = request.hints
    if hints.objective is not None:
        wanted = policy.objectives.get(hints.objective)
        if wanted is None:
            close = nearest(hints.objective, policy.objectives)
            known = f"did you mean `{close}`?" if close else f"known: {', '.join(policy.objectives)}"
            raise InvalidRequest(
                f"the policy `{policy.name}` has no objective `{hints.objective}`; {known}", param="qwenroute.objective"
            )
        return wanted
    if hints.quality == "top" and "quality" in policy.objectives:
        return policy.objectives["quality"]
    return policy.objective if rule is None else rule.objective


def _survey(signals: Signals, asked: Parameters, policy: Policy, fleet: Fleet, way: _Way, shape: Hashable) -> Survey:
    needs = Needs(signals=signals, parameters=asked, limits=policy.limits, usd_per=fleet.usd_per)
    return way.target.survey(needs, way.objective, shape)


def _candidates(look: Callable[[], Survey]) -> tuple[Candidate, ...]:
    return look().candidates


def _rejections(look: Callable[[], Survey]) -> tuple[Rejection, ...]:
    return look().rejections


def _choose(survey: Survey, way: _Way, signals: Signals, policy: Policy) -> _Chosen:
    steps = _steps(survey.steps, way.target, policy.limits.max_attempts)
    return _Chosen(
        plan=Plan(
            steps=steps,
            deadline_s=policy.limits.deadline_s,
            max_attempts=policy.limits.max_attempts,
            timeouts=policy.timeouts,
            retry=policy.retries,
            fall_back_on=policy.fall_back_on,
        ),
        reason=_reason(steps, way, signals) if steps else "nothing can serve it",
        warnings=tuple(_warnings(steps, way.target)),
    )


def _steps(steps: Sequence[Step], target: Target, most: int) -> tuple[Step, ...]:
    """Cut the plan to the attempts allowed, so that every pool which has something keeps a place."""
    pools = [stage.pool for stage in target.stages if any(step.pool == stage.pool for step in steps)]
    chosen: list[Step] = []
    for index, pool in enumerate(dict.fromkeys(pools)):
        later = len(dict.fromkeys(pools)) - index - 1
        share = max(1, most - len(chosen) - later)
        chosen += [step for step in steps if step.pool == pool][:share]
    return tuple(chosen[:most])


def _warnings(steps: Sequence[Step], target: Target) -> Iterator[str]:
    """Tell of a model that was replaced, and of a first choice that is about to leave."""
    if not steps:
        return
    first = steps[0].deployment
    if target.gone is not None:
        yield f"{target.gone}; `{first.model}` answers in its place"
    if first.lifecycle is Lifecycle.RETIRING:
        yield f"`{first.id}` retires on {first.retires_on or 'a date not published'}"


def _reason(steps: Sequence[Step], way: _Way, signals: Signals) -> str:
    """Say in a few words why the first step is the first."""
    step = steps[0]
    first = way.target.stages[0].pool
    if way.rule == NAMED:
        return NAMED if way.target.gone is None else f"stands in for `{way.route}`, which has left"
    what = _SUBJECTS.get(str(signals.task), str(signals.task))
    where = f"{step.pool} pool" if step.pool == first else f"{step.pool} pool, for nothing in {first} can serve it"
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
