"""What choosing would have come to where answers were really scored.

The router is confined to the models that have a score on the row, and picks the one with the best
score of the policy: quality prior of the task and difficulty that it believes in, less expected cost.
What a row then costs is the list price of the prompt and of the answer as long as it was (four
characters a token; its expected length where the file does not say). Prices are those of the region
that prices most of the models, whether they are still offered there or not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from qwenroute.domain.price import Usage
from qwenroute.domain.signals import Signals
from qwenroute.evaluation.list_prices import listed
from qwenroute.evaluation.metrics import Point
from qwenroute.evaluation.rows import Labelled
from qwenroute.evaluation.worth import Curve, mean, objective_name
from qwenroute.policy import Policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet
from qwenroute.routing.needs import thinks
from qwenroute.routing.score import expect, forecast, rate

CHARS_PER_TOKEN = 4
RANDOM, ORACLE = "random", "best per prompt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One model on all rows that have its score."""

    name: str
    """As the file says it."""
    model: str | None
    """The registry's id; None: not known there, so it cannot be chosen."""
    rows: int
    score: float | None
    prior: float | None
    """The mean quality prior of the rows' true labels, where they have a difficulty."""
    cost_usd: float | None

    @property
    def point(self) -> Point | None:
        """Cost and score."""
        return None if self.cost_usd is None or self.score is None else (self.cost_usd, self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chooser:
    """A way of choosing among the models that have a score."""

    name: str
    score: float | None
    cost_usd: float | None
    chosen: Mapping[str, int]
    """Model to the number of rows it was chosen for; empty for `random`."""

    @property
    def point(self) -> Point | None:
        """Cost and score."""
        return None if self.cost_usd is None or self.score is None else (self.cost_usd, self.score)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one dataset and subtask."""

    name: str
    rows: int
    choice_rows: int
    """Rows with at least two models to choose from; the choosers are measured on these."""
    region: str | None
    """Whose list prices count."""
    singles: tuple[Single, ...]
    choosers: tuple[Chooser, ...]
    curve: Curve | None


class Seen(NamedTuple):
    """A row with outcomes, and what the analysis made of it."""

    row: Labelled
    signals: Signals


def outcome_parts(seen: Sequence[Seen], policy: Policy, fleet: Fleet, registry: Registry) -> tuple[Part, ...]:
    """Return the parts in the order in which they are first met."""
    groups: dict[str, list[Seen]] = {}
    for one in seen:
        subtask = one.row.subtask
        groups.setdefault(one.row.source if subtask is None else f"{one.row.source}/{subtask}", []).append(one)
    return tuple(_Part(name, found, policy, fleet, registry).summary() for name, found in groups.items())


class _Answer(NamedTuple):
    model: str
    score: float
    cost_usd: float | None


class _Part:
    def __init__(self, name: str, seen: Sequence[Seen], policy: Policy, fleet: Fleet, registry: Registry) -> None:
        self._name, self._seen, self._policy = name, seen, policy
        names = dict.fromkeys(model for one in seen for model in one.row.outcomes)
        self._known = {name: found.card.id for name in names if (found := registry.find(name)) is not None}
        self._unknown = [name for name in names if name not in self._known]
        self._region, self._deployments = listed(dict.fromkeys(self._known.values()), policy, fleet, registry)
        currencies = {d.price.currency for d in self._deployments.values() if d.price is not None}
        self._usd_per = {c: rate for c in currencies if (rate := policy.usd_per(c)) is not None}

    def summary(self) -> Part:
        answers = [self._answers(one) for one in self._seen]
        open_to_choice = [(one, found) for one, found in zip(self._seen, answers, strict=True) if len(found) > 1]
        singles = [self._single(name, answers) for name in self._known] + [self._stranger(n) for n in self._unknown]
        ours = [self._router(name, open_to_choice) for name in self._policy.objectives]
        return Part(
            name=self._name,
            rows=len(self._seen),
            choice_rows=len(open_to_choice),
            region=self._region,
            singles=tuple(singles),
            choosers=(*ours, _random(open_to_choice), _oracle(open_to_choice)) if open_to_choice else (),
            curve=Curve.of((one.point for one in ours), (s.point for s in singles)) if open_to_choice else None,
        )

    def _answers(self, one: Seen) -> Sequence[_Answer]:
        row, found = one.row, []
        for name, score in row.outcomes.items():
            model = self._known.get(name)
            if model is None:
                continue
            deployment = self._deployments[model]
            usage = expect(forecast(one.signals), deployment, thinks=thinks(deployment, None))
            chars = row.output_chars.get(name)
            completion = usage.completion_tokens if chars is None else round(chars / CHARS_PER_TOKEN)
            cost: float | None = None
            if deployment.price is not None and deployment.price.currency in self._usd_per:
                spent = deployment.price.cost(
                    Usage(prompt_tokens=one.signals.text_tokens, completion_tokens=completion),
                    thought=usage.reasoning_tokens > 0,
                )
                cost = spent.amount * self._usd_per[spent.currency]
            found.append(_Answer(model, score, cost))
        return found

    def _single(self, name: str, answers: Sequence[Sequence[_Answer]]) -> Single:
        model = self._known[name]
        there = [answer for found in answers for answer in found if answer.model == model]
        quality = self._deployments[model].quality
        cells = [
            f"{one.row.task}/{one.row.difficulty}"
            for one in self._seen
            if name in one.row.outcomes and one.row.difficulty is not None
        ]
        return Single(
            name=name,
            model=model,
            rows=len(there),
            score=mean(answer.score for answer in there),
            prior=mean(quality[cell].value for cell in cells if cell in quality),
            cost_usd=mean(answer.cost_usd for answer in there if answer.cost_usd is not None),
        )

    def _stranger(self, name: str) -> Single:
        scores = [one.row.outcomes[name] for one in self._seen if name in one.row.outcomes]
        return Single(name=name, model=None, rows=len(scores), score=mean(scores), prior=None, cost_usd=None)

    def _router(self, objective: str, rows: Sequence[tuple[Seen, Sequence[_Answer]]]) -> Chooser:
        wanted = self._policy.objectives[objective]

        def worth(one: Seen, answer: _Answer) -> tuple[float, str]:
            deployment = self._deployments[answer.model]
            rated = rate(
                forecast(one.signals),
                deployment,
                wanted,
                self._usd_per,
                pool="",
                thinks=thinks(deployment, None),
            )
            return rated.score, answer.model

        chosen = [max(found, key=lambda answer: worth(one, answer)) for one, found in rows]
        return _chooser(objective_name(objective), chosen)


def _random(rows: Sequence[tuple[Seen, Sequence[_Answer]]]) -> Chooser:
    """Return what drawing one each time comes to: the mean over the models of each row."""
    costs = [mean(a.cost_usd for a in found if a.cost_usd is not None) for _, found in rows]
    return Chooser(
        name=RANDOM,
        score=mean(sum(a.score for a in found) / len(found) for _, found in rows),
        cost_usd=mean(cost for cost in costs if cost is not None),
        chosen={},
    )


def _oracle(rows: Sequence[tuple[Seen, Sequence[_Answer]]]) -> Chooser:
    """Return what knowing every outcome comes to: the cheapest of the best answers."""

    def best_first(answer: _Answer) -> tuple[float, float, str]:
        return -answer.score, math.inf if answer.cost_usd is None else answer.cost_usd, answer.model

    return _chooser(ORACLE, [min(found, key=best_first) for _, found in rows])


def _chooser(name: str, chosen: Sequence[_Answer]) -> Chooser:
    models: dict[str, int] = {}
    for answer in chosen:
        models[answer.model] = models.get(answer.model, 0) + 1
    return Chooser(
        name=name,
        score=mean(answer.score for answer in chosen),
        cost_usd=mean(answer.cost_usd for answer in chosen if answer.cost_usd is not None),
        chosen=models,
    )
