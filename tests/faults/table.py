"""Print the fault matrix: `python -m tests.faults.table [NAME…]`, exit code 1 if a case is wrong."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from qwenroute.testing import simulator
from tests.faults.matrix import CASES, ON, Case, Findings, Ill, Shape, examine, expected, ills, right_answers


def row(ill: Ill, findings: Findings) -> list[str]:
    """Return a fault's cells: what sync and async callers got, by how they called and what for."""
    cells = [ill.name, ill.streamed.value if ill.whole is ill.streamed else f"{ill.whole}, {ill.streamed}"]
    return cells + [", ".join(_cell(findings, stream, alone)) for alone in (False, True) for stream in (False, True)]


def _cell(findings: Findings, stream: bool, alone: bool) -> list[str]:
    said: dict[str, list[str]] = {}
    for shape in Shape:
        for sync in (False, True):
            gets, wrong = findings[Case(shape, stream, sync, alone)]
            word = gets.value if wrong is None else f"WRONG ({'sync' if sync else 'async'}): {wrong}"
            names = said.setdefault(word, [])
            if shape.value not in names:
                names.append(shape.value)
    if len(said) == 1:
        return list(said)
    return [f"{'/'.join(names)} {word}" for word, names in said.items()]


def table(found: Mapping[Ill, Findings]) -> Table:
    """Return the whole matrix."""
    shown = Table(title=f"{len(found)} faults, {len(CASES)} calls each")
    for heading in ("fault", "is a", "standby well: whole", "streamed", "nothing well: whole", "streamed"):
        shown.add_column(heading)
    for ill, findings in found.items():
        shown.add_row(*row(ill, findings))
    return shown


async def main(names: list[str]) -> int:
    """Run the matrix, or some of its faults."""
    logging.getLogger("qwenroute").setLevel(logging.CRITICAL)  # failed attempts are what this is about
    resolve = socket.getaddrinfo

    def unknown(host: Any, *args: Any, **kwargs: Any) -> Any:
        """Say at once what some resolvers take long to find out."""
        if str(host).endswith(".invalid"):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return resolve(host, *args, **kwargs)

    socket.getaddrinfo = unknown
    began = time.perf_counter()
    with simulator(on=ON, keep_requests=0) as running:
        right = await right_answers(running)
        found = {ill: await examine(ill, running, right) for ill in ills() if not names or ill.name in names}
    console = Console(width=170)
    console.print(table(found))
    wrong = sum(1 for findings in found.values() for _, problem in findings.values() if problem)
    unlike = sum(1 for ill, fs in found.items() for case, (gets, _) in fs.items() if gets is not expected(ill, case))
    total = len(found) * len(CASES)
    took_s = time.perf_counter() - began
    console.print(f"{total - wrong} of {total} as they have to be, {unlike} of another sort; took {took_s:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
