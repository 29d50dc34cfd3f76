"""What a library costs before it does anything: to install, to import, to hold in memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import psutil
from packaging.requirements import Requirement

Figures = dict[str, float]

# What a program writes at its top to have a client. litellm is spared its request for the price map.
IMPORTS = {
    "aiohttp": "import aiohttp",
    "qwenroute": "import qwenroute",
    "qwenroute, Router": "from qwenroute import Router",
    "openai": "from openai import OpenAI",
    "litellm": "import os; os.environ['LITELLM_LOCAL_MODEL_COST_MAP'] = 'True'; from litellm import Router",
}
TIMED = "import time; t = time.perf_counter(); {}; print((time.perf_counter() - t) * 1e3, flush=True); input()"

# Import the analysis and judge a first request, the package itself (whose own imports stand above) apart.
ANALYSIS = """
import time
import qwenroute
began = time.process_time()
from qwenroute.analysis import analyse, read_request
analyse(read_request({"messages": [{"role": "user", "content": "What is 17 times 23?"}]}))
print((time.process_time() - began) * 1e3)
"""
MODEL = """
import tracemalloc
from qwenroute.analysis import lexicon, task, weights
tracemalloc.start()
text, visual, levels = (weights.read()[name] for name in ("text", "visual", "difficulty"))
models = task.Softmaxes(text, levels), task.Softmaxes(visual, levels), lexicon.read()
del text, visual, levels
print(tracemalloc.get_traced_memory()[0] / 1e6)
"""


def analysis(rounds: int) -> Figures:
    """Return what the analysis costs: CPU ms until its first request is judged, MB of its model."""
    with tempfile.TemporaryDirectory() as nothing:
        cold = ["-B", "-X", f"pycache_prefix={nothing}"]
        return {
            "first_ms": min(_figure(ANALYSIS) for _ in range(rounds)),
            "first_without_bytecode_ms": min(_figure(ANALYSIS, *cold) for _ in range(rounds)),
            "model_mb": _figure(MODEL),
        }


def _figure(program: str, *options: str) -> float:
    command = [sys.executable, *options, "-c", program]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def imports(rounds: int) -> dict[str, Figures]:
    """Return milliseconds to import, and megabytes held afterwards beyond a bare interpreter."""
    bare = statistics.median(_import("pass")[1] for _ in range(3))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(rounds):
        for name, statement in IMPORTS.items():
            found[name].append(_import(statement))
    return {
        name: {
            "import_ms": min(took for took, _ in runs),
            "import_mb": statistics.median(held for _, held in runs) - bare,
        }
        for name, runs in found.items()
    }


def _import(statement: str) -> tuple[float, float]:
    """Import in a fresh interpreter; return milliseconds, and megabytes it then holds."""
    command = [sys.executable, "-c", TIMED.format(statement)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        took = float(process.stdout.readline().splitlines()[-1])
        held = psutil.Process(process.pid).memory_info().rss / 1e6
        process.communicate("\n")
    return took, held


def installed(name: str) -> Figures:
    """Return megabytes and number of the distributions that installing this one brings."""
    names = _closure(name, set())
    return {"installed_mb": sum(_size(each) for each in names) / 1e6, "distributions": len(names)}


def _closure(name: str, seen: set[str]) -> set[str]:
    name = name.lower().replace("_", "-").replace(".", "-")
    if name in seen:
        return seen
    seen.add(name)
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            _closure(requirement.name, seen)
    return seen


def _size(name: str) -> int:
    paths = [Path(str(file.locate())) for file in distribution(name).files or ()]
    if name == "qwenroute":  # installed as a link to the sources: count what a wheel carries
        paths = [p for p in (Path(__file__).parents[1] / "qwenroute").rglob("*") if "__pycache__" not in p.parts]
    return sum(path.stat().st_size for path in paths if path.is_file())
