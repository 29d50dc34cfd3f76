"""Measure, print, and keep the figures in `benchmarks/results/latest.json`.

Read the ratios: milliseconds are this machine's, ratios travel. Every peer runs in a process of its
own on one core, the server on the other, and rounds take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import footprint
from benchmarks.cores import pin
from benchmarks.litellm_cases import cases
from benchmarks.peers import PEERS
from benchmarks.prompts import KINDS
from benchmarks.worker import Worker

RESULTS = Path(__file__).with_name("results") / "latest.json"
YARDSTICK = "aiohttp"
FLEETS = (10, 100, 1000)
ROUNDS = 9
WIDTH = 120
# How many a round takes of each peer: about equally long for all of them.
SHARE = {"aiohttp": 6, "qwenroute": 4, "openai": 2, "litellm": 1}
# Over how many calls memory is watched, in bursts.
WATCHED = {"aiohttp": 20_000, "qwenroute": 100_000, "openai": 2_000, "litellm": 1_000}
BURST = 500

Round = Mapping[str, float]
"""One figure per peer."""


def main() -> None:
    """Run every benchmark, or those asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a first look: fewer rounds")
    parser.add_argument("--only", choices=["decisions", "calls", "footprint", "cases"], help="one part of them")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE", help="where the figures go (%(default)s)")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else ROUNDS
    for name in [n for n in os.environ if n.startswith(("DASHSCOPE_", "QWENROUTE_", "OPENAI_"))]:
        del os.environ[name]
    pin("server")
    console = Console()
    if console.width < WIDTH:
        console = Console(width=WIDTH)
    began = time.perf_counter()
    figures: dict[str, object] = {"machine": machine()}
    parts: dict[str, Callable[[Console, int], object]] = {
        "decisions": decisions,
        "calls": calls,
        "footprint": costs_before_use,
        "cases": cases,
    }
    for name, part in parts.items():
        if arguments.only in (None, name):
            figures[name] = part(console, rounds)
    figures["took_s"] = round(time.perf_counter() - began, 1)
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    console.print(f"Took {figures['took_s']} s; the figures are in {arguments.json}")


def machine() -> dict[str, object]:
    """Say what the figures were measured on and with."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in ("qwenroute", "aiohttp", "openai", "litellm", "pydantic")},
    }


def decisions(console: Console, rounds: int) -> object:
    """Time choosing a deployment, ours with everything that leads up to it, litellm's by itself."""
    count = 20
    found: dict[str, dict[str, float]] = {}
    with Worker("choose-qwenroute") as ours, Worker("choose-litellm") as litellm:
        for fleet in FLEETS:
            for kind in ("small", "long"):
                runs = []
                for _ in range(rounds):
                    run = ours.do("choose", kind=kind, deployments=fleet, count=count)
                    run["litellm_us"] = litellm.do("choose", kind=kind, deployments=fleet, count=count)["decide_us"]
                    runs.append(run)
                medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
                found[f"{kind}/{fleet}"] = {**medians, "total_us": medians["analyse_us"] + medians["decide_us"]}
    table = Table(
        title="One decision on a prompt not seen before, CPU µs (reasons: all of them written out, for readers)"
    )
    for column in (
        "prompt",
        "deployments",
        "analyse",
        "decide",
        "both",
        "decide, a new kind",
        "reasons",
        "litellm: choose",
    ):
        table.add_column(column, justify="left" if column == "prompt" else "right")
    for name, row in found.items():
        kind, fleet_size = name.split("/")
        prompt = {"small": "50 tokens", "long": "8,000 tokens"}[kind]
        cells = (
            row[key] for key in ("analyse_us", "decide_us", "total_us", "decide_new_us", "reasons_us", "litellm_us")
        )
        table.add_row(prompt, fleet_size, *(f"{cell:,.0f}" for cell in cells))
    console.print(table)
    return found


