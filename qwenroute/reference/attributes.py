"""What stands below each key of the schema, read from its source: importing the schema pays nothing for it."""

from __future__ import annotations

import ast
import inspect
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from qwenroute.policy import schema
from qwenroute.policy.schema.values import Section


@cache
def sections() -> Mapping[str, type[Section]]:
    """Return every kind of mapping that a policy file has, by the name of its class."""
    return {name: kind for _, name, kind in _classes()}


@cache
def meanings() -> Mapping[str, Mapping[str, str]]:
    """Return what each key means, by the class of its section; what it inherits means the same."""
    texts = {module: ast.parse(inspect.getsource(import_module(module))) for module, _, _ in _classes()}
    found: dict[str, dict[str, str]] = {}
    for name, kind in sections().items():
        told: dict[str, str] = {}
        for base in reversed([one for one in kind.__mro__ if issubclass(one, Section) and one is not Section]):
            body = texts[base.__module__].body
            node = next(n for n in body if isinstance(n, ast.ClassDef) and n.name == base.__name__)
            told |= _documented(node)
        found[name] = {kind.model_fields[key].alias or key: text for key, text in told.items()}
    return found


def _classes() -> Iterator[tuple[str, str, type[Section]]]:
    for info in pkgutil.iter_modules(schema.__path__):
        name = f"{schema.__name__}.{info.name}"
        for kind in vars(import_module(name)).values():
            if isinstance(kind, type) and issubclass(kind, Section) and kind is not Section and kind.__module__ == name:
                yield name, kind.__name__, kind


def _documented(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for statement, below in zip(node.body, [*node.body[1:], None], strict=True):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(below, ast.Expr)
            and isinstance(below.value, ast.Constant)
            and isinstance(below.value.value, str)
        ):
            yield statement.target.id, " ".join(below.value.value.split())
