"""Decisions: where names and rules lead, in which order, and what is said about it."""

from __future__ import annotations

import copy
import pickle
from dataclasses import replace

import pytest

from qwenroute.domain.capability import Lifecycle, Modality, Role, Thinking
from qwenroute.domain.experiment import Arm, Experiment, ExperimentKind
from qwenroute.domain.price import Price, Tier
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.signals import Difficulty
from qwenroute.errors import ConfigurationError, InvalidRequest, NoDeployment, UnknownModel
from qwenroute.policy import Limits, Pool
from qwenroute.routing import Fleet, decide, explain, target
from qwenroute.routing.assignment import Drawn, Placed
from qwenroute.routing.way import Part
from tests.routing.fleets import SIGHT, TODAY, deployment, fleet, policy, quality, request, rule, signals


def price(rate: float) -> Price:
    """The same rate in and out."""
    return Price(currency="USD", tiers=(Tier(input=rate, output=rate),))


SMALL = deployment("qwen-small", price=price(0.5), quality=quality(0.75))
LARGE = deployment("qwen-large", price=price(50.0), quality=quality(0.90))


def steps(decision: object) -> list[str]:
    """The models of the plan, in order."""
    return [step.deployment.model for step in decision.plan.steps]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("objective", "first"), [("quality", "qwen-large"), ("balanced", "qwen-small"), ("cheap", "qwen-small")]
)
def test_the_objective_orders(objective: str, first: str) -> None:
    """Quality takes the better model, the others the one that is a hundred times cheaper."""
    decision = decide(request(hints=Hints(objective=objective)), signals(), policy(), fleet(SMALL, LARGE))
    assert decision.objective == objective
    assert steps(decision)[0] == first
    assert [c.deployment for c in decision.candidates] == [f"{model}@dashscope" for model in steps(decision)]
    assert list(decision.candidates) == sorted(decision.candidates, key=lambda c: -c.score)


def test_a_difference_in_quality_that_is_worth_its_price_wins() -> None:
    """Balanced pays for a better model where the small one is much worse."""
    weak = deployment("qwen-weak", price=price(0.5), quality=quality(0.3))
    decision = decide(request(), signals(difficulty=Difficulty.HARD), policy(), fleet(weak, LARGE))
    assert steps(decision)[0] == "qwen-large"


def test_quality_top_prefers_quality_without_another_pool() -> None:
    """`quality: top` changes what is preferred, whatever rule holds."""
    decision = decide(request(hints=Hints(quality="top")), signals(), policy(), fleet(SMALL, LARGE))
    assert decision.objective == "quality"


def test_an_unknown_objective_is_told_with_the_nearest() -> None:
    """A typo in the hint is the caller's to mend, before anything is sent."""
    with pytest.raises(InvalidRequest, match="no objective `ballanced`; did you mean `balanced`") as caught:
        decide(request(hints=Hints(objective="ballanced")), signals(), policy(), fleet(SMALL))
    assert caught.value.param == "qwenroute.objective"


def test_own_hardware_without_a_price_counts_a_floor() -> None:
    """Two deployments without a price are told apart by quality alone, and say that theirs is not known."""
    own = deployment("qwen-own", endpoint="gpu", provider="openai_compatible", price=None, quality=quality(0.71))
    better = deployment("qwen-better", endpoint="gpu", provider="openai_compatible", price=None, quality=quality(0.72))
    decision = decide(request(), signals(), policy(), fleet(own, better, LARGE))
    assert steps(decision) == ["qwen-better", "qwen-own", "qwen-large"]
    assert decision.candidates[0].expected_cost_usd is None


def test_a_host_that_hides_its_price_counts_as_dear() -> None:
    """Not knowing the price of a platform makes nothing look free."""
    hidden = deployment("qwen-hidden", price=None, quality=quality(0.75))
    decision = decide(request(), signals(), policy(), fleet(hidden, SMALL))
    assert steps(decision) == ["qwen-small", "qwen-hidden"]
    assert decision.candidates[1].expected_cost_usd is None


def test_fallback_pools_follow_and_keep_a_place() -> None:
    """A pool with many deployments does not crowd its fallback out of the plan."""
    maths = [deployment(f"qwen-math-{n}", roles=(Role.MATH,)) for n in range(6)]
    general = [deployment(f"qwen-general-{n}") for n in range(6)]
    rules = policy({"auto": (rule("maths", "math", "general"),)})
    decision = decide(request(), signals(), rules, fleet(*maths, *general, of=rules))
    assert [step.pool for step in decision.plan.steps] == ["math", "math", "math", "math", "general"]
    assert len(decision.candidates) == 12


