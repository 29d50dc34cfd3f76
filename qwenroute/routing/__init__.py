"""From signals to a plan: gates, scores, the choice, and its explanation."""

from qwenroute.routing.decide import decide
from qwenroute.routing.explain import explain
from qwenroute.routing.fleet import Fleet

__all__ = ["Fleet", "decide", "explain"]
