"""Four failures that were measured on litellm, repeated here: `python -m benchmarks.litellm_cases`.

Theirs was measured once, on litellm 1.104.5's Router with its defaults for retries and cooldowns,
against servers that failed in the same ways; ours is measured now, over loopback HTTP.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qwenroute import AsyncRouter, CallFailed, DeadlineExceeded
from qwenroute.testing import (
    ConnectionReset,
    Cut,
    ErrorEvent,
    Fault,
    SimulatorHandle,
    SlowFirstToken,
    Stall,
    Status,
    async_simulator,
)

ON = date(2026, 11, 24)
LITELLM = "1.104.5"
HELLO = [{"role": "user", "content": "Hello"}]
DEADLINE_S = 2.0
PRIMARY, SECOND, THIRD = "cn-beijing", "intl-singapore", "global-virginia"
MODEL = "qwen-plus"

POLICY = """
version: 1
currency: {report: USD, rates: {CNY: 0.14}}
endpoints:
  cn-beijing:
    {provider: dashscope, region: cn-beijing, base_url: {env: URL_1}, api_key: {env: KEY}, models: [qwen-plus]}
  intl-singapore:
    {provider: dashscope, region: intl-singapore, base_url: {env: URL_2}, api_key: {env: KEY}, models: [qwen-plus]}
  global-virginia:
    {provider: dashscope, region: global-virginia, base_url: {env: URL_3}, api_key: {env: KEY}, models: [qwen-plus]}
pools:
  primary: {models: [qwen-plus@cn-beijing]}
  second: {models: [qwen-plus@intl-singapore]}
  third: {models: [qwen-plus@global-virginia]}
routes:
  auto: [{rule: any, pool: primary, fallback: [second, third]}]
"""
"""The rest is as by default, but for what a case says."""


@dataclass(frozen=True)
class Measured:
    """One case: what became of it here."""

    case: str
    theirs: str
    ours: str
    holds: bool


def router(running: SimulatorHandle, rules: str = "") -> AsyncRouter:
    """Return a router with one primary and two fallbacks behind it."""
    environ = {f"URL_{i}": running.dashscope_url(r) for i, r in enumerate((PRIMARY, SECOND, THIRD), start=1)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cases.yaml"
        path.write_text(POLICY + rules, encoding="utf-8")
        return AsyncRouter(path, environ={**environ, "KEY": "sk-sim-cases"}, on=ON)


def prepare(running: SimulatorHandle, fault: Fault, region: str | None) -> None:
    """Forget the last case, and let this one's calls fail."""
    running.clear_faults()
    running.clear_requests()
    running.fail(MODEL, fault, region=region)


def calls(running: SimulatorHandle, region: str) -> int:
    """Return how many calls arrived."""
    return sum(arrival.region == region for arrival in running.requests)


BREAKS: Mapping[str, Fault] = {
    "cut": Cut(after_chunks=4),
    "stalled": Stall(after_chunks=4, s=60.0),
    "given an error event": ErrorEvent(after_chunks=4),
}


async def broken_stream(running: SimulatorHandle, name: str) -> Measured:
    """Break a stream after the role and three tokens' chunks."""
    prepare(running, BREAKS[name], PRIMARY)
    said = ""
    rules = "resume: continue\ntimeouts: {between_tokens_s: 0.5}\nretries: {per_step: 0}"
    async with router(running, rules) as ours:
        stream = await ours.chat.completions.create(messages=HELLO, stream=True)
        try:
            async for chunk in stream:
                said += chunk.choices[0].delta.content or ""
        except CallFailed as error:
            return Measured(f"a stream {name} after three tokens", _THEIR_STREAM, f"{type(error).__name__}", False)
        splices = stream.route.splices
    after = said[splices[-1].after_characters :] if splices else ""
    holds = [s.continued_by for s in splices] == [f"{MODEL}@{SECOND}"] and f"[simulated {MODEL}] continuation" in after
    holds = holds and said.startswith(f"[simulated {MODEL}] answer") and said.count("[simulated") == 2
    found = f"resumed by the fallback after {splices[-1].after_characters} characters" if splices else "not resumed"
    return Measured(f"a stream {name} after three tokens", _THEIR_STREAM, found, holds)


