"""What stands in the way, and what deployments have been like lately: how both bear on a plan."""

from __future__ import annotations

from importlib import import_module

import pytest

from qwenroute.analysis.hints import read_hints
from qwenroute.domain.capability import Lifecycle, Modality, Role
from qwenroute.domain.decision import Decision, HedgeRules, Resume
from qwenroute.domain.health import Obstacle
from qwenroute.domain.price import Price, Tier
from qwenroute.domain.request import Hints
from qwenroute.errors import InvalidRequest, NoDeployment
from qwenroute.policy import Limits
from qwenroute.routing import decide, explain
from tests.routing.fleets import (
    SIGHT,
    TODAY,
    Weather,
    deployment,
    fleet,
    obstacle,
    pace,
    policy,
    quality,
    request,
    rule,
    signals,
)  # fmt: skip

GOOD = deployment("qwen-good", quality=quality(0.9))
FAIR = deployment("qwen-fair", quality=quality(0.6))
POOR = deployment("qwen-poor", quality=quality(0.3))
SPARE = deployment("qwen-spare", roles=(Role.MAX,), quality=quality(0.5))
RULES = policy({"auto": (rule("anything", "general", "max"),)})
HERE = fleet(GOOD, FAIR, POOR, SPARE, of=RULES)
NOW = 100.0


def blocked(*models: str, **facts: object) -> Weather:
    """These are obstructed, the others are well."""
    return Weather(blocked={f"qwen-{model}@dashscope": obstacle(**facts) for model in models})  # type: ignore[arg-type]


def steps(decision: Decision) -> list[str]:
    """The models of the plan, in order, by the word that tells them apart."""
    return [step.deployment.model.removeprefix("qwen-") for step in decision.plan.steps]


@pytest.mark.parametrize(
    ("models", "planned"),
    [
        ((), ["good", "fair", "poor", "spare"]),
        (("good",), ["fair", "poor", "spare", "good"]),
        (("fair", "spare"), ["good", "poor", "fair", "spare"]),
        (("good", "fair", "poor"), ["spare", "good", "fair", "poor"]),
        (("good", "fair", "poor", "spare"), ["good", "fair", "poor", "spare"]),
        (("elsewhere",), ["good", "fair", "poor", "spare"]),
    ],
)
def test_what_is_obstructed_comes_last(models: tuple[str, ...], planned: list[str]) -> None:
    """It may be free again by then; the rest keeps its order."""
    decision = decide(request(), signals(), RULES, HERE, conditions=blocked(*models), now=NOW)
    assert steps(decision) == planned
    well = [model for model in planned if model not in models or len(models) == 4]
    assert [c.deployment.removesuffix("@dashscope").removeprefix("qwen-") for c in decision.candidates] == well
    assert bool(decision.warnings) == (len(models) == 4)


@pytest.mark.parametrize(
    ("until", "said"),
    [
        (None, "circuit: 5 failures in a row"),
        (NOW + 3.21, "circuit: 5 failures in a row, for another 3.2 s"),
        (NOW - 1, "circuit: 5 failures in a row"),
        (NOW + 90, "circuit: 5 failures in a row, for another 90.0 s"),
    ],
)
def test_an_obstacle_is_a_rejection_with_its_reason(until: float | None, said: str) -> None:
    """The gate that stands in the way says why, and for how long where that is known."""
    weather = Weather(blocked={"qwen-good@dashscope": obstacle(until=until)})
    weather.obstacles = lambda _: weather.blocked  # type: ignore[method-assign]  # told although it is over
    decision = decide(request(), signals(), RULES, HERE, conditions=weather, now=NOW)
    assert decision.rejected == {"qwen-good@dashscope": said}


def test_what_is_over_is_over() -> None:
    """An obstacle goes with time, and no choice from before comes back with it or stays behind."""
    weather = blocked("good", until=NOW + 3)
    planned = [
        steps(decide(request(), signals(), RULES, HERE, conditions=weather, now=now))[0]
        for now in (NOW, NOW + 2.9, NOW + 3, NOW + 4)
    ]
    assert planned == ["fair", "fair", "good", "good"]
    assert steps(decide(request(), signals(), RULES, HERE))[0] == "good"


