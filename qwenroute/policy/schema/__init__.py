"""The shape of a policy file. Unknown keys are refused; names are checked against each other later."""

from qwenroute.policy.schema.budgets import Budget, CheaperPool, Ledger
from qwenroute.policy.schema.endpoints import Endpoint, Pool, RateLimits, ServedModel
from qwenroute.policy.schema.experiments import Experiment, Rollback
from qwenroute.policy.schema.file import PolicyFile
from qwenroute.policy.schema.patience import Breaker, Cache, Cooldown, Hedge, Limits, Retries, RuleLimits
from qwenroute.policy.schema.records import Records
from qwenroute.policy.schema.rules import Embedding, Hours, Latency, PromptTokens, Rule, Teach, When
from qwenroute.policy.schema.values import FromFile, FromVariable

__all__ = [
    "Breaker",
    "Budget",
    "Cache",
    "CheaperPool",
    "Cooldown",
    "Embedding",
    "Endpoint",
    "Experiment",
    "FromFile",
    "FromVariable",
    "Hedge",
    "Hours",
    "Latency",
    "Ledger",
    "Limits",
    "PolicyFile",
    "Pool",
    "PromptTokens",
    "RateLimits",
    "Records",
    "Retries",
    "Rollback",
    "Rule",
    "RuleLimits",
    "ServedModel",
    "Teach",
    "When",
]  # fmt: skip
