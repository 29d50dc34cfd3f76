"""What operators decide: the file, what is wrong with it, and which rule holds for a request."""

from qwenroute.policy.encoder import Embedding
from qwenroute.policy.load import Loaded, load, load_policy
from qwenroute.policy.policy import Limits, Objective, Policy, Pool, Retired, Route, Rule
from qwenroute.policy.teaching import Lesson, taught
from qwenroute.policy.wording import Alike, Recalled, Wording

__all__ = [
    "Alike", "Embedding", "Lesson", "Limits", "Loaded", "Objective", "Policy", "Pool", "Recalled", "Retired", "Route",
    "Rule", "Wording", "load", "load_policy", "taught",
]  # fmt: skip
