"""What is asked for, and how hard it is: the classifier's seam and a first, honest heuristic."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from operator import add
from typing import NamedTuple, Protocol

from qwenroute.analysis.cues import cues, words_of
from qwenroute.analysis.view import View
from qwenroute.analysis.weights import DIFFICULTY, TASK, VISUAL
from qwenroute.domain.signals import Difficulty, Task

Weights = Mapping[str, Sequence[float]]

TEXT_TASKS = (Task.MATH, Task.CODE, Task.REASONING, Task.GENERAL)
VISUAL_TASKS = (Task.VISION, Task.VISION_REASONING)
LEVELS = (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)

CONTEXT_SHARE = 0.6
"""What earlier turns weigh beside the last one."""
FOLLOW_UP_SHARE = 0.7
"""The same where the last turn is too short to stand alone (`and now in Rust?`)."""
FOLLOW_UP_CHARS = 60
SAYS_LITTLE = frozenset(
    {"tiny", "short", "no_number", "one_number", "you", "short_reply", "short_reply+", "follow_up", "question"}
)
"""Cues that an open follow-up (`are you sure?`) shows whatever it follows."""
SYSTEM_SHARE = 0.2
PAIR_CHARS = 150
"""What is read of each end for pairs of signs."""

TASK_TEMPERATURE = 1.4
VISUAL_TEMPERATURE = 2.3
DIFFICULTY_TEMPERATURE = 3.5
PROOF_SURENESS = 0.6
"""That a proof asked for in mathematics is hard: a guess."""
"""Over what the sums are divided, so that confidence is the share of right answers on prompts of
datasets that the weights were not fitted on."""


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


class Heuristic:
    """Adds up what words, phrases and shapes say (`cues.py`, `weights.py`)."""

    def classify(self, view: View) -> Judgement:
        """Return the task and the difficulty; audio is settled by what is attached."""
        seen = evidence(view)
        if view.hears:
            task, confidence = Task.AUDIO, 1.0
        elif view.sees:
            index, confidence = _best(VISUAL, seen, VISUAL_TEMPERATURE)
            task = VISUAL_TASKS[index]
        elif view.fim:
            task, confidence = Task.CODE, 0.99
        else:
            index, confidence = _best(TASK, seen, TASK_TEMPERATURE)
            task = TEXT_TASKS[index]
        seen[f"task:{task}"] = 1.0
        index, sureness = _best(DIFFICULTY, seen, DIFFICULTY_TEMPERATURE)
        if task is Task.MATH and "proof_phrase" in seen:
            # Few openly licensed prompts ask for proofs: this is said by hand, not learned.
            index, sureness = LEVELS.index(Difficulty.HARD), max(sureness, PROOF_SURENESS)
        return Judgement(task, confidence, LEVELS[index], sureness)


def evidence(view: View) -> dict[str, float]:
    """Return the cues of the request, each with its weight among the texts."""
    seen = {"": 1.0}
    found = cues(view.ask, view.lowered, view.words)
    follows = bool(view.context) and view.ask_chars <= FOLLOW_UP_CHARS
    if follows and "follow_up" in found:
        found = [cue for cue in found if cue not in SAYS_LITTLE]
    seen.update(dict.fromkeys(found, 1.0))
    if view.context:
        _gather(seen, view.context, FOLLOW_UP_SHARE if follows else CONTEXT_SHARE)
        seen["turns"] = 1.0
    if view.system:
        _gather(seen, view.system, SYSTEM_SHARE)
    if view.tools or '"parameters"' in view.system:
        seen["tools"] = 1.0
    return seen


def lexical(text: str, lowered: str, words: Set[str]) -> set[str]:
    """Return what the lexicon may know: words, how the text begins, and pairs of signs of scripts without blanks."""
    found = set(words)
    start = lowered[:40].split()[:2]
    if start:
        found.add("^" + start[0])
        found.add("^" + " ".join(start))
    if not text.isascii():
        sample = lowered if len(lowered) <= 2 * PAIR_CHARS else lowered[:PAIR_CHARS] + lowered[-PAIR_CHARS:]
        found.update(map(add, sample, sample[1:]))
    return found


def features(view: View) -> dict[str, float]:
    """Return cues and words in one mapping, as the weights are fitted on them."""
    seen = evidence(view)
    for text, lowered, words, share in (
        (view.ask, view.lowered, view.words, 1.0),
        (view.context, view.context.lower(), words_of(view.context.lower()), CONTEXT_SHARE),
    ):
        if text:
            for word in lexical(text, lowered, words):
                seen["=" + word] = seen.get("=" + word, 0.0) + share
    return seen


def _gather(seen: dict[str, float], text: str, share: float) -> None:
    lowered = text.lower()
    for cue in cues(text, lowered, words_of(lowered)):
        seen[cue] = seen.get(cue, 0.0) + share


def _best(weights: Weights, seen: Mapping[str, float], temperature: float) -> tuple[int, float]:
    """Return the likeliest class and its probability."""
    sums = [0.0] * len(weights[""])
    for cue, value in seen.items():
        row = weights.get(cue)
        if row is not None:
            for index, weight in enumerate(row):
                sums[index] += weight * value
    top = max(sums)
    total = sum(math.exp((one - top) / temperature) for one in sums)
    # Cues come in the order of a set; rounding keeps equal requests equal to the last digit.
    return sums.index(top), round(1 / total, 4)
