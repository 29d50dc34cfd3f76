"""Hold a document against a schema, and tell every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from qwenroute.documents.complaint import complaint, kind_of
from qwenroute.documents.document import MOST_FINDINGS, Document, Trail
from qwenroute.documents.nearest import nearest
from qwenroute.documents.quoting import listing, quoted
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_core import ErrorDetails

    Schema = TypeVar("Schema", bound=BaseModel)


def validate(document: Document, schema: type[Schema]) -> Schema:
    """Check a document against a pydantic schema.

    Raises:
        DocumentError: with every mistake at once, each with its place and, for an unknown key,
            the nearest known name.
    """
    from pydantic import ValidationError  # noqa: PLC0415 - keeps `import qwenroute` light

    try:
        return schema.model_validate(document.value)
    except ValidationError as error:
        problems = error.errors(include_url=False)
        findings = [_told(document, schema, problem) for problem in problems[:MOST_FINDINGS]]
        raise DocumentError(sorted(findings, key=lambda d: (d.file, d.line, d.column))) from None


def _told(document: Document, schema: type[BaseModel], problem: ErrorDetails) -> Diagnostic:
    """Return one of pydantic's errors as a finding."""
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    trail = _walked(document.value, tuple(problem["loc"]), kind)
    shown = quoted(".".join(str(part) for part in trail)) if trail else "the file"
    if problem["loc"][-1:] == ("[key]",):
        shown = f"the name {quoted(trail[-1])}" if trail and trail[-1] != "" else "a name here"
    if kind in {"enum", "literal_error"}:
        finding = _unknown_value(document, trail, shown, value, str(context["expected"]))
        in_union = (
            bool(trail) and problem["loc"][-1] not in {trail[-1], "[key]"} and not isinstance(problem["loc"][-1], int)
        )
        return replace(finding, help=f"{finding.help}, or a mapping of keys") if in_union else finding
    if kind == "extra_forbidden":
        key, known = str(trail[-1]), _known_keys(schema, trail[:-1])
        if key in known:
            return document.diagnostic(trail, "QR101", f"{quoted(key)} does not go with the other keys here")
        close = nearest(key, known)
        hint = f"did you mean `{close}`?" if close else f"known keys: {listing(sorted(known))}" if known else None
        return document.diagnostic(trail, "QR101", f"unknown key {quoted(key)}", hint)
    if kind == "missing":
        hint = "write `version: 1`" if trail == ("version",) else None
        return document.diagnostic(trail[:-1], "QR102", f"{quoted(trail[-1])} is missing", hint)
    if not trail and value is None:
        needed = [f"`{f.alias or name}`" for name, f in schema.model_fields.items() if f.is_required()]
        hint = f"it needs {', '.join(needed)}" if needed else None
        return document.diagnostic(trail, "QR103", "the file is empty", hint)
    said, hint = complaint(kind, value, context, problem["msg"])
    hint = hint or (_usual(schema, trail) if isinstance(value, int | float) and trail else None)
    return document.diagnostic(trail, "QR103", f"{shown}{'' if said.startswith(':') else ' '}{said}", hint)


def _unknown_value(document: Document, trail: Trail, shown: str, value: object, expected: str) -> Diagnostic:
    choices = re.findall(r"'([^']*)'", expected)
    close = nearest(value, choices) if isinstance(value, str) else None
    hint = f"did you mean `{close}`?" if close else f"one of: {listing(choices) or expected}"
    if value is None:
        return document.diagnostic(trail, "QR104", f"{shown} is empty", hint)
    said = quoted(value) if isinstance(value, str | int | float) else kind_of(value)
    return document.diagnostic(trail, "QR104", f"{shown} cannot be {said}", hint)


def _walked(value: object, trail: Trail, kind: str) -> Trail:
    """Return a location of pydantic's without what is not in the file: union tags, the index of a lone item."""
    found: list[str | int] = []
    for index, part in enumerate(trail):
        inside = isinstance(value, list) and isinstance(part, int) and part < len(value)
        if inside or (isinstance(value, Mapping) and part in value):
            value = value[part]  # type: ignore[index]  # one of the two, as just seen
        elif kind != "missing" or index < len(trail) - 1:
            continue
        found.append(part)
    return tuple(found)


def _usual(schema: type[BaseModel], trail: Trail) -> str | None:
    """Return what a number is where its line is left out."""
    for model in _models_at(schema, trail[:-1]):
        for name, field in model.model_fields.items():
            if (field.alias or name) != trail[-1] or field.is_required():
                continue
            usual = field.get_default(call_default_factory=True)
            if usual is None:
                return "leave the line out for none"
            if isinstance(usual, int | float) and not isinstance(usual, bool):
                return f"without the line it is {usual:g}"
    return None


def _known_keys(schema: type[BaseModel], trail: Trail) -> set[str]:
    """Return the keys of the schema that the trail leads to."""
    return {f.alias or n for model in _models_at(schema, trail) for n, f in model.model_fields.items()}


def _models_at(schema: type[BaseModel], trail: Trail) -> list[type[BaseModel]]:
    """Follow one of pydantic's own locations."""
    from pydantic import BaseModel as Model  # noqa: PLC0415

    found: list[type[BaseModel]] = [schema]
    for part in trail:
        following: list[type[BaseModel]] = []
        for model in found:
            names = {f.alias or n: f.annotation for n, f in model.model_fields.items()}
            if part in names:
                following += _models_in(names[str(part)], Model)
        # A key of a mapping, an index, or a union's tag leads nowhere new.
        found = following or found
    return found


def _models_in(annotation: object, base: type[BaseModel]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, base):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner, base)]
