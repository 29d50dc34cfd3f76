"""How fast to expect a model to be: seconds to the first token, tokens per second.

The vendor measured generation on an A100 for each size of Qwen2.5 (one request at a time, short input, BF16); a
model of another size takes the measurement of the nearest size above it, a mixture of experts that of the
experts in use. How long the first token takes is published for one model and one length only, so
it is an assumption: a fifth of a second and a hundredth more for each billion parameters.

No dependable figure for DashScope was found. Its models are put into three tiers by their name, an
assumption in the range of what gateways show. How much a model thinks is no matter of speed and
stands elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

from qwenroute.domain.capability import Speed
from qwenroute.registry.cards import ModelCard

MEASURED: tuple[tuple[float, float], ...] = (
    (0.5, 311.6), (1.6, 183.3), (3.8, 127.61), (10.7, 84.28), (14.8, 46.3), (33.5, 31.82), (73.5, 31.37),
)  # fmt: skip
"""Billions of parameters up to which tokens per second hold (32B on two cards, 72B on four)."""

TIERS: Mapping[str, tuple[float, float]] = {"flash": (0.4, 120.0), "plus": (0.6, 70.0), "max": (1.0, 40.0)}
"""Seconds to the first token and tokens per second, by tier."""

_TIER_OF = {"turbo": "flash", "flash": "flash", "plus": "plus", "max": "max"}


def expected(card: ModelCard) -> Speed:
    """Return what to expect, and on what basis."""
    weights = card.weights
    size = None if weights is None else weights.active_b or weights.total_b
    if size is not None and card.open_weights:
        rate = next((rate for bound, rate in MEASURED if size <= bound), MEASURED[-1][1])
        return Speed(
            ttft_s=round(0.2 + size / 100, 3),
            tokens_per_s=rate,
            basis=f"vendor, A100, nearest size to {size:g}B (docs-speed); first token assumed",
        )
    tier = next((tier for word, tier in _TIER_OF.items() if word in card.id.split("-")), "plus")
    ttft_s, tokens_per_s = TIERS[tier]
    return Speed(ttft_s=ttft_s, tokens_per_s=tokens_per_s, basis=f"assumed for the {tier} tier")
