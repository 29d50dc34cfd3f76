"""Every check there is, asked of one policy."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.linting import checks
from qwenroute.linting.subject import Subject
from qwenroute.policy import Loaded

if TYPE_CHECKING:
    from qwenroute.registry import Registry

Check = Callable[[Subject], Iterator[Diagnostic]]


def lint(loaded: Loaded, registry: Registry, on: date) -> tuple[Diagnostic, ...]:
    """Return what every check finds, in the order of the file."""
    subject = Subject(loaded=loaded, registry=registry, on=on)
    found = (diagnostic for check, _ in _checks() for diagnostic in check(subject))
    return tuple(sorted(found, key=lambda d: (d.file, d.line, d.column, d.code)))


def codes() -> Mapping[str, str]:
    """Return what each code of a check means."""
    return {code: meaning for _, meanings in _checks() for code, meaning in meanings.items()}


@cache
def _checks() -> tuple[tuple[Check, Mapping[str, str]], ...]:
    """Find them: a file beside the others is all it takes to add one."""
    names = sorted(module.name for module in pkgutil.iter_modules(checks.__path__))
    modules = [import_module(f"{checks.__name__}.{name}") for name in names]
    return tuple((module.check, module.CODES) for module in modules)
