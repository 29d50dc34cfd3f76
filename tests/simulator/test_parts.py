"""The small parts: values of a schema, the tune."""

from __future__ import annotations

from array import array
from typing import Any

import pytest

from qwenroute.simulator.schema_example import example
from qwenroute.simulator.tone import SAMPLE_RATE, note, seconds


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "simulated"),
        ({"type": "string", "maxLength": 3}, "sim"),
        ({"type": "string", "minLength": 12}, "simulated..."),
        ({"type": "string", "format": "date"}, "2026-01-01"),
        ({"type": "integer", "minimum": 3}, 3),
        ({"type": "integer", "exclusiveMinimum": 3}, 4),
        ({"type": "number", "maximum": -1}, -1),
        ({"type": "boolean"}, True),
        ({"type": "null"}, None),
        ({"type": ["string", "null"]}, "simulated"),
        ({"enum": ["a", "b"]}, "a"),
        ({"const": 5}, 5),
        ({"default": [1]}, [1]),
        ({"type": "array", "items": {"type": "boolean"}, "minItems": 2}, [True, True]),
        ({"type": "array"}, []),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 0),
        ({"allOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}]}, {"a": 1}),
        ({"properties": {"a": {"type": "boolean"}, "b": {}}, "required": ["a"]}, {"a": True}),
        ({"$ref": "#/$defs/n", "$defs": {"n": {"type": "integer"}}}, 0),
        (True, "simulated"),
    ],
)
def test_a_value_of_a_schema(schema: Any, value: Any) -> None:
    """The smallest value with the required properties."""
    assert example(schema) == value


def test_a_schema_that_refers_to_itself_comes_to_an_end() -> None:
    """Recursion is bounded."""
    schema = {"$ref": "#/$defs/n", "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}}}}
    schema["$defs"]["n"]["required"] = ["n"]  # type: ignore[index]
    assert isinstance(example(schema), dict)


def test_notes_are_whole_cycles() -> None:
    """A note starts at zero and lasts about as long as stated, so that notes join without a click."""
    for pitch in range(9):
        samples = array("h", note(pitch))
        assert samples[0] == 0
        assert abs(samples[-1]) < 1_500
        assert len(samples) / SAMPLE_RATE == pytest.approx(seconds(1), rel=0.05)
