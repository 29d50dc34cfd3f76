"""The smallest value that a JSON schema accepts, as far as one pass can tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

MAX_DEPTH = 12
FORMATS: Mapping[str, str] = {
    "date": "2026-01-01",
    "date-time": "2026-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "simulated@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "127.0.0.1",
}


def example(schema: object, *, text: str = "simulated") -> object:
    """Return a value of the schema's type with its required properties; strings read `text`.

    `pattern`, `not` and conditions are not looked at.
    """
    return _value(schema, schema, text, 0)


def _value(schema: object, root: object, text: str, depth: int) -> object:
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return text
    if "const" in schema:
        return schema["const"]
    enum = schema.get("enum")
    if isinstance(enum, Sequence) and enum:
        return enum[0]
    if "default" in schema:
        return schema["default"]
    reference = schema.get("$ref")
    if isinstance(reference, str):
        return _value(_follow(reference, root), root, text, depth + 1)
    for union in ("anyOf", "oneOf"):
        options = schema.get(union)
        if isinstance(options, Sequence) and options:
            return _value(options[0], root, text, depth + 1)
    parts = schema.get("allOf")
    if isinstance(parts, Sequence) and parts:
        values = [_value(part, root, text, depth + 1) for part in parts]
        merged = {k: v for value in values if isinstance(value, dict) for k, v in value.items()}
        return merged or values[0]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or (kind is None and "properties" in schema):
        return _object(schema, root, text, depth)
    if kind == "array":
        count = _number(schema.get("minItems"), 0)
        return [_value(schema.get("items"), root, text, depth + 1) for _ in range(int(count))]
    if kind in {"integer", "number"}:
        return _bounded(schema, whole=kind == "integer")
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    return _string(schema, text)


def _object(schema: Mapping[str, object], root: object, text: str, depth: int) -> dict[str, object]:
    properties = schema.get("properties")
    known = cast("Mapping[str, object]", properties) if isinstance(properties, Mapping) else {}
    required = schema.get("required")
    names = [str(n) for n in required] if isinstance(required, Sequence) else []
    return {name: _value(known.get(name), root, text, depth + 1) for name in names}


def _string(schema: Mapping[str, object], text: str) -> str:
    value = FORMATS.get(str(schema.get("format")), text)
    value = value.ljust(int(_number(schema.get("minLength"), 0)), ".")
    longest = schema.get("maxLength")
    return value[: int(longest)] if isinstance(longest, int) else value


def _bounded(schema: Mapping[str, object], *, whole: bool) -> float:
    above = schema.get("exclusiveMinimum")
    low = _number(schema.get("minimum"), 0 if above is None else _number(above, 0) + 1)
    value = min(low, _number(schema.get("maximum"), low))
    return int(value) if whole else value


def _number(value: object, otherwise: float) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else otherwise


def _follow(reference: str, root: object) -> object:
    found = root
    for part in reference.removeprefix("#/").split("/"):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found
