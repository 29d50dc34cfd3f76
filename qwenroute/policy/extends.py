"""A policy that says only what is different from another: the files that it stands on, and what they say together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from qwenroute.documents import Document, Splice, Trail, listing, nearest, quoted, read
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError

SHIPPED = Path(__file__).parent.parent / "policies"
MOST_FILES = 8
"""In a chain of `extends`: more than that nobody follows."""
MAX_BYTES = 1024 * 1024
MAX_PARTS = 20_000
"""Lines, entries and openings together; what takes a second to read is no file that people edit."""
NULL_SAYS_SOMETHING = frozenset({"experiments", "records", "timeouts"})
"""Sections where `null` is a value; elsewhere it takes back what the base says."""
INHERITED = "inherited"
"""An entry that stands for all those of the list below, which would be replaced otherwise."""


def is_name(source: str) -> bool:
    """Whether this names a shipped policy; everything else is a path."""
    return re.fullmatch(r"[A-Za-z0-9_-]+", source) is not None


def shipped() -> dict[str, Path]:
    """Return the policies that come with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml")) if "." not in path.stem}


def read_policy(path: Path) -> tuple[Document, ...]:
    """Read a file and those that it extends, itself first.

    Raises:
        DocumentError: one of them cannot be read, or cannot be extended.
    """
    layers = [_read(path)]
    taken = {_identity(path): path.name}
    while (name := _extended(layers[-1])) is not None:
        here = layers[-1]
        base = _base(here, name)
        if (same := _identity(base)) in taken:
            ring = " → ".join([*list(taken.values())[list(taken).index(same) :], taken[same]])
            raise _fail(here, f"the file extends itself: {ring}", "let one of them stand on its own")
        if len(layers) == MOST_FILES:
            raise _fail(here, f"more than {MOST_FILES} files extend each other", "put some of them together")
        taken[same] = base.name
        found = _read(base)
        if not isinstance(found.value, Mapping):
            what = "is empty" if found.value is None else "holds no keys"
            raise DocumentError(
                [found.diagnostic((), "QR226", f"`{Path(here.name).name}` extends this file, and it {what}")]
            )
        layers.append(found)
    return tuple(layers)


def merged(layers: tuple[Document, ...]) -> tuple[Document, list[Diagnostic]]:
    """Return what the files say together, and what is wrong with how they are put together."""
    lowest = layers[-1]
    findings = list(_nothing_inherited(lowest, _mapping(lowest.value), {}, ()))
    if len(layers) == 1:
        return lowest, findings
    document = replace(lowest, value=_without_extends(lowest.value))
    for layer in reversed(layers[:-1]):
        value, below = _without_extends(layer.value), _mapping(document.value)
        findings += _idle_nulls(layer, value, below, ())
        findings += _nothing_inherited(layer, value, below, ())
        splices: dict[Trail, Splice] = {}
        document = replace(layer, value=_merge(below, value, (), splices), base=document, splices=splices)
    return document, findings


def _read(path: Path) -> Document:
    return read(path, max_bytes=MAX_BYTES, max_parts=MAX_PARTS)


def _merge(
    base: Mapping[str, object], own: Mapping[str, object], at: Trail, splices: dict[Trail, Splice]
) -> dict[str, object]:
    found = dict(base)
    for key, value in own.items():
        if value is None and not (at and at[0] in NULL_SAYS_SOMETHING):
            found.pop(key, None)
            continue
        below = base.get(key)
        if _both_merge(value, below):
            found[key] = _merge(_mapping(below), _mapping(value), (*at, key), splices)
        elif isinstance(value, list) and INHERITED in value and (entries := _entries(below)) is not None:
            splices[(*at, key)] = splice = _splice(value, len(entries))
            found[key] = [entries[index] if inherited else value[index] for inherited, index in splice]
        else:
            found[key] = value
    return found


def _splice(own: list[object], below: int) -> Splice:
    first = own.index(INHERITED)
    before, after = range(first), (index for index in range(first + 1, len(own)) if own[index] != INHERITED)
    return [*((False, index) for index in before), *((True, index) for index in range(below)),
            *((False, index) for index in after)]  # fmt: skip


def _entries(below: object) -> list[object] | None:
    """Return the entries of a list below, if there is one; one value may stand for a list of one."""
    return below if isinstance(below, list) else None if below is None or isinstance(below, Mapping) else [below]


