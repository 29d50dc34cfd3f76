"""What the documents show works, and what they name exists."""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qwenroute.testing import SimulatorHandle, simulator
from tests.contracts.fences import SHELLS, Block, blocks, documents
from tests.contracts.sources import ROOT

SHOWN = [block for path in documents() for block in blocks(path)]
PROGRAMS = [block for block in SHOWN if block.language == "python"]
SHELL_BLOCKS = [block for block in SHOWN if block.language in SHELLS]
EXAMPLES = [
    pytest.param(path, marks=() if path.name == "first_call.py" else pytest.mark.slow, id=path.name)
    for path in sorted((ROOT / "examples").glob("*.py"))
]
SELF_HOSTED = ("qwen2.5-7b-instruct", "qwen2.5-coder-32b-instruct", "qwq-32b")
# Whatever else a shell block does cannot be checked here, so it is not shown.
PLAIN_COMMANDS = {"cd", "export", "git", "cat", "echo"}


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorHandle]:
    """Run one simulator for all documents."""
    with simulator() as handle:
        yield handle


def execute(arguments: list[str], folder: Path, running: SimulatorHandle) -> None:
    """Run a program as a user would who has set the simulator's variables; fail with what it printed."""
    environ = {**os.environ, **running.environ(self_hosted=SELF_HOSTED), "PYTHONWARNINGS": "error::ResourceWarning"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "ResourceWarning" not in done.stderr, done.stderr


def test_readme_shows_code() -> None:
    """The README has at least one program and one command: the tests below have something to run."""
    found = {block.language for block in SHOWN if block.path.name == "README.md"}
    assert "python" in found
    assert found & SHELLS


@pytest.mark.slow
@pytest.mark.parametrize("block", PROGRAMS, ids=lambda block: block.place)
def test_program_in_a_document_runs(block: Block, tmp_path: Path, running: SimulatorHandle) -> None:
    """A Python block is a whole program, or a whole test module, and succeeds against the simulator."""
    name = "test_block.py" if re.search(r"^(async )?def test_", block.code, re.MULTILINE) else "block.py"
    (tmp_path / name).write_text(block.code, encoding="utf-8")
    run_file(tmp_path / name, tmp_path, running)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_example_runs(path: Path, tmp_path: Path, running: SimulatorHandle) -> None:
    """Every example succeeds as it stands, with nothing set but the simulator's variables."""
    run_file(path, tmp_path, running)


def run_file(path: Path, folder: Path, running: SimulatorHandle) -> None:
    """Run a program, or a test module under pytest with no configuration but its own."""
    if path.name.startswith("test_"):
        options = ["-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(folder)]
        execute(["-m", "pytest", *options, str(path)], folder, running)
    else:
        execute([str(path)], folder, running)


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=lambda block: block.place)
def test_command_in_a_document_exists(block: Block) -> None:
    """Every command shown is one of ours with options it has, or one so plain that it cannot be wrong."""
    for line in block.commands:
        for part in re.split(r"\s(?:\||&&|>)\s", line):
            check_command(part.strip(), block)


INLINE = sorted(
    {
        (path.name, command)
        for path in documents()
        for command in re.findall(r"`((?:qwenroute|make) [^`\n]+)`", path.read_text("utf-8"))
    }
)


@pytest.mark.parametrize(("document", "command"), INLINE)
def test_command_in_a_sentence_exists(document: str, command: str) -> None:
    """A command named in passing, `[--optional]` parts included, exists as well."""
    line = re.sub(r"[\[\]]", " ", command)
    check_command(line, Block(path=ROOT / document, line=1, language="sh", code=line))


def check_command(line: str, block: Block) -> None:
    """Fail unless the command exists as it is written."""
    words = shlex.split(line, comments=True)
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    if not words or words[0] in PLAIN_COMMANDS or re.search(r"\.\w+$", words[0]):
        return
    program, *rest = words
    if program == "make":
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        unknown = {word for word in rest if "=" not in word} - targets
        assert not unknown, f"{block.place}: the Makefile has no {', '.join(sorted(unknown))}"
    elif program in {"pip", "uv"}:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for extra in re.findall(r"qwenroute\[([\w,-]+)\]", line):
            assert set(extra.split(",")) <= set(project["optional-dependencies"]), f"{block.place}: {line}"
    elif program == "qwenroute":
        check_our_command(rest, block)
    else:
        pytest.fail(f"{block.place}: `{program}` cannot be checked; show something else")


def check_our_command(words: list[str], block: Block) -> None:
    """Fail unless the verb exists and has every option that is used."""
    import typer.main

    app = importlib.import_module("qwenroute.cli.app").app
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words[0]]
        words = words[1:]
    assert (
        not words or words[0].startswith("-") or not hasattr(command, "commands") or command.invoke_without_command
    ), f"{block.place}: `qwenroute` has no `{words[0]}`"
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    known |= {"--help", "-h"}
    for word in words:
        if word.startswith("-") and word != "-":
            assert word.partition("=")[0] in known, f"{block.place}: `{command.name}` has no `{word}`"


NAMES = sorted(
    {name for path in documents() for name in re.findall(r"`(qwenroute(?:\.\w+)+)`", path.read_text("utf-8"))}
)


@pytest.mark.parametrize("name", NAMES)
def test_name_in_a_document_exists(name: str) -> None:
    """Every dotted name that a document mentions, the life of a request above all, is really there."""
    parts = name.split(".")
    value: Any = importlib.import_module("qwenroute")
    for index, part in enumerate(parts[1:], start=2):
        try:
            value = importlib.import_module(".".join(parts[:index]))
        except ModuleNotFoundError:
            assert hasattr(value, part) or part in getattr(value, "__annotations__", {}), f"{name}: no `{part}`"
            value = getattr(value, part, None)


def test_the_life_of_a_request_is_told_with_names() -> None:
    """The section is there and names a function for every stage, so that it can go stale only loudly."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = text.split("## The life of a request", 1)[1].split("\n## ", 1)[0]
    assert len(set(re.findall(r"`(qwenroute(?:\.\w+)+)`", section))) >= 10


PATHS = sorted(
    {
        (path.name, name)
        for path in documents()
        for name in re.findall(
            r"`((?:qwenroute|tests|benchmarks|examples|policies|\.ci)/[\w./-]*)`", path.read_text("utf-8")
        )
    }
)


@pytest.mark.parametrize(("document", "name"), PATHS)
def test_path_in_a_document_exists(document: str, name: str) -> None:
    """Every file or folder of the repository that a document mentions is really there."""
    assert (ROOT / name).exists(), f"{document} mentions {name}"
