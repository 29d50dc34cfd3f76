"""Retries as a share of traffic: every request pays a little in, every retry takes one out.

What was paid in can be used within the window and is gone after it, and so is what was taken out;
a floor lets little traffic be retried too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qwenroute.domain.resilience import RetryBudgetRules

SLOTS = 10
ONE = 1.0 - 1e-6
"""A whole retry, but for what adding up many shares has lost of it."""


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """A balance over a sliding window; every method returns the next one."""

    rules: RetryBudgetRules
    slot: int = 0
    """Number of the current tenth of the window."""
    net: tuple[float, ...] = (0.0,) * SLOTS
    """Paid in less taken out, per slot, the current one last."""

    @property
    def balance(self) -> float:
        """How many retries are paid for."""
        return self.rules.floor_per_s * self.rules.window_s + sum(self.net)

    def at(self, now: float) -> RetryBudget:
        """Return the budget at an instant: what is older than the window is gone."""
        slot = int(now * SLOTS / self.rules.window_s)
        passed = slot - self.slot
        if passed <= 0:
            return self
        return replace(self, slot=slot, net=self.net[passed:] + (0.0,) * min(passed, SLOTS))

    def deposit(self, requests: int, now: float) -> RetryBudget:
        """Pay in the share of some requests."""
        return _with(self.at(now), requests * self.rules.share)

    def withdraw(self, now: float) -> RetryBudget | None:
        """Pay for one retry, or return None where the budget is spent."""
        current = self.at(now)
        return _with(current, -1.0) if current.balance >= ONE else None


def _with(budget: RetryBudget, amount: float) -> RetryBudget:
    return replace(budget, net=(*budget.net[:-1], budget.net[-1] + amount))
