"""What decides whether a deployment may be called now, and what it has been like lately."""

from qwenroute.state.account import limit_keys
from qwenroute.state.board import HealthBoard

__all__ = ["HealthBoard", "limit_keys"]
