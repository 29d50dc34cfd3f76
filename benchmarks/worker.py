"""One peer in a process of its own, told by its parent what to do next.

Apart, because heaps and threads of one library would be charged to the next; told, because rounds
of all peers take turns, so that a busy moment of the machine hits all of them alike.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import psutil

from benchmarks.choosers import CHOOSERS, Chooser
from benchmarks.cores import pin
from benchmarks.peers import PEERS, Peer
from benchmarks.prompts import messages
from benchmarks.server import CHUNKS, TEXT

Figures = dict[str, float]


async def calls(peer: Peer, *, kind: str, count: int, start: int) -> Figures:
    """Make calls one after the other."""
    asked = [messages(kind, start + n) for n in range(count)]
    began, cpu = time.perf_counter(), time.process_time()
    for ask in asked:
        answer = await peer.call(ask)
        assert answer == TEXT, answer
    return {"cpu_ms": (time.process_time() - cpu) / count * 1e3, "wall_ms": (time.perf_counter() - began) / count * 1e3}


async def streams(peer: Peer, *, count: int, start: int) -> Figures:
    """Read streamed answers one after the other; per chunk."""
    asked = [messages("small", start + n) for n in range(count)]
    cpu = time.process_time()
    for ask in asked:
        received = await peer.stream(ask)
        assert received == CHUNKS, f"{received} chunks instead of {CHUNKS}"
    return {"cpu_us": (time.process_time() - cpu) / count / CHUNKS * 1e6}


async def burst(peer: Peer, *, at_once: int, count: int, start: int) -> Figures:
    """Keep a number of calls in flight until all are answered."""
    asked = iter([messages("small", start + n) for n in range(count)])

    async def caller() -> None:
        for ask in asked:
            assert await peer.call(ask) == TEXT

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return {
        "calls_per_s": count / (time.perf_counter() - began),
        "calls_per_cpu_s": count / (time.process_time() - cpu),
    }


async def choose(chooser: Chooser, *, kind: str, deployments: int, count: int, start: int) -> Figures:
    """Choose without calling; the first choice, which builds the fleet, is not counted."""
    asked = [messages(kind, start + n) for n in range(count)]
    chooser.choose(asked[:1], deployments)
    spent = chooser.choose(asked, deployments)
    return {f"{what}_us": seconds * 1e6 for what, seconds in spent.items()}


async def memory(_peer: Peer) -> Figures:
    """Say how much memory this process holds."""
    return {"rss_mb": psutil.Process().memory_info().rss / 1e6}


DO: dict[str, Callable[..., Awaitable[Figures]]] = {
    "calls": calls,
    "streams": streams,
    "burst": burst,
    "memory": memory,
    "choose": choose,
}


async def work(name: str, url: str) -> None:
    """Open the peer, or make the chooser; then do what each line of standard input asks for."""
    subject: Peer | Chooser
    if name in PEERS:
        subject = peer = PEERS[name]()
        await peer.open(url)
    else:
        subject = CHOOSERS[name]()
    lines = asyncio.StreamReader(limit=2**20)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    _say({})
    while line := await lines.readline():
        order = json.loads(line)
        _say(await DO[order.pop("do")](subject, **order))
    if name in PEERS:
        await peer.close()


def _say(figures: Figures) -> None:
    sys.__stdout__.write(json.dumps(figures) + "\n")  # type: ignore[union-attr]
    sys.__stdout__.flush()  # type: ignore[union-attr]


class Worker:
    """The parent's end of a worker."""

    def __init__(self, peer: str, url: str = "") -> None:
        self.peer = peer
        self.served = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", peer, url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answer()

    def do(self, what: str, **order: Any) -> Figures:
        """Have something done; wait for its figures."""
        assert self._process.stdin is not None
        if "count" in order:
            order["start"] = self.served
            self.served += order["count"]
        self._process.stdin.write(json.dumps({"do": what, **order}) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> Figures:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            msg = f"the worker for {self.peer} ended with {self._process.wait()}; its traceback stands above"
            raise SystemExit(msg)
        figures: Figures = json.loads(line)
        return figures

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)


if __name__ == "__main__":
    pin("measured")
    out, sys.stdout = sys.stdout, sys.stderr  # a library that prints must not break the talk
    asyncio.run(work(*sys.argv[1:]))
