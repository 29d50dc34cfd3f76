"""Which endpoints share their limits, told without the key."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from qwenroute.domain.endpoint import Endpoint


def limit_keys(endpoints: Iterable[Endpoint]) -> dict[str, str]:
    """Return for each endpoint's name what its limits are counted under.

    DashScope counts per account and region, whatever the workspace (and so the address) (facts sheet,
    `platform.rate_limits.scope`). Elsewhere the address counts too: servers of one's own often share
    a made-up key. Two keys of one account look like two accounts: nothing here can tell.
    """
    return {endpoint.name: _key(endpoint) for endpoint in endpoints}


def _key(endpoint: Endpoint) -> str:
    address = None if endpoint.provider == "dashscope" and endpoint.api_key else endpoint.base_url or endpoint.name
    told = repr((endpoint.provider, endpoint.region, address, endpoint.api_key))
    return blake2b(told.encode(), digest_size=16).hexdigest()
