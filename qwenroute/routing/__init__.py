"""From signals to a plan: gates, scores, the choice, and its explanation."""

from qwenroute.routing.decide import decide
from qwenroute.routing.explain import explain
from qwenroute.routing.fleet import Fleet
from qwenroute.routing.trace import trace

__all__ = ["Fleet", "decide", "explain", "trace"]
