"""What each choice is worth, were the published scores true and the list prices paid.

Every strategy is measured with the true labels: its model's quality prior for the row's task and
difficulty, and the cost of an answer as long as such requests usually get. Where a row has no
difficulty, the mean over the three stands in. Routing counts hardware of one's own as free; here it
counts at the platform's list price of the model, so that sizes can be compared.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from qwenroute.analysis.task import TEXT_TASKS
from qwenroute.domain.capability import Deployment, Role
from qwenroute.domain.decision import Decision, Step
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.errors import NoDeployment
from qwenroute.evaluation.list_prices import listed
from qwenroute.evaluation.metrics import Point, area
from qwenroute.evaluation.rows import Labelled
from qwenroute.policy import Policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from qwenroute.routing.needs import Needs, ceiling, parameters, thinks
from qwenroute.routing.score import expect, forecast, rate
from qwenroute.routing.target import Stage, Target, shape_of

POLICY, TOLD, RANDOM = "policy", "policy, told the labels", "random"
BEST, BEST_FOR_COST = "best per label", "best per label for its cost"
MAX, LARGE, SMALL = "always Max", "always 72B", "always 7B"
_CELLS = tuple(f"{task}/{difficulty}" for task in TEXT_TASKS for difficulty in Difficulty)


class Kind(StrEnum):
    """What a strategy is, beside the others."""

    POLICY = "policy"
    OBJECTIVE = "objective"
    """The policy, with one of its objectives throughout."""
    SINGLE = "single"
    """One model for everything."""
    MARK = "mark"
    """Something to compare with that nobody would run."""


class Worth(NamedTuple):
    """What one choice is expected to come to. The cost is None where no price is known."""

    quality: float
    cost_usd: float | None
    score: float
    """By the policy's own objective."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """A way of choosing, over all rows and over those that every strategy can serve."""

    name: str
    kind: Kind
    what: str
    """In words: which model, or how it is chosen."""
    served: int
    unserved: Mapping[str, int]
    """By task: the rows that it cannot serve."""
    unpriced: int
    """Rows served by something whose price is not known; left out of the costs."""
    quality: float | None
    """The mean over what it serves."""
    quality_of_all: float | None
    """The mean over all rows, those it cannot serve counting 0."""
    cost_usd: float | None
    """The mean over what it serves at a known price."""
    quality_common: float | None
    cost_common_usd: float | None

    @property
    def point(self) -> Point | None:
        """Cost and quality over the common rows."""
        if self.cost_common_usd is None or self.quality_common is None:
            return None
        return self.cost_common_usd, self.quality_common


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """The points of the policy's objectives on the cost–quality plane, and the areas under them.

    Areas are mean qualities along the concave hull, over the range of cost that the objectives span;
    beside it, along the hull of what mixing single models gives there.
    """

    low_usd: float | None
    high_usd: float | None
    area_router: float | None
    area_single_models: float | None

    @classmethod
    def of(cls, router: Iterable[Point | None], single: Iterable[Point | None]) -> Curve:
        """Compare the hulls of two sets of points."""
        ours, theirs = [p for p in router if p], [p for p in single if p]
        low, high = (min(ours)[0], max(ours)[0]) if ours else (None, None)
        if low is None or high is None:
            return cls(low_usd=low, high_usd=high, area_router=None, area_single_models=None)
        return cls(
            low_usd=low,
            high_usd=high,
            area_router=area(ours, low, high),
            area_single_models=area(theirs, low, high),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """Every strategy, and the cost–quality curve of the policy."""

    rows: int
    common_rows: int
    """Rows that every strategy can serve; those are what the curve is of."""
    list_prices_of: str | None
    """The region at whose list prices hardware of one's own counts; None: there is none, or no price."""
    strategies: tuple[Strategy, ...]
    curve: Curve
    roles: Mapping[str, Mapping[str, int]]
    """True task to the roles that the policy asked for, and how often."""
    models: Mapping[str, int]
    """The policy's first choices."""


def objective_name(name: str) -> str:
    """Return how the strategy is called that follows the policy with one objective throughout."""
    return f"policy, {name}"


@dataclass(slots=True)
class Tally:
    """What one strategy came to, row by row; None where it cannot serve."""

    name: str
    kind: Kind
    what: str
    found: list[Worth | None] = field(default_factory=list)

    def summary(self, tasks: Sequence[Task], common: Sequence[int]) -> Strategy:
        """Return the means."""
        served = [w for w in self.found if w is not None]
        unserved: dict[str, int] = {}
        for task, worth in zip(tasks, self.found, strict=True):
            if worth is None:
                unserved[task] = unserved.get(task, 0) + 1
        shared = [w for i in common if (w := self.found[i]) is not None]
        return Strategy(
            name=self.name,
            kind=self.kind,
            what=self.what,
            served=len(served),
            unserved=unserved,
            unpriced=sum(w.cost_usd is None for w in served),
            quality=mean(w.quality for w in served),
            quality_of_all=mean(0.0 if w is None else w.quality for w in self.found),
            cost_usd=mean(w.cost_usd for w in served if w.cost_usd is not None),
            quality_common=mean(w.quality for w in shared),
            cost_common_usd=mean(w.cost_usd for w in shared if w.cost_usd is not None),
        )


class Appraiser:
    """Follows every strategy through the rows."""

    def __init__(self, policy: Policy, fleet: Fleet, registry: Registry) -> None:
        """Pick the baselines that the fleet has."""
        own = [d for d in fleet.deployments if d.price is None and d.provider == "openai_compatible"]
        self._list_region, at_list = listed(dict.fromkeys(d.model for d in own), policy, fleet, registry)
        self._list_prices = {d.id: price for d in own if (price := at_list[d.model].price) is not None}
        currencies = {price.currency for price in self._list_prices.values()}
        self._list_usd_per = {currency: policy.usd_per(currency) or 0.0 for currency in currencies}
        self._policy, self._fleet = policy, fleet
        self._everything = Target((Stage("all", None, fleet.deployments),))
        self._kept: dict[Hashable, Mapping[str, Worth]] = {}
        self._fixed = dict(baselines(fleet))
        tallies = [
            Tally(POLICY, Kind.POLICY, "as the policy says"),
            *(
                Tally(objective_name(name), Kind.OBJECTIVE, f"with the objective `{name}` throughout")
                for name in policy.objectives
            ),
            Tally(TOLD, Kind.POLICY, "the policy, were task and difficulty known"),
            *(Tally(name, Kind.SINGLE, what) for name, (_, what) in self._fixed.items()),
            Tally(RANDOM, Kind.MARK, "the mean of all that can serve the row: what drawing one each time comes to"),
            Tally(
                BEST_FOR_COST,
                Kind.MARK,
                "the best by the policy's objective, the labels known, of all that can serve the row",
            ),
            Tally(BEST, Kind.MARK, "the highest prior of the row's labels, the cheapest of equals"),
        ]
        self._tallies = {tally.name: tally for tally in tallies}
        self._tasks: list[Task] = []
        self._roles: dict[str, dict[str, int]] = {}
        self._models: dict[str, int] = {}

    def take(self, row: Labelled, request: Request, signals: Signals) -> Signals:
        """Follow one row; return the signals that the policy went by, with what its operators taught it."""
        truths = tuple(
            replace(signals, task=row.task, difficulty=level)
            for level in ((row.difficulty,) if row.difficulty is not None else Difficulty)
        )
        self._tasks.append(row.task)
        decision = self._decide(request, signals)
        if decision.plan.steps:
            self._count(row.task, decision.first)
        found: dict[str, Worth | None] = {POLICY: self._worth(decision, truths)}
        for name in self._policy.objectives:
            asked = replace(request, hints=replace(request.hints, objective=name))
            found[objective_name(name)] = self._worth(self._decide(asked, signals), truths)
        # The application's own word for the task: nothing that was taught goes before it.
        asked = replace(request, hints=replace(request.hints, task=row.task))
        known = truths[0] if len(truths) == 1 else replace(signals, task=row.task)
        known = replace(known, task_confidence=1.0, difficulty_confidence=1.0)
        found[TOLD] = self._worth(self._decide(asked, known), truths)
        fit = self._fit(request, truths)
        for name, (deployment, _) in self._fixed.items():
            found[name] = fit.get(deployment.id)
        found[RANDOM] = _mean_worth(list(fit.values()))
        found[BEST_FOR_COST] = max(fit.values(), key=lambda worth: worth.score, default=None)
        found[BEST] = min(fit.values(), key=_best_first, default=None)
        for name, tally in self._tallies.items():
            tally.found.append(found[name])
        return decision.signals

    def value(self) -> Value:
        """Return what it all came to."""
        tallies = self._tallies.values()
        common = [i for i in range(len(self._tasks)) if all(tally.found[i] is not None for tally in tallies)]
        strategies = tuple(tally.summary(self._tasks, common) for tally in tallies)
        return Value(
            rows=len(self._tasks),
            common_rows=len(common),
            list_prices_of=self._list_region if self._list_prices else None,
            strategies=strategies,
            curve=Curve.of(
                (s.point for s in strategies if s.kind is Kind.OBJECTIVE),
                (s.point for s in strategies if s.kind is Kind.SINGLE),
            ),
            roles={task: dict(sorted(roles.items(), key=_most)) for task, roles in sorted(self._roles.items())},
            models=dict(sorted(self._models.items(), key=_most)),
        )

    def _decide(self, request: Request, signals: Signals) -> Decision:
        try:
            return decide(request, signals, self._policy, self._fleet)
        except NoDeployment as refused:
            return refused.decision

    def _worth(self, decision: Decision, truths: Sequence[Signals]) -> Worth | None:
        if not decision.plan.steps:
            return None
        step = decision.first
        thinking = thinks(step.deployment, step.thinking)
        return _mean_worth([self._rate(truth, step.deployment, thinking=thinking) for truth in truths])

    def _count(self, task: Task, step: Step) -> None:
        roles = self._roles.setdefault(task, {})
        role = str(step.role or step.pool)
        roles[role] = roles.get(role, 0) + 1
        self._models[step.deployment.model] = self._models.get(step.deployment.model, 0) + 1

    def _rate(self, truth: Signals, deployment: Deployment, *, thinking: bool) -> Worth:
        foreseen = forecast(truth)
        rated = rate(foreseen, deployment, self._policy.objective, self._fleet.usd_per, pool="", thinks=thinking)
        cost = rated.expected_cost_usd
        price = self._list_prices.get(deployment.id)
        if price is not None:
            usage = expect(foreseen, deployment, thinks=thinking)
            cost = price.cost(usage, thought=thinking).amount * self._list_usd_per[price.currency]
        return Worth(rated.quality, cost, rated.score)

    def _fit(self, request: Request, truths: Sequence[Signals]) -> Mapping[str, Worth]:
        """Return what each deployment that can serve a request, asked outright, is worth to it."""
        found = [self._fit_one(request, truth) for truth in truths]
        if len(found) == 1:
            return found[0]
        everywhere = set(found[0]).intersection(*found[1:])
        means = {name: _mean_worth([each[name] for each in found]) for name in everywhere}
        return {name: worth for name, worth in means.items() if worth is not None}

    def _fit_one(self, request: Request, truth: Signals) -> Mapping[str, Worth]:
        asked = parameters(request)
        shape = shape_of(truth, asked)
        target, limits = self._everything, self._policy.limits
        key: Hashable = None
        if ceiling(asked, limits) is None:
            # A ceiling on the cost is compared with exact sizes: nothing to keep there.
            weights = target.weigh(truth)
            sizes = target.sides(truth, weights, truth.text_tokens_upper), target.classes(truth, weights)
            key = (shape, sizes, truth.task, truth.difficulty)
            kept = self._kept.get(key)
            if kept is not None:
                return kept
        needs = Needs(signals=truth, parameters=asked, limits=limits, usd_per=self._fleet.usd_per)
        survey = target.survey(needs, self._policy.objective, shape, {})
        fit = [self._fleet.by_id[candidate.deployment] for candidate in survey.candidates]
        found = {d.id: self._rate(truth, d, thinking=thinks(d, None)) for d in fit}
        if key is not None:
            self._kept[key] = found
        return found


def baselines(fleet: Fleet) -> Iterator[tuple[str, tuple[Deployment, str]]]:
    """Yield the single models to compare with, and which ones they are.

    Where a fleet has no such sizes (what runs on the platform states none), the best and the cheapest
    general model stand in.
    """
    largest = [d for d in fleet.deployments if d.roles[:1] == (Role.MAX,)]
    if largest:
        best = max(largest, key=_text_quality)
        thinking = ", thinking as it does by itself" if thinks(best, None) else ""
        yield MAX, (best, f"`{best.id}`{thinking}")
    general = [d for d in fleet.deployments if Role.GENERAL in d.roles and Role.MAX not in d.roles]
    if not general:
        return
    sized = [(size, d) for d in general if (size := _size_b(fleet, d)) is not None and size >= 7]
    exact = [d for d in general if d.model == "qwen2.5-72b-instruct"]
    if exact:
        yield LARGE, (exact[0], f"`{exact[0].id}`")
    elif sized:
        size, large = max(sized, key=lambda item: (item[0], _text_quality(item[1])))
        yield LARGE, (large, f"`{large.id}`, the largest open general model here ({size:g}B)")
    else:
        large = max(general, key=_text_quality)
        yield LARGE, (large, f"`{large.id}`, the best general model here: none states its size")
    if sized:
        size, small = min(sized, key=lambda item: (item[0], -_text_quality(item[1])))
        yield SMALL, (small, f"`{small.id}`" + ("" if size < 8 else f", the smallest from 7B up here ({size:g}B)"))
    else:
        small = min(general, key=lambda d: (_output_price(fleet, d), -_text_quality(d)))
        yield SMALL, (small, f"`{small.id}`, the cheapest general model here: none states its size")


def mean(values: Iterable[float]) -> float | None:
    """Return the mean, or None of nothing."""
    found = list(values)
    return sum(found) / len(found) if found else None


def _mean_worth(found: Sequence[Worth]) -> Worth | None:
    if not found:
        return None
    costs = [w.cost_usd for w in found if w.cost_usd is not None]
    return Worth(
        sum(w.quality for w in found) / len(found),
        sum(costs) / len(costs) if costs else None,
        sum(w.score for w in found) / len(found),
    )


def _best_first(worth: Worth) -> tuple[float, float]:
    return -worth.quality, math.inf if worth.cost_usd is None else worth.cost_usd


def _most(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]


def _text_quality(deployment: Deployment) -> float:
    return sum(q.value for cell in _CELLS if (q := deployment.quality.get(cell)) is not None)


def _output_price(fleet: Fleet, deployment: Deployment) -> float:
    price = deployment.price
    return 0.0 if price is None else price.tiers[0].output * fleet.usd_per[price.currency]


def _size_b(fleet: Fleet, deployment: Deployment) -> float | None:
    card = None if fleet.registry is None else fleet.registry.cards.get(deployment.model)
    return None if card is None or card.weights is None else card.weights.total_b
