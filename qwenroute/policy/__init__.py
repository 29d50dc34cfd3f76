"""What operators decide: the file, what is wrong with it, and which rule holds for a request."""

from qwenroute.policy.load import load_policy
from qwenroute.policy.policy import Limits, Objective, Policy, Pool, Retired, Route, Rule

__all__ = ["Limits", "Objective", "Policy", "Pool", "Retired", "Route", "Rule", "load_policy"]
