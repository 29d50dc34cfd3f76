"""One mistake in an operator's file, with its place and what to do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """A finding. Lines and columns count from 1; `code` is stable and can be searched for."""

    file: str
    line: int
    column: int
    code: str
    message: str
    help: str | None = None

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.code} {self.message}"
        return text if self.help is None else f"{text}\n  help: {self.help}"
