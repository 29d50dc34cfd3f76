"""Break things at random for a while, and see that callers do not notice: `make chaos`.

Twelve deployments of one model family, in four regions and on two servers of one's own, all
simulated in a process beside this one. While requests come, two hundred at a time, scenes follow
each other: in each of them some deployments are out of order, throttled, stalling, cutting or
resetting. One at least is always well, and was long enough before for the router to have found out;
in the darkest scenes only it and its neighbours' are. Exit code 1 if anything is not as it has to be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import IO, Any

import psutil

from qwenroute import AsyncRouter, CallFailed, DeadlineExceeded, Record
from qwenroute.simulator import (
    ConnectionReset,
    Cut,
    ErrorEvent,
    ErrorIn200,
    Fault,
    MalformedChunk,
    Simulator,
    Stall,
    Status,
    prompt_digest,
)

ON = date(2026, 11, 24)
SEED = 20_261_124
DEADLINE_S = 20.0
MOST_UPSTREAM = 1.2
GROWTH_MB = 8.0
"""What memory may grow by between a quarter of the run and its end: less than half a kilobyte a request."""

REGIONS = ("cn-beijing", "intl-singapore", "global-virginia", "us-virginia")
HOSTED = ("qwen2.5-7b-instruct", "qwen2.5-14b-instruct")
DEPLOYMENTS: tuple[tuple[str, str], ...] = (
    *((region, model) for region in REGIONS[:3] for model in ("qwen-plus", "qwen-plus-2025-01-25", "qwen4-max")),
    (REGIONS[3], "qwen-plus"),
    *(("self_hosted", model) for model in HOSTED),
)
"""Where and what: twelve."""

FAULTS: Mapping[str, Fault | str] = {
    "outage": "model-unavailable",
    "errors": "internal-error",
    "throttled": Status(
        code=429, compat_code="limit_requests", message="Requests rate limit exceeded", retry_after="1"
    ),
    "tokens": "token-quota",
    "burst": "burst-rate",
    "stall": Stall(after_chunks=3, s=30.0),
    "silent": Stall(after_chunks=0, s=30.0),
    "cut": Cut(after_chunks=3),
    "reset": ConnectionReset(),
    "malformed": MalformedChunk(after_chunks=3),
    "event": ErrorEvent(after_chunks=3),
    "error-in-200": ErrorIn200(),
}

POLICY = """
version: 1
currency: {report: USD, rates: {CNY: 0.14}}
endpoints:
%(endpoints)s
  own:
    provider: openai_compatible
    base_url: {env: CHAOS_HOSTED}
    models: [%(hosted)s]
pools:
  all: {models: [%(models)s]}
routes:
  auto: [{rule: any, pool: all}]
limits: {deadline_s: %(deadline_s)s, max_attempts: 12, queue_s: 10}   # all twelve, if need be; and wait for one
timeouts: {connect_s: 5, first_token_s: 2, between_tokens_s: 2, answer_s: 2}
retries: {per_step: 1, base_s: 0.05, cap_s: 0.5}
# A scene lasts about a second, so that all of it fits into minutes: so does every pause.
breaker: {open_s: 0.25, open_cap_s: 0.5}
cooldown: {rate_limit_s: 0.25, tokens_limit_s: 0.5, burst_s: 0.25, cap_s: 1}
outliers: {eject_s: 0.5}
choice: {by: power_of_two, within: 1.0}
resume: continue
"""
ENDPOINT = """
  {name}:
    provider: dashscope
    region: {name}
    base_url: {{env: CHAOS_{variable}}}
    api_key: {{env: CHAOS_KEY}}
    models: [{models}]
    rate_limits: {{rpm: 100000000, tpm: 100000000000}}
