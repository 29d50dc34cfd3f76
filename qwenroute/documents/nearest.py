"""Which of several names was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from itertools import islice

LONGEST = 100
"""Nobody mistypes a longer name, and comparing one takes long."""
MOST_CHOICES = 700


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that the word most likely meant, if any comes close."""
    if len(word) > LONGEST:
        return None
    found = difflib.get_close_matches(word, list(islice(choices, MOST_CHOICES)), n=1, cutoff=0.6)
    return found[0] if found else None
