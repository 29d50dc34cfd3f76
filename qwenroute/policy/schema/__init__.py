"""The shape of a policy file. Unknown keys are refused; names are checked against each other later."""

from qwenroute.policy.schema.endpoints import Endpoint, Pool, RateLimits, ServedModel
from qwenroute.policy.schema.file import PolicyFile
from qwenroute.policy.schema.patience import Breaker, Cache, Cooldown, Hedge, Retries
from qwenroute.policy.schema.rules import Embedding, PromptTokens, Rule, Teach, When
from qwenroute.policy.schema.values import FromFile, FromVariable

__all__ = [
    "Breaker",
    "Cache",
    "Cooldown",
    "Embedding",
    "Endpoint",
    "FromFile",
    "FromVariable",
    "Hedge",
    "PolicyFile",
    "Pool",
    "PromptTokens",
    "RateLimits",
    "Retries",
    "Rule",
    "ServedModel",
    "Teach",
    "When",
]  # fmt: skip
