"""A host that speaks the OpenAI-compatible API over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from qwenroute.domain.decision import Step
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.protocols import HttpRequest, Reply, Transport
from qwenroute.domain.request import Request
from qwenroute.errors import ConfigurationError
from qwenroute.providers.adapt import body_for
from qwenroute.providers.reply import send


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpProvider:
    """Adapts, sends, and hands the reply on. The transport is its owner's to close."""

    transport: Transport
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    async def call(self, request: Request, step: Step, *, connect_s: float | None) -> Reply:
        """Send the request as this step's model needs it; return once the answer has begun."""
        wire = body_for(request, step)
        out = HttpRequest(
            method="POST",
            url=self.base_url + wire.path,
            headers=self.headers,
            body=wire.encode(),
            connect_s=connect_s,
        )
        return await send(self.transport, out, stream=wire.stream, notes=wire.notes, secret=self.api_key)

    async def aclose(self) -> None:
        """Nothing was opened here."""


def http_provider(transport: Transport, endpoint: Endpoint, base_url: str) -> HttpProvider:
    """Return a provider for a base URL, with the headers that every call carries.

    Raises:
        ConfigurationError: the key cannot stand in a header.
    """
    api_key = endpoint.api_key
    if api_key and not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
        raise ConfigurationError(
            f"the key of endpoint `{endpoint.name}` holds a space, a line break or another character that no key has: "
            "set it again"
        )
    headers = {"Content-Type": "application/json", "User-Agent": "qwenroute"}
    if api_key:
        headers["Authorization"] = f"Bearer {api_key}"
    return HttpProvider(transport=transport, base_url=base_url.rstrip("/"), api_key=api_key, headers=headers)
