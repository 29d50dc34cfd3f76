"""A parsed file whose every value has a place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from qwenroute.documents.quoting import bounded
from qwenroute.domain.diagnostic import Diagnostic

Trail = tuple[str | int, ...]
MOST_FINDINGS = 100
"""Of one check: more at once nobody mends."""


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
        file, place, _ = self._find(trail)
        return finding(file, place, code, message, hint)

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


def finding(file: str, place: tuple[int, int], code: str, message: str, hint: str | None = None) -> Diagnostic:
    """Return a finding that can be printed, whatever stands in the file."""
    line, column = place
    hint = None if hint is None else bounded(hint)
    return Diagnostic(file=file, line=line, column=column, code=code, message=bounded(message), help=hint)


def _walk(root: yaml.Node | None, trail: Trail) -> tuple[tuple[int, int], int]:
    """Return the place of as much of a path as there is, and how much that is."""
    node, place = root, (1, 1)
    for depth, part in enumerate(trail):
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is None:
                return place, depth
            place, node = start_of(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            place = start_of(node)
        else:
            return place, depth
    return place, len(trail)


def start_of(node: yaml.Node) -> tuple[int, int]:
    """Return line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
