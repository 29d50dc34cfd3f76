"""Speak to hosts: adapt what goes out, read what comes back, translate how it fails."""

from qwenroute.providers.build import build_provider
from qwenroute.providers.transport_aiohttp import AiohttpTransport
from qwenroute.providers.transport_httpx import HttpxTransport

__all__ = ["AiohttpTransport", "HttpxTransport", "build_provider"]
