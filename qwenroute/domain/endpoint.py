"""Where models are served, and with which credential."""

from __future__ import annotations

from dataclasses import dataclass, field

from qwenroute.domain.capability import RateLimits
from qwenroute.domain.price import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """One model that an endpoint serves, and what the operator states of it there."""

    model: str
    """The registry's id."""
    wire_model: str | None = None
    """The served name, where it differs."""
    context_tokens: int | None = None
    """The window the server was started with."""
    price: Price | None = None
    rate_limits: RateLimits = field(default_factory=RateLimits)
    """What is stated here goes before the endpoint's, and that before the registry's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A base URL with a credential. The key never shows in a repr."""

    name: str
    provider: str
    """dashscope, openai_compatible or litellm."""
    region: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    served: tuple[Served, ...] | None = None
    """None: every model that the registry knows to be alive there."""
    weight: float = 1.0
    """Its share of the requests among equals, where the policy chooses by weight."""
    rate_limits: RateLimits = field(default_factory=RateLimits)
    """Of each model there."""
    tags: frozenset[str] = frozenset()
    """What pools can ask for."""
