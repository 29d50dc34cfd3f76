"""How the arms of experiments are doing, and which newcomers have been taken back."""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from math import log, sqrt

from qwenroute.domain.experiment import (
    Arm,
    ArmFigures,
    Experiment,
    ExperimentKind,
    ExperimentState,
    RollbackRules,
    Trial,
)
from qwenroute.state.evidence import evidence, most_likely_at_most

LATEST = 1_000
"""Requests whose latency and cost are remembered for each arm."""
LATENCY_QUANTILES = (0.5, 0.9)
COST_QUANTILES = (0.5,)


class _Lately:
    """The latest values of one figure, sorted."""

    __slots__ = ("_order", "_sorted")

    def __init__(self) -> None:
        self._order: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: float) -> None:
        """Take a value in, and let the oldest go."""
        self._order.append(value)
        insort(self._sorted, value)
        if len(self._order) > LATEST:
            oldest = self._order.popleft()
            del self._sorted[bisect_left(self._sorted, oldest)]

    def quantile(self, share: float) -> float | None:
        """Return the value below which this share lies."""
        return self._sorted[min(len(self._sorted) - 1, int(share * len(self._sorted)))] if self._sorted else None


class _ArmTally:
    """One arm, since the beginning and lately."""

    __slots__ = ("cost", "costs", "failures", "latencies", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.cost = 0.0
        self.latencies = _Lately()
        self.costs = _Lately()

    def add(self, trial: Trial) -> None:
        self.requests += 1
        self.failures += trial.failed
        if trial.latency_s is not None:
            self.latencies.add(trial.latency_s)
        if trial.cost is not None:
            self.cost += trial.cost
            self.costs.add(trial.cost)

    def figures(self) -> ArmFigures:
        return ArmFigures(
            requests=self.requests,
            failures=self.failures,
            latency_p50_s=self.latencies.quantile(0.5),
            latency_p90_s=self.latencies.quantile(0.9),
            cost=self.cost,
            cost_p50=self.costs.quantile(0.5),
        )


class _Count:
    """How often something was so, and how often not."""

    __slots__ = ("hits", "misses")

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0

    def add(self, *, hit: bool) -> None:
        if hit:
            self.hits += 1
        else:
            self.misses += 1

    @property
    def rate(self) -> float:
        return self.hits / max(1, self.hits + self.misses)


class _Above:
    """How many of the newcomer's requests lay above a quantile of the control, raised by what is allowed."""

    __slots__ = ("count", "quantile", "what")

    def __init__(self, what: str, quantile: float) -> None:
        self.what = what
        self.quantile = quantile
        self.count = _Count()

    def add(self, value: float, control: _Lately, allowed: float, doubt: float) -> None:
        """Count one request against the control as it is just then."""
        # The control's quantile is only known so well: take one that is too low with little probability
        # (the one-sided bound of Dvoretzky, Kiefer and Wolfowitz).
        bound = control.quantile(min(1.0, self.quantile + sqrt(log(1.0 / doubt) / (2.0 * len(control)))))
        self.count.add(hit=bound is not None and value > bound * (1.0 + allowed))

    def score(self) -> float:
        """Return the evidence that more lie there than would if it were no worse."""
        return evidence(self.count.hits, self.count.misses, 1.0 - self.quantile)


class _Standing:
    """One experiment: its arms, and the evidence against its newcomer."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.arms = {arm: _ArmTally() for arm in Arm}
        self.rolled_back: str | None = None
        self._begin()

    def _begin(self) -> None:
        self.judged = 0
        self.failed = {arm: _Count() for arm in Arm}
        """Since evidence is gathered."""
        self.latency = [_Above("latency", q) for q in LATENCY_QUANTILES]
        self.cost = [_Above("cost", q) for q in COST_QUANTILES]

    def add(self, trial: Trial) -> None:
        rules = self.experiment.rollback
        control = self.arms[Arm.CONTROL]
        self.arms[trial.arm].add(trial)
        self.failed[trial.arm].add(hit=trial.failed)
        if rules is None or trial.arm is Arm.CONTROL or self.experiment.kind is not ExperimentKind.CANARY:
            return
        doubt = (1.0 - rules.confidence) / _tests(rules) / 2
        if rules.latency is not None and trial.latency_s is not None and len(control.latencies) >= rules.min_requests:
            for test in self.latency:
                test.add(trial.latency_s, control.latencies, rules.latency, doubt)
        if rules.cost is not None and trial.cost is not None and len(control.costs) >= rules.min_requests:
            for test in self.cost:
                test.add(trial.cost, control.costs, rules.cost, doubt)
        self.judged += 1
        if self.judged >= rules.min_requests and control.requests >= rules.min_requests:
            self.rolled_back = self._verdict(rules, doubt)
        if self.judged >= rules.per_requests:
            self._begin()

    def _verdict(self, rules: RollbackRules, doubt: float) -> str | None:
        """Return why the newcomer is to be taken back, if it is. Half of the doubt is each arm's."""
        control, variant = self.arms[Arm.CONTROL], self.arms[Arm.VARIANT]
        sure = f"{rules.confidence:.0%} sure, after {self.judged} of its requests"
        if rules.error_rate is not None:
            here, there = self.failed[Arm.VARIANT], self.failed[Arm.CONTROL]
            if here.rate > there.rate + rules.error_rate:  # else there is nothing to work out
                bound = most_likely_at_most(there.hits, there.misses, doubt) + rules.error_rate
                if evidence(here.hits, here.misses, bound) >= 1.0 / doubt:
                    return (
                        f"{here.rate:.1%} of its requests failed, {there.rate:.1%} of the control's; "
                        f"{rules.error_rate:.1%} more is allowed ({sure})"
                    )
        for test, allowed, ours, theirs in (
            *((t, rules.latency, variant.latencies, control.latencies) for t in self.latency),
            *((t, rules.cost, variant.costs, control.costs) for t in self.cost),
        ):
            if allowed is not None and test.score() >= 1.0 / doubt:
                unit = " s" if test.what == "latency" else ""
                here_is, there_is = ours.quantile(test.quantile) or 0.0, theirs.quantile(test.quantile) or 0.0
                return (
                    f"its {test.what} is {here_is:.3g}{unit} at the {test.quantile:.0%} point, the control's "
                    f"{there_is:.3g}{unit}; {allowed:.0%} more is allowed ({sure})"
                )
        return None

    def told(self) -> ExperimentState:
        return ExperimentState(
            experiment=self.experiment,
            control=self.arms[Arm.CONTROL].figures(),
            variant=self.arms[Arm.VARIANT].figures(),
            rolled_back=self.rolled_back,
        )


def _tests(rules: RollbackRules) -> int:
    latency = 0 if rules.latency is None else len(LATENCY_QUANTILES)
    cost = 0 if rules.cost is None else len(COST_QUANTILES)
    return max(1, (rules.error_rate is not None) + latency + cost)


class Trials:
    """The experiments of one router, in this process. What is changed in the policy begins anew."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._standings: dict[str, _Standing] = {}
        self._halted: frozenset[str] = frozenset()
        _all.add(self)

    @property
    def halted(self) -> frozenset[str]:
        """The names of those that have been taken back."""
        return self._halted

    def adopt(self, experiments: Iterable[Experiment]) -> None:
        """Take over a policy's experiments, and keep what is known of those that stay as they are."""
        with self._lock:
            before, self._standings = self._standings, {}
            for experiment in experiments:
                known = before.get(experiment.name)
                same = known is not None and known.experiment == experiment
                self._standings[experiment.name] = known if known is not None and same else _Standing(experiment)
            self._halted = frozenset(name for name, s in self._standings.items() if s.rolled_back is not None)

    def add(self, trial: Trial) -> ExperimentState | None:
        """Count one request; return the experiment where this one made it be taken back."""
        with self._lock:
            standing = self._standings.get(trial.experiment)
            if standing is None or standing.rolled_back is not None:
                return None
            standing.add(trial)
            if standing.rolled_back is None:
                return None
            self._halted |= {trial.experiment}
            return standing.told()

    def snapshot(self) -> tuple[ExperimentState, ...]:
        """Return every experiment as it stands."""
        with self._lock:
            return tuple(standing.told() for standing in self._standings.values())

    def leave_behind(self) -> None:
        """After a fork: whoever held the lock is in the parent."""
        self._lock = threading.Lock()


_all: weakref.WeakSet[Trials] = weakref.WeakSet()


def _leave_behind() -> None:
    for trials in list(_all):
        trials.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)
