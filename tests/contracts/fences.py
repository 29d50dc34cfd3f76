"""Find the code that a Markdown document shows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tests.contracts.sources import ROOT

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ ]*$", re.MULTILINE | re.DOTALL)
SHELLS = {"sh", "bash", "shell", "console"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One fenced block, and where it begins."""

    path: Path
    line: int
    language: str
    code: str

    @property
    def place(self) -> str:
        """File and line, as messages show them."""
        return f"{self.path.relative_to(ROOT).as_posix()}:{self.line}"

    @property
    def commands(self) -> list[str]:
        """The commands of a shell block: without prompts, comments and continuations."""
        joined = self.code.replace("\\\n", " ")
        lines = (line.strip().removeprefix("$ ") for line in joined.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks(path: Path) -> list[Block]:
    """Return every fenced block of a document."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(path=path, line=text.count("\n", 0, found.start()) + 1, language=found[1], code=found[2])
        for found in FENCE.finditer(text)
    ]


def documents() -> list[Path]:
    """Return what people read."""
    return [
        path
        for path in (
            ROOT / "README.md",
            ROOT / "CONTRIBUTING.md",
            ROOT / "qwenroute/policies/README.md",
            *sorted(ROOT.glob("docs/**/*.md")),
        )
        if path.exists()
    ]