def _nothing_inherited(
    document: Document, own: Mapping[str, object], base: Mapping[str, object], at: Trail
) -> Iterator[Diagnostic]:
    """Find `inherited` where the base has no list, where it stands twice or alone, and words that were to be it."""
    for key, value in own.items():
        below = base.get(key)
        if isinstance(value, Mapping):
            under = _mapping(below) if _both_merge(value, below) else {}
            yield from _nothing_inherited(document, value, under, (*at, key))
        elif value == INHERITED and isinstance(below, list):
            message = f"{quoted(INHERITED)} stands in a list, beside entries of this file"
            yield document.diagnostic((*at, key), "QR226", message, "leave the line out: what is not said is inherited")
        elif isinstance(value, list):
            yield from _not_inherited(document, value, below, (*at, key))


def _not_inherited(document: Document, own: list[object], below: object, at: Trail) -> Iterator[Diagnostic]:
    entries = _entries(below)
    places = [index for index, entry in enumerate(own) if entry == INHERITED]
    if places and entries is None:
        what = "there it is a variable" if isinstance(below, Mapping) else "there is none"
        message = f"{quoted(INHERITED)} stands for this list in the file that is extended, and {what}"
        hint = "leave it out, or extend a file that has such a list"
        yield document.diagnostic((*at, places[0]), "QR226", message, hint)
    elif len(places) > 1:
        message = f"{quoted(INHERITED)} stands here twice: its entries would be there twice"
        yield document.diagnostic((*at, places[1]), "QR226", message, "leave it out")
    if any(isinstance(entry, Mapping) for entry in entries or ()):
        for index, entry in enumerate(own):
            if isinstance(entry, str) and entry != INHERITED and nearest(entry, [INHERITED]):
                message = f"{quoted(entry)} is no entry of this list"
                yield document.diagnostic((*at, index), "QR226", message, f"did you mean `- {INHERITED}`?")


def _both_merge(own: object, below: object) -> bool:
    """Whether these are put together key by key."""
    return isinstance(own, Mapping) and isinstance(below, Mapping) and not (_refers(own) or _refers(below))


def _idle_nulls(
    document: Document, own: Mapping[str, object], base: Mapping[str, object], at: Trail
) -> Iterator[Diagnostic]:
    """Find `null` where the base has nothing to take back."""
    if at and at[0] in NULL_SAYS_SOMETHING:
        return
    for key, value in own.items():
        below = base.get(key)
        if value is None and key not in base:
            close = nearest(key, base)
            hint = f"did you mean `{close}`?" if close else "leave the line out"
            message = f"{quoted(f'{key}: null')} takes nothing back: what this file extends has no such key"
            yield document.diagnostic((*at, key), "QR226", message, hint)
        elif isinstance(value, Mapping) and isinstance(below, Mapping):
            yield from _idle_nulls(document, value, below, (*at, key))


def _refers(value: Mapping[str, object]) -> bool:
    """Whether this is `{env: …}` or `{file: …}`, which is replaced as one thing."""
    return "env" in value or "file" in value


def _extended(document: Document) -> str | None:
    name = _mapping(document.value).get("extends")
    return name if isinstance(name, str) and name else None  # anything else is the schema's to tell


def _base(document: Document, name: str) -> Path:
    if is_name(name):
        known = shipped()
        if name in known:
            return known[name]
        close = nearest(name, known)
        beside = [s for s in (".yaml", ".yml", "") if _there(Path(document.name).parent / f"{name}{s}", Path.is_file)]
        hint = f"did you mean `{close}`?" if close else f"shipped: {listing(known)}; a file is given by its path"
        if beside:
            hint = f"for the file beside this one write `./{name}{beside[0]}`"
        raise _fail(document, f"no policy named {quoted(name)} is shipped", hint)
    path = Path(document.name).parent / name
    if not _there(path, Path.is_file):
        there = "is a folder" if _there(path, Path.is_dir) else "does not exist"
        raise _fail(document, f"the file {quoted(name)} {there}", "the path starts from the folder of this file")
    return path


def _there(path: Path, kind: Callable[[Path], bool]) -> bool:
    try:
        return kind(path)
    except OSError:  # a name that is longer than names can be
        return False


def _identity(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # a ring of links, which `read` has told already
        return path


def _fail(document: Document, message: str, hint: str) -> DocumentError:
    return DocumentError([document.diagnostic(("extends",), "QR226", message, hint)])


def _without_extends(value: object) -> Mapping[str, object]:
    return {key: inner for key, inner in _mapping(value).items() if key != "extends"}


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}