def test_a_deployment_of_two_pools_stands_once() -> None:
    """Where pools overlap, nothing is tried twice."""
    both = deployment("qwen-both", roles=(Role.MATH, Role.GENERAL))
    rules = policy({"auto": (rule("maths", "math", "general"),)})
    decision = decide(request(), signals(), rules, fleet(both, of=rules))
    assert steps(decision) == ["qwen-both"]


def test_a_fallback_is_gated_as_the_first_choice_is() -> None:
    """An image request falls back to what sees, and never to what does not."""
    eyes = deployment("qwen-eyes", roles=(Role.OMNI,), input=SIGHT)
    blind = deployment("qwen-blind", roles=(Role.VISION, Role.GENERAL))
    rules = policy({"auto": (rule("images", "vision", "general", "omni"),)})
    asked = signals(input=frozenset({Modality.TEXT, Modality.IMAGE}))
    decision = decide(request(), asked, rules, fleet(eyes, blind, of=rules))
    assert steps(decision) == ["qwen-eyes"]
    assert decision.rejected == {"qwen-blind@dashscope": "modality_in: takes text, not image"}
    assert "omni pool, for nothing in vision can serve it" in decision.reason


def test_a_hybrid_thinks_where_the_role_does() -> None:
    """The same hybrid thinks as a reasoner and does not as a generalist; the caller's wish stands above."""
    hybrid = deployment("qwen-hybrid", roles=(Role.REASONING, Role.GENERAL), thinking=Thinking.HYBRID)
    rules = policy({"auto": (rule("any", "general"),), "think": (rule("any", "reasoning"),)})
    here = fleet(hybrid, of=rules)
    assert decide(request(), signals(), rules, here).first.thinking is False
    assert decide(request("think"), signals(), rules, here).first.thinking is True
    assert decide(request("think"), signals(thinking=False), rules, here).first.thinking is False
    assert decide(request(), signals(thinking=True), rules, here).first.thinking is True
    assert decide(request("qwen-hybrid@dashscope"), signals(), rules, here).first.thinking is None


def test_a_pool_of_several_roles_is_ordered_by_the_objective_and_thinks_as_they_agree() -> None:
    """Nobody goes first for being made for one of the roles; roles that do not agree leave thinking alone."""
    pools = [
        Pool(name="thinkers", roles=(Role.REASONING, Role.VISION_REASONING)),
        Pool(name="talkers", roles=(Role.GENERAL, Role.MAX)),
        Pool(name="mixed", roles=(Role.GENERAL, Role.REASONING)),
    ]
    here = policy(pools=pools)
    made = deployment("qwen-made", roles=(Role.REASONING,), thinking=Thinking.ALWAYS, quality=quality(0.4))
    able = deployment(
        "qwen-able", roles=(Role.GENERAL, Role.REASONING), thinking=Thinking.HYBRID, thinking_default_on=True,
        quality=quality(0.9),
    )  # fmt: skip
    for name, thinking in (("thinkers", True), ("talkers", False), ("mixed", None)):
        decision = decide(request(name), signals(), here, fleet(made, able, of=here))
        assert (decision.first.deployment.model, decision.first.thinking) == ("qwen-able", thinking)
    assert decide(request("reasoning"), signals(), here, fleet(made, able, of=here)).first.deployment is made


def test_a_model_named_outright_stops_thinking_only_where_it_must() -> None:
    """JSON excludes thinking: a hybrid that thinks by default is told not to."""
    hybrid = deployment("qwen-hybrid", thinking=Thinking.HYBRID, thinking_default_on=True)
    decision = decide(request("qwen-hybrid@dashscope"), signals(response_format="json_object"), policy(), fleet(hybrid))
    assert decision.first.thinking is False


def test_models_that_do_not_choose_are_left_alone() -> None:
    """No switch is set where the model has none."""
    plain, always = deployment("qwen-plain"), deployment("qwen-always", thinking=Thinking.ALWAYS)
    decision = decide(request(), signals(), policy(), fleet(plain, always))
    assert {step.thinking for step in decision.plan.steps} == {None}


