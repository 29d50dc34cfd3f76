"""Conditions: every key of a `when`, holding and not holding."""

from __future__ import annotations

import pytest

from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy.condition import Range, condition
from qwenroute.policy.schema import When
from qwenroute.policy.wording import Alike, Wording
from tests.routing.fleets import signals

IMAGE = frozenset({Modality.TEXT, Modality.IMAGE})

CASES = [
    ("key", ["job"], {}, {"key": "job"}, True, "key: job"),
    ("key", ["job"], {}, {}, False, "key: job"),
    ("task", ["math", "code"], {"task": Task.MATH}, {}, True, "task: math or code"),
    ("task", ["math"], {"task": Task.CODE}, {}, False, "task: math"),
    ("difficulty", ["hard"], {"difficulty": Difficulty.HARD}, {}, True, "difficulty: hard"),
    ("difficulty", ["hard"], {}, {}, False, "difficulty: hard"),
    ("input", ["image", "video"], {"input": IMAGE}, {}, True, "input: image or video"),
    ("input", ["image"], {}, {}, False, "input: image"),
    ("output", ["audio"], {"output": frozenset({Modality.AUDIO})}, {}, True, "output: audio"),
    ("output", ["audio"], {}, {}, False, "output: audio"),
    ("language", ["zh"], {"language": "zh"}, {}, True, "language: zh"),
    ("language", ["zh"], {}, {}, False, "language: zh"),
    ("response_format", ["json_schema"], {"response_format": "json_schema"}, {}, True, "response_format: json_schema"),
    ("response_format", ["json_schema"], {}, {}, False, "response_format: json_schema"),
    ("thinking", True, {"thinking": True}, {}, True, "thinking: true"),
    ("thinking", True, {"thinking": None}, {}, False, "thinking: true"),
    ("thinking", False, {"thinking": False}, {}, True, "thinking: false"),
    ("thinking", False, {"thinking": None}, {}, False, "thinking: false"),
    ("sound", True, {"sound": True}, {}, True, "sound: true"),
    ("sound", False, {"sound": True}, {}, False, "sound: false"),
    ("tools", True, {"tools": True}, {}, True, "tools: true"),
    ("tools", True, {}, {}, False, "tools: true"),
    ("fim", True, {"fim": True}, {}, True, "fim: true"),
    ("fim", True, {}, {}, False, "fim: true"),
    ("quality", ["top"], {}, {"quality": "top"}, True, "quality: top"),
    ("quality", ["top"], {}, {}, False, "quality: top"),
    ("tenant", ["acme"], {}, {"tenant": "acme"}, True, "tenant: acme"),
    ("tenant", ["acme"], {}, {}, False, "tenant: acme"),
    ("tags", ["night", "batch"], {}, {"tags": ("batch", "x")}, True, "tags: night or batch"),
    ("tags", ["night"], {}, {"tags": ("day",)}, False, "tags: night"),
    ("min_confidence", 0.5, {"task_confidence": 0.5}, {}, True, "min_confidence: 0.5"),
    ("min_confidence", 0.5, {"task_confidence": 0.49}, {}, False, "min_confidence: 0.5"),
    ("prompt_tokens", Range(at_least=8_000), {"text_tokens": 8_000}, {}, True, "prompt_tokens: at least 8,000"),
    ("prompt_tokens", Range(at_least=8_000), {"text_tokens": 7_999}, {}, False, "prompt_tokens: at least 8,000"),
    ("prompt_tokens", Range(at_most=10), {"text_tokens": 11}, {}, False, "prompt_tokens: at most 10"),
    ("prompt_tokens", Range(at_least=2, at_most=9), {"text_tokens": 9}, {}, True,
     "prompt_tokens: at least 2 and at most 9"),
    ("keywords", ["contract", "lease"], {}, {}, True, "keywords: contract or lease"),
    ("keywords", ["rent"], {}, {}, False, "keywords: rent"),
    ("pattern", [r"no\.? ?\d+"], {}, {}, True, r"pattern: no\.? ?\d+"),
    ("pattern", [r"no\.? ?X"], {}, {}, False, r"pattern: no\.? ?X"),
    ("examples", ["sum up this lease"], {}, {}, True, "examples: sum up this lease"),
    ("examples", ["write a poem"], {}, {}, False, "examples: write a poem"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "wanted", "facts", "hints", "holds", "says"), CASES)
def test_condition(
    key: str, wanted: object, facts: dict[str, object], hints: dict[str, object], holds: bool, says: str
) -> None:
    """A key holds for what it names, and says what it wants in the words of the file."""
    compiled = condition(key, wanted)
    asked = Request(messages=({"role": "user", "content": "Shorten this lease, no. 7, before it rents"},))
    wording = Wording(asked, Alike({"sum up this lease": 0.9}))
    assert compiled.holds(signals(**facts), Hints(**hints), wording, None) is holds  # type: ignore[arg-type]
    assert str(compiled) == says


def test_every_key_of_the_schema_has_cases_both_ways() -> None:
    """No key can be written into a file that is not compiled and tried here."""
    held = {(key, holds) for key, _, _, _, holds, _ in CASES}
    keys = {entry.alias or name for name, entry in When.model_fields.items()}
    elsewhere = {"any", "all", "not", "headers", "time"}  # tests/policy/test_when.py
    assert held == {(key, holds) for key in keys - elsewhere for holds in (True, False)}


def test_a_foreign_value_is_refused() -> None:
    """What the schema would not let through does not compile either."""
    with pytest.raises(TypeError, match="`task` cannot be None"):
        condition("task", None)
