"""Which cue a word is: `lexicon.txt`, a file of its own, since it is data and as Python takes long to compile."""

from __future__ import annotations

from itertools import repeat
from pathlib import Path

PATH = Path(__file__).with_name("lexicon.txt")


def read() -> tuple[dict[str, str], dict[str, str]]:
    """Return the cues of whole words, and of what is searched for inside a text."""
    words: dict[str, str] = {}
    inside: dict[str, str] = {}
    for section in PATH.read_text(encoding="utf-8").split("\n[")[1:]:
        head, _, body = section.partition("\n")
        cue, _, searched = head.partition("]")[0].partition(" ")
        if searched:
            inside.update(zip([part.replace("_", " ") for part in body.split()], repeat(cue)))
        else:
            words.update(zip(body.split(), repeat(cue)))
    return words, inside
