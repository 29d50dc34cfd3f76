"""The choice among equals: who counts as equal, and how often, or for whom, each is picked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from random import Random

import pytest

from qwenroute.domain.capability import Lifecycle, Role
from qwenroute.domain.decision import Decision
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.resilience import Choice, ChoiceBy
from qwenroute.policy import Limits, Policy
from qwenroute.routing import Fleet, decide, explain
from qwenroute.routing.choice import affinity
from tests.routing.fleets import TODAY, Weather, deployment, fleet, obstacle, policy, quality, request, rule, signals

ENDPOINTS = ("a", "b", "c", "d")
TWINS = tuple(deployment("qwen-twin", endpoint=name) for name in ENDPOINTS)
WORSE = deployment("qwen-worse", endpoint="e", quality=quality(0.4))


def rules(by: ChoiceBy, **more: object) -> Policy:
    """A policy that chooses so."""
    return policy(choice=Choice(by=by), **more)  # type: ignore[arg-type]


def ids(decision: Decision) -> list[str]:
    """The endpoints of the plan, in order."""
    return [step.deployment.endpoint for step in decision.plan.steps]


def firsts(count: int, choose: Callable[[int], Decision]) -> Counter[str]:
    """How often each endpoint is first."""
    return Counter(ids(choose(n))[0] for n in range(count))


@pytest.mark.parametrize("by", ChoiceBy)
def test_only_equals_are_picked_among(by: ChoiceBy) -> None:
    """Whatever the choice, what is worse than `within` stays behind, and everybody stands in the plan once."""
    of = rules(by)
    here, chance = fleet(*TWINS, WORSE, of=of), Random(1).random
    for n in range(50):
        asked = request(hints=Hints(session=str(n)))
        found = ids(decide(asked, signals(), of, here, conditions=Weather(), chance=chance))
        assert found[-1] == "e"
        assert sorted(found[:4]) == list(ENDPOINTS)


@pytest.mark.parametrize(
    ("within", "others"), [(0.0, {"a"}), (0.05, {"a"}), (0.15, {"a", "b"}), (0.25, {"a", "b", "c"}), (1.0, {*"abc"})]
)
def test_within_says_who_is_equal(within: float, others: set[str]) -> None:
    """Differences of score that are smaller do not count."""
    of = policy(choice=Choice(by=ChoiceBy.WEIGHT, within=within))
    scores = {"a": 0.9, "b": 0.8, "c": 0.7}
    here = fleet(*(deployment("qwen-x", endpoint=n, quality=quality(q)) for n, q in scores.items()), of=of)
    chance = Random(2).random
    assert set(firsts(200, lambda _: decide(request(), signals(), of, here, chance=chance))) == others


def test_what_scores_the_same_is_always_equal() -> None:
    """With `within: 0` there still are twins, and one at the very edge counts."""
    of = policy(choice=Choice(by=ChoiceBy.WEIGHT, within=0.0))
    here, chance = fleet(*TWINS, WORSE, of=of), Random(8).random
    assert set(firsts(200, lambda _: decide(request(), signals(), of, here, chance=chance))) == {*ENDPOINTS}


def test_equals_are_of_one_pool() -> None:
    """A fallback pool stays a fallback, however good it is."""
    of = policy({"auto": (rule("any", "general", "max"),)}, choice=Choice(by=ChoiceBy.WEIGHT, within=1.0))
    here = fleet(*TWINS[:2], deployment("qwen-max", endpoint="m", roles=(Role.MAX,), quality=quality(0.9)), of=of)
    chance = Random(3).random
    for _ in range(100):
        assert ids(decide(request(), signals(), of, here, chance=chance))[-1] == "m"


def test_more_equals_than_attempts_are_all_picked_among() -> None:
    """The plan is cut after the choice: nobody is out of the draw for being sixth."""
    of = rules(ChoiceBy.WEIGHT, limits=Limits(max_attempts=2))
    many = [deployment("qwen-twin", endpoint=f"e{n}") for n in range(9)]
    here, chance = fleet(*many, of=of), Random(4).random
    decisions = [decide(request(), signals(), of, here, chance=chance) for _ in range(900)]
    assert all(len(d.plan.steps) == 2 for d in decisions)
    assert {ids(d)[0] for d in decisions} == {ids(d)[1] for d in decisions} == {d.endpoint for d in many}


@pytest.mark.parametrize(
    ("weights", "shares"),
    [
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}),
        ({"a": 5, "b": 3, "c": 1.5, "d": 0.5}, {"a": 0.5, "b": 0.3, "c": 0.15, "d": 0.05}),
        ({"a": 2}, {"a": 0.4, "b": 0.2, "c": 0.2, "d": 0.2}),
    ],
)
def test_weights_are_shares(weights: dict[str, float], shares: dict[str, float]) -> None:
    """Each endpoint is first as often as its weight says (seeded, 4,000 draws, two points of tolerance)."""
    of = rules(ChoiceBy.WEIGHT)
    here, chance = fleet(*TWINS, of=of, weights=weights), Random(5).random
    found = firsts(4_000, lambda _: decide(request(), signals(), of, here, chance=chance))
    assert {name: n / 4_000 for name, n in found.items()} == pytest.approx(shares, abs=0.02)


def test_chance_may_be_zero_and_may_nearly_be_one() -> None:
    """The ends of what chance gives break nothing."""
    for by in (ChoiceBy.WEIGHT, ChoiceBy.POWER_OF_TWO):
        of = rules(by)
        for value in (0.0, 1 - 2**-53):
            found = decide(request(), signals(), of, fleet(*TWINS, of=of), chance=lambda value=value: value)
            assert sorted(ids(found)) == list(ENDPOINTS)


@pytest.mark.parametrize(
    ("busy", "order"),
    [
        ({}, "abcd"),
        ({"a": 1}, "bcda"),
        ({"a": 3, "b": 2, "c": 1, "d": 4}, "cbad"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, "abcd"),
    ],
)
def test_the_least_busy_is_first(busy: dict[str, int], order: str) -> None:
    """Those with as many attempts under way stay in the order of their scores."""
    of = rules(ChoiceBy.LEAST_BUSY)
    weather = Weather(busy={f"qwen-twin@{name}": n for name, n in busy.items()})
    assert ids(decide(request(), signals(), of, fleet(*TWINS, of=of), conditions=weather)) == list(order)


def test_two_choices_spread_and_avoid_the_busiest() -> None:
    """Idle twins get a quarter each (4,000 draws, two points); the one that is always busiest is never first."""
    of = rules(ChoiceBy.POWER_OF_TWO)
    here, chance = fleet(*TWINS, of=of), Random(6).random
    idle = firsts(4_000, lambda _: decide(request(), signals(), of, here, conditions=Weather(), chance=chance))
    assert {name: n / 4_000 for name, n in idle.items()} == pytest.approx(dict.fromkeys(ENDPOINTS, 0.25), abs=0.02)
    weather = Weather(busy={"qwen-twin@a": 9})
    found = firsts(1_000, lambda _: decide(request(), signals(), of, here, conditions=weather, chance=chance))
    assert set(found) == {"b", "c", "d"}


def test_two_choices_keep_the_load_level() -> None:
    """Calls that last level out: the busiest never is far ahead of the idlest, as pure chance would let it be."""
    of = rules(ChoiceBy.POWER_OF_TWO)
    here, rng, weather = fleet(*TWINS, of=of), Random(7), Weather()
    busy = dict.fromkeys((d.id for d in TWINS), 0)
    weather.busy = busy
    for _ in range(2_000):
        busy[decide(request(), signals(), of, here, conditions=weather, chance=rng.random).first.deployment.id] += 1
    assert max(busy.values()) - min(busy.values()) <= 12


def test_without_chance_or_conditions_the_score_decides() -> None:
    """A dry run draws nothing: what would be drawn stays in the order of the scores, and says nothing else."""
    for by in (ChoiceBy.WEIGHT, ChoiceBy.POWER_OF_TWO, ChoiceBy.LEAST_BUSY):
        of = rules(by)
        decision = decide(request(), signals(), of, fleet(*TWINS, of=of))
        assert ids(decision) == list(ENDPOINTS)
        assert decision.reason == "general, easy: general pool, best quality for its cost"


# Sticky


def sticky(here: Fleet, session: int | str, **more: object) -> Decision:
    """Where a session leads."""
    asked = request(hints=Hints(session=str(session)))
    return decide(asked, signals(), here.policy, here, **more)  # type: ignore[arg-type]


def test_a_session_stays_and_sessions_spread() -> None:
    """The same key leads to the same place, in any process; keys spread evenly (4,000, two points)."""
    of = rules(ChoiceBy.STICKY)
    here = fleet(*TWINS, of=of)
    assert ids(sticky(here, "one")) == ids(sticky(fleet(*reversed(TWINS), of=of), "one")) == ["a", "d", "c", "b"]
    found = firsts(4_000, lambda n: sticky(here, n))
    assert {name: n / 4_000 for name, n in found.items()} == pytest.approx(dict.fromkeys(ENDPOINTS, 0.25), abs=0.02)


@pytest.mark.parametrize("how", ["removed", "obstructed"])
def test_one_that_leaves_moves_only_its_own(how: str) -> None:
    """Its sessions spread over the others; every other session stays; when it is back, so are they."""
    of = rules(ChoiceBy.STICKY)
    here = fleet(*TWINS, of=of)
    before = {n: ids(sticky(here, n)) for n in range(1_000)}
    if how == "removed":
        smaller = fleet(*(d for d in TWINS if d.endpoint != "b"), of=of)
        after = {n: ids(sticky(smaller, n)) for n in before}
    else:
        weather = Weather(blocked={"qwen-twin@b": obstacle(until=2.0)})
        found = {n: ids(sticky(here, n, conditions=weather, now=1.0)) for n in before}
        assert all(order[-1] == "b" for order in found.values())  # last, in case it is free by then
        after = {n: order[:-1] for n, order in found.items()}
        assert {n: ids(sticky(here, n, conditions=weather, now=3.0)) for n in before} == before
    assert after == {n: [name for name in order if name != "b"] for n, order in before.items()}
    moved = Counter(after[n][0] for n, order in before.items() if order[0] == "b")
    assert set(moved) == {"a", "c", "d"}
    assert max(moved.values()) < 2 * min(moved.values())


LONG = "You are a patient teacher. " * 60


def asking(*messages: object, **hints: object) -> Request:
    """A chat of these messages."""
    return Request(messages=messages, hints=Hints(**hints))  # type: ignore[arg-type]


def message(content: object, role: str = "system") -> dict[str, object]:
    """One message."""
    return {"role": role, "content": content}


SAME = [
    (asking(message("x"), session="s"), asking(message("y"), session="s", tenant="t")),
    (asking(message("x"), tenant="t"), asking(message("y"), tenant="t")),
    (asking(message(LONG), message("x", "user")), asking(message(LONG), message("y", "user"))),
    (asking(message(LONG + "x")), asking(message(LONG + "y"))),
    (asking(message("x")), asking(message([{"type": "text", "text": "x"}]))),
    (asking(message([{"type": "image_url"}, {"type": "text", "text": "x"}])), asking(message("x"))),
    (
        Request(kind=Kind.COMPLETION, prompt=LONG + "x"),
        Request(kind=Kind.COMPLETION, prompt=LONG + "y", suffix="z"),
    ),
    (asking(message(None)), asking(message([]))),
]
DIFFERENT = [
    (asking(message("x"), session="s"), asking(message("x"), session="t")),
    (asking(message("x"), session="s"), asking(message("x"), tenant="s")),
    (asking(message("x"), tenant="x"), asking(message("x"))),
    (asking(message("x"), message("z", "user")), asking(message("y"), message("z", "user"))),
    (Request(kind=Kind.COMPLETION, prompt="x"), Request(kind=Kind.COMPLETION, prompt="y")),
]


@pytest.mark.parametrize(("one", "two"), SAME)
def test_what_belongs_together(one: Request, two: Request) -> None:
    """A session, else a tenant, else the first thousand characters of the prompt."""
    assert affinity(one) == affinity(two)


@pytest.mark.parametrize(("one", "two"), DIFFERENT)
def test_what_does_not_belong_together(one: Request, two: Request) -> None:
    """Another session, another tenant or another beginning is another key."""
    assert affinity(one) != affinity(two)


def test_half_a_character_is_no_reason_to_fail() -> None:
    """A lone surrogate in a prompt goes through."""
    assert affinity(asking(message("\ud83d")))


# What is said of it


def test_the_choice_is_told() -> None:
    """The reason says that it was a choice among equals, and the warning belongs to who is first."""
    leaving = replace(TWINS[1], lifecycle=Lifecycle.RETIRING, retires_on=TODAY)
    of = rules(ChoiceBy.LEAST_BUSY)
    here = fleet(TWINS[0], leaving, of=of)
    quiet = decide(request(), signals(), of, here, conditions=Weather())
    assert quiet.warnings == ()
    busy = decide(request(), signals(), of, here, conditions=Weather(busy={"qwen-twin@a": 1}))
    assert busy.reason == ("general, easy: general pool, best quality for its cost, the least busy among 2 equals")
    assert busy.warnings == ("`qwen-twin@b` retires on 2026-11-24",)
    assert explain(busy).startswith("qwen-twin@b: general, easy")


def test_a_caller_without_a_deadline_changes_no_order() -> None:
    """The caller's own deadline is laid over a plan whose order was chosen."""
    of = rules(ChoiceBy.LEAST_BUSY)
    weather = Weather(busy={"qwen-twin@a": 1})
    asked = request(hints=Hints(deadline_s=3.0))
    plan = decide(asked, signals(), of, fleet(*TWINS, of=of), conditions=weather).plan
    assert (plan.deadline_s, plan.steps[0].deployment.endpoint) == (3.0, "b")


def test_held_up_equals_stand_by_score() -> None:
    """Where all are held up there is nothing to spread: the gatekeeper decides at the attempt."""
    of = rules(ChoiceBy.LEAST_BUSY)
    weather = Weather(busy={"qwen-twin@a": 3}, blocked={d.id: obstacle() for d in TWINS})
    assert ids(decide(request(), signals(), of, fleet(*TWINS, of=of), conditions=weather)) == list(ENDPOINTS)
