"""All figures of an evaluation, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date

from qwenroute.evaluation.metrics import Calibration, Confusion
from qwenroute.evaluation.outcomes import Part
from qwenroute.evaluation.worth import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well the task was told, over some rows."""

    rows: int
    accuracy: float | None
    macro_f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScore:
    """How well one task was told."""

    rows: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """How well the rows of one language or dataset were told."""

    rows: int
    accuracy: float | None
    text_macro_f1: float | None
    """Over the text tasks that have rows; None where there is none."""
    visual_macro_f1: float | None
    difficulty_accuracy: float | None
    language_accuracy: float | None
    """The share of rows whose language was told as the row says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DifficultyScore:
    """How well the difficulty was told, over the rows that have one."""

    rows: int
    accuracy: float | None
    macro_f1: float | None
    confusion: Confusion
    by_task: Mapping[str, float | None]
    """True task to the accuracy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A row that could not be analysed, and why."""

    place: str
    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistake:
    """A row whose task was told wrongly, and how surely."""

    id: str
    place: str
    task: str
    told: str
    confidence: float
    text: str | None
    """The beginning of what was asked; None unless wanted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that was measured. Figures are None where there was nothing to measure."""

    policy: str
    policy_hash: str
    on: date
    endpoints: tuple[str, ...]
    rows: int
    unread: int
    """Rows that could not be analysed; counted in `rows` and in nothing else."""
    unread_examples: tuple[Unread, ...]
    taught: int
    """Rows whose task was given by what the policy teaches, not by the model."""
    text: Score
    visual: Score
    all: Score
    tasks: Mapping[str, TaskScore]
    confusion: Confusion
    languages: Mapping[str, GroupScore]
    """The languages of the rows, and where there are several, `others`: all but English and Chinese."""
    sources: Mapping[str, GroupScore]
    calibration: Mapping[str, Calibration]
    """Of the confidence in the task (`all`, `text`, `visual`) and in the `difficulty`."""
    difficulty: DifficultyScore
    value: Value
    outcomes: tuple[Part, ...]
    mistakes: tuple[Mistake, ...]
    """The surest of them."""

    def as_dict(self) -> dict[str, object]:
        """Return plain values, ready for JSON."""
        return {**asdict(self), "on": self.on.isoformat()}
