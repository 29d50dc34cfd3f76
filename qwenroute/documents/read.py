"""Read an operator's YAML and keep the place of every value.

YAML 1.2 scalars: `no`, `on` and `off` are words, `1e3` is a number. Duplicate keys, anchors
and tags are refused: in a file that people on call edit, each is a mistake more often than a wish.
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from pathlib import Path

import yaml

from qwenroute.documents.document import MOST_FINDINGS, Document, finding, start_of
from qwenroute.documents.quoting import quoted
from qwenroute.documents.syntax import said_of
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError

MAX_BYTES = 4 * 1024 * 1024
MAX_DEPTH = 64
_DEEP = f"nested deeper than {MAX_DEPTH} levels"
MANY_OPENERS = 2_000
"""A text with fewer of what opens a level cannot be nested dangerously deep."""
_OPENERS = ("[", "{", "- ", "? ", ":\n")
_BREAKS = (",", "\n", "\r", "\x85", "\u2028", "\u2029")

_INT = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)\Z")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")
"""With a zero in front it is a word: some would read `012` as ten."""
_STRANGE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line for the parser, so that places agree with its own."""
SAVE = "save it as UTF-8 text"
LARGE = "split it: one policy can extend another"
_WORDS: Mapping[str, object] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


def read(path: Path, *, max_bytes: int = MAX_BYTES, max_parts: int | None = None) -> Document:
    """Read a YAML file; `max_parts` bounds how many values it may hold, roughly.

    Raises:
        DocumentError: it cannot be read, or is not YAML that this reader takes.
    """
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        said = str(error.strerror) if isinstance(error, OSError) else "the path holds characters that no path can"
        raise _fail(name, (1, 1), "QR001", f"cannot read the file: {said}") from error
    if len(raw) > max_bytes:
        size = f"{max_bytes / 1024 / 1024:g} MB"
        raise _fail(name, (1, 1), "QR001", f"the file is larger than {size}", "is this the file that you meant?")
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _fail(name, (1, 1), "QR001", "the file is UTF-16 text", SAVE)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8-sig")
        place = _place_of(before, len(before))
        raise _fail(name, place, "QR001", f"the file is not UTF-8 text: byte {raw[error.start]:#04x}", SAVE) from error
    if max_parts is not None and sum(map(text.count, (*_OPENERS[:4], *_BREAKS))) > max_parts:
        raise _fail(name, (1, 1), "QR001", f"the file holds more than {max_parts:,} lines and values", LARGE)
    return parse(text, name)


def parse(text: str, name: str) -> Document:
    """Parse YAML text; `name` stands for the file in messages.

    Raises:
        DocumentError: it is not YAML that this reader takes.
    """
    if (strange := _STRANGE.search(text)) is not None:
        place = _place_of(text, strange.start())
        told = f"the character U+{ord(strange[0]):04X} cannot stand in a text file"
        remedy = SAVE if strange[0] == "\0" else "delete it; it cannot be seen, so type the word again"
        raise _fail(name, place, "QR002", f"not valid YAML: {told}", remedy)
    # The base loader leaves plain words as they are, which is quicker and lets a written tag be told.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    try:
        if sum(map(text.count, _OPENERS)) > MANY_OPENERS:
            _refuse_depth(text, name, loader)
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        if "nesting depth" in str(error.problem):  # libyaml 0.2.6 and newer look ahead, and have a bound of their own
            raise _fail(name, _inside(text, said_of(text, error)[0]), "QR002", _DEEP) from error
        place, told, hint = said_of(text, error)
        raise _fail(name, _inside(text, place), "QR002", f"not valid YAML: {told}", hint) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _fail(name, (1, 1), "QR002", f"not valid YAML: {error}") from error
    if node is None:
        return Document(name=name, value=None)
    builder = _Builder(name)
    value = builder.build(node, 0)
    if builder.findings:
        raise DocumentError(builder.findings)
    return Document(name=name, value=value, root=node)


def _place_of(text: str, offset: int) -> tuple[int, int]:
    lines = _BREAK.split(text[:offset])
    return len(lines), len(lines[-1]) + 1


def _inside(text: str, place: tuple[int, int]) -> tuple[int, int]:
    """Return a place that is in the file: the parser's last one is behind its end."""
    lines = _BREAK.split(text)
    lines = lines[:-1] if len(lines) > 1 and not lines[-1] else lines
    line = min(place[0], len(lines))
    return (line, place[1]) if line == place[0] else (line, max(1, len(lines[-1])))


def _refuse_depth(text: str, name: str, loader: type[yaml.BaseLoader]) -> None:
    """Refuse what is nested so deep that composing it, which recurses in C, would exhaust the stack."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                mark = event.start_mark
                place = (1, 1) if mark is None else (mark.line + 1, mark.column + 1)
                raise _fail(name, place, "QR002", _DEEP)
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
            self._complain(
                node, "QR003", "anchors and aliases are not taken", "write the value out where `*` repeats it"
            )
            return None
        if depth > MAX_DEPTH:
            self._complain(node, "QR002", _DEEP)
            return None
        self._seen.add(id(node))
        if node.tag not in _PLAIN_TAGS:
            self._complain(node, "QR003", f"the tag {quoted(node.tag)} is not taken", "leave it out")
            return None
        if isinstance(node, yaml.ScalarNode):
            # Quoted, or a block: text. A plain scalar has no style, or an empty one.
            return node.value if node.style else _scalar(node.value)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, depth + 1) for child in node.value]
        mapping: dict[Hashable, object] = {}
        lines: dict[str, int] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._complain(key, "QR004", "a key has to be a word")
            elif id(key) in self._seen:
                self._complain(key, "QR003", "anchors and aliases are not taken", "write the key out")
            elif key.tag not in _PLAIN_TAGS:
                self._complain(key, "QR003", f"the tag {quoted(key.tag)} is not taken", "leave it out")
            elif key.value == "<<" and not key.style:
                self._complain(key, "QR003", "merge keys (`<<`) are not taken", "write the values out")
            elif key.value in mapping:
                line = lines.get(key.value, 1)
                self._complain(key, "QR005", f"key {quoted(key.value)} stands twice (line {line})", "keep one of them")
            else:
                self._seen.add(id(key))
                lines[key.value] = key.start_mark.line + 1
                mapping[key.value] = self.build(child, depth + 1)
        return mapping

    def _complain(self, node: yaml.Node, code: str, message: str, hint: str | None = None) -> None:
        place = start_of(node)
        known = any((one.line, one.column) == place for one in self.findings)
        if not known and len(self.findings) < MOST_FINDINGS:
            self.findings.append(finding(self.name, place, code, message, hint))


def _scalar(text: str) -> object:
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text) and len(text) < 32:
        return int(text)
    if _FLOAT.match(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text


def _fail(name: str, place: tuple[int, int], code: str, message: str, hint: str | None = None) -> DocumentError:
    return DocumentError([finding(name, place, code, message, hint)])
