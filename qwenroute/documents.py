"""Read an operator's YAML and keep the place of every value.

YAML 1.2 scalars: `no`, `on` and `off` are words, `1e3` is a number. Duplicate keys, anchors
and tags are refused: in a file that people on call edit, each is a mistake more often than a wish.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import yaml

from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError

if TYPE_CHECKING:
    from pydantic import BaseModel

    Schema = TypeVar("Schema", bound=BaseModel)

Trail = tuple[str | int, ...]
MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
MANY_OPENERS = 2_000
"""A text with fewer of what opens a level cannot be nested dangerously deep."""
_OPENERS = ("[", "{", "- ", "? ", ":\n")

_INT = re.compile(r"[-+]?[0-9]+(_[0-9]+)*\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
_WORDS: Mapping[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file: plain values, and for each path into them a line and column from 1."""

    name: str
    value: object
    root: yaml.Node | None = field(default=None, repr=False, compare=False)

    base: Document | None = field(default=None, repr=False, compare=False)
    """What it was merged onto, if anything: its own nodes do not hold all of its value then."""

    def place(self, trail: Trail) -> tuple[int, int]:
        """Return line and column of a path, or of the nearest parent, in the file where it stands."""
        return self._find(trail)[1]

    def file(self, trail: Trail) -> str:
        """Return the name of the file where a path, or its nearest parent, stands."""
        return self._find(trail)[0]

    def beside(self, trail: Trail, path: str) -> Path:
        """Return a path that is written there, as seen from that file's folder."""
        return Path(self.file(trail)).parent / path

    def diagnostic(self, trail: Trail, code: str, message: str, hint: str | None = None) -> Diagnostic:
        """Return a finding at a path, or at the nearest parent that has a place."""
        file, (line, column), _ = self._find(trail)
        return Diagnostic(file=file, line=line, column=column, code=code, message=message, help=hint)

    def layers(self) -> Iterator[Document]:
        """Yield the document, what it was merged onto, and so on."""
        layer: Document | None = self
        while layer is not None:
            yield layer
            layer = layer.base

    def _find(self, trail: Trail) -> tuple[str, tuple[int, int], int]:
        """Return the file, the place, and how much of the path stands there: the nearest that holds the most."""
        best: tuple[str, tuple[int, int], int] | None = None
        for layer in self.layers():
            place, depth = _walk(layer.root, trail)
            if best is None or depth > best[2]:
                best = layer.name, place, depth
            if depth == len(trail):
                break
        assert best is not None
        return best


def _walk(root: yaml.Node | None, trail: Trail) -> tuple[tuple[int, int], int]:
    """Return the place of as much of a path as there is, and how much that is."""
    node, place = root, (1, 1)
    for depth, part in enumerate(trail):
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is None:
                return place, depth
            place, node = _start(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            place = _start(node)
        else:
            return place, depth
    return place, len(trail)


def read(path: Path) -> Document:
    """Read a YAML file.

    Raises:
        DocumentError: it cannot be read, or is not YAML that this reader takes.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _fail(str(path), 1, 1, "QR001", f"cannot read the file: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise _fail(str(path), 1, 1, "QR001", f"the file is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise _fail(str(path), line, 1, "QR001", "the file is not UTF-8 text") from error
    return parse(text, str(path))


def parse(text: str, name: str) -> Document:
    """Parse YAML text; `name` stands for the file in messages.

    Raises:
        DocumentError: it is not YAML that this reader takes.
    """
    # The base loader leaves plain words as they are, which is quicker and lets a written tag be told.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if sum(map(text.count, _OPENERS)) > MANY_OPENERS:
            _refuse_depth(text, name, loader)
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
        raise _fail(name, line, column, "QR002", f"not valid YAML: {error.problem or error.context}") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _fail(name, 1, 1, "QR002", f"not valid YAML: {error}") from error
    if node is None:
        return Document(name=name, value=None)
    builder = _Builder(name)
    value = builder.build(node, 0)
    if builder.findings:
        raise DocumentError(builder.findings)
    return Document(name=name, value=value, root=node)


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
        findings = []
        for problem in error.errors(include_url=False):
            trail = _walked(document.value, tuple(problem["loc"]), problem["type"])
            if problem["type"] in {"enum", "literal_error"}:
                findings.append(_unknown_value(document, trail, problem["input"], problem["ctx"]["expected"]))
            else:
                findings.append(_explain(document, schema, trail, problem["type"], problem["msg"]))
        raise DocumentError(sorted(findings, key=lambda d: (d.line, d.column))) from None


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the choice that the word most likely meant, if any comes close."""
    found = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.6)
    return found[0] if found else None


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


