"""Speech that is plainly no speech: a tune of one note per word, 24 kHz 16-bit mono PCM."""

from __future__ import annotations

import math
import sys
from array import array
from functools import cache

SAMPLE_RATE = 24_000
NOTE_S = 0.12
PERIODS = (92, 82, 73, 61, 55, 49, 46)
"""Samples per cycle of each note: whole numbers, so that notes join without a click."""


def seconds(words: int) -> float:
    """Return how long the tune for so many words lasts, nearly."""
    return words * NOTE_S


def note(pitch: int) -> bytes:
    """Return the samples of one note; any number is a pitch."""
    return _samples(PERIODS[pitch % len(PERIODS)])


@cache
def _samples(period: int) -> bytes:
    cycle = array("h", (round(9_000 * math.sin(2 * math.pi * i / period)) for i in range(period)))
    if sys.byteorder == "big":
        cycle.byteswap()
    return cycle.tobytes() * round(SAMPLE_RATE * NOTE_S / period)
