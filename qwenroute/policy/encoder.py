"""Who tells which of the policy's examples a request is like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from qwenroute.domain.endpoint import Endpoint
from qwenroute.errors import ConfigurationError
from qwenroute.policy.endpoints import Setting


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """The `embedding` of a policy, before the environment is known."""

    model: str
    min_similarity: float
    """Cosine; what counts as alike depends on the encoder."""
    timeout_s: float
    endpoint: str | None = None
    """One of the policy's own, whose address and key are used; or else"""
    base_url: Setting | None = None
    api_key: Setting | None = None

    def place(
        self, environ: Mapping[str, str], endpoints: Mapping[str, Endpoint], regions: frozenset[str] | None
    ) -> tuple[str, str | None] | None:
        """Return the address and the key; None where the environment lacks them.

        Raises:
            ConfigurationError: prompts would leave the regions that the policy allows.
        """
        if self.endpoint is not None:
            endpoint = endpoints.get(self.endpoint)
            if endpoint is None or endpoint.base_url is None:
                return None
            if regions is not None and endpoint.region not in regions:
                raise ConfigurationError(
                    f"`embedding` sends prompts to the endpoint `{self.endpoint}` in {endpoint.region or 'no region'}, "
                    "which `limits.regions` does not allow; name an endpoint in one of them, or leave `embedding` out"
                )
            return endpoint.base_url, endpoint.api_key
        address = None if self.base_url is None else self.base_url.read(environ)
        if address is None or (self.api_key is not None and self.api_key.lacks(environ)):
            return None
        if not address.startswith(("http://", "https://")):
            raise ConfigurationError(f"`embedding.base_url`: `{address}` does not begin with http:// or https://")
        return address.rstrip("/"), None if self.api_key is None else self.api_key.read(environ)