def test_a_gate_goes_before_an_obstacle() -> None:
    """What could not serve anyway is not said to be held up."""
    asked = signals(text_tokens=200_000)
    wide = deployment("qwen-wide", context_tokens=1_000_000, max_input_tokens=900_000)
    here = fleet(GOOD, wide, of=RULES)
    decision = decide(request(), asked, RULES, here, conditions=blocked("good"), now=NOW)
    assert decision.rejections[0].gate == "max_input"
    assert steps(decision) == ["wide"]


def test_where_everything_is_held_up_it_is_planned_with_a_warning() -> None:
    """An attempt may come when something is over: the decision says what stands in the way."""
    weather = Weather(
        blocked={
            "qwen-good@dashscope": obstacle(until=NOW + 1.5),
            "qwen-fair@dashscope": obstacle("quota", "60 requests a minute are spent"),
        }
    )
    decision = decide(request(), signals(), policy(), fleet(FAIR, GOOD), conditions=weather, now=NOW)
    assert steps(decision) == ["good", "fair"]
    assert tuple(decision.rejections) == ()
    [warning] = decision.warnings
    assert warning == (
        "nothing that can serve it may be called now: "
        "`qwen-good@dashscope` (circuit: 5 failures in a row, for another 1.5 s), "
        "`qwen-fair@dashscope` (quota: 60 requests a minute are spent)"
    )
    many = fleet(*(deployment(f"qwen-{n}") for n in range(5)))
    crowd = blocked(*map(str, range(5)))
    warning = decide(request(), signals(), policy(), many, conditions=crowd, now=NOW).warnings[0]
    assert warning.count("5 failures") == 3
    assert warning.endswith(" and 2 more")


def test_an_obstacle_makes_nothing_capable() -> None:
    """Where the gates refuse everything, obstacles change neither the refusal nor its words."""
    with pytest.raises(NoDeployment) as caught:
        decide(request(), signals(input=SIGHT), RULES, HERE, conditions=blocked("good"), now=NOW)
    assert "may be called now" not in str(caught.value)
    eyes = deployment("qwen-eyes", roles=(Role.OMNI,), input=SIGHT)
    rules = policy({"auto": (rule("images", "omni", "general"),)})
    decision = decide(
        request(), signals(input=frozenset({Modality.TEXT, Modality.IMAGE})), rules, fleet(eyes, GOOD, of=rules),
        conditions=blocked("eyes"), now=NOW,
    )  # fmt: skip
    assert steps(decision) == ["eyes"], "held up or not, a text model is no way out for an image"


def test_the_reason_says_why_a_fallback_is_first() -> None:
    """A pool that is held up is told apart from one that cannot."""
    decision = decide(request(), signals(), RULES, HERE, conditions=blocked("good", "fair", "poor"), now=NOW)
    assert "max pool, for nothing in general may be called now" in decision.reason
    asked = signals(text_tokens=200_000)
    wide = deployment("qwen-wide", roles=(Role.MAX,), context_tokens=1_000_000, max_input_tokens=900_000)
    spare = deployment("qwen-spare", roles=(Role.MAX,), context_tokens=1_000_000, max_input_tokens=900_000)
    here = fleet(GOOD, wide, spare, of=RULES)
    decision = decide(request(), asked, RULES, here, conditions=blocked("wide", "good"), now=NOW)
    assert "max pool, for nothing in general can serve it" in decision.reason


def test_a_warning_belongs_to_the_first_that_is_left() -> None:
    """A first choice that is about to leave is warned of only where it is the first."""
    leaving = deployment("qwen-leaving", lifecycle=Lifecycle.RETIRING, retires_on=TODAY, quality=quality(0.8))
    here = fleet(GOOD, leaving)
    assert decide(request(), signals(), policy(), here).warnings == ()
    decision = decide(request(), signals(), policy(), here, conditions=blocked("good"), now=NOW)
    assert decision.warnings == ("`qwen-leaving@dashscope` retires on 2026-11-24",)


