"""Requests are spread over the arms of an experiment, and stay where they are."""

from __future__ import annotations

import random

import pytest

from qwenroute.domain.experiment import Arm, Assignment, Experiment, ExperimentKind, Sticky
from qwenroute.domain.request import Hints
from qwenroute.routing.assignment import AS_COPY, Drawn


def experiment(
    share: float, kind: ExperimentKind = ExperimentKind.CANARY, sticky: Sticky = Sticky.TENANT
) -> Experiment:
    """Return an experiment."""
    return Experiment(name="new", kind=kind, pool="new", share=share, sticky=sticky)


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_tenants_are_spread_by_share(share: float) -> None:
    """As near to the share as 10,000 tenants can come."""
    taken = sum(_arm(experiment(share), f"tenant-{n}") is Arm.VARIANT for n in range(10_000))
    assert taken / 10_000 == pytest.approx(share, abs=0.01)


def test_a_tenant_stays_in_its_arm() -> None:
    """Whatever chance says; and a share that grows takes nobody out."""
    small, large = experiment(0.1), experiment(0.3)
    for number in range(2_000):
        name = f"tenant-{number}"
        assert _arm(small, name) is _arm(small, name)
        assert _arm(small, name) is not Arm.VARIANT or _arm(large, name) is Arm.VARIANT


def test_two_experiments_draw_apart() -> None:
    """Being in one says nothing of the other."""
    other = Experiment(name="other", kind=ExperimentKind.AB, pool="new", share=0.5)
    both = sum(
        _arm(experiment(0.5), f"t{n}") is Arm.VARIANT and _arm(other, f"t{n}") is Arm.VARIANT for n in range(10_000)
    )
    assert both / 10_000 == pytest.approx(0.25, abs=0.02)


def test_who_does_not_say_is_drawn() -> None:
    """By chance where there is any, else the control."""
    draw = random.Random(1).random
    taken = sum(_part(Drawn(draw), experiment(0.2), Hints()).arm is Arm.VARIANT for _ in range(5_000))
    assert taken / 5_000 == pytest.approx(0.2, abs=0.02)
    assert _part(Drawn(), experiment(0.2), Hints()).arm is Arm.CONTROL


def test_each_kind_of_unit_is_its_own() -> None:
    """Sticky by key looks at the key, and so on."""
    hints = Hints(tenant="t", key="k", session="s")
    for sticky in (Sticky.TENANT, Sticky.KEY, Sticky.SESSION):
        one = experiment(0.5, sticky=sticky)
        assert {_part(Drawn(lambda: 0.99), one, hints).arm for _ in range(10)} == {
            _part(Drawn(lambda: 0.0), one, hints).arm
        }
    assert _part(Drawn(lambda: 0.0), experiment(0.5, sticky=Sticky.REQUEST), hints).arm is Arm.VARIANT


def test_a_shadow_answers_from_the_control() -> None:
    """The copy is what goes to the newcomer."""
    shadow = experiment(1.0, ExperimentKind.SHADOW)
    assert _part(Drawn(), shadow, Hints(tenant="a")) == Assignment(
        experiment="new", kind=ExperimentKind.SHADOW, arm=Arm.CONTROL, copied=True
    )
    copy = AS_COPY(shadow, Hints())
    assert (copy.arm, copy.copied) == (Arm.VARIANT, True)


def test_what_was_taken_back_is_over() -> None:
    """Nobody is in it any more."""
    assert Drawn(lambda: 0.0, frozenset({"new"}))(experiment(1.0), Hints(tenant="a")) is None


def _part(drawn: Drawn, one: Experiment, hints: Hints) -> Assignment:
    part = drawn(one, hints)
    assert part is not None
    return part


def _arm(one: Experiment, tenant: str) -> Arm:
    return _part(Drawn(random.random), one, Hints(tenant=tenant)).arm
