"""Route labelled requests without calling anything, and measure the choices against the labels."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from qwenroute.analysis import analyse, read_request
from qwenroute.analysis.signals import view_of
from qwenroute.analysis.task import TEXT_TASKS, VISUAL_TASKS
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.errors import InvalidRequest
from qwenroute.evaluation.metrics import Confusion, calibration
from qwenroute.evaluation.outcomes import Seen, outcome_parts
from qwenroute.evaluation.report import DifficultyScore, GroupScore, Mistake, Report, Score, TaskScore, Unread
from qwenroute.evaluation.rows import Labelled
from qwenroute.evaluation.worth import Appraiser
from qwenroute.policy import Policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet

EXAMPLES = 20
MISTAKES = 100
TEXT_SHOWN = 300


class Told(NamedTuple):
    """A row, and what the policy took it for."""

    row: Labelled
    request: Request
    signals: Signals


def evaluate(
    rows: Sequence[Labelled],
    *,
    policy: Policy,
    fleet: Fleet,
    registry: Registry,
    with_text: bool = False,
    progress: Callable[[], object] | None = None,
) -> Report:
    """Analyse, route and measure; nothing is called.

    `progress` is called once a row. `with_text` keeps the beginnings of the prompts that were told wrongly.

    Raises:
        InvalidRequest: not one row could be analysed.
    """
    told: list[Told] = []
    unread: list[Unread] = []
    appraiser = Appraiser(policy, fleet, registry)
    for row in rows:
        try:
            request = read_request({"messages": row.messages})
        except InvalidRequest as error:
            unread.append(Unread(place=row.place, id=row.id, reason=str(error)))
        else:
            told.append(Told(row, request, appraiser.take(row, request, analyse(request))))
        if progress is not None:
            progress()
    if not told:
        first = f"; the first, {unread[0].place}: {unread[0].reason}" if unread else ""
        raise InvalidRequest(f"none of {len(rows)} row(s) could be analysed{first}")
    confusion = _confusion(told)
    seen = [Seen(row, signals) for row, _, signals in told if row.outcomes]
    return Report(
        policy=policy.name,
        policy_hash=policy.hash,
        on=fleet.on,
        endpoints=tuple(fleet.endpoints),
        rows=len(rows),
        unread=len(unread),
        unread_examples=tuple(unread[:EXAMPLES]),
        taught=sum(signals.taught is not None for _, _, signals in told),
        text=_score(confusion.among(TEXT_TASKS)),
        visual=_score(confusion.among(VISUAL_TASKS)),
        all=_score(confusion),
        tasks={
            task: TaskScore(
                rows=confusion.support(task),
                precision=confusion.precision(task),
                recall=confusion.recall(task),
                f1=confusion.f1(task),
            )
            for task in Task
            if confusion.support(task) or confusion.given(task)
        },
        confusion=confusion,
        languages=_languages(told),
        sources=_groups(told, lambda row: row.source),
        calibration={
            "all": calibration(_confidences(told)),
            "text": calibration(_confidences(told, TEXT_TASKS)),
            "visual": calibration(_confidences(told, VISUAL_TASKS)),
            "difficulty": calibration(
                (t.signals.difficulty_confidence, t.signals.difficulty is t.row.difficulty) for t in _levelled(told)
            ),
        },
        difficulty=_difficulty(told),
        value=appraiser.value(),
        outcomes=outcome_parts(seen, policy, fleet, registry) if seen else (),
        mistakes=_mistakes(told, with_text=with_text),
    )


def _confusion(told: Iterable[Told]) -> Confusion:
    return Confusion.of(tuple(Task), ((t.row.task, t.signals.task) for t in told))


def _score(confusion: Confusion) -> Score:
    return Score(rows=confusion.total, accuracy=confusion.accuracy, macro_f1=confusion.macro_f1)


def _confidences(told: Iterable[Told], tasks: Iterable[Task] = tuple(Task)) -> Iterable[tuple[float, bool]]:
    among = frozenset(tasks)
    return ((t.signals.task_confidence, t.signals.task is t.row.task) for t in told if t.row.task in among)


def _levelled(told: Iterable[Told]) -> list[Told]:
    return [t for t in told if t.row.difficulty is not None]


def _levels(told: Iterable[Told]) -> Confusion:
    pairs = ((t.row.difficulty, t.signals.difficulty) for t in told if t.row.difficulty is not None)
    return Confusion.of(tuple(Difficulty), pairs)


def _difficulty(told: Iterable[Told]) -> DifficultyScore:
    known = _levelled(told)
    confusion = _levels(known)
    return DifficultyScore(
        rows=confusion.total,
        accuracy=confusion.accuracy,
        macro_f1=confusion.macro_f1,
        confusion=confusion,
        by_task={task: _levels(part).accuracy for task in Task if (part := [t for t in known if t.row.task is task])},
    )


def _languages(told: Sequence[Told]) -> Mapping[str, GroupScore]:
    groups = dict(_groups(told, lambda row: row.language))
    others = [t for t in told if t.row.language not in {"en", "zh"}]
    if len(groups.keys() - {"en", "zh"}) > 1:
        groups["others"] = _group(others)
    return groups


def _groups(told: Iterable[Told], key: Callable[[Labelled], str]) -> Mapping[str, GroupScore]:
    groups: dict[str, list[Told]] = {}
    for one in told:
        groups.setdefault(key(one.row), []).append(one)
    return {name: _group(groups[name]) for name in sorted(groups, key=lambda name: (-len(groups[name]), name))}


def _group(told: Sequence[Told]) -> GroupScore:
    confusion = _confusion(told)
    return GroupScore(
        rows=len(told),
        accuracy=confusion.accuracy,
        text_macro_f1=confusion.among(TEXT_TASKS).macro_f1,
        visual_macro_f1=confusion.among(VISUAL_TASKS).macro_f1,
        difficulty_accuracy=_levels(told).accuracy,
        language_accuracy=sum(t.signals.language == t.row.language for t in told) / len(told) if told else None,
    )


def _mistakes(told: Iterable[Told], *, with_text: bool) -> tuple[Mistake, ...]:
    wrong = [t for t in told if t.signals.task is not t.row.task]
    wrong.sort(key=lambda t: (-t.signals.task_confidence, t.row.id))
    return tuple(
        Mistake(
            id=row.id,
            place=row.place,
            task=row.task,
            told=signals.task,
            confidence=signals.task_confidence,
            text=view_of(request).ask[:TEXT_SHOWN] if with_text else None,
        )
        for row, request, signals in wrong[:MISTAKES]
    )
