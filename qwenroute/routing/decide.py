"""Choose: from a request and its signals to a plan, with everything that speaks for it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial

from qwenroute.domain.budget import Funds, Payer
from qwenroute.domain.decision import Candidate, Decision, Plan, Rejection, Step
from qwenroute.domain.experiment import Arm
from qwenroute.domain.health import Conditions, Obstacle
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import BudgetExceeded, ConfigurationError, NoDeployment
from qwenroute.policy import Alike, Policy, Wording, taught
from qwenroute.routing import choice, obstruction
from qwenroute.routing.assignment import Drawn
from qwenroute.routing.choice import Chance
from qwenroute.routing.deferred import Deferred
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.needs import Needs, Parameters, Spare, ceiling, parameters
from qwenroute.routing.ranking import Chosen, Ranking, around, rank, warnings
from qwenroute.routing.refusal import refusal
from qwenroute.routing.spending import within_budgets
from qwenroute.routing.target import NO_FIGURES, Figures, Survey, shape_of
from qwenroute.routing.way import Part, Way, find_way

CountExactly = Callable[[Request], int | None]

_CLEAR: Mapping[str, Obstacle] = {}
_NOTHING_TO_COMPARE = Alike()


def decide(
    request: Request,
    signals: Signals,
    policy: Policy,
    fleet: Fleet,
    *,
    count_exactly: CountExactly | None = None,
    conditions: Conditions | None = None,
    now: float = 0.0,
    at: datetime | None = None,
    chance: Chance | None = None,
    alike: Alike | None = None,
    part: Part | None = None,
    funds: Funds | None = None,
    wording: Wording | None = None,
) -> Decision:
    """Return the choice for a request; equal inputs give equal decisions.

    `count_exactly` is asked only where the estimate's error could change which windows hold the
    prompt. `conditions` are how the deployments are doing: what must not be called `now` is left
    out, unless nothing else could serve. `at` is the time that `time` conditions look at: without an
    offset it is meant in the policy's `timezone`, and without any it is noon of the fleet's day.
    `chance` draws from [0, 1) where the policy leaves the choice among equals to it. `alike` is what
    an encoder says of the policy's examples; without it they are not consulted, and the decision
    says so where that could have mattered. `funds` are how the policy's budgets stand; without them
    no budget is looked at. `wording` stands in for the request's own words where these are not there
    any more. `part` tells the request's part in an experiment; by default it is drawn.

    Raises:
        UnknownModel: the request names neither a route, a role, a model nor a deployment.
        ModelRetired: it names a model that has left, and the policy refuses to replace it.
        NoDeployment: nothing that the policy allows can serve the request.
        BudgetExceeded: what could serve it could cost more than a budget has left.
        InvalidRequest: a hint names an objective that the policy does not have.
    """
    if policy is not fleet.policy and policy.hash != fleet.policy.hash:
        raise ConfigurationError(f"the fleet was built for another policy than `{policy.name}`")
    wording = Wording(request, alike) if wording is None else wording
    compares = bool(policy.examples) and policy.compares(request, signals, wording)
    if policy.teach:
        signals = taught(policy.teach, request, signals, wording)
    if policy.timely:
        at = policy.local(at, fleet.on)
    way = find_way(request, signals, policy, fleet, wording, at, part or Drawn(chance))
    compared = alike if compares else _NOTHING_TO_COMPARE
    along = partial(_along, request, signals, policy, fleet, count_exactly, conditions, now, chance, compared)
    if funds is None or not policy.budgets:
        return along(way)
    hints = request.hints
    payer = Payer(route=way.route, tenant=hints.tenant or "", key=hints.key or "")
    return within_budgets(funds.allowances(payer), along, way, fleet)


def _along(
    request: Request,
    signals: Signals,
    policy: Policy,
    fleet: Fleet,
    count_exactly: CountExactly | None,
    conditions: Conditions | None,
    now: float,
    chance: Chance | None,
    alike: Alike | None,
    way: Way,
    spare: Spare | None = None,
) -> Decision:
    """Return the choice among what a way leads to; with `spare`, of what costs no more than that."""
    target = way.target
    longest = way.limits.max_output_tokens
    if longest is not None and signals.max_output_tokens is not None and signals.max_output_tokens > longest:
        signals = replace(signals, max_output_tokens=longest)
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
    figures, obstacles = NO_FIGURES, _CLEAR
    if conditions is not None:
        figures, obstacles = target.figures(conditions), target.obstacles(conditions, now)
    shape = shape_of(signals, asked)
    look = Look(signals, asked, fleet, way, shape, figures, spare)
    key: Hashable = None
    most_usd = ceiling(asked, way.limits)
    if most_usd is None and spare is None:
        # A ceiling on the cost is compared with exact sizes: nothing to keep there.
        classes = target.classes(signals, weights)
        key = (way.rule, way.objective, signals.task, signals.difficulty, shape, sides, classes, figures.number)
    kept = None if key is None else target.recall(key)
    if isinstance(kept, Ranking):
        ranking = kept
    else:
        ranking = rank(look(), way, signals, policy, most_usd)
        if key is not None:
            target.keep(key, ranking)
    chosen = _around(ranking, frozenset(obstacles), way, signals, policy, key) if obstacles else ranking.chosen
    steps, reason, said = chosen.plan.steps, chosen.reason, chosen.warnings
    if chosen.equals:
        ordered = _ordered(chosen.equals, request, policy, fleet, conditions, chance)
        if ordered is not chosen.equals:
            steps = ordered[: chosen.places] + steps[chosen.places :]
            reason = f"{reason}, {choice.SAID[policy.choice.by]} among {len(ordered)} equals"
            said = tuple(warnings(steps, target))
    if chosen.held_up:
        said = (*said, obstruction.held_up(steps, obstacles, now))
    if signals.taught is not None:
        reason = f"{reason}; the task as taught: {signals.taught}"
    if alike is None:
        said = (*said, "the policy's examples were not consulted: nothing was sent to its encoder")
    elif alike.silent is not None:
        reason = f"{reason}; examples were not consulted: {alike.silent}"
    if way.assignment is not None and way.assignment.arm is Arm.VARIANT:
        reason = f"{reason}; newcomer of the experiment {way.assignment.experiment}"
    plan = _for_caller(chosen.plan, steps, request)
    passed = _CLEAR if chosen.held_up else obstacles
    decision = Decision(
        route=way.route,
        rule=way.rule,
        pool=target.stages[0].pool,
        objective=way.objective.name,
        signals=signals,
        rules_tried=way.tried,
        candidates=Deferred(partial(_candidates, look, passed)),
        rejections=Deferred(partial(_rejections, look, passed, now), alike=None if passed else key),
        plan=plan,
        policy=policy.name,
        policy_hash=policy.hash,
        assignment=way.assignment,
        warnings=said,
        reason=reason,
    )
    if not plan.steps:
        if spare is not None:
            raise BudgetExceeded(spare.refusal, allowance=spare.allowance, decision=decision)
        raise NoDeployment(refusal(decision, target), decision)
    return decision


class Look:
    """A survey that is made when someone first asks for it, and kept."""

    __slots__ = ("_of", "_survey")

    def __init__(
        self,
        signals: Signals,
        asked: Parameters,
        fleet: Fleet,
        way: Way,
        shape: Hashable,
        figures: Figures,
        spare: Spare | None,
    ) -> None:
        self._of = (signals, asked, fleet, way, shape, figures, spare)
        self._survey: Survey | None = None

    def __call__(self) -> Survey:
        """Return the survey."""
        if self._survey is None:
            signals, asked, fleet, way, shape, figures, spare = self._of
            needs = Needs(signals=signals, parameters=asked, limits=way.limits, usd_per=fleet.usd_per, spare=spare)
            self._survey = way.target.survey(needs, way.objective, shape, figures.paces, way.latency)
        return self._survey


def _around(
    ranking: Ranking, blocked: frozenset[str], way: Way, signals: Signals, policy: Policy, key: Hashable
) -> Chosen:
    """Return the choice around what must not be called now, kept as long as the same is in the way."""
    target = way.target
    known = None if key is None else target.recall((key, blocked))
    if isinstance(known, Chosen):
        return known
    chosen = around(ranking, blocked, way, signals, policy)
    if key is not None:
        target.keep((key, blocked), chosen)
    return chosen


def _ordered(
    equals: tuple[Step, ...],
    request: Request,
    policy: Policy,
    fleet: Fleet,
    conditions: Conditions | None,
    chance: Chance | None,
) -> tuple[Step, ...]:
    return choice.order(
        equals,
        policy.choice.by,
        request,
        weights=fleet.weights,
        in_flight=None if conditions is None else conditions.in_flight,
        chance=chance,
    )


def _for_caller(plan: Plan, steps: tuple[Step, ...], request: Request) -> Plan:
    """Return the plan with the steps in their order, and as the caller's hints bound it."""
    hints = request.hints
    deadline_s = plan.deadline_s if hints.deadline_s is None else hints.deadline_s
    hedge = plan.hedge if hints.hedge else None
    if steps is plan.steps and hedge is plan.hedge and deadline_s == plan.deadline_s:
        return plan
    return replace(plan, steps=steps, deadline_s=deadline_s, hedge=hedge)


def _candidates(look: Look, obstacles: Mapping[str, Obstacle]) -> tuple[Candidate, ...]:
    candidates = look().candidates
    return tuple(c for c in candidates if c.deployment not in obstacles) if obstacles else candidates


def _rejections(look: Look, obstacles: Mapping[str, Obstacle], now: float) -> tuple[Rejection, ...]:
    survey = look()
    if not obstacles:
        return survey.rejections
    return (
        *(
            obstruction.rejection(c.deployment, obstacles[c.deployment], now)
            for c in survey.candidates
            if c.deployment in obstacles
        ),
        *survey.rejections,
    )
