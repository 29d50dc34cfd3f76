"""One mistake in an operator's file, with its place and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """Whether the file can be used as it is."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A finding. Lines and columns count from 1; `code` is stable and can be searched for."""

    file: str
    line: int
    column: int
    code: str
    message: str
    help: str | None = None
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        said = self.code if self.severity is Severity.ERROR else f"{self.severity} {self.code}"
        text = f"{self.file}:{self.line}:{self.column}: {said} {self.message}"
        return text if self.help is None else f"{text}\n  help: {self.help}"
