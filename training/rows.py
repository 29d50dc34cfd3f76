"""Labelled prompts: the rows of files, and what the model sees of each."""

from __future__ import annotations

import json
import lzma
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from qwenroute.analysis.request import read_request
from qwenroute.analysis.signals import view_of
from qwenroute.analysis.task import features
from qwenroute.domain.signals import Difficulty, Task

HERE = Path(__file__).parent
PROMPTS = HERE / "prompts.jsonl.xz"
OWN = HERE / "own_prompts.jsonl"
"""Prompts written for this project. Their families are small, so that each counts for more than one of a dataset."""
IMAGE = {"type": "image_url", "image_url": {"url": "https://media.example.com/a.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "https://media.example.com/a.wav"}}

LICENCES = re.compile(
    r"^(MIT|Apache-2\.0|ODC-By-1\.0|CC-BY(-SA)?-\d\.0)"
    r"(; upstream (MIT|Apache-2\.0|CC-BY(-SA)?-\d\.0))?( \(data CC-BY-SA-3\.0\)"
    r"| \(questions derived from Stack Overflow, CC-BY-SA-4\.0\))?$"
    r"|^Creative Commons (Attribution )?(\d\.0 Unported )?License +\(CC BY( 3\.0)?\)$"
    r"|^Creative Commons Attribution License \(CC BY\)$"
)
"""Licences that let us keep and learn from a row. Everything else stays out: non-commercial, not stated by
the repository, still to be checked, or texts that belong to a third party."""


class Row(NamedTuple):
    """A labelled prompt as the model sees it."""

    id: str
    dataset: str
    language: str
    task: Task
    difficulty: Difficulty | None
    seen: Mapping[str, float]
    text: str


def read(paths: Iterable[Path]) -> Iterator[dict[str, object]]:
    """Yield the rows of files of JSON lines, packed or not.

    Raises:
        SystemExit: a line is no row; says which, and why.
    """
    for path in paths:
        data = path.read_bytes()
        text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode("utf-8", "surrogatepass")
        for number, line in enumerate(text.split("\n"), 1):
            if line:
                yield _row(line, f"{path}:{number}")


def _row(line: str, where: str) -> dict[str, object]:
    try:
        row = json.loads(line)
        Task(row["task"])
        Difficulty(row.get("difficulty") or Difficulty.EASY)
        if not (row["messages"] and row["id"] and row["lang"]):
            raise ValueError("`id`, `lang` and `messages` have to say something")
    except KeyError as error:
        raise SystemExit(f"{where}: the key {error} is missing; SOURCES.md says what a row has") from None
    except (ValueError, TypeError) as error:
        raise SystemExit(f"{where}: {error}") from None
    return dict(row)


def look(row: Mapping[str, object]) -> Row:
    """Return a row with what the model sees of it."""
    messages = row["messages"]
    assert isinstance(messages, list)
    view = view_of(read_request({"messages": [bare(message) for message in messages]}))
    level = row.get("difficulty")
    name = str(row["id"])
    return Row(
        name,
        name.partition("/")[0],
        str(row["lang"]),
        Task(row["task"]),
        None if level is None else Difficulty(level),
        features(view),
        view.ask[:200],
    )


def bare(message: Mapping[str, object]) -> dict[str, object]:
    """Return a message whose media are placeholders: what stands in the files says nothing."""
    content = message["content"]
    if isinstance(content, list):
        content = [
            part if part["type"] == "text" else SOUND if part["type"] == "input_audio" else IMAGE for part in content
        ]
    return {**message, "content": content}


_BARE = "-bare"
_OPTIONS = re.compile(r"\n+ *\(?[Aa1][).:、：] ?.*", re.DOTALL)


def without_options(row: Mapping[str, object]) -> dict[str, object] | None:
    """Return a copy of a row whose question stands without its choices; None where it has none."""
    messages = row["messages"]
    assert isinstance(messages, list)
    content = messages[-1]["content"]
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    texts = [{**part, "text": _OPTIONS.sub("", part["text"])} if part["type"] == "text" else part for part in parts]
    if texts == parts or not any(part.get("text", "").strip() for part in texts):
        return None
    bare_content = texts[0]["text"] if isinstance(content, str) else texts
    return {**row, "id": f"{row['id']}{_BARE}", "messages": [*messages[:-1], {**messages[-1], "content": bare_content}]}


def is_bare(row: Row) -> bool:
    """Whether this is a copy that stands without its choices."""
    return row.id.endswith(_BARE)


def to_learn() -> list[Row]:
    """Return all that is learned from: what is shipped, our own, and both without their choices."""
    found = list(read([PROMPTS, OWN]))
    return [look(row) for row in (*found, *filter(None, map(without_options, found)))]