_THEIR_STREAM = "an exception; the fallback is never called"


async def three_failing(running: SimulatorHandle, fault: Fault, how: str) -> Measured:
    """Let all models fail under a deadline."""
    prepare(running, fault, None)
    async with router(running) as ours:
        began = time.perf_counter()
        try:
            await ours.chat.completions.create(messages=HELLO, qwenroute={"deadline_s": DEADLINE_S})
            ended = "an answer"
        except CallFailed as error:
            ended = type(error).__name__
        took_s = time.perf_counter() - began
    late = ended == DeadlineExceeded.__name__
    return Measured(
        f"three models that {how}, a deadline of {DEADLINE_S:g} s",
        "9 calls, 15.2 s",
        f"{len(running.requests)} calls, {took_s:.2f} s, {ended}",
        took_s <= DEADLINE_S + 0.05 and (late or took_s < DEADLINE_S),
    )


async def dead_primary(running: SimulatorHandle, requests: int = 20) -> Measured:
    """Ask again and again while the only deployment of the first pool is dead."""
    prepare(running, ConnectionReset(), PRIMARY)
    answered = 0
    # By default it takes more failures in a row to open a breaker: one call may fail for any reason.
    async with router(running, "breaker: {failures: 2}") as ours:
        for _ in range(requests):
            answer = await ours.chat.completions.create(messages=HELLO)
            answered += answer.route.deployment != f"{MODEL}@{PRIMARY}"
    called = calls(running, PRIMARY)
    return Measured(
        f"a dead primary alone in its pool, {requests} requests",
        "it is called 20 times",
        f"it is called {called} times; {answered} answered elsewhere",
        called <= 2 and answered == requests,
    )


async def limited_primary(running: SimulatorHandle) -> Measured:
    """Let the primary ask for a second's patience."""
    prepare(running, Status(code=429, compat_code="limit_requests", message="slow down", retry_after="1"), PRIMARY)
    async with router(running) as ours:
        began = time.perf_counter()
        answer = await ours.chat.completions.create(messages=HELLO)
        took_s = time.perf_counter() - began
    called = calls(running, PRIMARY)
    return Measured(
        "`Retry-After: 1` with a healthy fallback",
        "3 calls to the limited model, 4.6 s",
        f"{called} call to the limited model, {took_s:.2f} s",
        called == 1 and took_s < 0.5 and answer.route.deployment == f"{MODEL}@{SECOND}",
    )


async def measure() -> list[Measured]:
    """Run every case, one after the other."""
    async with async_simulator(on=ON) as running:
        found = [await broken_stream(running, name) for name in BREAKS]
        found.append(await three_failing(running, SlowFirstToken(s=60.0, head=True), "never answer"))
        error = Status(code=500, compat_code="internal_error", message="An internal error has occurred")
        found.append(await three_failing(running, error, "answer 500"))
        found.append(await dead_primary(running))
        found.append(await limited_primary(running))
        running.clear_faults()
    return found


def cases(console: Console, rounds: int) -> object:  # noqa: ARG001 - a case is not better for being repeated
    """Measure and print the cases; return the figures."""
    logging.getLogger("qwenroute").setLevel(logging.CRITICAL)  # failed attempts are what this is about
    found = asyncio.run(measure())
    table = Table(title=f"Four failures, beside what litellm {LITELLM} was measured to do")
    for heading in ("", "litellm", "qwenroute", "as it has to be"):
        table.add_column(heading)
    for one in found:
        table.add_row(one.case, one.theirs, one.ours, "yes" if one.holds else "NO")
    console.print(table)
    return [{"case": one.case, "litellm": one.theirs, "qwenroute": one.ours, "holds": one.holds} for one in found]


if __name__ == "__main__":
    cases(Console(width=150), 1)
    sys.exit(0)
