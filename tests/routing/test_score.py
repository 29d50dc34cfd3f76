"""Scores: absolute, documented, and blind to who else is there."""

from __future__ import annotations

import pytest

from qwenroute.domain.capability import Modality, Thinking
from qwenroute.domain.price import Price, Tier
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy import Objective
from qwenroute.routing import decide, explain
from qwenroute.routing.expectation import ANSWER_TOKENS, THINKING_TOKENS
from qwenroute.routing.score import expect, forecast, rate, size_class
from tests.routing.fleets import (
    BALANCED,
    CHEAP,
    QUALITY,
    deployment,
    fleet,
    policy,
    quality,
    request,
    rule,
    signals,
)

USD = {"USD": 1.0, "CNY": 0.1434}
CNY = Price(currency="CNY", tiers=(Tier(input=100.0, output=1_000.0, output_thinking=2_000.0),))


def test_every_task_and_difficulty_has_an_expectation() -> None:
    """No answer's length is left to a missing key."""
    assert {(t, d) for t, row in ANSWER_TOKENS.items() for d in row} == {(t, d) for t in Task for d in Difficulty}
    assert set(THINKING_TOKENS) == set(Difficulty)


def test_a_score_is_made_of_three_terms() -> None:
    """Quality less a share of it for every factor of ten in cost and in seconds."""
    asked = signals(text_tokens=1_024)
    found = rate(forecast(asked), deployment(price=CNY), BALANCED, USD, pool="general", thinks=False)
    cost = (1_024 * 100 + 150 * 1_000) / 1e6 * 0.1434
    assert found.expected_cost_usd == pytest.approx(cost)
    assert found.expected_latency_s == pytest.approx(0.5 + 150 / 50)
    assert found.score == pytest.approx(0.5 - 0.1 * 2.558 - 0.03 * 0.544, abs=1e-3)


def test_a_chain_of_thought_is_paid_and_waited_for() -> None:
    """Thinking adds its tokens to cost and latency, at the rate of thinking."""
    hybrid = deployment(price=CNY, thinking=Thinking.HYBRID)
    asked = signals(text_tokens=1_024, difficulty=Difficulty.HARD)
    quiet = rate(forecast(asked), hybrid, BALANCED, USD, pool="general", thinks=False)
    loud = rate(forecast(asked), hybrid, BALANCED, USD, pool="general", thinks=True)
    assert loud.expected_cost_usd == pytest.approx((1_024 * 100 + 6_700 * 2_000) / 1e6 * 0.1434)
    assert loud.expected_latency_s == pytest.approx(quiet.expected_latency_s + 6_000 / 50)


def test_an_answer_is_expected_within_its_bounds() -> None:
    """Neither the caller's bound nor the model's is expected to be passed."""
    short = signals(max_output_tokens=64, difficulty=Difficulty.HARD)
    assert expect(forecast(short), deployment(), thinks=False).completion_tokens == 64
    narrow = deployment(max_output_tokens=100)
    assert expect(forecast(signals(difficulty=Difficulty.HARD)), narrow, thinks=False).completion_tokens == 100


def test_speech_is_paid_as_sound() -> None:
    """Where sound is asked for, the answer is expected in tokens of sound."""
    asked = signals(output=frozenset({Modality.TEXT, Modality.AUDIO}))
    assert expect(forecast(asked), deployment(), thinks=False).audio_output_tokens == 1_500


def test_size_classes_are_a_quarter_of_a_doubling_wide() -> None:
    """Sizes of one class differ by a fifth at most, and grow from class to class."""
    sizes = [size_class(n) for n in range(1, 5_000)]
    assert sizes == sorted(sizes)
    assert size_class(0) == size_class(1) == 0
    assert size_class(2_000) - size_class(1_000) == 4
    members = [n for n in range(1, 100_000) if size_class(n) == size_class(10_000)]
    assert members[-1] / members[0] < 1.2


@pytest.mark.parametrize("objective", [QUALITY, BALANCED, CHEAP], ids=lambda o: o.name)
def test_others_do_not_change_a_score(objective: object) -> None:
    """Adding a deployment, eligible or not, moves nobody else's score or order."""
    one = deployment("qwen-one", price=CNY)
    two = deployment("qwen-two")
    third = deployment("qwen-third", price=None)
    alone = decide(request(), signals(), policy(), fleet(one, two))
    joined = decide(request(), signals(), policy(), fleet(third, one, two))
    kept = [c for c in joined.candidates if c.deployment != "qwen-third@dashscope"]
    assert kept == list(alone.candidates)


def test_what_is_not_good_enough_stands_behind_what_is() -> None:
    """Under a floor on quality the cheapest above it is first; below it the best, and the decision says so."""
    thrifty = Objective(name="thrifty", quality=0.0, cost=1.0, latency=0.0, min_quality=0.6)
    here = [
        deployment(
            f"qwen-{letter}", quality=quality(value), price=Price(currency="USD", tiers=(Tier(input=usd, output=usd),))
        )
        for letter, value, usd in (("a", 0.9, 9.0), ("b", 0.6, 3.0), ("c", 0.59, 1.0), ("d", 0.2, 0.1))
    ]
    ruled = policy({"auto": (rule("all", "general", objective=thrifty),)})
    decision = decide(request(), signals(), ruled, fleet(*here, of=ruled))
    assert [step.deployment.model for step in decision.plan.steps] == ["qwen-b", "qwen-a", "qwen-c", "qwen-d"]
    assert [candidate.short_of for candidate in decision.candidates] == [None, None, 0.6, 0.6]
    assert "behind those that reach a quality of 0.60" in explain(decision)
