"""What is known of models: capability cards with their sources, read once into an immutable index."""

from qwenroute.registry.cards import ModelCard
from qwenroute.registry.facts import Fact
from qwenroute.registry.lifecycle import LifecycleState
from qwenroute.registry.media import media_tokens
from qwenroute.registry.overlay import Override
from qwenroute.registry.platform import Region
from qwenroute.registry.registry import Found, Registry

__all__ = ["Fact", "Found", "LifecycleState", "ModelCard", "Override", "Region", "Registry", "media_tokens"]
