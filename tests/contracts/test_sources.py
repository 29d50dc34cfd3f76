"""What every file of the repository keeps to."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.contracts.sources import ROOT, files, modules

# Spelled in pieces, or this file would be the first to break the rule.
MACHINE_PATHS = re.compile(
    "|".join(["/" + "work/", "/" + "root/", "/" + r"home/\w", "/" + r"Users/\w", r"[A-Z]:\\" + "Users"])
)


def relative(path: Path) -> str:
    """Return how a path is shown in a test's name."""
    return path.relative_to(ROOT).as_posix()


def functions_of(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return the test functions of a module."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [node for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")]


@pytest.mark.parametrize("path", modules("qwenroute", "tests", "benchmarks", "examples"), ids=relative)
def test_module_says_what_it_is_for(path: Path) -> None:
    """Every module opens with a docstring; an empty one needs none."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not tree.body or ast.get_docstring(tree), f"{relative(path)} has no docstring"


@pytest.mark.parametrize("path", [p for p in modules("tests") if p.name.startswith("test_")], ids=relative)
def test_every_test_says_what_holds(path: Path) -> None:
    """Every test function carries one sentence saying what holds when it passes."""
    silent = [test.name for test in functions_of(path) if not ast.get_docstring(test)]
    assert not silent, f"{relative(path)}: no docstring on {', '.join(silent)}"


@pytest.mark.parametrize("path", [p for p in modules("tests") if p.name.startswith("test_")], ids=relative)
def test_no_test_is_shadowed(path: Path) -> None:
    """No two tests of a module or class share a name, or the first would silently never run."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for scope in [tree, *(node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))]:
        names = [n.name for n in scope.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))]
        tests = [name for name in names if name.startswith("test_")]
        assert len(tests) == len(set(tests)), f"{relative(path)}: {sorted({t for t in tests if tests.count(t) > 1})}"


def test_no_file_names_a_place_on_one_machine() -> None:
    """Nothing in the repository depends on, or mentions, a path of the machine it was written on."""
    found = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # sound and pictures
        found += [f"{relative(path)}:{n}" for n, line in enumerate(text.splitlines(), 1) if MACHINE_PATHS.search(line)]
    assert not found


def test_every_broad_except_is_accounted_for() -> None:
    """What catches every exception raises it again, or says in a comment on its line why it may not."""
    found = []
    for path in modules("qwenroute"):
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.ExceptHandler) or isinstance(node.body[-1], ast.Raise):
                continue
            broad = node.type is None or (
                isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
            )
            if broad and "#" not in lines[node.lineno - 1]:
                found.append(f"{relative(path)}:{node.lineno}")
    assert not found, f"say why, in a comment on the line: {', '.join(found)}"