def test_a_role_in_the_hints_leads_to_its_route_or_pool() -> None:
    """The hint `role` narrows any route to that role's own."""
    coder = deployment("qwen-coder", roles=(Role.CODER,))
    with_route = policy({"auto": (rule("any", "general"),), "coder": (rule("code", "coder", "general"),)})
    decision = decide(request(hints=Hints(role=Role.CODER)), signals(), with_route, fleet(coder, SMALL, of=with_route))
    assert (decision.route, decision.rule, steps(decision)[0]) == ("coder", "code", "qwen-coder")
    without = policy()
    decision = decide(request(hints=Hints(role=Role.CODER)), signals(), without, fleet(coder, SMALL, of=without))
    assert (decision.rule, steps(decision)) == ("the coder pool", ["qwen-coder"])


def test_a_role_is_a_model_name() -> None:
    """`model="coder"` works without a route of that name."""
    coder = deployment("qwen-coder", roles=(Role.CODER,))
    assert steps(decide(request("coder"), signals(), policy(), fleet(coder, SMALL))) == ["qwen-coder"]


def test_models_made_for_a_role_stand_before_those_that_stand_in_for_it() -> None:
    """A cheaper or better general model follows the specialist; an unconfirmed one comes last."""
    both = (Role.GENERAL, Role.CODER)
    stand_in = deployment("qwen-a", roles=both, quality=quality(0.9))
    unsure = deployment("qwen-b", roles=(Role.CODER,), quality=quality(0.9), lifecycle=Lifecycle.UNKNOWN)
    made_for_it = deployment("qwen-c", roles=(Role.CODER,), quality=quality(0.4))
    here = fleet(unsure, stand_in, made_for_it)
    assert steps(decide(request("coder"), signals(), policy(), here)) == ["qwen-c", "qwen-a", "qwen-b"]
    assert steps(decide(request("general"), signals(), policy(), here)) == ["qwen-a"]


def test_a_deployment_named_outright_is_gated_all_the_same() -> None:
    """Naming a deployment chooses it, and lifts no gate."""
    here = fleet(SMALL, LARGE)
    decision = decide(request("qwen-large@dashscope"), signals(), policy(), here)
    assert steps(decision) == ["qwen-large"]
    assert decision.reason == "named outright"
    with pytest.raises(NoDeployment, match="takes text, not image"):
        decide(request("qwen-large@dashscope"), signals(input=SIGHT), policy(), here)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    """A name that nobody knows is refused before any call, with what was likely meant."""
    with pytest.raises(UnknownModel, match=r"`qwen-smal@dashscope` is neither.*did you mean `qwen-small@dashscope`"):
        decide(request("qwen-smal@dashscope"), signals(), policy(), fleet(SMALL))


def test_the_pools_of_the_policy_can_be_narrowed() -> None:
    """A pool is its roles and models, on the endpoints and providers that it names."""
    own = deployment("qwen-large", endpoint="gpu", provider="openai_compatible")
    pools = [
        Pool(name="here", roles=(Role.GENERAL,), endpoints=frozenset({"gpu"})),
        Pool(name="there", roles=(Role.GENERAL,), providers=frozenset({"dashscope"})),
        Pool(name="one", models=("qwen-large@gpu",)),
        Pool(name="two", models=("qwen-large",)),
    ]
    rules = policy({p.name: (rule("any", p.name),) for p in pools}, pools)
    here = Fleet(rules, (SMALL, LARGE, own), on=TODAY)
    decisions = {p.name: decide(request(p.name), signals(), rules, here) for p in pools}
    assert {name: {s.deployment.id for s in d.plan.steps} for name, d in decisions.items()} == {
        "here": {"qwen-large@gpu"},
        "there": {"qwen-small@dashscope", "qwen-large@dashscope"},
        "one": {"qwen-large@gpu"},
        "two": {"qwen-large@gpu", "qwen-large@dashscope"},
    }


def test_limits_and_hints_shape_the_plan() -> None:
    """Attempts and deadline come from the policy; the caller may set another deadline."""
    rules = policy(limits=Limits(deadline_s=7.0, max_attempts=1))
    decision = decide(request(), signals(), rules, fleet(SMALL, LARGE, of=rules))
    assert (decision.plan.deadline_s, decision.plan.max_attempts, len(decision.plan.steps)) == (7.0, 1, 1)
    decision = decide(request(hints=Hints(deadline_s=2.5)), signals(), rules, fleet(SMALL, LARGE, of=rules))
    assert decision.plan.deadline_s == 2.5


