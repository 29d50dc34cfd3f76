"""What a key of a policy file counts in, as its name says."""

from __future__ import annotations

from collections.abc import Mapping

_NAMES: Mapping[str, str] = {
    "rpm": "requests per minute",
    "tpm": "tokens per minute",
    "at_least": "tokens",
    "at_most": "tokens",
    "percentile": "%",
    "days": "days",
}
_ENDS: Mapping[str, str] = {
    "_ms": "milliseconds",
    "_per_s": "per second",
    "_s": "seconds",
    "_usd": "USD",
    "_usd_per_day": "USD per day",
    "_mb": "MB",
    "_tokens": "tokens",
}


def unit(key: str) -> str:
    """Return the unit, or nothing where the key counts nothing or the meaning says it."""
    if key in _NAMES:
        return _NAMES[key]
    ends = [end for end in _ENDS if key.endswith(end)]
    return _ENDS[max(ends, key=len)] if ends else ""