def _unknown_value(document: Document, trail: Trail, value: object, expected: str) -> Diagnostic:
    choices = re.findall(r"'([^']*)'", expected)
    close = nearest(value, choices) if isinstance(value, str) else None
    hint = f"did you mean `{close}`?" if close else f"one of: {', '.join(choices) or expected}"
    shown = ".".join(str(part) for part in trail)
    said = f"`{value}`" if isinstance(value, str | int | float) else "this"
    return document.diagnostic(trail, "QR104", f"`{shown}` cannot be {said}", hint)


def _explain(document: Document, schema: type[BaseModel], trail: Trail, kind: str, message: str) -> Diagnostic:
    if kind == "extra_forbidden":
        key = str(trail[-1])
        known = _known_keys(schema, trail[:-1])
        close = nearest(key, known)
        hint = f"did you mean `{close}`?" if close else f"known keys: {', '.join(sorted(known))}" if known else None
        return document.diagnostic(trail, "QR101", f"unknown key `{key}`", hint)
    if kind == "missing":
        return document.diagnostic(trail[:-1], "QR102", f"`{trail[-1]}` is missing")
    shown = ".".join(str(part) for part in trail) or "the file"
    return document.diagnostic(trail, "QR103", f"`{shown}`: {message[:1].lower() + message[1:]}")


def _known_keys(schema: type[BaseModel], trail: Trail) -> set[str]:
    """Return the keys of the schema that the trail leads to, following pydantic's own locations."""
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
    keys: set[str] = set()
    for model in found:
        keys |= {f.alias or n for n, f in model.model_fields.items()}
    return keys


def _models_in(annotation: object, base: type[BaseModel]) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, base):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner, base)]


def _refuse_depth(text: str, name: str, loader: type[yaml.BaseLoader]) -> None:
    """Refuse what is nested so deep that composing it, which recurses in C, would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                line, column = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
                raise _fail(name, line, column, "QR002", f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


class _Builder:
    """Turns nodes into plain values and collects what this reader does not take."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.findings: list[Diagnostic] = []
        self._seen: set[int] = set()

    def build(self, node: yaml.Node, depth: int) -> object:
        """Return the value of a node."""
        if id(node) in self._seen:
            self._complain(node, "QR003", "anchors and aliases are not taken", "write the value out")
            return None
        if depth > MAX_DEPTH:
            self._complain(node, "QR002", f"nested deeper than {MAX_DEPTH} levels")
            return None
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self._complain(node, "QR003", f"the tag `{node.tag}` is not taken", "leave it out")
            return None
        if isinstance(node, yaml.ScalarNode):
            # Quoted, or a block: text. A plain scalar has no style, or an empty one.
            return node.value if node.style else _scalar(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, depth + 1) for child in node.value]
        mapping: dict[Hashable, object] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(key, "QR004", "a key has to be a word")
            elif key.value in mapping:
                self._complain(key, "QR005", f"key `{key.value}` stands twice")
            else:
                mapping[key.value] = self.build(child, depth + 1)
        return mapping

    def _complain(self, node: yaml.Node, code: str, message: str, hint: str | None = None) -> None:
        line, column = _start(node)
        self.findings.append(
            Diagnostic(file=self.name, line=line, column=column, code=code, message=message, help=hint)
        )


def _start(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text) and len(text) < 32:
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _fail(name: str, line: int, column: int, code: str, message: str) -> DocumentError:
    return DocumentError([Diagnostic(file=name, line=line, column=column, code=code, message=message)])
