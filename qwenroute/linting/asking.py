"""The plainest request of a case: what a deployment would have to be able to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from qwenroute.domain.capability import Modality
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.linting.limiting import plain
from qwenroute.linting.logic import Case, Span


def plainest(case: Case) -> Signals:
    """Return what the plainest request of a case looks like."""
    facts: dict[str, object] = {}
    for key in ("input", "output"):
        facts[key] = frozenset({Modality.TEXT, *(Modality(one) for one in case.has(key))})
    kinds: Mapping[str, Callable[[str], object]] = {"task": Task, "difficulty": Difficulty, "response_format": str}
    for key, kind in kinds.items():
        values = case.one(key)
        if values:
            facts[key] = kind(min(map(str, values)))
    for key in ("tools", "fim", "sound", "thinking"):
        values = case.one(key)
        if len(values) == 1:
            facts[key] = next(iter(values))
    tokens = least_tokens(case)
    if tokens:
        facts["text_tokens"] = facts["text_tokens_upper"] = tokens
    return plain(**facts)


def least_tokens(case: Case) -> int:
    """Return how long the prompt has to be, where that is asked for."""
    wanted = case.wanted.get("prompt_tokens")
    return int(wanted.low) if isinstance(wanted, Span) else 0


def said(case: Case) -> str:
    """Say the part of a case that a model has to be able to do."""
    parts = [f"brings {kind}" for kind in sorted(case.has("input"))]
    parts += [f"wants {kind} back" for kind in sorted(case.has("output"))]
    words: Iterable[tuple[str, object, str]] = (
        ("tools", True, "has tools"),
        ("fim", True, "is to be filled in the middle"),
        ("sound", True, "the video's sound matters"),
        ("thinking", True, "asks for thinking"),
        ("thinking", False, "declines thinking"),
        ("response_format", "json_object", "asks for json_object"),
        ("response_format", "json_schema", "asks for json_schema"),
    )
    parts += [text for key, value, text in words if case.one(key) == {value}]
    if least_tokens(case):
        parts.append(f"has {least_tokens(case):,} tokens")
    return ", ".join(parts) or "any request"
