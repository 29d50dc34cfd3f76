"""What the YAML parser did not take, in words for someone who edits the file."""

from __future__ import annotations

import re

import yaml

from qwenroute.documents.quoting import quoted

Place = tuple[int, int]

_AT_ITS_BEGINNING = r"could not find expected ':'|unexpected end of stream|document indicator"
_INDENT = "check how far this line, and the one before it, are indented"
_SAID: tuple[tuple[str, str, str | None], ...] = (
    (r"tab character",
     "a tab stands where blanks have to indent", "indent with blanks"),
    (r"mapping values are not allowed",
     "a `:` stands where no key can be", f"put a text that has `: ` in it into quotes, or {_INDENT}"),
    (r"block sequence entries are not allowed",
     "a `-` stands where no list can be", _INDENT),
    (r"block mapping key|expected key|expected <block end>",
     "this line does not belong to what stands above it", _INDENT),
    (r"expected '-' indicator",
     "this line stands among the entries of a list and is none", f"begin it with `- `, or {_INDENT}"),
    (r"expected ',' or '\]'",
     "a list in brackets goes on here without `,` or `]`", "close it with `]`"),
    (r"expected ',' or '\}'",
     "a mapping in braces goes on here without `,` or `}`", "close it with `}`"),
    (r"could not find expected ':'",
     "a key without `:`", "write `key: value`"),
    (r"unexpected end of stream|document indicator",
     "the quote that begins here is never closed", "close it with the same quote"),
    (r"node content",
     "something is missing here", None),
    (r"single document|another document",
     "a second document begins here", "leave `---` out: a file holds one"),
    (r"<document start>",
     "this stands after the end of what the file says", _INDENT),
    (r"alias|anchor",
     "anchors and aliases are not taken", "write the value out; put a text that begins with `*` or `&` into quotes"),
    (r"escape|hexdecimal",
     "a `\\` in double quotes begins something unknown", "use single quotes, where it stands for itself"),
    (r"tag|handle|URI",
     "tags (`!…`) are not taken", "leave it out, or put it into quotes"),
    (r"directive|incompatible|version",
     "lines that begin with `%` are not taken", "leave it out"),
    (r"block scalar|chomping|indentation indicator|comment or line break",
     "what follows `|` or `>` has to begin on the next line", "put a text that begins so into quotes"),
    (r"simple key",
     "this key is too long, or goes over several lines", "write it on one line"),
)  # fmt: skip


def said_of(text: str, error: yaml.MarkedYAMLError) -> tuple[Place, str, str | None]:
    """Return where something is wrong, what it is, and what to do."""
    problem, began = str(error.problem or error.context), _place(error.context_mark)
    place = _place(error.problem_mark) or began or (1, 1)
    if began is not None and re.search(_AT_ITS_BEGINNING, problem):
        place = began
    if "cannot start any token" in problem:
        lines = text.split("\n")
        line = lines[place[0] - 1] if place[0] <= len(lines) else ""
        char = line[place[1] - 1 : place[1]]
        if char == "\t" or not line[: place[1]].strip():
            return place, "a tab stands where blanks have to indent", "indent with blanks"
        return place, f"{quoted(char)} cannot begin a word", "put the word into quotes"
    for pattern, said, hint in _SAID:
        if re.search(pattern, problem):
            if began is not None and began[0] != place[0] and "expected ','" in problem:
                return place, f"{said}; it begins on line {began[0]}", hint
            return place, said, hint
    return place, problem, None


def _place(mark: yaml.Mark | None) -> Place | None:
    return None if mark is None else (mark.line + 1, mark.column + 1)
