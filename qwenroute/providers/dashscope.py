"""Alibaba Cloud Model Studio: its base URL comes resolved by region and workspace."""

from __future__ import annotations

from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.protocols import Transport
from qwenroute.errors import ConfigurationError
from qwenroute.providers.http import HttpProvider, http_provider


def dashscope(endpoint: Endpoint, transport: Transport) -> HttpProvider:
    """Return the provider of a DashScope endpoint.

    Raises:
        ConfigurationError: it has no address or no key.
    """
    if not endpoint.base_url:
        raise ConfigurationError(f"endpoint `{endpoint.name}` has no base URL: name its region, or give `base_url`")
    if not endpoint.api_key:
        raise ConfigurationError(f"endpoint `{endpoint.name}` has no key: set DASHSCOPE_API_KEY")
    return http_provider(transport, endpoint, endpoint.base_url)
