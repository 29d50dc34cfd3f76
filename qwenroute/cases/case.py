"""One golden case, and a file of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from qwenroute.cases.scene import Scene
from qwenroute.cases.schema import Expect, Stated
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.errors import InvalidRequest
from qwenroute.policy import Alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Signals that are stated outright; None: as the analysis finds them."""

    task: Task | None = None
    confidence: float | None = None
    difficulty: Difficulty | None = None
    language: str | None = None
    prompt_tokens: int | None = None

    @classmethod
    def of(cls, stated: Stated | None) -> Statement:
        """Return what a file states."""
        return cls() if stated is None else cls(**dict(stated))

    def over(self, signals: Signals) -> Signals:
        """Return the signals with what is stated."""
        changes: dict[str, object] = {}
        if self.task is not None:
            changes |= {"task": self.task, "task_confidence": 1.0}
        if self.confidence is not None:
            changes["task_confidence"] = self.confidence
        if self.difficulty is not None:
            changes |= {"difficulty": self.difficulty, "difficulty_confidence": 1.0}
        if self.language is not None:
            changes["language"] = self.language
        if self.prompt_tokens is not None:
            size = self.prompt_tokens
            changes |= {"text_tokens": size, "text_tokens_upper": size, "text_tokens_exact": True}
        return replace(signals, **changes) if changes else signals  # type: ignore[arg-type]  # each of its own type


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A request, a situation, and what has to become of it."""

    name: str
    line: int
    request: Request | InvalidRequest
    """The error where the request cannot be read, and the case expects that."""
    statement: Statement
    scene: Scene
    expect: Expect
    alike: Alike | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The cases of one file."""

    file: str
    cases: tuple[Case, ...]

    def only(self, part: str) -> Suite:
        """Return those whose name holds a text, whatever its case."""
        return replace(self, cases=tuple(case for case in self.cases if part.casefold() in case.name.casefold()))
