"""Where a request may go: pools in order, and what choosing among them came to before.

Choosing looks at every deployment; most requests resemble an earlier one. Two requests are alike
here if they ask for the same things, and if their sizes fall on the same side of every limit and
into the same size class. What is alike gets the same steps, whatever the number of deployments.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count

from qwenroute.domain.capability import Deployment, MediaLimits, Role, Thinking
from qwenroute.domain.decision import Candidate, Rejection, Step
from qwenroute.domain.health import Conditions, LatencyObjective, Obstacle, Pace
from qwenroute.domain.signals import Signals
from qwenroute.policy import Objective
from qwenroute.routing import gates
from qwenroute.routing.needs import Load, Needs, Parameters, load, room, shapes, thinks
from qwenroute.routing.score import forecast, rate, size_class

MAX_KEPT = 4_096

Screened = tuple[tuple[tuple[Deployment, ...], tuple[Rejection, ...]], ...]
"""For each stage, what passed the capability gates, and what did not."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One pool of the chain, resolved."""

    pool: str
    role: Role | None
    deployments: tuple[Deployment, ...]
    thinks: bool | None = None
    """Whether those who can do either are asked to think; None: as they do by themselves."""


@dataclass(frozen=True, slots=True)
class Survey:
    """Every deployment of a target, judged."""

    candidates: tuple[Candidate, ...]
    steps: tuple[Step, ...]
    """One for each candidate, in the same order."""
    rejections: tuple[Rejection, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """What the deployments of a target have been like lately; the same number, the same figures."""

    number: int
    paces: Mapping[str, Pace]


NO_FIGURES = Figures(0, {})


class Target:
    """A chain of pools in one fleet."""

    __slots__ = (
        "_bounds", "_figures", "_ids", "_kept", "_longest_prompt", "_media_rules", "_numbers", "_screened", "_seen",
        "_steps", "absent", "gone", "stages",
    )  # fmt: skip

    def __init__(
        self,
        stages: tuple[Stage, ...],
        *,
        absent: tuple[Rejection, ...] = (),
        gone: str | None = None,
        longest_prompt: int | None = None,
    ) -> None:
        self.stages = stages
        self.absent = absent
        """What was asked for and is not there."""
        self.gone = gone
        """Why the stages stand in for another model, in words."""
        self._longest_prompt = longest_prompt
        rules: list[MediaLimits] = []
        for stage in stages:
            for deployment in stage.deployments:
                if deployment.media not in rules:
                    rules.append(deployment.media)
        self._media_rules = tuple(rules)
        self._bounds: dict[Hashable, _Bounds] = {}
        self._screened: dict[Hashable, Screened] = {}
        self._kept: dict[Hashable, object] = {}
        self._steps: dict[Hashable, Step] = {}
        self._ids = frozenset(deployment.id for stage in stages for deployment in stage.deployments)
        self._numbers = count(1)
        self._figures: dict[Hashable, Figures] = {frozenset(): NO_FIGURES}
        self._seen: tuple[Conditions | None, int, Figures] = (None, 0, NO_FIGURES)

    def figures(self, conditions: Conditions) -> Figures:
        """Return the live figures of the deployments here; others may change without being noticed."""
        seen, revision, figures = self._seen
        current = conditions.revision
        if seen is conditions and revision == current:
            return figures
        paces = conditions.paces
        here = {name: paces[name] for name in self._ids if name in paces}
        content = frozenset(here.items())
        known = self._figures.get(content)
        if known is None:
            if len(self._figures) >= MAX_KEPT:
                self._figures.clear()
            known = self._figures[content] = Figures(next(self._numbers), here)
        self._seen = (conditions, current, known)
        return known

    def obstacles(self, conditions: Conditions, now: float) -> Mapping[str, Obstacle]:
        """Return what stands in the way of deployments here."""
        found = conditions.obstacles(now)
        return {name: found[name] for name in found if name in self._ids} if found else found

    def weigh(self, signals: Signals) -> tuple[Load, ...]:
        """Return the attachments' weight under each of the rules here; nothing where there are none."""
        return tuple(load(signals, rules) for rules in self._media_rules) if signals.media else ()

    def sides(self, signals: Signals, weights: Sequence[Load], text_tokens: int) -> tuple[int, ...]:
        """Return on which side of every limit here a text of this many tokens falls."""
        answer = signals.max_output_tokens
        key = None
        if answer is None:
            # The room for the answer follows from what is asked for, and from who would think about it.
            key = (signals.task, signals.difficulty, signals.thinking, excludes_thinking(signals))
        bounds = self._bounds.get(key)
        if bounds is None:
            bounds = self._bounds[key] = _Bounds(self.stages, signals if answer is None else None, self._longest_prompt)
        if not weights:
            return bounds.sides(text_tokens, answer)
        found: list[int] = []
        for rules, weight in zip(self._media_rules, weights, strict=True):
            found += bounds.sides(text_tokens + weight.pictures + weight.audio, answer)
            found.append(all(gates.attachment(item, rules) is None for item in signals.media))
        return tuple(found)

    def classes(self, signals: Signals, weights: Sequence[Load]) -> tuple[int, ...]:
        """Return the size classes that expectations are made of."""
        text = size_class(signals.text_tokens_upper)
        answer = -1 if signals.max_output_tokens is None else size_class(signals.max_output_tokens)
        if not weights:
            return text, answer
        found = [text, answer]
        for weight in weights:
            found += (size_class(weight.pictures), size_class(weight.audio))
        return tuple(found)

    def recall(self, key: Hashable) -> object | None:
        """Return what was kept for a request like this one."""
        return self._kept.get(key)

    def keep(self, key: Hashable, value: object) -> None:
        """Keep what a request like this one came to."""
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()
        self._kept[key] = value

    def survey(
        self,
        needs: Needs,
        objective: Objective,
        shape: Hashable,
        paces: Mapping[str, Pace],
        latency: LatencyObjective | None = None,
    ) -> Survey:
        """Judge every deployment: gate it, and score it if it passed.

        A deployment that several pools hold stands where it is first found fit. What missed the
        `latency` lately stands behind the others of its pool.
        """
        screened = self._screened.get(shape)
        if screened is None:
            screened = tuple(_screen(stage, needs) for stage in self.stages)
            if len(self._screened) >= MAX_KEPT:
                self._screened.clear()
            self._screened[shape] = screened
        foreseen = forecast(needs.signals, needs.limits.max_output_tokens)
        candidates: list[Candidate] = []
        steps: list[Step] = []
        taken: set[str] = set()
        refused = {rejection.deployment: rejection for rejection in self.absent}
        late: list[tuple[Candidate, Step]] = []
        for index, (stage, (passed, rejections)) in enumerate(zip(self.stages, screened, strict=True)):
            for rejection in rejections:
                refused.setdefault(rejection.deployment, rejection)
            found: list[tuple[Candidate, Step]] = []
            for deployment in passed:
                if deployment.id in taken:
                    continue
                switch = switch_for(deployment, stage.thinks, needs.signals)
                thinking = thinks(deployment, switch)
                too_much = _gate(gates.SIZE, needs, deployment, thinks=thinking)
                if too_much is not None:
                    refused.setdefault(deployment.id, too_much)
                    continue
                taken.add(deployment.id)
                candidate = rate(
                    foreseen,
                    deployment,
                    objective,
                    needs.usd_per,
                    pool=stage.pool,
                    thinks=thinking,
                    pace=paces.get(deployment.id),
                )
                step = self._step(stage, deployment, switch, needs, thinks=thinking)
                if latency is not None and (missed := _missed(candidate, latency)) is not None:
                    late.append((missed, step))
                else:
                    found.append((candidate, step))
            found.sort(key=_by_score)
            if late and (index + 1 == len(self.stages) or self.stages[index + 1].pool != stage.pool):
                found += sorted(late, key=_by_score)  # the last tier of the pool
                late = []
            candidates += (candidate for candidate, _ in found)
            steps += (step for _, step in found)
        return Survey(
            tuple(candidates),
            tuple(steps),
            tuple(r for r in refused.values() if r.deployment not in taken),
        )

    def _step(self, stage: Stage, deployment: Deployment, switch: bool | None, needs: Needs, *, thinks: bool) -> Step:
        """Return the step; without a ceiling on the cost there are few different ones, and they are shared."""
        if needs.max_cost_usd is not None and deployment.price is not None:
            worst = gates.worst_cost_usd(needs, deployment, deployment.price, thinks=thinks)
            return Step(deployment=deployment, pool=stage.pool, role=stage.role, thinking=switch, worst_cost_usd=worst)
        key = (deployment.id, stage.pool, switch)
        step = self._steps.get(key)
        if step is None:
            step = Step(deployment=deployment, pool=stage.pool, role=stage.role, thinking=switch)
            self._steps[key] = step
        return step


def switch_for(deployment: Deployment, asked: bool | None, signals: Signals) -> bool | None:
    """Return how to set the thinking of a hybrid; None leaves it alone.

    The caller's wish counts first, then what the pool's roles ask for. A model named outright does as
    it does by itself, unless that would exclude what else is asked for.
    """
    if deployment.thinking is not Thinking.HYBRID:
        return None
    if signals.thinking is not None:
        return signals.thinking
    if asked is not None:
        return asked
    return False if deployment.thinking_default_on and excludes_thinking(signals) else None


def excludes_thinking(signals: Signals) -> bool:
    """Whether something is asked for that no model does while thinking."""
    return (
        signals.response_format != "text"
        or signals.choices > 1
        or (signals.tools and signals.tool_choice in {"required", "named"})
    )


def shape_of(signals: Signals, parameters: Parameters) -> Hashable:
    """Return all that the capability gates look at, the policy's own limits apart."""
    return (
        signals.input,
        signals.output,
        signals.sound,
        signals.tools,
        signals.tool_choice,
        signals.response_format,
        signals.thinking,
        signals.partial,
        signals.fim,
        signals.choices,
        signals.voice,
        shapes(signals) if signals.media else None,
        parameters.completion,
        parameters.out_of_range,
    )


def _screen(stage: Stage, needs: Needs) -> tuple[tuple[Deployment, ...], tuple[Rejection, ...]]:
    passed: list[Deployment] = []
    rejections: list[Rejection] = []
    for deployment in stage.deployments:
        switch = switch_for(deployment, stage.thinks, needs.signals)
        rejection = _gate(gates.CAPABILITY, needs, deployment, thinks=thinks(deployment, switch))
        if rejection is None:
            passed.append(deployment)
        else:
            rejections.append(rejection)
    return tuple(passed), tuple(rejections)


def _gate(
    table: Sequence[tuple[str, gates.Gate]], needs: Needs, deployment: Deployment, *, thinks: bool
) -> Rejection | None:
    for name, gate in table:
        reason = gate(needs, deployment, thinks)
        if reason is not None:
            return Rejection(deployment=deployment.id, gate=name, reason=reason)
    return None


def _missed(candidate: Candidate, latency: LatencyObjective) -> Candidate | None:
    """Return the candidate with what it missed, if live figures say that it did."""
    pace = candidate.pace
    took = None if pace is None else next((took for objective, took in pace.missed if objective == latency), None)
    return None if took is None else replace(candidate, missed=f"{latency}, and lately it took {took:.2g} s")


def _by_score(found: tuple[Candidate, Step]) -> tuple[float, str]:
    return -found[0].score, found[0].deployment


class _Bounds:
    """The limits of all deployments of a target, sorted, so that one look-up crosses them all."""

    __slots__ = ("_answers", "_prompts", "_windows")

    def __init__(self, stages: Sequence[Stage], signals: Signals | None, longest_prompt: int | None) -> None:
        """Take signals where the room for the answer follows from them, None where the caller bounds it."""
        prompts: set[int] = set() if longest_prompt is None else {longest_prompt}
        windows: set[int] = set()
        answers: set[int] = set()
        for stage in stages:
            for deployment in stage.deployments:
                if deployment.max_input_tokens is not None:
                    prompts.add(deployment.max_input_tokens)
                if deployment.max_output_tokens is not None:
                    answers.add(deployment.max_output_tokens)
                if deployment.context_tokens is None:
                    continue
                if signals is None:
                    windows.add(deployment.context_tokens)
                else:
                    thinking = thinks(deployment, switch_for(deployment, stage.thinks, signals))
                    prompts.add(deployment.context_tokens - room(signals, deployment, thinks=thinking))
        self._prompts = sorted(prompts)
        self._windows = sorted(windows)
        self._answers = sorted(answers)

    def sides(self, prompt: int, answer: int | None) -> tuple[int, ...]:
        """Return how many limits a prompt, and an answer bounded by the caller, are beyond."""
        crossed = bisect_left(self._prompts, prompt)
        if answer is None:
            return (crossed,)
        return crossed, bisect_left(self._windows, prompt + answer), bisect_left(self._answers, answer)
