"""Importing the package, and asking the command for help, cost next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("aiohttp", "httpx", "litellm", "openai", "pydantic", "yaml", "rich", "typer")
IMPORT = """
import json, sys, time
began = time.perf_counter()
import qwenroute
print(json.dumps({"ms": (time.perf_counter() - began) * 1e3, "modules": sorted(sys.modules)}))
"""
HELP = """
import json, sys, time
began = time.process_time()
sys.argv = ["qwenroute", "--help"]
sys.stdout, out = open(__import__("os").devnull, "w"), sys.stdout
from qwenroute.cli import main
try:
    main()
except SystemExit as done:
    assert not done.code, done.code
print(json.dumps({"ms": (time.process_time() - began) * 1e3, "modules": sorted(sys.modules)}), file=out)
"""


def measure(program: str, runs: int) -> tuple[float, set[str]]:
    """Run a program in fresh interpreters; return its quickest time and what it had loaded."""
    found = []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    return min(each["ms"] for each in found), set(found[0]["modules"])


def test_import_stays_light() -> None:
    """`import qwenroute` takes at most 150 ms and loads no client, model or parser library."""
    took, modules = measure(IMPORT, runs=5)
    assert not modules & set(HEAVY)
    assert took <= 150, f"importing took {took:.0f} ms"


@pytest.mark.parametrize("library", ["litellm", "openai", "httpx", "aiohttp"])
def test_help_needs_no_client(library: str) -> None:
    """`qwenroute --help` answers without loading what only a call needs."""
    _, modules = measure(HELP, runs=1)
    assert library not in modules


def test_help_is_quick() -> None:
    """`qwenroute --help` takes at most half a second of processor time."""
    took, _ = measure(HELP, runs=3)
    assert took <= 500, f"help took {took:.0f} ms"
