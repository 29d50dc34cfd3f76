"""Money that each tenant may spend a day, kept in a file that processes share, and what happens when it is spent."""

from pathlib import Path
from tempfile import TemporaryDirectory

from qwenroute import BudgetExceeded, Router

POLICY = """\
version: 1
extends: default
timezone: Europe/Berlin            # a day ends at midnight there
pools:
  thrifty: {models: [qwen-flash]}
limits:
  max_output_tokens: 200           # the shorter an answer can be, the less is reserved for it
budgets:
  - {budget: trial-a-day, amount: 0.0001, window: day, per: tenant, tenants: [trial]}
  - {budget: gold-an-hour, amount: 0.00015, window: hour, tenants: [gold], when_spent: {pool: thrifty}}
  - {budget: everybody-a-month, amount: 100, window: month, warn_at: 0.8}
ledger: {path: spend.sqlite}       # without it, each process counts for itself, in memory
"""
QUESTION = [{"role": "user", "content": "Name three rivers of Brazil."}]

with TemporaryDirectory() as folder:
    policy = Path(folder) / "budgets.yaml"
    policy.write_text(POLICY, encoding="utf-8")
    with Router(policy) as router:
        for tenant in ("gold", "trial"):
            for _ in range(4):
                try:
                    answer = router.chat.completions.create(messages=QUESTION, qwenroute={"tenant": tenant})
                    print(f"{tenant}: {answer.route.deployment} for {answer.route.cost}")
                except BudgetExceeded as error:  # `except openai.RateLimitError` catches it too
                    print(f"{tenant}: {error.budget} is spent until {error.resets_at:%H:%M}")
        for budget in router.budgets():
            print(f"{budget.budget} {budget.scope}: {budget.spent:.6f} of {budget.amount:g} {budget.currency} is spent")
