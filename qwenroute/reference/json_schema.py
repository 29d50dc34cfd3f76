"""The JSON Schema of a policy file, for editors: completion, hover and mistakes as they are typed.

It says what a value may look like. Whether names fit each other, and all that needs facts, is up to
`qwenroute policy check`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from qwenroute.domain.capability import Role
from qwenroute.policy import schema
from qwenroute.policy.extends import INHERITED
from qwenroute.policy.policy import USUAL
from qwenroute.policy.schema import values
from qwenroute.policy.schema.values import listed
from qwenroute.reference.attributes import meanings, sections
from qwenroute.registry import Registry

Json = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The one that editors understand best."""
ROOT = "PolicyFile"
_UNIONS = ("anyOf", "oneOf")


def json_schema(registry: Registry) -> Json:
    """Return the schema; names of models, regions and licences are those of the registry."""
    made = schema.PolicyFile.model_json_schema(schema_generator=_ForEditors)
    kinds: dict[str, Json] = {**made.pop("$defs"), ROOT: made}
    described = meanings()
    proposals = _proposals(registry)
    for name, kind in kinds.items():
        for key, found in kind.get("properties", {}).items():
            tidy = _tidy(found)
            if key in described.get(name, {}):
                tidy["description"] = described[name][key]
            proposed = proposals.get((name, key))
            if proposed is not None:
                _propose(tidy, proposed, closed=key in _CLOSED)
            kind["properties"][key] = tidy
        kind.pop("title", None)
    top = kinds.pop(ROOT)
    required = _required(top, kinds)
    _loosen(top, kinds)
    return {
        "$schema": DRAFT,
        "title": "Policy of qwenroute",
        **top,
        # What extends another file may leave out what stands there.
        "if": {"required": ["extends"]},
        "else": required,
        "$defs": dict(sorted(kinds.items())),
    }


class _ForEditors(GenerateJsonSchema):
    """As pydantic says, and a lone value where a list of one is meant."""

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> Json:
        inner = super().function_before_schema(schema)
        if schema["function"]["function"] is listed:
            return {"anyOf": [inner["items"], inner]}
        return inner

    def field_title_should_be_set(self, schema: object) -> bool:  # noqa: ARG002 - pydantic names the parameter
        return False


def _tidy(found: Json) -> Json:
    """Return a value's schema with unions in one level, bounds where they belong, and no default of null."""
    tidy = {key: value for key, value in found.items() if key not in _UNIONS}
    if "default" in tidy and tidy["default"] is None:
        del tidy["default"]
    for union in _UNIONS:
        if union not in found:
            continue
        alternatives: list[Json] = []
        for one in map(_tidy, found[union]):
            alternatives += one["anyOf"] if set(one) == {"anyOf"} else [one]
        if "minItems" in tidy:  # of the list, where one value may stand for a list of one
            least = tidy.pop("minItems")
            alternatives = [{**one, "minItems": least} if one.get("type") == "array" else one for one in alternatives]
        tidy["anyOf"] = alternatives
    if isinstance(tidy.get("items"), dict):
        tidy["items"] = _tidy(tidy["items"])
    if isinstance(tidy.get("additionalProperties"), dict):
        tidy["additionalProperties"] = _tidy(tidy["additionalProperties"])
    return tidy


_CLOSED = frozenset({"region", "regions", "licences"})
"""Keys whose names are all known; the others may be the file's own, or one of an operator's overlay."""


def _proposals(registry: Registry) -> Mapping[tuple[str, str], list[str]]:
    """Return, for keys that hold names, those that are known beforehand."""
    models = sorted(registry.cards)
    regions = sorted(registry.regions)
    licences = sorted({card.licence for card in registry.cards.values()})
    roles = [str(role) for role in Role]
    objectives = [objective.name for objective in USUAL]
    return {
        ("Endpoint", "region"): regions,
        ("Endpoint", "models"): models,
        ("ServedModel", "model"): models,
        ("Pool", "models"): models,
        ("Pool", "except"): models,
        ("Limits", "regions"): regions,
        ("RuleLimits", "regions"): regions,
        ("Limits", "licences"): licences,
        ("RuleLimits", "licences"): licences,
        ("Limits", "models"): models,
        ("RuleLimits", "models"): models,
        ("Rule", "pool"): roles,
        ("Rule", "fallback"): roles,
        ("Rule", "objective"): objectives,
        (ROOT, "objective"): objectives,
    }


def _propose(found: Json, names: list[str], *, closed: bool) -> None:
    """Add names to every place of a value that takes a word."""
    for alternative in found.get("anyOf", ()):
        _propose(alternative, names, closed=closed)
    if isinstance(found.get("items"), dict):
        _propose(found["items"], names, closed=closed)
    if found.get("type") == "string" and "const" not in found:
        found["enum" if closed else "examples"] = names


def _required(top: Json, kinds: Mapping[str, Json]) -> Json:
    """Return what a file that extends nothing has to have: keys along mappings, which a base could bring."""
    needed: Json = {"required": top["required"]} if "required" in top else {}
    inner: Json = {}
    for key, found in top["properties"].items():
        for where, target in _mappings(found):
            deeper = _required(kinds[target], kinds)
            if deeper:
                inner[key] = {"additionalProperties": deeper} if where == "each" else deeper
    return {**needed, "properties": inner} if inner else needed


def _loosen(top: Json, kinds: dict[str, Json], seen: set[str] | None = None) -> None:
    """Require nothing, and take `null` and `inherited`, wherever a base file could have the rest."""
    seen = set() if seen is None else seen
    top.pop("required", None)
    for key, found in top.get("properties", {}).items():
        for _, target in _mappings(found):
            if target not in seen:
                seen.add(target)
                _loosen(kinds[target], kinds, seen)
        top["properties"][key] = _merging(found)


def _merging(found: Json) -> Json:
    """Return a value's schema with what takes it back, and a list's with what keeps the list below."""
    said: Json = {key: found[key] for key in ("description", "default") if key in found}
    rest = {key: value for key, value in found.items() if key not in said}
    if isinstance(rest.get("additionalProperties"), dict):
        rest["additionalProperties"] = _merging(rest["additionalProperties"])
    alternatives = list(map(_inheriting, rest["anyOf"] if set(rest) == {"anyOf"} else [rest]))
    if {"type": "null"} not in alternatives:
        alternatives.append({"type": "null"})
    return {**said, "anyOf": alternatives}


def _inheriting(found: Json) -> Json:
    if found.get("type") != "array" or "items" not in found:
        return found
    marker = {"const": INHERITED, "description": "Every entry that the extended file has in this list."}
    return {**found, "items": {"anyOf": [found["items"], marker]}}


def _mappings(found: Json) -> list[tuple[str, str]]:
    """Return the sections that a value can be, or (`each`) that its values are."""
    targets = [("self", found["$ref"])] if "$ref" in found else []
    targets += [("self", one["$ref"]) for one in found.get("anyOf", ()) if "$ref" in one]
    each = found.get("additionalProperties")
    if isinstance(each, dict) and "$ref" in each:
        targets.append(("each", each["$ref"]))
    names = [(where, target.rsplit("/", 1)[-1]) for where, target in targets]
    known = sections()
    # `{env: NAME}` and its like are values: they are replaced whole.
    return [(where, name) for where, name in names if name in known and known[name].__module__ != values.__name__]
