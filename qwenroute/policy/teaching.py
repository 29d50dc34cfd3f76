"""What operators teach: which task a request is, by its own words.

What counts, from the strongest: the application's own hint; a keyword or pattern of the policy, the
first line that holds; the nearest of its examples; the model. What a request carries settles what
can be taught of it: a picture cannot become `code` by its words, nor a sound anything but `audio`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals, Task
from qwenroute.policy.signs import Examples, Sign, shown
from qwenroute.policy.wording import Wording

VISUAL = frozenset({Task.VISION, Task.VISION_REASONING})
_SEEN = frozenset({Modality.IMAGE, Modality.VIDEO})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lesson:
    """One line of `teach`: requests that show this sign are of this task."""

    task: Task
    sign: Sign

    def fits(self, signals: Signals) -> bool:
        """Whether what the request carries allows the task."""
        if signals.fim or Modality.AUDIO in signals.input:
            return False
        return (self.task in VISUAL) is not _SEEN.isdisjoint(signals.input)


def taught(lessons: tuple[Lesson, ...], request: Request, signals: Signals, wording: Wording) -> Signals:
    """Return the signals with the task that was taught; what an operator says counts as certain."""
    if request.hints.task is not None:
        return signals
    learnt = written(lessons, signals, wording) or _nearest(lessons, signals, wording)
    if learnt is None:
        return signals
    task, why = learnt
    return replace(signals, task=task, task_confidence=1.0, taught=why)


def written(lessons: tuple[Lesson, ...], signals: Signals, wording: Wording) -> tuple[Task, str] | None:
    """Return the task of the first line whose keyword or pattern is found, and what was found."""
    for lesson in lessons:
        if not isinstance(lesson.sign, Examples) and lesson.fits(signals):
            found = lesson.sign.found(wording)
            if found is not None:
                return lesson.task, found
    return None


def _nearest(lessons: tuple[Lesson, ...], signals: Signals, wording: Wording) -> tuple[Task, str] | None:
    best: tuple[float, str] | None = None
    task: Task | None = None
    for lesson in lessons:
        if isinstance(lesson.sign, Examples) and lesson.fits(signals):
            near = lesson.sign.nearest(wording)
            if near is not None and (best is None or near > best):
                best, task = near, lesson.task
    return None if best is None or task is None else (task, shown(*best))
