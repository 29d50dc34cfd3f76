"""Labelled requests, one JSON object a line."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from qwenroute.documents import nearest
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import DocumentError

MOST_MISTAKES = 10
"""So many are shown; who has more has the wrong file."""

Label = TypeVar("Label", bound=StrEnum)


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """A request, and what is known to be true of it."""

    id: str
    place: str
    """File and line."""
    language: str = "und"
    """ISO 639-1 code; `und` where the row does not say."""
    messages: object
    """As the row has them: what is wrong with them is for the analysis to say."""
    task: Task
    difficulty: Difficulty | None = None
    subtask: str | None = None
    outcomes: Mapping[str, float] = field(default_factory=dict)
    """Model to the score of its answer, in 0..1."""
    output_chars: Mapping[str, float] = field(default_factory=dict)
    """Model to the length of its answer."""

    @property
    def source(self) -> str:
        """The dataset: the part of `id` before the slash."""
        return self.id.partition("/")[0]


def read_rows(paths: Sequence[str | Path], *, limit: int | None = None) -> tuple[Labelled, ...]:
    """Read files of labelled requests, of each no more than `limit` rows.

    A row has `messages` and a `task`, and may have `id`, `lang`, `difficulty` (null: not known), `subtask`,
    `outcomes` and `output_chars`; other fields are passed over.

    Raises:
        DocumentError: a file cannot be read, is empty, or has rows without the labels or with others.
    """
    rows: list[Labelled] = []
    mistakes: list[Diagnostic] = []
    for path in map(Path, paths):
        found = 0
        try:
            for number, line in _lines(path):
                if limit is not None and found >= limit:
                    break
                found += 1
                try:
                    rows.append(_row(line, path, number))
                except _Mistake as mistake:
                    mistakes.append(mistake.at(path, number))
                if len(mistakes) >= MOST_MISTAKES:
                    raise DocumentError(mistakes)
        except OSError as error:
            mistakes.append(_Mistake("QR001", f"cannot read the file: {error.strerror or error}").at(path))
        except UnicodeDecodeError:
            mistakes.append(_Mistake("QR001", "the file is not UTF-8 text").at(path))
        else:
            if not found:
                mistakes.append(_EMPTY.at(path))
    if mistakes:
        raise DocumentError(mistakes)
    return tuple(rows)


class _Mistake(Exception):
    def __init__(self, code: str, message: str, help_: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.help = help_

    def at(self, path: Path, line: int = 1) -> Diagnostic:
        return Diagnostic(file=str(path), line=line, column=1, code=self.code, message=str(self), help=self.help)


_EMPTY = _Mistake("QR102", "the file is empty", "write one labelled request a line, as JSON")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, line


def _row(line: str, path: Path, number: int) -> Labelled:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _Mistake("QR002", f"not valid JSON: {error}") from None
    if not isinstance(row, dict):
        raise _Mistake("QR104", f"the line is {_kind(row)}, not a JSON object")
    if row.get("task") is None:
        raise _Mistake("QR102", "`task` is missing", f"label it with one of {', '.join(Task)}")
    difficulty = row.get("difficulty")
    return Labelled(
        id=_text(row, "id") or f"{path.stem}/{number}",
        place=f"{path}:{number}",
        language=_text(row, "lang") or "und",
        messages=row.get("messages"),
        task=_label(Task, "task", row["task"]),
        difficulty=None if difficulty is None else _label(Difficulty, "difficulty", difficulty),
        subtask=_text(row, "subtask"),
        outcomes=_numbers(row, "outcomes", most=1.0),
        output_chars=_numbers(row, "output_chars", most=None),
    )


def _label(kind: type[Label], name: str, value: object) -> Label:
    try:
        return kind(value)  # type: ignore[arg-type]
    except ValueError:
        close = nearest(value, list(kind)) if isinstance(value, str) else None
        hint = f"did you mean `{close}`?" if close else f"known: {', '.join(kind)}"
        raise _Mistake("QR104", f"unknown {name} `{value!s:.60}`", hint) from None


def _text(row: Mapping[str, object], name: str) -> str | None:
    value = row.get(name)
    if value is None or isinstance(value, str):
        return value
    raise _Mistake("QR104", f"`{name}` is {_kind(value)}, not a string")


def _numbers(row: Mapping[str, object], name: str, *, most: float | None) -> Mapping[str, float]:
    value = row.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _Mistake("QR104", f"`{name}` is {_kind(value)}, not an object of model to number")
    for model, number in value.items():
        right = isinstance(number, int | float) and 0 <= number <= (sys.float_info.max if most is None else most)
        if not right:
            bound = "a number of at least 0" if most is None else f"a number from 0 to {most:g}"
            raise _Mistake("QR104", f"`{name}.{model}` is {number!r:.40}, not {bound}")
    return {model: float(number) for model, number in value.items()}


def _kind(value: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")
