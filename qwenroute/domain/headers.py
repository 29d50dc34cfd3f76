"""Names of HTTP headers, as hints bring them and rules ask for them."""

from __future__ import annotations

import itertools
import re

_PARTS = re.compile(r"[^a-z0-9]+")
_SECRET = frozenset({
    "apikey", "auth", "authorization", "authentication", "bearer", "cookie", "cookies", "credential", "credentials",
    "csrf", "jwt", "passwd", "password", "secret", "session", "sessionid", "signature", "token", "xsrf",
})  # fmt: skip
_SECRET_KEYS = frozenset({"access", "api", "private", "secret", "signing"})
"""Before `key`."""


def carries_secret(name: str) -> bool:
    """Whether a header of this name usually holds something that lets its bearer in."""
    parts = [part for part in _PARTS.split(name.lower()) if part]
    if not _SECRET.isdisjoint(parts):
        return True
    return any(after == "key" and before in _SECRET_KEYS for before, after in itertools.pairwise(parts))
