"""Write the public surface down: every name a customer can import, with its signature.

Run as a program (`make api`) it rewrites `public_api.txt`, whose diff is what a reviewer reads.
"""

from __future__ import annotations

import dataclasses
import enum
import importlib
import importlib.util
import inspect
import typing
from collections.abc import Iterator
from pathlib import Path

FILE = Path(__file__).with_name("public_api.txt")
# What `Router` hands out is public too, though nobody imports it by name.
MODULES = ("qwenroute", "qwenroute.client", "qwenroute.testing")


class _Bare(str):
    """An annotation that prints without quotes, as it was written."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def render() -> str:
    """Return the whole surface as text."""
    lines: list[str] = []
    shown: set[int] = set()
    for module_name in MODULES:
        if importlib.util.find_spec(module_name) is None:
            continue
        module = importlib.import_module(module_name)
        lines += ["", f"# {module_name}"]
        for name in _names(module):
            value = getattr(module, name)
            if id(value) in shown:
                continue
            shown.add(id(value))
            lines += ["", *_thing(name, value)]
    return "\n".join(lines[1:]) + "\n"


def _names(module: object) -> list[str]:
    listed = getattr(module, "__all__", None)
    if listed is not None:
        return sorted(listed)
    name = getattr(module, "__name__", "")
    return sorted(n for n, v in vars(module).items() if n[0] != "_" and getattr(v, "__module__", None) == name)


def _thing(name: str, value: object) -> Iterator[str]:
    if inspect.isclass(value):
        yield from _class(name, value)
    elif inspect.isroutine(value):
        yield from _function(name, value)
    elif isinstance(value, str):
        yield f"{name}: str"
    else:
        yield f"{name} = {value!r}"


def _class(name: str, cls: type) -> Iterator[str]:
    bases = ", ".join(base.__name__ for base in cls.__bases__ if base is not object)
    yield f"class {name}({bases})" if bases else f"class {name}"
    if issubclass(cls, enum.Enum):
        yield from (f"    {member.name} = {member.value!r}" for member in cls)
    elif dataclasses.is_dataclass(cls):
        yield from (f"    {line}" for line in _function("__init__", cls.__init__))
    elif typing.is_typeddict(cls):
        yield from (f"    {key}: {_text(kind)}" for key, kind in cls.__annotations__.items())
    for member, value in sorted(cls.__dict__.items()):
        if isinstance(value, property):
            yield f"    {member}: {_text(inspect.signature(value.fget).return_annotation) if value.fget else '?'}"
            continue
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        ours = member == "__init__" and not dataclasses.is_dataclass(cls) and not issubclass(cls, enum.Enum)
        if (member[0] != "_" or ours) and inspect.isfunction(plain):
            yield from (f"    {line}" for line in _function(member, plain))


def _function(name: str, function: typing.Any) -> Iterator[str]:
    word = "async def" if inspect.iscoroutinefunction(function) else "def"
    for version in typing.get_overloads(function) or [function]:
        try:
            signature = inspect.signature(version)
        except ValueError:
            yield f"{word} {name}(...)"
            continue
        parameters = [p.replace(annotation=_Bare(_text(p.annotation))) if p.annotation is not p.empty else p
                      for p in signature.parameters.values()]  # fmt: skip
        returns = signature.return_annotation
        bare = signature.replace(
            parameters=parameters,
            return_annotation=returns if returns is signature.empty else _Bare(_text(returns)),
        )
        line = f"{word} {name}{bare}"
        if len(line) <= 110:
            yield line
        else:  # one parameter a line, so that a diff shows what changed
            yield f"{word} {name}("
            yield from (f"    {parameter}," for parameter in _spelled(bare))
            yield f") -> {bare.return_annotation}"


def _spelled(signature: inspect.Signature) -> Iterator[str]:
    """Return the parameters as written, with the mark that makes those after it keyword-only."""
    marked = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            marked = True
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            marked = True
            yield "*"
        yield str(parameter)


def _text(annotation: object) -> str:
    if isinstance(annotation, str):
        return annotation
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__
    return inspect.formatannotation(annotation)


if __name__ == "__main__":
    FILE.write_text(render(), encoding="utf-8")
    print(f"wrote {FILE.name}")  # noqa: T201 - a command says what it did
