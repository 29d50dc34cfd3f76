"""What writing records adds to a call, with the canned server of the other benchmarks.

    python -m benchmarks.recording

Read the ratios. Rounds of each kind take turns, and of each the quickest counts. `cpu` is the processor
time of the whole process, so that the writing thread is in it; `loop` is that of the thread that makes
the calls: what a caller waits for.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.__main__ import serving
from benchmarks.cores import pin
from benchmarks.prompts import messages
from qwenroute import AsyncRouter

KINDS = {
    "none": "",
    "hash": "records: {path: hash.jsonl}",
    "sqlite": "records: {path: hash.sqlite}",
    "redacted": "records: {path: redacted.jsonl, text: redacted}",
}


async def measure(url: str, folder: Path, prompt: str, calls: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the CPU and loop milliseconds of a call for each kind."""
    routers: dict[str, AsyncRouter] = {}
    for name, records in KINDS.items():
        path = folder / f"{name}.yaml"
        path.write_text(f"extends: default\n{records}\n", encoding="utf-8")
        routers[name] = AsyncRouter(path, environ={"DASHSCOPE_API_KEY": "none", "DASHSCOPE_BASE_URL": url})
    asked = [messages(prompt, n) for n in range(calls)]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    for number in range(rounds + 1):
        for name, router in routers.items():
            cpu, loop = time.process_time(), time.thread_time()
            for ask in asked:
                await router.chat.completions.create(messages=ask, qwenroute={"thinking": False})
            loop = time.thread_time() - loop
            regime = router._regime  # noqa: SLF001 - waits for what is still to be written: it belongs to the round
            if regime.recording is not None:
                regime.recording._writer.flush()  # noqa: SLF001
            if number:  # the first warms up
                found[name].append(((time.process_time() - cpu) / calls * 1e3, loop / calls * 1e3))
    for router in routers.values():
        await router.aclose()
    return {name: (min(cpu for cpu, _ in held), min(loop for _, loop in held)) for name, held in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recording", description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    pin("client")
    table = Table(title="A call with records, beside one without")
    for column in ("prompt", "records", "cpu ms", "ratio", "loop ms", "ratio"):
        table.add_column(column, justify="right")
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        for prompt in ("small", "long"):
            found = asyncio.run(measure(url, Path(folder), prompt, arguments.calls, arguments.rounds))
            base = found["none"]
            for name, (cpu, loop) in found.items():
                table.add_row(
                    prompt, name, f"{cpu:.3f}", f"{cpu / base[0]:.2f}", f"{loop:.3f}", f"{loop / base[1]:.2f}"
                )
    Console().print(table)


if __name__ == "__main__":
    main()