"""


def policy() -> str:
    """Return the policy of the run."""
    places = {
        r: [f"{{model: {m}, served_as: {wire(r, m)}}}" for where, m in DEPLOYMENTS if where == r] for r in REGIONS
    }
    return POLICY % {
        "endpoints": "".join(
            ENDPOINT.format(name=r, variable=_variable(r), models=", ".join(models)) for r, models in places.items()
        ),
        "hosted": ", ".join(HOSTED),
        "models": ", ".join(dict.fromkeys(model for _, model in DEPLOYMENTS)),
        "deadline_s": DEADLINE_S,
    }


def wire(region: str, model: str) -> str:
    """Return the id that a model is called by."""
    return f"{model}-us" if region == "us-virginia" else model


def _variable(region: str) -> str:
    return region.upper().replace("-", "_")


# --- the script ---


Scene = Mapping[tuple[str, str], str]
"""What is wrong where; the rest is well."""


def script(count: int, chance: random.Random) -> list[Scene]:
    """Return scenes, each with an anchor that is well in its neighbours too; in every fifth nothing else is."""
    anchors: list[tuple[str, str]] = []
    for _ in range(count + 2):
        anchors.append(chance.choice([d for d in DEPLOYMENTS if d not in anchors[-2:]]))
    scenes: list[Scene] = []
    for number in range(count):
        spared = set(anchors[number : number + 3])
        ill = [d for d in DEPLOYMENTS if d not in spared]
        chance.shuffle(ill)
        if number % 5 != 4:
            ill = ill[: chance.randint(3, 6)]
        scenes.append({deployment: chance.choice(tuple(FAULTS)) for deployment in ill})
    return scenes


# --- the server, in a process of its own ---


async def serve() -> None:
    """Run the simulator; scenes come in as lines of JSON, the count of requests goes out after each."""
    async with Simulator(on=ON, time_scale=0, rate_limits=False, keep_requests=1, answer_tokens=(24, 48)) as running:
        places = {region: running.dashscope_url(region) for region in REGIONS}
        print(json.dumps({**places, "self_hosted": running.self_hosted_url}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            running.clear_faults()
            for region, model, name in json.loads(line):
                running.fail(model, FAULTS[name], region=region)
            print(running.requests[-1].number if running.requests else 0, flush=True)


@dataclass
class Server:
    """The process with the simulator."""

    process: subprocess.Popen[str]
    places: Mapping[str, str]

    def play(self, scene: Scene) -> int:
        """Change to a scene; return how many requests have arrived so far."""
        reading, writing = self.process.stdout, self.process.stdin
        assert reading is not None
        assert writing is not None
        writing.write(
            json.dumps([[region, wire(region, model), name] for (region, model), name in scene.items()]) + "\n"
        )
        writing.flush()
        return int(reading.readline())


@contextmanager
def serving() -> Iterator[Server]:
    """Run the server beside this process."""
    command = [sys.executable, "-m", "benchmarks.chaos", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        reading: IO[str] | None = process.stdout
        assert reading is not None
        assert process.stdin is not None
        try:
            yield Server(process, json.loads(reading.readline()))
        finally:
            process.stdin.close()
            process.wait(timeout=30)


# --- the callers ---


@dataclass
class Outcome:
    """What became of the requests."""

    answered: int = 0
    resumed: int = 0
    late: int = 0
    """Refused by deadline."""
    wrong: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    twice: int = 0
    attempts: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0

    def take(self, record: Record) -> None:
        """Count what a call took."""
        self.attempts += len(record.attempts)
        self.causes.update(a.failure.kind.value for a in record.attempts if a.failure is not None)
        self.slowest_s = max(self.slowest_s, record.latency_s)
        self.twice += sum(a.failure is None and not a.cancelled for a in record.attempts) > 1
        self.resumed += bool(record.splices)


TOOL = {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]}


async def ask(router: AsyncRouter, number: int, outcome: Outcome) -> None:
    """Make one call (every second streamed, every eighth for a tool) and check that its answer is its own."""
    tool = number % 8 == 4
    name = f"look_up_{number}"
    prompt = f"Call {name}." if tool else f"What of number {number}?"
    # Without thinking: only what is visible can be gone on from.
    body: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "qwenroute": {"thinking": False}}
    if tool:
        body["tools"] = [{"type": "function", "function": {"name": name, "parameters": TOOL}}]
    try:
        if number % 2:
            stream = await router.chat.completions.create(**body, stream=True)
            pieces = [chunk async for chunk in stream]
            said = "".join(choice.delta.content or "" for piece in pieces for choice in piece.choices)
            ended = [choice.finish_reason for piece in pieces for choice in piece.choices if choice.finish_reason]
            record = stream.route
            problem = None if ended == ["stop"] else f"ended {ended}"
        else:
            answer = await router.chat.completions.create(**body)
            message, record = answer.choices[0].message, answer.route
            said = message.content or ""
            called = [call.function.name for call in message.tool_calls or () if call.type == "function"]
            problem = f"called {called}" if called != ([name] if tool else []) else None
    except DeadlineExceeded as error:
        outcome.late += 1
        outcome.take(error.record)
        return
    except CallFailed as error:
        outcome.failed[f"{type(error).__name__}: {error}"[:200]] += 1
        outcome.take(error.record)
        return
    digest = prompt_digest(({"role": "user", "content": prompt},))
    if problem is None and not tool:
        # A resumed answer goes on under the same prompt: every part of it has to carry the prompt's own mark.
        parts = 1 + len(record.splices)
        marks = said.count(f"answer {digest}") + said.count(f"continuation {digest}")
        if marks != parts or said.count("answer ") != 1 or said.count("[simulated") != parts:
            problem = f"said {said!r}"
    outcome.take(record)
    if problem is None:
        outcome.answered += 1
    else:
        outcome.wrong.append(f"{number}: {problem}")


@dataclass(frozen=True)
class Holdings:
    """What a process holds."""

    tasks: int
    threads: int
    sockets: int

    @classmethod
    def now(cls) -> Holdings:
        """Count."""
        sockets = len(psutil.Process().net_connections(kind="inet"))
        return cls(len(asyncio.all_tasks()), threading.active_count(), sockets)


@dataclass
class Report:
    """The run, and what has to hold of it."""

    requests: int
    upstream: int
    outcome: Outcome
    before: Holdings
    after: Holdings
    open_tickets: int
    grown_mb: float
    took_s: float
    scenes: int

    def lines(self) -> list[tuple[str, str, bool]]:
        """Return what was found, and whether it is as it has to be."""
        o, n = self.outcome, self.requests
        ratio = self.upstream / n
        return [
            ("answered", f"{o.answered:,} of {n:,} ({o.resumed:,} of them resumed)", o.answered + o.late == n),
            ("refused by deadline", f"{o.late:,}", True),
            ("failed otherwise", f"{sum(o.failed.values()):,}", not o.failed),
            ("wrong", f"{len(o.wrong):,}", not o.wrong),
            ("answered twice", f"{o.twice:,}", o.twice == 0),
            ("upstream calls", f"{self.upstream:,}: {ratio:.3f} a request", ratio <= MOST_UPSTREAM),
            ("upstream calls without a record", f"{self.upstream - o.attempts:,}", self.upstream <= o.attempts),
            ("tasks left", f"{self.after.tasks - self.before.tasks:,}", self.after.tasks <= self.before.tasks),
            (
                "threads left",
                f"{self.after.threads - self.before.threads:,}",
                self.after.threads <= self.before.threads,
            ),
            (
                "sockets left",
                f"{self.after.sockets - self.before.sockets:,}",
                self.after.sockets <= self.before.sockets,
            ),
            ("reservations left", f"{self.open_tickets:,}", self.open_tickets == 0),
            ("memory grown", f"{self.grown_mb:+.1f} MB since a quarter of the run", self.grown_mb <= GROWTH_MB),
            ("slowest", f"{o.slowest_s:.1f} s", o.slowest_s <= DEADLINE_S + 0.5),
        ]

    @property
    def passed(self) -> bool:
        """Whether everything is as it has to be."""
        return all(holds for _, _, holds in self.lines())


async def run(server: Server, requests: int, at_once: int, scene_requests: int, seed: int = SEED) -> Report:
    """Send the requests while the scenes change."""
    chance = random.Random(seed)
    scenes = script(-(-requests // scene_requests), chance)
    environ = {f"CHAOS_{_variable(region)}": server.places[region] for region in REGIONS}
    environ |= {"CHAOS_KEY": "sk-sim-chaos", "CHAOS_HOSTED": server.places["self_hosted"]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chaos.yaml"
        path.write_text(policy(), encoding="utf-8")
        router = AsyncRouter(path, environ=environ, on=ON)
    assert len(router.fleet.deployments) == len(DEPLOYMENTS)
    outcome = Outcome()
    before = Holdings.now()
    began = time.perf_counter()
    numbers = iter(range(requests))
    warm_mb = 0.0

    async def caller() -> None:
        nonlocal warm_mb
        for number in numbers:
            if number % scene_requests == 0:
                await asyncio.to_thread(server.play, scenes[number // scene_requests])
            if number == requests // 4:
                warm_mb = _rss_mb()
            await ask(router, number, outcome)

    await asyncio.gather(*(caller() for _ in range(at_once)))
    took_s = time.perf_counter() - began
    grown_mb = _rss_mb() - warm_mb
    open_tickets = router._board.open_tickets  # noqa: SLF001 - nobody else has to count reservations
    await router.aclose()
    loop = asyncio.get_running_loop()
    await loop.shutdown_default_executor()
    await asyncio.sleep(0.1)  # connections close in the background
    upstream = server.play({})
    return Report(requests, upstream, outcome, before, Holdings.now(), open_tickets, grown_mb, took_s, len(scenes))


def _rss_mb() -> float:
    return psutil.Process().memory_info().rss / 2**20


def show(report: Report) -> None:
    """Print what was found."""
    rate = report.requests / report.took_s
    print(f"{report.scenes} scenes in {report.took_s:.0f} s, {rate:,.0f} requests a second")
    for what, found, holds in report.lines():
        print(f"  {'ok  ' if holds else 'FAIL'} {what}: {found}")
    print("  failed attempts: " + ", ".join(f"{kind} {n:,}" for kind, n in report.outcome.causes.most_common()))
    for what, n in report.outcome.failed.most_common(5):
        print(f"  failed {n} times: {what}")
    for problem in report.outcome.wrong[:5]:
        print(f"  wrong: {problem[:300]}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.chaos", description=__doc__)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=int, default=20_000, help="(%(default)s)")
    parser.add_argument("--at-once", type=int, default=200, help="(%(default)s)")
    parser.add_argument("--scene", type=int, default=1_000, help="requests from one scene to the next (%(default)s)")
    parser.add_argument("--seed", type=int, default=SEED, help="what the scenes follow from (%(default)s)")
    given = parser.parse_args(arguments)
    if given.serve:
        asyncio.run(serve())
        return 0
    logging.getLogger("qwenroute").setLevel(logging.CRITICAL)  # failed attempts are what this is about
    with serving() as server:
        report = asyncio.run(run(server, given.requests, given.at_once, given.scene, given.seed))
    show(report)
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main())
