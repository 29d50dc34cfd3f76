"""What budgets add to a call and to a decision, with the canned server of the other benchmarks.

    python -m benchmarks.budgets

Read the ratios. Rounds of each kind take turns, and of each the quickest counts: CPU time of the thread
that makes the calls, in which reserving and settling happen.
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

ONE = "budgets: [{budget: all, amount: 1000000, window: month}]"
THREE = """\
budgets:
  - {budget: all, amount: 1000000, window: month}
  - {budget: each, amount: 1000000, window: day, per: tenant}
  - {budget: hour, amount: 1000000, window: hour, per: route}
"""
KINDS = {
    "none": "",
    "one, in memory": ONE,
    "three, in memory": THREE,
    "one, SQLite": f"{ONE}\nledger: {{path: one.sqlite}}",
    "three, SQLite": f"{THREE}\nledger: {{path: three.sqlite}}",
}


async def measure(url: str, folder: Path, prompt: str, calls: int, rounds: int) -> dict[str, tuple[float, float]]:
    """Return the milliseconds of a call, and of a decision alone, for each kind."""
    routers: dict[str, AsyncRouter] = {}
    for number, (name, budgets) in enumerate(KINDS.items()):
        path = folder / f"{number}.yaml"
        path.write_text(f"extends: default\n{budgets}\n", encoding="utf-8")
        routers[name] = AsyncRouter(path, environ={"DASHSCOPE_API_KEY": "none", "DASHSCOPE_BASE_URL": url})
    asked = [messages(prompt, n) for n in range(calls)]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in KINDS}
    for turn in range(rounds + 1):
        for name, router in routers.items():
            began = time.thread_time()
            for ask in asked:
                await router.chat.completions.create(
                    messages=ask, max_tokens=500, qwenroute={"thinking": False, "tenant": "acme"}
                )
            called = time.thread_time()
            for ask in asked:
                router.route(messages=ask, max_tokens=500, qwenroute={"thinking": False, "tenant": "acme"})
            if turn:  # the first warms up
                decided = time.thread_time() - called
                found[name].append(((called - began) / calls * 1e3, decided / calls * 1e3))
    for router in routers.values():
        await router.aclose()
    return {name: (min(call for call, _ in held), min(one for _, one in held)) for name, held in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.budgets", description=__doc__)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    pin("client")
    table = Table(title="A call with budgets, beside one without")
    for column in ("prompt", "budgets", "call ms", "ratio", "decision ms", "ratio"):
        table.add_column(column, justify="right")
    with serving() as url, tempfile.TemporaryDirectory() as folder:
        for prompt in ("small", "long"):
            found = asyncio.run(measure(url, Path(folder), prompt, arguments.calls, arguments.rounds))
            base = found["none"]
            for name, (call, decision) in found.items():
                table.add_row(
                    prompt, name, f"{call:.3f}", f"{call / base[0]:.2f}", f"{decision:.3f}", f"{decision / base[1]:.2f}"
                )
    Console().print(table)


if __name__ == "__main__":
    main()
