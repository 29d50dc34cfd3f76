"""Which of the policy's examples a request is like, told by an encoder of the operator's own."""

from qwenroute.embedding.encoder import Encoder
from qwenroute.embedding.resemblance import Resemblance

__all__ = ["Encoder", "Resemblance"]
