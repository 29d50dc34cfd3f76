"""A parsed file whose every value has a place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from qwenroute.documents.quoting import bounded
from qwenroute.domain.diagnostic import Diagnostic

Trail = tuple[str | int, ...]
Splice = Sequence[tuple[bool, int]]
"""Of each entry of a merged list: whether it is inherited, and its index in the list where it stands."""
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

    splices: Mapping[Trail, Splice] = field(default_factory=dict, repr=False, compare=False)
    """The lists that hold entries of its own and of what it was merged onto."""

    def place(self, trail: Trail) -> tuple[int, int]:
        """Return line and column of a path, or of the nearest parent, in the file where it stands."""
        return self._find(trail)[1]

    def file(self, trail: Trail) -> str:
        """Return the name of the file where a path, or its nearest parent, stands."""
        return self._find(trail)[0]

    def own(self, trail: Trail) -> bool:
        """Whether a path, or its nearest parent, stands in the file itself, not in one that it extends."""
        return self.file(trail) == self.name

    def level(self, trail: Trail) -> int:
        """Return how many files below this one a path, or its nearest parent, stands."""
        return [layer.name for layer in self.layers()].index(self.file(trail))

    def rivals(self, earlier: Trail, later: Trail) -> tuple[Trail, str]:
        """Return which of two entries is to blame (the later, unless that is inherited), and where the other is."""
        told, other = (earlier, later) if self.level(earlier) < self.level(later) else (later, earlier)
        file, (line, _), _ = self._find(other)
        return told, f"line {line}" if file == self.file(told) else f"line {line} of {Path(file).name}"

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
        below: Trail | None = trail
        for layer in self.layers():
            if below is None:
                break
            place, depth, below = _walk(layer, below)
            if best is None or depth > best[2]:
                best = layer.name, place, depth
        assert best is not None
        return best


def finding(file: str, place: tuple[int, int], code: str, message: str, hint: str | None = None) -> Diagnostic:
    """Return a finding that can be printed, whatever stands in the file."""
    line, column = place
    hint = None if hint is None else bounded(hint)
    return Diagnostic(file=file, line=line, column=column, code=code, message=bounded(message), help=hint)


def _walk(layer: Document, trail: Trail) -> tuple[tuple[int, int], int, Trail | None]:
    """Return the place of as much of a path as stands here, how much that is, and the path below, if it goes on."""
    node, place = layer.root, (1, 1)
    listed = False
    for depth, part in enumerate(trail):
        if isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == part), None)
            if found is None:
                return place, depth, None if listed else trail
            place, node = start_of(found[0]), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            inherited, index = layer.splices[trail[:depth]][part] if trail[:depth] in layer.splices else (False, part)
            if inherited:
                return place, depth, (*trail[:depth], index, *trail[depth + 1 :])
            if index >= len(node.value):
                return place, depth, None
            listed = True  # A list takes the place of the one below, so nothing of an entry stands there.
            node = node.value[index]
            place = start_of(node)
        elif node is None or part != 0:  # one value may stand for a list of one
            return place, depth, None
    return place, len(trail), None


def start_of(node: yaml.Node) -> tuple[int, int]:
    """Return line and column of a node, from 1."""
    return node.start_mark.line + 1, node.start_mark.column + 1
