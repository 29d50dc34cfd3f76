"""Labelled requests for tests, as rows and as files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

PNG = "https://media.example.com/1.png"
SAID = {
    "math": "Solve x^2 - 5x + 6 = 0.",
    "code": "Write a Python function that reverses a list.",
    "reasoning": "All cats are mammals. Tom is a cat. Does it follow that Tom is a mammal?",
    "general": "Write a friendly note to my neighbour.",
    "vision": "What is written on the sign?",
    "vision_reasoning": "Solve for x using the angles in the figure; prove each step.",
    "audio": "What is being said?",
}


def row(task: str = "general", text: str | None = None, **more: object) -> dict[str, object]:
    """A row with a request that plainly is of that task, except for what is said."""
    words = SAID[task] if text is None else text
    content: object = words
    if task.startswith("vision"):
        content = [{"type": "image_url", "image_url": {"url": PNG}}, {"type": "text", "text": words}]
    elif task == "audio":
        sound = {"data": "https://media.example.com/1.wav", "format": "wav"}
        content = [{"type": "input_audio", "input_audio": sound}, {"type": "text", "text": words}]
    base: dict[str, object] = {
        "id": f"ours_{task}/1",
        "lang": "en",
        "messages": [{"role": "user", "content": content}],
        "task": task,
        "difficulty": "easy",
    }
    return base | more


def write(path: Path, *rows: Mapping[str, object] | str) -> Path:
    """Write rows, or lines as they are, and return the path."""
    lines = (one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in rows)
    path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return path
