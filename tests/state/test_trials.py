"""A newcomer that is worse is taken back, and one that is not is left alone: the figures stand here."""

from __future__ import annotations

import random
from statistics import median

import pytest

from qwenroute.domain.experiment import Arm, Experiment, ExperimentKind, RollbackRules, Trial
from qwenroute.state.evidence import evidence, most_likely_at_most
from qwenroute.state.trials import LATEST, Trials

SEEDS = range(200)
CONTROL = (0.01, 1.0, 1.0)
"""Error rate; latency and cost as factors."""


def canary(share: float = 0.1, **rules: float | None) -> Experiment:
    """Return a canary with the usual bounds, but for those given."""
    rollback = RollbackRules(**rules)  # type: ignore[arg-type]
    return Experiment(name="new", kind=ExperimentKind.CANARY, pool="new", share=share, rollback=rollback)


def trial(arm: Arm, *, failed: bool = False, latency_s: float | None = 1.0, cost: float | None = 0.001) -> Trial:
    """Return how one request went."""
    return Trial(experiment="new", arm=arm, failed=failed, latency_s=latency_s, cost=cost)


def requests_until_rollback(
    seed: int, newcomer: tuple[float, float, float], experiment: Experiment, requests: int
) -> int | None:
    """Return how many requests the newcomer had when it was taken back, None where it never was.

    Latency and cost are log-normal, as they are in life: a long tail, and the same requests in both arms.
    """
    draw, trials, seen = random.Random(seed), Trials(), 0
    trials.adopt([experiment])
    for _ in range(requests):
        arm = Arm.VARIANT if draw.random() < experiment.share else Arm.CONTROL
        errors, slower, dearer = newcomer if arm is Arm.VARIANT else CONTROL
        seen += arm is Arm.VARIANT
        one = trial(
            arm,
            failed=draw.random() < errors,
            latency_s=slower * draw.lognormvariate(0, 0.6),
            cost=0.001 * dearer * draw.lognormvariate(0, 0.8),
        )
        if trials.add(one) is not None:
            return seen
    return None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("newcomer", "within"),
    [((0.20, 1, 1), 220), ((0.50, 1, 1), 40), ((0.01, 3, 1), 70), ((0.01, 1, 3), 120)],
    ids=["20 % errors", "50 % errors", "three times as slow", "three times as dear"],
)
def test_a_newcomer_that_is_worse_is_taken_back(newcomer: tuple[float, float, float], within: int) -> None:
    """In 95 of 100 runs within so many of its requests; these figures are in the docs."""
    found = sorted(requests_until_rollback(seed, newcomer, canary(), 3_000) or 3_000 for seed in SEEDS)
    assert found[int(0.95 * len(found))] <= within, (median(found), found[190])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("newcomer", "rules"),
    [
        (CONTROL, {}),
        (CONTROL, {"error_rate": 0.0, "latency": 0.0, "cost": 0.0}),
        ((0.06, 1.5, 1.5), {}),
    ],
    ids=["the same", "the same, and nothing worse allowed", "as much worse as is allowed"],
)
def test_a_newcomer_that_is_not_worse_is_left_alone(
    newcomer: tuple[float, float, float], rules: dict[str, float]
) -> None:
    """False alarms over 200 runs of 500 of its requests, looked at after each: at most the 5 % that are stated."""
    found = [requests_until_rollback(seed, newcomer, canary(0.25, **rules), 2_000) for seed in SEEDS]
    assert sum(one is not None for one in found) <= 0.05 * len(found)


def test_nothing_is_judged_before_there_is_enough() -> None:
    """Nineteen failures of nineteen are not twenty."""
    trials = Trials()
    trials.adopt([canary(min_requests=20)])
    for _ in range(100):
        trials.add(trial(Arm.CONTROL))
    for _ in range(19):
        assert trials.add(trial(Arm.VARIANT, failed=True)) is None
    state = trials.add(trial(Arm.VARIANT, failed=True))
    assert state is not None
    assert state.rolled_back is not None
    assert state.rolled_back.startswith("100.0% of its requests failed, 0.0% of the control's; 5.0% more is allowed")
    assert trials.halted == {"new"}
    assert trials.add(trial(Arm.VARIANT, failed=True)) is None


def test_a_good_past_does_not_excuse_a_bad_present() -> None:
    """Evidence is gathered anew after so many requests."""
    trials = Trials()
    trials.adopt([canary(per_requests=100)])
    for _ in range(2_000):
        trials.add(trial(Arm.CONTROL))
        assert trials.add(trial(Arm.VARIANT)) is None
    broken = 0
    while not trials.halted:
        trials.add(trial(Arm.CONTROL))
        trials.add(trial(Arm.VARIANT, failed=True))
        broken += 1
        assert broken <= 121


@pytest.mark.parametrize("kind", [ExperimentKind.AB, ExperimentKind.SHADOW])
def test_only_canaries_are_taken_back(kind: ExperimentKind) -> None:
    """The others are left to people."""
    trials = Trials()
    trials.adopt([Experiment(name="new", kind=kind, pool="new", share=0.5)])
    for _ in range(200):
        trials.add(trial(Arm.CONTROL))
        trials.add(trial(Arm.VARIANT, failed=True))
    assert trials.halted == frozenset()
    [state] = trials.snapshot()
    assert (state.control.error_rate, state.variant.error_rate) == (0.0, 1.0)


def test_another_policy_keeps_what_stays_the_same() -> None:
    """A rollback outlives a reload; an experiment that was changed begins anew."""
    trials = Trials()
    trials.adopt([canary()])
    for _ in range(50):
        trials.add(trial(Arm.CONTROL))
        trials.add(trial(Arm.VARIANT, failed=True))
    trials.adopt([canary()])
    assert trials.halted == {"new"}
    trials.adopt([canary(share=0.2)])
    assert trials.halted == frozenset()
    assert trials.snapshot()[0].variant.requests == 0
    trials.adopt([])
    assert trials.add(trial(Arm.VARIANT)) is None
    assert trials.snapshot() == ()


def test_figures_are_of_what_was_seen() -> None:
    """Counts since the beginning, percentiles of the latest; what is unknown is left out."""
    trials = Trials()
    trials.adopt([canary()])
    for number in range(LATEST + 100):
        trials.add(trial(Arm.CONTROL, latency_s=float(number), cost=None))
    trials.add(trial(Arm.CONTROL, latency_s=None, cost=0.5, failed=True))
    control = trials.snapshot()[0].control
    assert (control.requests, control.failures, control.cost) == (LATEST + 101, 1, 0.5)
    assert control.latency_p50_s == 100 + LATEST / 2
    assert control.cost_p50 == 0.5


def test_evidence_is_none_where_there_is_none() -> None:
    """No requests, or no more hits than are allowed."""
    assert evidence(0, 0, 0.5) == 0.0
    assert evidence(5, 95, 0.05) == 0.0
    assert evidence(50, 50, 1.0) == 0.0
    assert evidence(100_000, 0, 1e-9) > 1e6


def test_a_rate_is_bounded_from_above() -> None:
    """The bound holds at every look, in all but a few of many runs; it closes in on the rate."""
    missed = 0
    for seed in range(100):
        draw, hits = random.Random(seed), 0
        for seen in range(1, 301):
            hits += draw.random() < 0.1
            if seen % 10 == 0 and most_likely_at_most(hits, seen - hits, 0.05) < 0.1:
                missed += 1
                break
    assert missed <= 5
    assert most_likely_at_most(100, 900, 0.05) < 0.15
    assert most_likely_at_most(0, 0, 0.05) == 1.0
