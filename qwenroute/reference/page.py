"""The page beside the shipped policies: every key, every code, and recipes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qwenroute.policy.extends import INHERITED, shipped
from qwenroute.policy.schema.values import __name__ as VALUES  # noqa: N812 - the name of the module
from qwenroute.reference.attributes import sections
from qwenroute.reference.codes import CODES
from qwenroute.reference.json_schema import ROOT, json_schema
from qwenroute.reference.units import unit
from qwenroute.registry import Registry

Json = dict[str, Any]

_HERE = Path(__file__).parent
MANY = 12
"""More words than this are left to the meaning, or to the editor."""


def page(registry: Registry, checks: Mapping[str, str]) -> str:
    """Return it as Markdown; `checks` says what each code of a check means."""
    codes = {**CODES, **checks}
    made = json_schema(registry)
    parts = [
        "<!-- Made by `make policies`; what is edited here is lost. -->",
        (_HERE / "introduction.md").read_text(encoding="utf-8").strip(),
        "## Those that come with the package",
        _table(("name", "what it is"), _shipped()),
        "## Every key",
        _SAID,
        *_tables(made),
        "## Every code",
        "`qwenroute policy check` says what is wrong with these codes, which stay what they are.",
        _table(("code", "meaning"), [(f"`{code}`", meaning) for code, meaning in sorted(codes.items())]),
        (_HERE / "recipes.md").read_text(encoding="utf-8").strip(),
    ]
    return "\n\n".join(parts) + "\n"


_SAID = (
    "Keys stand in the order of the file. `NAME` is a name of your own. Where a list is taken, one value may stand for "
    "a list of one. An unknown key is refused, with the nearest known name."
)


def _shipped() -> Iterator[tuple[str, str]]:
    """Yield the shipped policies, each as its own first comment has it."""
    for name, path in shipped().items():
        comment = re.search(r"^# qwenroute[^:\n]*: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        yield f"[`{name}`]({path.name})", "" if comment is None else comment[1]


def _tables(made: Json) -> Iterator[str]:
    """Yield a heading and a table for each section, in the order in which keys lead to it."""
    waiting = [("", ROOT)]
    seen = {ROOT}
    values: list[str] = []
    while waiting:
        path, name = waiting.pop(0)
        section = made if name == ROOT else made["$defs"][name]
        if path:
            yield f"### `{path}`"
        yield from _section(name, section, made)
        deeper: list[tuple[str, str]] = []
        for key, value in section["properties"].items():
            for target, place in _leads(value, f"{path}.{key}" if path else key):
                if target in seen:
                    continue
                seen.add(target)
                if sections()[target].__module__ == VALUES:
                    values.append(target)
                else:
                    deeper.append((place, target))
        # What stands in a section follows it before the next begins.
        waiting = deeper + waiting
    for name in values:
        yield f"### `{{{next(iter(sections()[name].model_fields))}: …}}`, wherever a value may be one"
        yield from _section(name, made["$defs"][name], made)


def _section(name: str, section: Json, made: Json) -> Iterator[str]:
    if name != ROOT and section.get("description"):
        yield str(section["description"])
    required = {field.alias or key for key, field in sections()[name].model_fields.items() if field.is_required()}
    rows = [
        (f"`{key}`", _type(value, made), _default(value, required=key in required), unit(key), _meaning(value))
        for key, value in section["properties"].items()
    ]
    yield _table(("key", "type", "default", "unit", "meaning"), rows)


def _leads(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """Yield the sections in a value, each with its path."""
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        if name in sections():
            yield name, path
    for one in value.get("anyOf", ()):
        yield from _leads(one, path)
    if isinstance(value.get("items"), dict):
        yield from _leads(value["items"], f"{path}[]")
    if isinstance(value.get("additionalProperties"), dict):
        yield from _leads(value["additionalProperties"], f"{path}.NAME")


def _default(value: Json, *, required: bool) -> str:
    default = value.get("default")
    if required:
        return "**required**"
    if default is None or default in ([], {}):
        return ""
    shown = f"{default:g}" if isinstance(default, float) else json.dumps(default).replace('"', "")
    return f"`{shown}`"


def _meaning(value: Json) -> str:
    return str(value.get("description", "")).replace("|", "\\|")


def _type(value: Json, made: Json) -> str:
    """Return in a few words what a value may be."""
    if "anyOf" in value:
        alternatives = [one for one in value["anyOf"] if one.get("type") != "null"]
        lists = [one for one in alternatives if one.get("type") == "array"]
        if lists and len(alternatives) == 2 and _entry(lists[0]) == alternatives[0]:
            return f"{_type(alternatives[0], made)}, or a list of them"
        return " or ".join(dict.fromkeys(_type(one, made) for one in alternatives))
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[-1]
        if name not in sections():
            return _type(made["$defs"][name], made)
        target = made["$defs"][name]
        return "`{" + ", ".join(target["properties"]) + "}`" if len(target["properties"]) <= 4 else "mapping"
    if "const" in value:
        return f"`{value['const']}`"
    if "enum" in value:
        if len(value["enum"]) > MANY:
            return "one of some words"
        return ", ".join(f"`{one}`" for one in value["enum"])
    kind = value.get("type")
    if kind == "array":
        return f"list of {_type(_entry(value), made).removeprefix('one of ')}"
    if kind == "object":
        inner = value.get("additionalProperties")
        return f"mapping of names to {_type(inner, made)}" if isinstance(inner, dict) else "mapping"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    return f"{words.get(str(kind), 'anything')}{_bounds(value)}"


def _entry(found: Json) -> Json:
    """Return what the entries of a list may be; that `inherited` can stand among them is said once, under `extends`."""
    items: Json = found["items"]
    alternatives = [one for one in items.get("anyOf", ()) if one.get("const") != INHERITED]
    return alternatives[0] if len(alternatives) == 1 else items


def _bounds(value: Json) -> str:
    signs = (("exclusiveMinimum", ">"), ("minimum", "≥"), ("exclusiveMaximum", "<"), ("maximum", "≤"))
    parts = [f"{sign} {value[key]:g}" for key, sign in signs if key in value]
    return f" {', '.join(parts)}" if parts else ""


def _table(headings: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [headings, ("---",) * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
