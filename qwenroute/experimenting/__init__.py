"""What experiments do while requests are under way, and what their records say."""

from qwenroute.experimenting.shadows import Shadows
from qwenroute.experimenting.trying import Tried, trial_of

__all__ = ["Shadows", "Tried", "trial_of"]