@pytest.mark.parametrize(
    ("lately", "first"),
    [
        ({}, "quick"),
        ({"quick": pace(ttft_s=90.0)}, "steady"),
        ({"quick": pace(tokens_per_s=0.5)}, "steady"),
        ({"quick": pace(tokens_per_s=0.0)}, "steady"),
        ({"quick": pace(error_rate=0.5)}, "steady"),
        ({"quick": pace(error_rate=0.5), "steady": pace(error_rate=0.9)}, "quick"),
        ({"quick": pace(ttft_s=0.4, tokens_per_s=60)}, "quick"),
    ],
)
def test_live_figures_bear_on_the_score(lately: dict[str, object], first: str) -> None:
    """What has been slow or failing loses to what has not; the registry's speed counts where nothing is known."""
    quick, steady = deployment("qwen-quick"), deployment("qwen-steady", quality=quality(0.49))
    weather = Weather(paces={f"qwen-{name}@dashscope": p for name, p in lately.items()})  # type: ignore[misc]
    decision = decide(request(), signals(), policy(), fleet(quick, steady), conditions=weather)
    assert steps(decision)[0] == first
    assert {c.deployment: c.pace for c in decision.candidates if c.pace} == weather.paces


def test_figures_are_looked_at_again_when_they_change() -> None:
    """What is kept for one set of figures serves no other, and comes back with them."""
    rules = policy()
    here = fleet(GOOD, FAIR, of=rules)
    weather = Weather()
    sick = {"qwen-good@dashscope": pace(error_rate=0.9)}
    found = []
    for paces in ({}, sick, {}, sick, {"qwen-else@dashscope": pace(error_rate=0.5)}):
        weather.turn(paces)
        found.append(steps(decide(request(), signals(), rules, here, conditions=weather))[0])
    assert found == ["good", "fair", "good", "fair", "good"]


def test_figures_are_read_once_for_each_revision() -> None:
    """Looking at every deployment's figures is paid when they change, and not by each request."""

    class Counting(Weather):
        reads = 0

        def __getattribute__(self, name: str) -> object:
            if name == "paces":
                Counting.reads += 1
            return super().__getattribute__(name)

    weather = Counting()
    for _ in range(5):
        decide(request(), signals(), RULES, HERE, conditions=weather)
    assert Counting.reads == 1
    weather.turn({})
    decide(request(), signals(), RULES, HERE, conditions=weather)
    assert Counting.reads == 2


def test_equal_revisions_of_different_conditions_are_different() -> None:
    """Two routers may share a fleet: each has its own figures."""
    rules = policy()
    here = fleet(GOOD, FAIR, of=rules)
    well, sick = Weather(), Weather(paces={"qwen-good@dashscope": pace(error_rate=0.9)})
    found = [steps(decide(request(), signals(), rules, here, conditions=w))[0] for w in (well, sick, well)]
    assert found == ["good", "fair", "good"]


def test_a_look_from_before_is_not_changed_by_what_came_after() -> None:
    """Candidates and rejections are worked out late, from what was known when it was decided."""
    weather = blocked("fair", until=NOW + 3)
    weather.paces = {"qwen-good@dashscope": pace(ttft_s=2.0)}
    decision = decide(request(), signals(), RULES, HERE, conditions=weather, now=NOW)
    weather.blocked = {}
    weather.turn({})
    assert decision.candidates[0].pace == pace(ttft_s=2.0)
    assert decision.rejected == {"qwen-fair@dashscope": "circuit: 5 failures in a row, for another 3.0 s"}


def test_explain_shows_what_mattered() -> None:
    """Obstacles stand among what was left out, live figures beside the score."""
    weather = Weather(
        blocked={"qwen-good@dashscope": obstacle("cooldown", "too many requests", NOW + 3.2)},
        paces={"qwen-fair@dashscope": pace(0.75, 42.0, 0.12), "qwen-poor@dashscope": pace(1.0, 40.0)},
    )
    rules = policy({"auto": (rule("any", "general", hedge=HedgeRules(percentile=90, after_s=4)),)})
    here = fleet(GOOD, FAIR, POOR, of=rules)
    text = explain(decide(request(), signals(), rules, here, conditions=weather, now=NOW))
    for piece in (
        "qwen-good@dashscope: too many requests, for another 3.2 s [cooldown]",
        "; lately 0.75 s to the first token and 42 tokens/s, 12% of them failed",
        "; lately 1 s to the first token and 40 tokens/s\n",
        "5 attempts in 300 s; hedged where slower than 90 % lately, or 4 s until that is known",
    ):
        assert piece in text
    assert "lately" not in explain(decide(request(), signals(), policy(), fleet(GOOD, FAIR)))


