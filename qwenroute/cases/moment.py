"""Days and moments as a case writes them."""

from __future__ import annotations

import re
from datetime import date, datetime, time


def day_of(text: str | None) -> date | None:
    """Return a day, or None where the text is none."""
    if text is None or re.fullmatch(r"\d{4}-\d\d-\d\d", text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def moment_of(text: str | None) -> datetime | time | None:
    """Return a moment, or the time of a day; None where the text is neither."""
    if text is None:
        return None
    kind = time if re.fullmatch(r"\d\d:\d\d(:\d\d)?", text) else datetime
    try:
        return None if day_of(text) is not None else kind.fromisoformat(text)
    except ValueError:
        return None
