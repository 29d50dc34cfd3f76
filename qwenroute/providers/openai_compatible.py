"""Any server with an OpenAI-compatible URL: vLLM, SGLang, Ollama, a gateway. A key is optional."""

from __future__ import annotations

from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.protocols import Transport
from qwenroute.errors import ConfigurationError
from qwenroute.providers.http import HttpProvider, http_provider


def openai_compatible(endpoint: Endpoint, transport: Transport) -> HttpProvider:
    """Return the provider of a server.

    Raises:
        ConfigurationError: it has no address.
    """
    if not endpoint.base_url:
        raise ConfigurationError(
            f"endpoint `{endpoint.name}` has no base URL: give `base_url`, for example http://localhost:8000/v1"
        )
    return http_provider(transport, endpoint, endpoint.base_url)
