"""What each cue and word says, in hundredths, as addends of a softmax: `weights.json`, written by `make train`.

A file of its own, since as Python it takes a third of a second to compile wherever no bytecode is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PATH = Path(__file__).with_name("weights.json")

Rows = Mapping[str, Sequence[int]]


class Table(NamedTuple):
    """One softmax: a row for each cue and word, in it a weight for each class."""

    classes: Sequence[str]
    temperature: float
    """What the sums are divided by, so that the probabilities are honest."""
    cues: Rows
    """Under the empty name stands what is said before anything is seen."""
    words: Rows


def read() -> dict[str, Table]:
    """Return the tables by name: text, visual, difficulty."""
    return {name: Table(**table) for name, table in json.loads(PATH.read_bytes()).items()}