def test_an_exact_count_is_asked_for_only_near_a_limit() -> None:
    """The vocabulary is consulted where the estimate's error could decide, and its count then does."""
    calls: list[Request] = []

    def count(asked: Request) -> int:
        calls.append(asked)
        return 4_050

    window = deployment("qwen-4k", context_tokens=5_000, max_input_tokens=4_096)
    far = signals(text_tokens=3_000, text_tokens_upper=3_300)
    decide(request(), far, policy(), fleet(window), count_exactly=count)
    assert calls == []
    near = signals(text_tokens=3_900, text_tokens_upper=4_300)
    decision = decide(request(), near, policy(), fleet(window), count_exactly=count)
    assert len(calls) == 1
    assert decision.signals.text_tokens_upper == decision.signals.text_tokens == 4_050
    assert decision.signals.text_tokens_exact
    with pytest.raises(NoDeployment, match=r"4,096 tokens, this one has up to 4,300"):
        decide(request(), near, policy(), fleet(window), count_exactly=lambda _: None)
    with pytest.raises(NoDeployment, match=r"4,096 tokens, this one has 4,200"):
        decide(request(), near, policy(), fleet(window), count_exactly=lambda _: 4_200)


def test_the_refusal_puts_the_most_telling_reason_first() -> None:
    """The deployment that came nearest is named first, and a way on is given."""
    far = [deployment(f"qwen-text-{n}") for n in range(5)]
    near = deployment("qwen-eyes", input=SIGHT, context_tokens=4_096, max_input_tokens=3_072, max_output_tokens=None)
    asked = signals(input=frozenset({Modality.TEXT, Modality.IMAGE}), text_tokens=9_000)
    with pytest.raises(NoDeployment) as caught:
        decide(request(), asked, policy(), fleet(*far, near))
    lines = str(caught.value).splitlines()
    assert lines[0] == "nothing can serve this request (route `auto`, rule `anything`):"
    assert lines[1].startswith("  max_input: takes prompts of 3,072 tokens, this one has up to 9,000 (qwen-eyes@")
    assert lines[2].startswith("  modality_in: takes text, not image (qwen-text-0@dashscope, ")
    assert lines[2].endswith("and 2 more)")
    assert lines[-1] == "Shorten the prompt, or add a deployment with a wider window"
    assert caught.value.decision.plan.steps == ()
    assert len(caught.value.decision.rejections) == 6


def test_an_empty_pool_is_said_to_be_empty() -> None:
    """Where no endpoint offers a model of the role, the message says that, and not that a gate refused."""
    rules = policy({"auto": (rule("speech", "omni"),)})
    with pytest.raises(NoDeployment, match="no endpoint offers a model for `omni`"):
        decide(request(), signals(), rules, fleet(SMALL, of=rules))


def test_a_first_choice_that_is_about_to_leave_is_warned_of() -> None:
    """The warning names the deployment and the day."""
    leaving = deployment("qwen-leaving", lifecycle=Lifecycle.RETIRING, retires_on=TODAY)
    assert decide(request(), signals(), policy(), fleet(leaving)).warnings == (
        "`qwen-leaving@dashscope` retires on 2026-11-24",
    )


def test_a_currency_without_a_rate_is_refused_when_the_fleet_is_built() -> None:
    """No request is needed to find out that costs could not be compared."""
    odd = deployment("qwen-odd", price=Price(currency="JPY", tiers=(Tier(input=1, output=1),)))
    with pytest.raises(ConfigurationError, match="`qwen-odd@dashscope` is priced in JPY"):
        fleet(odd)


def test_a_fleet_belongs_to_its_policy() -> None:
    """Pools resolved for one policy are not mixed with the rules of another."""
    other = Fleet(policy(), (SMALL,), on=TODAY)
    foreign = copy.copy(policy())
    object.__setattr__(foreign, "hash", "another")
    with pytest.raises(ConfigurationError, match="another policy"):
        decide(request(), signals(), foreign, other)


def test_a_decision_is_data() -> None:
    """Decisions compare, print, copy and pickle by what they say, looked at or not."""
    here = fleet(SMALL, LARGE, deployment("qwen-4k", context_tokens=4_096, max_input_tokens=3_072))
    asked = signals(text_tokens=5_000)
    one, two = (decide(request(), asked, policy(), here) for _ in range(2))
    assert one == two
    assert repr(one) == repr(two)
    assert tuple(copy.deepcopy(one.rejections)) == tuple(two.rejections)
    assert pickle.loads(pickle.dumps(one.candidates)) == tuple(two.candidates)
    assert one.rejections[0].gate == "max_input"
    assert one.candidates[:1] == tuple(two.candidates)[:1]
    assert hash(one.candidates) == hash(tuple(two.candidates))


