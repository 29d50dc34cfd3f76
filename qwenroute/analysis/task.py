"""What is asked for, and how hard it is: the classifier's seam and the model that is shipped."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence, Set
from operator import add
from struct import Struct
from typing import NamedTuple, Protocol

from qwenroute.analysis import weights
from qwenroute.analysis.cues import cues, words_of
from qwenroute.analysis.view import View
from qwenroute.domain.signals import Difficulty, Task

TEXT_TASKS = (Task.MATH, Task.CODE, Task.REASONING, Task.GENERAL)
VISUAL_TASKS = (Task.VISION, Task.VISION_REASONING)
LEVELS = (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)

CONTEXT_SHARE = 0.4
"""What earlier turns weigh beside the last one."""
FOLLOW_UP_SHARE = 0.7
"""The same where the last turn is too short to stand alone (`and now in Rust?`)."""
FOLLOW_UP_CHARS = 60
SAYS_LITTLE = frozenset(
    {
        "tiny",
        "short",
        "no_number",
        "one_number",
        "you",
        "short_reply",
        "short_reply+",
        "follow_up",
        "question",
        "counts_nothing",
    }
)
"""Cues that an open follow-up (`are you sure?`) shows whatever it follows."""
SYSTEM_SHARE = 0.2
PAIR_CHARS = 150
"""What is read of each end for pairs of signs."""

PROOF_SURENESS = 0.6
"""That a proof asked for in mathematics is hard: a guess."""


class Judgement(NamedTuple):
    """A task and a difficulty, each with the probability that it is right."""

    task: Task
    task_confidence: float
    difficulty: Difficulty
    difficulty_confidence: float


class Classifier(Protocol):
    """Judges a request by its texts; must not raise, wait, or take longer for a longer text."""

    def classify(self, view: View) -> Judgement:
        """Return the task and the difficulty."""


class Evidence(NamedTuple):
    """What one of the texts shows, and what it weighs beside the others."""

    share: float
    cues: Collection[str]
    words: Set[str]


_LANE_BITS = 32
_HALF = 1 << (_LANE_BITS - 1)


class Softmaxes:
    """Tables that are asked together: what cues and words add to every class of each, in hundredths.

    A row is one whole number, its weights side by side in lanes of 32 bits, so that adding up the rows
    adds all the weights at once, exactly, and the order in which a set gives its words does not show.
    """

    def __init__(self, *tables: weights.Table) -> None:
        self._lanes = Struct(f"<{sum(len(table.classes) for table in tables)}I")
        # Half of what a lane holds, so that no negative sum borrows from its neighbour.
        self._halves = int.from_bytes(self._lanes.pack(*[_HALF] * (self._lanes.size // 4)), "little")
        self._cues: dict[str, int] = {}
        self._words: dict[str, int] = {}
        first = 0
        for table in tables:
            for rows, known in ((table.cues, self._cues), (table.words, self._words)):
                for name, row in rows.items():
                    beside = 0
                    for weight in reversed(row):
                        beside = (beside << _LANE_BITS) + weight
                    known[name] = known.get(name, 0) + (beside << first * _LANE_BITS)
            first += len(table.classes)
        self._before = [float(weight) for weight in self._apart(self._cues[""])]

    def sums(self, evidence: Iterable[Evidence]) -> list[float]:
        """Return what the evidence comes to for the classes of all tables, one table after another."""
        cue, word = self._cues.get, self._words.get
        sums = self._before
        for share, seen, spoken in evidence:
            total = sum(filter(None, map(cue, seen))) + sum(filter(None, map(word, spoken)))
            sums = [before + share * weight for before, weight in zip(sums, self._apart(total), strict=True)]
        return sums

    def _apart(self, total: int) -> list[int]:
        lanes = self._lanes
        return [lane - _HALF for lane in lanes.unpack((total + self._halves).to_bytes(lanes.size, "little"))]


def likeliest(sums: Sequence[float], temperature: float) -> tuple[int, float]:
    """Return the class with the highest sum, and its probability."""
    top, scale = max(sums), temperature * 100
    return sums.index(top), round(1 / sum([math.exp((one - top) / scale) for one in sums]), 4)


_TABLES = weights.read()
_TEXT = Softmaxes(_TABLES["text"], _TABLES["difficulty"])
_VISUAL = Softmaxes(_TABLES["visual"], _TABLES["difficulty"])
_TEMPERATURE = {name: table.temperature for name, table in _TABLES.items()}
_LEVELS_OF_TASK = {task: row for task in Task if (row := _TABLES["difficulty"].cues.get(f"task:{task}")) is not None}
del _TABLES
_NO_WORDS: frozenset[str] = frozenset()


class Learned:
    """Adds up what words, phrases and shapes say (`cues.py`), as learned by `training` (`weights.json`)."""

    def classify(self, view: View) -> Judgement:
        """Return the task and the difficulty; audio is settled by what is attached."""
        seen = evidence(view)
        sums = (_VISUAL if view.sees else _TEXT).sums(seen)
        tasks, levels = sums[: -len(LEVELS)], sums[-len(LEVELS) :]
        if view.hears:
            task, confidence = Task.AUDIO, 1.0
        elif view.sees:
            index, confidence = likeliest(tasks, _TEMPERATURE["visual"])
            task = VISUAL_TASKS[index]
        elif view.fim:
            task, confidence = Task.CODE, 0.99
        else:
            index, confidence = likeliest(tasks, _TEMPERATURE["text"])
            task = TEXT_TASKS[index]
        if task in _LEVELS_OF_TASK:
            levels = list(map(add, levels, _LEVELS_OF_TASK[task]))
        index, sureness = likeliest(levels, _TEMPERATURE["difficulty"])
        if task is Task.MATH and "proof_phrase" in seen[0].cues:
            # Few openly licensed prompts ask for proofs: this is said by hand, not learned.
            index, sureness = LEVELS.index(Difficulty.HARD), max(sureness, PROOF_SURENESS)
        return Judgement(task, confidence, LEVELS[index], sureness)


def evidence(view: View) -> list[Evidence]:
    """Return what the request shows: the last turn first, then earlier ones and the system message."""
    found = cues(view.ask, view.lowered, view.words)
    words: Set[str] = lexical(view.ask, view.lowered, view.words)
    follows = bool(view.context) and view.ask_chars <= FOLLOW_UP_CHARS
    if follows and "follow_up" in found:
        found = [cue for cue in found if cue not in SAYS_LITTLE]
        words = _NO_WORDS
    if view.tools or '"parameters"' in view.system:
        found.append("tools")
    if view.context:
        found.append("turns")
    seen = [Evidence(1.0, found, words)]
    if view.context:
        lowered = view.context.lower()
        spoken = words_of(lowered)
        share = FOLLOW_UP_SHARE if follows else CONTEXT_SHARE
        seen.append(Evidence(share, cues(view.context, lowered, spoken), lexical(view.context, lowered, spoken)))
    if view.system:
        lowered = view.system.lower()
        seen.append(Evidence(SYSTEM_SHARE, cues(view.system, lowered, words_of(lowered)), _NO_WORDS))
    return seen


def features(view: View) -> dict[str, float]:
    """Return cues and words (behind `=`) in one mapping, as the weights are fitted on them."""
    seen = {"": 1.0}
    for share, found, words in evidence(view):
        for name in (*found, *("=" + word for word in words)):
            seen[name] = seen.get(name, 0.0) + share
    return seen


def lexical(text: str, lowered: str, words: Set[str]) -> set[str]:
    """Return what the lexicon may know: words, how the text begins, and beyond ASCII the pairs of signs."""
    found = set(words)
    start = lowered[:40].split()[:2]
    if start:
        found.add("^" + start[0])
        found.add("^" + " ".join(start))
    if not text.isascii():
        sample = lowered if len(lowered) <= 2 * PAIR_CHARS else lowered[:PAIR_CHARS] + lowered[-PAIR_CHARS:]
        sample = sample.upper()  # so that no pair is taken for a word
        found.update(map(add, sample, sample[1:]))
    return found