# What the policy gives the plan


def test_a_plan_carries_the_policys_patience() -> None:
    """Queueing, hedging and resumption come from the policy; a rule may say otherwise of hedging."""
    usual, own = HedgeRules(percentile=95), HedgeRules(percentile=50, after_s=1)
    rules = policy(
        {"auto": (rule("any", "general", hedge=own),), "calm": (rule("any", "general"),)},
        hedge=usual,
        limits=Limits(queue_s=0.7),
    )
    object.__setattr__(rules, "resume", Resume.CONTINUE)
    here = fleet(GOOD, of=rules)
    plans = {name: decide(request(name), signals(), rules, here).plan for name in ("auto", "calm", "general")}
    assert {name: plan.hedge for name, plan in plans.items()} == {"auto": own, "calm": None, "general": usual}
    assert {(plan.queue_s, plan.resume) for plan in plans.values()} == {(0.7, Resume.CONTINUE)}
    assert decide(request(hints=Hints(hedge=False)), signals(), rules, here).plan.hedge is None
    assert decide(request("calm", hints=Hints(hedge=True)), signals(), rules, here).plan.hedge is None


@pytest.mark.parametrize(("policys", "callers", "held"), [(0.5, None, 0.5), (None, 0.2, 0.2), (0.5, 0.2, 0.2)])
def test_a_ceiling_is_one_allowance(policys: float | None, callers: float | None, held: float) -> None:
    """The plan has the lower ceiling, and each step the most that it can cost."""
    price = Price(currency="CNY", tiers=(Tier(input=1.0, output=100.0),))
    here = fleet(deployment(price=price, max_output_tokens=1_000))
    rules = policy(limits=Limits(max_cost_usd=policys))
    plan = decide(request(hints=Hints(max_cost_usd=callers)), signals(text_tokens=500), rules, here).plan
    assert plan.max_cost_usd == held
    assert plan.steps[0].worst_cost_usd == pytest.approx((500 * 1 + 1_000 * 100) / 1e6 * 0.1434)
    assert decide(request(), signals(), policy(), here).plan.steps[0].worst_cost_usd == 0.0


def test_obstacles_hold_under_a_ceiling_too() -> None:
    """Nothing is kept there, and everything else is the same."""
    hints = Hints(max_cost_usd=1.0)
    decision = decide(request(hints=hints), signals(), RULES, HERE, conditions=blocked("good"), now=NOW)
    assert steps(decision) == ["fair", "poor", "spare", "good"]


def test_an_obstacle_costs_no_second_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes and goes is laid over the ranking that is kept: deployments are not judged again."""
    here = fleet(GOOD, FAIR, POOR, of=RULES)
    decide(request(), signals(), RULES, here)
    monkeypatch.setattr("qwenroute.routing.target.Target.survey", None)
    for models in (("good",), ("fair",), ("good", "fair"), ("good", "fair", "poor"), ()):
        decide(request(), signals(), RULES, here, conditions=blocked(*models), now=NOW)


def test_an_obstacle_elsewhere_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that the request could go to count, and only they cost anything."""
    weather = Weather(blocked={"other@dashscope": Obstacle(gate="circuit", reason="down")})
    plain = decide(request(), signals(), RULES, HERE)
    monkeypatch.setattr(import_module("qwenroute.routing.decide"), "around", None)
    assert decide(request(), signals(), RULES, HERE, conditions=weather, now=NOW) == plain


@pytest.mark.parametrize(("given", "hedge"), [({}, True), ({"hedge": True}, True), ({"hedge": False}, False)])
def test_the_hints_are_read_as_they_are_meant(given: dict[str, object], hedge: bool) -> None:
    """Only an explicit no forbids hedging; a session is a name."""
    hints = read_hints({**given, "session": "s1"})
    assert (hints.hedge, hints.session) == (hedge, "s1")


@pytest.mark.parametrize("given", [{"hedge": "no"}, {"hedge": 0}, {"session": 7}, {"session": ""}])
def test_a_hint_of_another_kind_is_refused(given: dict[str, object]) -> None:
    """The message names the hint."""
    with pytest.raises(InvalidRequest, match=f"qwenroute.{next(iter(given))}"):
        read_hints(given)
