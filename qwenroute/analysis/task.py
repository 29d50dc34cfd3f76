"""What is asked for, and how hard it is: the classifier's seam and the model that is shipped."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Set
from operator import add
from typing import NamedTuple, Protocol

from qwenroute.analysis.cues import cues, words_of
from qwenroute.analysis.view import View
from qwenroute.analysis.weights import (
    DIFFICULTY,
    DIFFICULTY_TEMPERATURE,
    DIFFICULTY_WORDS,
    TASK,
    TASK_TEMPERATURE,
    TASK_WORDS,
    VISUAL,
    VISUAL_TEMPERATURE,
    VISUAL_WORDS,
)
from qwenroute.domain.signals import Difficulty, Task

Weights = Mapping[str, tuple[int, ...]]

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


class Model(NamedTuple):
    """One softmax: what cues and words add, in hundredths, and how far to trust the sum."""

    cues: Weights
    words: Weights
    known: frozenset[str]
    temperature: float

    def best(self, evidence: Iterable[Evidence]) -> tuple[int, float]:
        """Return the likeliest class and its probability.

        Whole numbers are added, so the order in which a set gives its words does not show.
        """
        sums = [float(weight) for weight in self.cues[""]]
        cues, words, known = self.cues, self.words, self.known
        for share, seen, spoken in evidence:
            rows = [cues[cue] for cue in seen if cue in cues]
            rows += [words[word] for word in known & spoken]
            if rows:
                for index, total in enumerate(map(sum, zip(*rows, strict=True))):
                    sums[index] += share * total
        top, scale = max(sums), self.temperature * 100
        return sums.index(top), round(1 / sum(math.exp((one - top) / scale) for one in sums), 4)


_TASK = Model(TASK, TASK_WORDS, frozenset(TASK_WORDS), TASK_TEMPERATURE)
_VISUAL = Model(VISUAL, VISUAL_WORDS, frozenset(VISUAL_WORDS), VISUAL_TEMPERATURE)
_DIFFICULTY = Model(DIFFICULTY, DIFFICULTY_WORDS, frozenset(DIFFICULTY_WORDS), DIFFICULTY_TEMPERATURE)
_NO_WORDS: frozenset[str] = frozenset()


class Learned:
    """Adds up what words, phrases and shapes say (`cues.py`), as learned by `training` (`weights.py`)."""

    def classify(self, view: View) -> Judgement:
        """Return the task and the difficulty; audio is settled by what is attached."""
        seen = evidence(view)
        if view.hears:
            task, confidence = Task.AUDIO, 1.0
        elif view.sees:
            index, confidence = _VISUAL.best(seen)
            task = VISUAL_TASKS[index]
        elif view.fim:
            task, confidence = Task.CODE, 0.99
        else:
            index, confidence = _TASK.best(seen)
            task = TEXT_TASKS[index]
        index, sureness = _DIFFICULTY.best([*seen, Evidence(1.0, (f"task:{task}",), _NO_WORDS)])
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
