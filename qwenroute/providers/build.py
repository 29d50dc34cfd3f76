"""From an operator's endpoint to the provider that speaks to it."""

from __future__ import annotations

from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.protocols import Provider, Transport
from qwenroute.errors import ConfigurationError
from qwenroute.providers.dashscope import dashscope
from qwenroute.providers.litellm_host import LitellmProvider
from qwenroute.providers.openai_compatible import openai_compatible


def build_provider(endpoint: Endpoint, transport: Transport) -> Provider:
    """Return the provider of an endpoint; it opens nothing yet.

    Raises:
        ConfigurationError: the endpoint lacks what its provider needs.
    """
    match endpoint.provider:
        case "dashscope":
            return dashscope(endpoint, transport)
        case "openai_compatible":
            return openai_compatible(endpoint, transport)
        case "litellm":
            return LitellmProvider(endpoint)
    raise ConfigurationError(
        f"endpoint `{endpoint.name}`: unknown provider `{endpoint.provider}`; "
        "known: dashscope, openai_compatible, litellm"
    )
