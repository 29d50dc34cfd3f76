"""Keys that were written into a policy file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from qwenroute.documents import Document, Trail
from qwenroute.domain.diagnostic import Diagnostic

_SECRET = re.compile(r"\bsk-[A-Za-z0-9_-]{8,}|^Bearer \S|://[^/@\s:]+:[^/@\s]+@")
"""A key, a header that carries one, or an address with a password in it."""


def secrets(document: Document) -> Iterator[Diagnostic]:
    """Find keys written into the file; the message never repeats them."""
    help_ = "write `api_key: {env: NAME}` or `api_key: {file: PATH}`, and revoke the key if the file was shared"
    for trail, text in _texts(document.value, ()):
        where = trail[:-1] if trail[-1:] == ("default",) else trail  # a variable's default stands in the file, too
        is_key = where == ("embedding", "api_key") or (
            len(where) == 3 and where[0] == "endpoints" and where[2] == "api_key"
        )
        if is_key or _SECRET.search(text):
            yield document.diagnostic(trail, "QR110", "a secret does not belong in this file", help_)


def _texts(value: object, trail: Trail) -> Iterator[tuple[Trail, str]]:
    if isinstance(value, str):
        yield trail, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*trail, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _texts(inner, (*trail, index))
