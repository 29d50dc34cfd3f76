"""The retry budget: retries never exceed their share of the requests and the floor."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from qwenroute.domain.resilience import RetryBudgetRules
from qwenroute.state.retry_budget import RetryBudget

RULES = RetryBudgetRules(share=0.1, floor_per_s=0.2, window_s=10.0)


def retries(budget: RetryBudget, now: float) -> int:
    """How many retries the budget pays for at an instant."""
    paid, after = 0, budget.withdraw(now)
    while after is not None:
        paid, after = paid + 1, after.withdraw(now)
    return paid


def test_the_floor_alone_allows_a_few() -> None:
    """Without any traffic, the floor of a window may be taken."""
    assert retries(RetryBudget(RULES), 1_000.0) == 2


def test_requests_pay_their_share() -> None:
    """A hundred requests pay for ten retries beside the floor."""
    assert retries(RetryBudget(RULES).deposit(100, 50.0), 55.0) == 12


def test_a_share_is_gone_after_the_window() -> None:
    """Traffic of long ago pays for nothing now."""
    assert retries(RetryBudget(RULES).deposit(100, 50.0), 61.0) == 2


def test_a_spent_floor_comes_back_after_the_window() -> None:
    """What was taken out is forgotten as what was paid in is."""
    budget = RetryBudget(RULES, slot=1)
    for _ in range(2):
        after = budget.withdraw(1.0)
        assert after is not None
        budget = after
    assert retries(budget, 9.0) == 0
    assert retries(budget, 11.5) == 2


def test_withdrawing_changes_nothing_in_place() -> None:
    """The budget is a value: the one before can be asked again."""
    budget = RetryBudget(RULES)
    before = budget.balance
    assert budget.withdraw(0.0) is not None
    assert budget.balance == before


class BudgetMachine(RuleBasedStateMachine):
    """Requests and retries in any order."""

    @initialize(share=st.sampled_from([0.0, 0.1, 0.5]), floor=st.sampled_from([0.0, 0.1, 1.0]))
    def start(self, share: float, floor: float) -> None:
        self.rules = RetryBudgetRules(share=share, floor_per_s=floor, window_s=10.0)
        self.budget = RetryBudget(self.rules)
        self.now = 0.0
        self.requests: list[tuple[float, int]] = []
        self.retries: list[float] = []

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 9.5, 30.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 50))
    def request(self, count: int) -> None:
        self.budget = self.budget.deposit(count, self.now)
        self.requests.append((self.now, count))

    @rule(times=st.integers(1, 20))
    def retry(self, times: int) -> None:
        for _ in range(times):
            after = self.budget.withdraw(self.now)
            if after is None:
                assert self.budget.at(self.now).balance < 1.0
                break
            self.budget = after
            self.retries.append(self.now)
            self.within_budget()

    def within_budget(self) -> None:
        """Check the window that ends with a retry, and all windows since the beginning."""
        rules, window = self.rules, self.rules.window_s
        recent = sum(at > self.now - 0.9 * window for at in self.retries)
        paid = sum(count for at, count in self.requests if at > self.now - window)
        assert recent <= rules.share * paid + rules.floor_per_s * window + 1e-6
        windows = math.ceil((self.now + 0.001) / (0.9 * window)) + 1
        total = sum(count for _, count in self.requests)
        assert len(self.retries) <= rules.share * total + rules.floor_per_s * window * windows + 1e-6


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=60, stateful_step_count=40)