def test_what_is_kept_gives_the_same_choice_as_a_fresh_look() -> None:
    """Remembering the choice for requests of the same size class never changes it."""
    here = fleet(SMALL, LARGE, deployment("qwen-4k", context_tokens=4_096, max_input_tokens=3_072))
    for tokens in (10, 2_900, 3_072, 3_073, 3_100, 50_000, 3_071, 129_024, 11):
        asked = signals(text_tokens=tokens)
        fresh = decide(request(), asked, policy(), fleet(*here.deployments))
        assert decide(request(), asked, policy(), here) == fresh


def test_what_is_kept_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgetting all of it in between changes no choice."""
    monkeypatch.setattr(target, "MAX_KEPT", 2)
    here = fleet(SMALL, LARGE)
    for tokens in (10, 100, 1_000, 10_000, 10):
        asked = signals(text_tokens=tokens, tools=tokens > 100)
        assert decide(request(), asked, policy(), here) == decide(request(), asked, policy(), fleet(SMALL, LARGE))


def test_explain_tells_the_whole_story() -> None:
    """Signals, rules, candidates with scores, rejections with reasons, and the plan, in words."""
    hybrid = deployment("qwen-hybrid", thinking=Thinking.HYBRID, wire_model="qwen-hybrid-latest", price=price(0.01))
    narrow = deployment("qwen-4k", context_tokens=4_096, max_input_tokens=3_072)
    asked = signals(text_tokens=5_000, tools=True, thinking=False, max_output_tokens=900)
    text = explain(decide(request(), asked, policy(), fleet(hybrid, narrow)))
    for piece in (
        "qwen-hybrid@dashscope: general, easy: general pool",
        "task general (90% sure), easy (80% sure), language en",
        "about 5,000 tokens of text (5,000 at most), answer bounded to 900",
        "asks for tools, no thinking",
        f"route `auto` of policy `{policy().name}` (",
        "anything: matched",
        "candidates, pool after pool, each by the objective `balanced`",
        "qwen-4k@dashscope: takes prompts of 3,072 tokens, this one has up to 5,000 [max_input]",
        "plan: at most 5 attempts in 300 s",
        "1. qwen-hybrid@dashscope from general, called `qwen-hybrid-latest`, thinking off",
    ):
        assert piece in text


@pytest.mark.parametrize(
    ("kind", "part", "said"),
    [
        (ExperimentKind.CANARY, Placed(Arm.VARIANT), "experiment `try`: on the newcomer's side"),
        (ExperimentKind.CANARY, Placed(Arm.CONTROL), "experiment `try`: on the control's side"),
        (
            ExperimentKind.SHADOW,
            Drawn(lambda: 0.0),
            "experiment `try`: copied to the newcomer, whose answer is discarded",
        ),
    ],
)
def test_explain_tells_the_part_in_an_experiment(kind: ExperimentKind, part: Part, said: str) -> None:
    """Each side is told, the control's too."""
    tried = Experiment(name="try", kind=kind, pool="max", share=0.5)
    here = policy({"auto": (replace(rule("anything", "general"), experiment=tried),)})
    text = explain(decide(request(), signals(), here, fleet(SMALL, of=here), part=part))
    assert f"\n{said}\n" in text


def test_a_newcomer_thinks_as_the_control_does() -> None:
    """Where its pool lists models and does not say: else one side would pay for thinking and the other would not."""
    hybrid = deployment("qwen-hybrid", thinking=Thinking.HYBRID, thinking_default_on=True, price=price(0.01))
    tried = Experiment(name="try", kind=ExperimentKind.CANARY, pool="newer", share=0.5)
    newer = Pool(name="newer", models=("qwen-hybrid",))
    here = policy({"auto": (replace(rule("anything", "general", "newer"), experiment=tried),)}, (newer,))
    first = decide(request(), signals(), here, fleet(hybrid, of=here), part=Placed(Arm.VARIANT)).first
    assert (first.pool, first.thinking) == ("newer", False)
    assert decide(request("newer"), signals(), here, fleet(hybrid, of=here)).first.thinking is None


def test_explain_takes_a_decision_without_a_plan() -> None:
    """A refusal can be explained too."""
    with pytest.raises(NoDeployment) as caught:
        decide(request(), signals(input=SIGHT), policy(), fleet(SMALL))
    text = explain(caught.value.decision)
    assert text.startswith("nothing can serve this request (route `auto`, rule `anything`)")
    assert "  none" in text
