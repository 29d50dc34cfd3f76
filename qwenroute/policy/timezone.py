"""Names of time zones."""

from __future__ import annotations

from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: str) -> tzinfo:
    """Return the time zone of an IANA name.

    Raises:
        ValueError: there is none of this name.
    """
    if name == "UTC":
        return UTC  # known also where no database of time zones is installed
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:  # a folder of the database gives an OSError
        raise ValueError(f"there is no time zone `{name}`") from error
