"""How the arms of experiments are doing, and which newcomers have been taken back."""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable

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
MOST_WAITING = 32
"""Requests that wait for one of the other arm to be held against; older ones are too long ago."""


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
    def all(self) -> int:
        return self.hits + self.misses

    @property
    def rate(self) -> float:
        return self.hits / max(1, self.all)


class _Pairs:
    """Two requests at a time, one of each arm and at about the same time: which took, or cost, more.

    What changes for both (a busy hour, a slow network) changes nothing here.
    """

    __slots__ = ("_control", "_variant", "count", "what")

    def __init__(self, what: str) -> None:
        self.what = what
        self._control: deque[float] = deque(maxlen=MOST_WAITING)
        self._variant: deque[float] = deque(maxlen=MOST_WAITING)
        self.count = _Count()
        """How often the newcomer's was above the control's, raised by what is allowed."""

    def add(self, arm: Arm, value: float, allowed: float) -> None:
        """Put a value with the latest of the other arm that has no partner yet, or let it wait for one."""
        mine, others = (self._variant, self._control) if arm is Arm.VARIANT else (self._control, self._variant)
        if not others:
            mine.append(value)
            return
        other = others.pop()
        variant, control = (value, other) if arm is Arm.VARIANT else (other, value)
        self.count.add(hit=variant > control * (1.0 + allowed))

    def score(self) -> float:
        """Return the evidence that it is above more often than not."""
        return evidence(self.count.hits, self.count.misses, 0.5)


class _Standing:
    """One experiment: its arms, and the evidence against its newcomer."""

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.arms = {arm: _ArmTally() for arm in Arm}
        self.rolled_back: str | None = None
        self._begin()

    def _begin(self) -> None:
        self.failed = {arm: _Count() for arm in Arm}
        """Since evidence is gathered."""
        self.latency = _Pairs("latency")
        self.cost = _Pairs("cost")

    def add(self, trial: Trial) -> None:
        rules = self.experiment.rollback
        self.arms[trial.arm].add(trial)
        if rules is None or self.experiment.kind is not ExperimentKind.CANARY:
            return
        self.failed[trial.arm].add(hit=trial.failed)
        if rules.latency is not None and trial.latency_s is not None:
            self.latency.add(trial.arm, trial.latency_s, rules.latency)
        if rules.cost is not None and trial.cost is not None:
            self.cost.add(trial.arm, trial.cost, rules.cost)
        here, there = self.failed[Arm.VARIANT], self.failed[Arm.CONTROL]
        if trial.arm is Arm.CONTROL or min(here.all, there.all) < rules.min_requests:
            return
        self.rolled_back = self._verdict(rules)
        if here.all >= rules.per_requests:
            self._begin()

    def _verdict(self, rules: RollbackRules) -> str | None:
        """Return why the newcomer is to be taken back, if it is. The doubt is shared out among the tests."""
        control, variant = self.arms[Arm.CONTROL], self.arms[Arm.VARIANT]
        here, there = self.failed[Arm.VARIANT], self.failed[Arm.CONTROL]
        tests = sum(rule is not None for rule in (rules.error_rate, rules.latency, rules.cost))
        doubt = (1.0 - rules.confidence) / max(1, tests)
        sure = f"{rules.confidence:.0%} sure, after {here.all} of its requests"
        if rules.error_rate is not None and here.rate > there.rate + rules.error_rate:
            # Half of the doubt is about the control's own rate.
            bound = most_likely_at_most(there.hits, there.misses, doubt / 2) + rules.error_rate
            if evidence(here.hits, here.misses, bound) >= 2.0 / doubt:
                return (
                    f"{here.rate:.1%} of its requests failed, {there.rate:.1%} of the control's; "
                    f"{rules.error_rate:.1%} more is allowed ({sure})"
                )
        for pairs, allowed, ours, theirs, unit in (
            (self.latency, rules.latency, variant.latencies, control.latencies, " s"),
            (self.cost, rules.cost, variant.costs, control.costs, ""),
        ):
            if allowed is not None and pairs.score() >= 1.0 / doubt:
                here_is, there_is = ours.quantile(0.5) or 0.0, theirs.quantile(0.5) or 0.0
                return (
                    f"its {pairs.what} is {here_is:.3g}{unit} in the median, the control's {there_is:.3g}{unit}; "
                    f"{allowed:.0%} more is allowed, and it had more than that in {pairs.count.rate:.0%} of "
                    f"{pairs.count.all} pairs ({sure})"
                )
        return None

    def told(self) -> ExperimentState:
        return ExperimentState(
            experiment=self.experiment,
            control=self.arms[Arm.CONTROL].figures(),
            variant=self.arms[Arm.VARIANT].figures(),
            rolled_back=self.rolled_back,
        )


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
