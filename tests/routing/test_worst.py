"""The worst case of a call: everything that can make it dearer is in it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.capability import Thinking
from qwenroute.domain.decision import Plan, Step
from qwenroute.domain.price import Price, Tier, Usage
from qwenroute.routing.worst import worst_case
from tests.routing.fleets import deployment, signals

PRICE = Price(currency="USD", tiers=(Tier(input=1.0, output=2.0, output_thinking=8.0),))


def worst(said: int = 0, longest: int | None = None, thinking: bool | None = None, **asks: object) -> float | None:
    """The worst case at a hybrid with a window of 10,000 tokens."""
    facts = {"context_tokens": 10_000, "max_output_tokens": None, "thinking": Thinking.HYBRID, "price": PRICE}
    step = Step(deployment=deployment(**facts), pool="p", role=None, thinking=thinking)
    plan = Plan(steps=(step,), deadline_s=1.0, max_attempts=1, max_output_tokens=longest)
    money = worst_case(step, signals(text_tokens=1_000, **asks), plan, said_tokens=said)
    return None if money is None else round(money.amount * 1e6)


def test_what_bounds_an_answer() -> None:
    """The caller, the policy, or the window, whichever is least; thinking comes on top, answers are multiplied."""
    assert worst() == 1_000 + 2 * 9_000
    assert worst(longest=500) == 1_000 + 2 * 500
    assert worst(longest=500, max_output_tokens=100) == 1_000 + 2 * 100
    assert worst(longest=500, max_output_tokens=100, choices=3) == 1_000 + 2 * 300
    assert worst(longest=500, thinking=True) == 1_000 + 8 * 9_000


def test_what_is_sent_along_to_be_continued_is_paid_for_again() -> None:
    """A resumed stream's prompt is longer by what the caller has already."""
    assert worst(said=50, longest=500) == 1_050 + 2 * 500


def test_no_known_price_has_no_worst_case() -> None:
    """It counts as free in budgets."""
    step = Step(deployment=deployment(price=None), pool="p", role=None)
    assert worst_case(step, signals(), Plan(steps=(step,), deadline_s=1.0, max_attempts=1)) is None


@given(st.integers(0, 60), st.integers(0, 100), st.booleans())
def test_nothing_that_stays_within_the_bounds_costs_more(prompt: int, answer: int, thinking: bool) -> None:
    """Any usage within the estimate's upper bound and the answer's bound is covered."""
    step = Step(deployment=deployment(price=PRICE), pool="p", role=None, thinking=thinking)
    plan = Plan(steps=(step,), deadline_s=1.0, max_attempts=1, max_output_tokens=100)
    money = worst_case(step, signals(), plan)
    assert money is not None
    assert PRICE.cost(Usage(prompt_tokens=prompt, completion_tokens=answer)).amount <= money.amount