def calls(console: Console, rounds: int) -> object:
    """Measure CPU per call and per chunk, calls per second, and memory, in turns."""
    with serving() as url, ExitStack() as stack:
        workers = {name: stack.enter_context(Worker(name, url)) for name in PEERS}
        opened = {name: worker.do("memory")["rss_mb"] for name, worker in workers.items()}
        for worker in workers.values():  # the first call loads and builds what all later ones share
            worker.do("calls", kind="small", count=1)
        first = {name: worker.do("memory")["rss_mb"] for name, worker in workers.items()}
        for worker in workers.values():
            for kind in KINDS:
                worker.do("calls", kind=kind, count=5)
            worker.do("streams", count=2)

        def turns(what: str, figures: tuple[str, ...], times: int, **order: object) -> list[list[Round]]:
            """Let all peers take turns; return the rounds, for each figure."""
            runs = [{n: w.do(what, count=times * SHARE[n], **order) for n, w in workers.items()} for _ in range(rounds)]
            return [[{name: run[name][figure] for name in run} for run in runs] for figure in figures]

        measured: dict[str, list[Round]] = {}
        [measured["small"]] = turns("calls", ("cpu_ms",), 30, kind="small")
        [measured["long"]] = turns("calls", ("cpu_ms",), 15, kind="long")
        [measured["image"]] = turns("calls", ("cpu_ms",), 4, kind="image")
        [measured["chunk"]] = turns("streams", ("cpu_us",), 2)
        measured["burst"], measured["burst_cpu"] = turns("burst", ("calls_per_s", "calls_per_cpu_s"), 150, at_once=64)
        watched = {name: max(BURST, WATCHED[name] * rounds // ROUNDS // BURST * BURST) for name in PEERS}
        grown = {name: growth(worker, watched[name]) for name, worker in workers.items()}
    medians = {what: median_of(measured[what]) for what in measured}
    show_calls(console, medians, {what: ratios(measured[what]) for what in measured})
    memory = {
        name: {
            "opened_mb": opened[name],
            "after_first_call_mb": first[name],
            "grown_mb": grown[name],
            "over_calls": watched[name],
        }
        for name in PEERS
    }
    show_memory(console, memory)
    return {"medians": medians, "ratios": {what: ratios(measured[what]) for what in measured}, "memory": memory}


def growth(worker: Worker, count: int) -> float:
    """Return by how many megabytes a process grows over this many calls, warmed up before."""
    worker.do("burst", at_once=64, count=BURST)
    before = worker.do("memory")["rss_mb"]
    for _ in range(count // BURST):
        worker.do("burst", at_once=64, count=BURST)
    return worker.do("memory")["rss_mb"] - before


def median_of(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the median of each peer."""
    return {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}


def ratios(rounds: Sequence[Round]) -> dict[str, float]:
    """Return the median, over the rounds, of each peer's figure as a multiple of the yardstick's."""
    return {name: statistics.median(each[name] / each[YARDSTICK] for each in rounds) for name in rounds[0]}


DIGITS = {"burst": 0, "burst_cpu": 0, "chunk": 1}


def show_calls(console: Console, medians: Mapping[str, Round], relative: Mapping[str, Round]) -> None:
    """Print what a call costs."""
    table = Table(title=f"One call on one core; in brackets: times {YARDSTICK}")
    titles = {
        "small": "small call\nCPU ms",
        "long": "8,000 tokens\nCPU ms",
        "image": "1 MB image\nCPU ms",
        "chunk": "streamed chunk\nCPU µs",
        "burst": "64 at once\ncalls/s",
        "burst_cpu": "64 at once\ncalls/CPU s",
    }
    table.add_column("")
    for title in titles.values():
        table.add_column(title, justify="right")
    for name in PEERS:
        cells = []
        for what in titles:
            value = medians[what][name]
            shown = f"{value:,.{DIGITS.get(what, 2)}f}"
            cells.append(f"{shown} ({relative[what][name]:.2f})")
        table.add_row(name, *cells)
    console.print(table)


def show_memory(console: Console, memory: Mapping[str, Mapping[str, float]]) -> None:
    """Print what a process holds."""
    table = Table(title="Memory of the process (RSS), MB")
    for column in ("", "client open", "after one call", "grown", "over calls"):
        table.add_column(column, justify="left" if not column else "right")
    for name, row in memory.items():
        table.add_row(
            name,
            f"{row['opened_mb']:.0f}",
            f"{row['after_first_call_mb']:.0f}",
            f"{row['grown_mb']:+.1f}",
            f"{row['over_calls']:,.0f}",
        )
    console.print(table)


def costs_before_use(console: Console, rounds: int) -> object:
    """Measure import time, memory after import and installed size."""
    imported = footprint.imports(max(3, rounds // 2))
    installed = {name: footprint.installed(name) for name in PEERS}
    table = Table(title="Before the first call")
    for column in ("", "import ms", "memory MB", "installed MB", "distributions"):
        table.add_column(column, justify="left" if not column else "right")
    for name, row in imported.items():
        size = installed.get(name)
        table.add_row(
            name,
            f"{row['import_ms']:,.0f}",
            f"{row['import_mb']:,.1f}",
            "" if size is None else f"{size['installed_mb']:,.0f}",
            "" if size is None else f"{size['distributions']:.0f}",
        )
    console.print(table)
    analysis = footprint.analysis(max(3, rounds // 2))
    console.print(
        f"The analysis, until its first request is judged: {analysis['first_ms']:.0f} ms, "
        f"{analysis['first_without_bytecode_ms']:.0f} ms where no bytecode is kept; "
        f"its model holds {analysis['model_mb']:.1f} MB"
    )
    return {"imported": imported, "installed": installed, "analysis": analysis}


@contextmanager
def serving() -> Iterator[str]:
    """Run the loopback server; yield its URL."""
    command = [sys.executable, "-m", "benchmarks.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.stdin.close()
            process.wait(timeout=30)


if __name__ == "__main__":
    main()
