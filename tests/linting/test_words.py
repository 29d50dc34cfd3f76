"""Conditions as one would say them."""

from __future__ import annotations

import pytest

from qwenroute.linting.words import in_words
from qwenroute.policy import schema


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ({"task": "math", "min_confidence": 0.5}, "task is math, at least 50% sure"),
        ({"input": ["image", "video", "audio"]}, "brings image, video or audio"),
        ({"output": "audio", "thinking": False}, "wants audio back, declines thinking"),
        ({"prompt_tokens": {"at_least": 1000}}, "the prompt has at least 1,000 tokens"),
        ({"prompt_tokens": {"at_most": 5, "at_least": 1}}, "the prompt has at least 1 and at most 5 tokens"),
        ({"tenant": "acme", "tags": ["a", "b"], "key": "job"}, "tenant is acme, is tagged a or b, key is job"),
        ({"headers": {"x-beta": "present", "x-tier": ["gold", "silver"]}},
         "header x-beta is there and header x-tier is gold or silver"),
        ({"time": {"days": ["sat", "sun"], "from": "08:00", "to": "20:00"}}, "on sat or sun from 08:00 to 20:00"),
        ({"time": {"to": "06:00"}}, "until 06:00"),
        ({"time": {"from": "22:00"}}, "from 22:00"),
        ({"any": [{"tools": True}, {"fim": True}]}, "(has tools or is to be filled in the middle)"),
        ({"all": [{"quality": "top"}, {"not": {"language": "de"}}]}, "(asks for top quality and not (language is de))"),
        ({"keywords": ["a"], "pattern": ["b{2}"]}, "says a, matches b{2}"),
        ({"examples": ["x", "y"]}, "is like one of 2 examples"),
        ({"response_format": "json_object", "sound": False}, "asks for json_object, no sound of a video matters"),
        ({"difficulty": ["medium", "hard"]}, "difficulty is medium or hard"),
    ],
)  # fmt: skip
def test_in_words(when: dict[str, object], words: str) -> None:
    """Each key has words of its own, and those that combine others stand in brackets."""
    assert in_words(schema.When.model_validate(when)) == words


def test_without_conditions() -> None:
    """No conditions hold always."""
    assert in_words(None) == "always"


def test_every_key_has_been_thought_of() -> None:
    """A new condition needs words here, or reads well as `key is value`."""
    known = {"task", "difficulty", "language", "tenant", "key"}
    from qwenroute.linting.words import _WORDS

    keys = {field.alias or name for name, field in schema.When.model_fields.items()}
    assert keys == known | set(_WORDS)
