"""A policy is replaced while calls are under way: whole, or not at all, and nobody notices."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import queue
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from qwenroute import AsyncRouter, ConfigurationError, DocumentError, Router, watching
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.record import Record
from qwenroute.policy import load_policy
from qwenroute.testing import SimulatorHandle, simulator

HELLO = [{"role": "user", "content": "Hello"}]
WAIT_S = 30.0

POLICY = """
version: 1
endpoints:
  cloud:
    provider: dashscope
    region: intl-singapore
    api_key: {{env: DASHSCOPE_API_KEY}}
    base_url: {{env: DASHSCOPE_BASE_URL, optional: true}}
    rate_limits: {{rpm: 100000, tpm: 100000000}}
pools:
  only: {{models: [{model}]}}
routes:
  auto: [{{rule: {rule}, pool: only}}]
breaker: {{failures: {failures}}}
timeouts: {{connect_s: null}}  # a busy machine is no failure
"""
MODELS = ("qwen-plus", "qwen-flash")


def text(number: int, *, failures: int = 5) -> str:
    """Return a policy whose rule names its number and whose only model follows from it."""
    return POLICY.format(rule=f"rule-{number}", model=MODELS[number % 2], failures=failures)


def fits(record: Record) -> bool:
    """Whether every part of a record is of one and the same policy."""
    decision = record.decision
    wanted = MODELS[int(decision.rule.removeprefix("rule-")) % 2]
    return decision.first.deployment.model == wanted and record.model == wanted


class Told(logging.Handler):
    """What the router says of its policy, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.events: queue.SimpleQueue[str] = queue.SimpleQueue()

    def emit(self, record: logging.LogRecord) -> None:
        if "policy" in record.getMessage():
            self.events.put(f"{record.levelname} {record.getMessage()}")


@pytest.fixture
def told() -> Iterator[Told]:
    """Listen to the log."""
    handler, log = Told(), logging.getLogger("qwenroute")
    before = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(before)


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """One server for the file."""
    with simulator(time_scale=0, rate_limits=False) as handle:
        yield handle


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A policy file, as an operator has it."""
    path = tmp_path / "policy.yaml"
    path.write_text(text(0))
    return path


def replaced(path: Path, content: str) -> None:
    """Write as editors and deployments do: a new file in the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(content)
    new.replace(path)


def test_a_valid_file_comes_into_force(platform: SimulatorHandle, file: Path) -> None:
    """The next call goes by it; reading the same again changes nothing."""
    with Router(file, environ=platform.environ()) as router:
        before = router.chat.completions.create(messages=HELLO)
        file.write_text(text(1))
        assert router.reload()
        assert not router.reload()
        after = router.chat.completions.create(messages=HELLO)
    assert (before.route.model, after.route.model) == MODELS
    assert fits(before.route)
    assert fits(after.route)
    assert after.route.decision.policy_hash == load_policy(file).hash != before.route.decision.policy_hash


def test_a_broken_file_keeps_the_old_one_loudly(platform: SimulatorHandle, file: Path, told: Told) -> None:
    """The mistakes are raised, logged and kept, until a file without them is read."""
    with Router(file, environ=platform.environ()) as router:
        hash_ = router.policy.hash
        file.write_text(text(1).replace("pool: only", "pool: onyl"))
        with pytest.raises(
            DocumentError, match=r"policy\.yaml:\d+:\d+: QR201 unknown pool `onyl`\n  help: did you mean"
        ):
            router.reload()
        assert router.policy.hash == hash_
        assert "QR201" in str(router.policy_error)
        assert told.events.get(timeout=WAIT_S).startswith("ERROR event='policy not changed: the old one stays")
        assert router.chat.completions.create(messages=HELLO).route.decision.policy_hash == hash_
        file.write_text(text(1))
        assert router.reload()
        assert router.policy_error is None


def test_a_file_that_the_environment_does_not_fit_keeps_the_old_one(platform: SimulatorHandle, file: Path) -> None:
    """What is missing is named; nothing was changed."""
    with Router(file, environ=platform.environ()) as router:
        file.write_text(text(1).replace("DASHSCOPE_API_KEY", "ANOTHER_KEY"))
        with pytest.raises(ConfigurationError, match="ANOTHER_KEY"):
            router.reload()
        file.unlink()
        with pytest.raises(DocumentError, match=r"policy\.yaml"):
            router.reload()
        assert fits(router.chat.completions.create(messages=HELLO).route)


def test_another_policy_can_be_given(platform: SimulatorHandle, file: Path, tmp_path: Path) -> None:
    """A path, a shipped name or a loaded policy; it is what `reload` reads from then on."""
    other = tmp_path / "other.yaml"
    other.write_text(text(1))
    with Router(file, environ=platform.environ()) as router:
        assert router.reload(other)
        other.write_text(text(3))
        assert router.reload()
        assert router.policy.routes["auto"].rules[0].name == "rule-3"
        assert router.reload("default")
        assert router.policy.name == "default"
        assert router.reload(load_policy(file))
        with pytest.raises(ConfigurationError, match="give `reload` the new one"):
            router.reload()


async def test_a_call_ends_under_the_policy_that_it_began_with(platform: SimulatorHandle, file: Path) -> None:
    """A stream that is being read does not notice; neither do its record and its provider."""
    async with AsyncRouter(file, environ=platform.environ()) as router:
        stream = await router.chat.completions.create(messages=HELLO, stream=True)
        first = await anext(stream)
        replaced(file, text(1))
        assert await router.reload()
        rest = [chunk async for chunk in stream]
        other = await router.chat.completions.create(messages=HELLO)
    assert first.choices
    assert rest
    assert fits(stream.route)
    assert fits(other.route)
    assert stream.route.decision.policy_hash != other.route.decision.policy_hash


def test_what_is_known_of_deployments_survives(platform: SimulatorHandle, file: Path) -> None:
    """An open breaker stays open under the new policy, whose rules count from then on."""
    with Router(file, environ=platform.environ()) as router:
        board = router._async._board
        [deployment] = router.fleet.chain("only").stages[0].deployments
        for _ in range(5):
            ticket = board.admit(deployment, 0, time.monotonic())
            board.settle(ticket, _failure(), None, time.monotonic(), cancelled=False)  # type: ignore[arg-type]
        assert not _health(router, deployment.id).available
        file.write_text(text(2, failures=7))
        router.reload()
        assert not _health(router, deployment.id).available
        assert board.rules.breaker.failures == 7


def test_an_answer_is_kept_for_one_policy_only(platform: SimulatorHandle, file: Path) -> None:
    """A policy that was replaced leaves no answers to the next one, and no open file behind."""
    kept = "cache: {{ttl_s: 300, path: {name}}}\n"
    file.write_text(text(0) + kept.format(name="a.sqlite"))
    with Router(file, environ=platform.environ()) as router:
        for _ in range(2):
            answer = router.chat.completions.create(messages=HELLO)
        assert answer.route.cached
        file.write_text(text(1) + kept.format(name="a.sqlite"))
        router.reload()
        gc.collect()
        answer = router.chat.completions.create(messages=HELLO)
        assert not answer.route.cached
        assert fits(answer.route)


@pytest.mark.parametrize("how", ["written", "replaced", "folder swapped"])
def test_a_watched_file_is_read_when_it_changes(
    platform: SimulatorHandle, tmp_path: Path, told: Told, how: str
) -> None:
    """Whether it is written, replaced, or reached by a link into a folder that is swapped (ConfigMaps)."""
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, number in ((one, 0), (two, 1)):
        folder.mkdir()
        (folder / "policy.yaml").write_text(text(number))
    (tmp_path / "data").symlink_to(one)
    file = tmp_path / "policy.yaml"
    if how == "folder swapped":
        file.symlink_to(Path("data") / "policy.yaml")
    else:
        file.write_text(text(0))
    with Router(file, environ=platform.environ(), reload_on=["change"]) as router:
        if how == "written":
            file.write_text(text(1))
        elif how == "replaced":
            replaced(file, text(1))
        else:
            (tmp_path / "data.new").symlink_to(two)
            (tmp_path / "data.new").replace(tmp_path / "data")
        assert told.events.get(timeout=WAIT_S).startswith("INFO event='policy changed'")
        assert router.policy.routes["auto"].rules[0].name == "rule-1"


def test_a_watched_file_with_mistakes_is_told_and_waited_for(platform: SimulatorHandle, file: Path, told: Told) -> None:
    """The next good one comes into force."""
    with Router(file, environ=platform.environ(), reload_on=["change"]) as router:
        replaced(file, "routes: [")
        assert told.events.get(timeout=WAIT_S).startswith("ERROR")
        assert router.policy_error is not None
        replaced(file, text(1))
        assert told.events.get(timeout=WAIT_S).startswith("INFO")
        assert router.policy_error is None


def test_a_system_without_watches_left_is_looked_at_instead(
    platform: SimulatorHandle, file: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change shows all the same, a little later."""

    def refuse(*_: object, **__: object) -> Iterator[object]:
        raise OSError(24, "no more inotify instances")

    monkeypatch.setattr("watchfiles.watch", refuse)
    monkeypatch.setattr(watching, "LOOK_EVERY_MS", 20)
    with Router(file, environ=platform.environ(), reload_on=["change"]) as router:
        replaced(file, text(1))
        assert told.events.get(timeout=WAIT_S).startswith("INFO")
        assert router.policy.routes["auto"].rules[0].name == "rule-1"


KEPT = """
limits: {{max_output_tokens: 100}}
budgets: [{{budget: all, amount: 100, window: month}}]
records: {{path: records-{n}.{ending}}}
cache: {{ttl_s: 300, path: cache-{n}.db}}
ledger: {{path: ledger-{n}.db}}
"""


def _open_in(folder: Path) -> int:
    return sum(str(folder) in os.path.realpath(one) for one in Path("/proc/self/fd").iterdir())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files cannot be counted here")
def test_a_hundred_changes_of_files_leave_nothing_open(platform: SimulatorHandle, file: Path) -> None:
    """Records, cache and ledger elsewhere each time, streams across it: every record is there once, no hold stays."""
    with Router(file, environ=platform.environ()) as router:
        for n in range(100):
            file.write_text(text(2 * n) + KEPT.format(n=n, ending="db" if n % 2 else "jsonl"))
            router.reload()
            router.chat.completions.create(messages=[{"role": "user", "content": f"Hello {n}"}])
            across = router.chat.completions.create(messages=HELLO, stream=True)
            next(across)
            if n == 0:
                threads, first = threading.active_count(), _open_in(file.parent)
            file.write_text(text(2 * n + 1))
            router.reload()
            for _ in across:
                pass
        del across
        gc.collect()
        until = time.monotonic() + WAIT_S
        while _open_in(file.parent) and time.monotonic() < until:
            threading.Event().wait(0.01)
        assert first > 0
        assert _open_in(file.parent) == 0
        assert threading.active_count() <= threads
    told = (line for path in file.parent.glob("records-*.jsonl") for line in path.read_text().splitlines())
    ids = [json.loads(line)["id"] for line in told]
    for path in file.parent.glob("records-*.db"):
        with closing(sqlite3.connect(path)) as db:
            ids += [json.loads(line)["id"] for (line,) in db.execute("SELECT line FROM qwenroute_records_1")]
    assert len(ids) == len(set(ids)) == 200
    for path in file.parent.glob("ledger-*.db"):
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT count(*) FROM qwenroute_held_1").fetchone() == (0,)
            assert db.execute("SELECT sum(spent) > 0, sum(reserved) FROM qwenroute_spend_1").fetchone() == (1, 0)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_hangup_reads_the_file(platform: SimulatorHandle, file: Path, told: Told) -> None:
    """As operators expect of a daemon."""
    with Router(file, environ=platform.environ(), reload_on=["sighup"]) as router:
        file.write_text(text(1))
        os.kill(os.getpid(), signal.SIGHUP)
        assert told.events.get(timeout=WAIT_S).startswith("INFO")
        assert router.policy.routes["auto"].rules[0].name == "rule-1"
        os.kill(os.getpid(), signal.SIGHUP)
        assert "it is the one in force" in told.events.get(timeout=WAIT_S)


def test_what_cannot_be_watched_is_refused(file: Path, platform: SimulatorHandle) -> None:
    """One clear error each."""
    environ = platform.environ()
    with pytest.raises(ConfigurationError, match='any of "change" and "sighup", in a list'):
        Router(file, environ=environ, reload_on="change")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match='any of "change" and "sighup"'):
        Router(file, environ=environ, reload_on=["changed"])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="comes from a file"):
        Router(_unfiled(file), environ=environ, reload_on=["change"])


def test_no_thread_outlives_its_router(file: Path, platform: SimulatorHandle) -> None:
    """Closed, or dropped without it."""
    before = set(threading.enumerate())
    router = Router(file, environ=platform.environ(), reload_on=["change"])
    watching = set(threading.enumerate()) - before
    assert watching
    router.close()
    for thread in watching:
        thread.join(timeout=WAIT_S)
    router = Router(file, environ=platform.environ(), reload_on=["change"])
    watching |= set(threading.enumerate()) - before
    del router
    gc.collect()
    for thread in watching:
        thread.join(timeout=WAIT_S)
    assert not any(thread.is_alive() for thread in watching)


_CHILD = """
import os, sys, time
from pathlib import Path
from qwenroute import Router
file = Path(sys.argv[1])
router = Router(file, environ={"DASHSCOPE_API_KEY": "none"}, reload_on=["change"])
child = os.fork()
if child == 0:
    until = time.monotonic() + 120
    file.write_text(file.read_text().replace("rule-0", "rule-2"))
    while time.monotonic() < until:
        if router.policy.routes["auto"].rules[0].name == "rule-2":
            os._exit(0)
        time.sleep(0.01)
    os._exit(1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_worker_watches_for_itself(file: Path) -> None:
    """Servers load an application once and fork it."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", _CHILD, str(file)], timeout=180, check=False)
    assert done.returncode == 0


async def _traffic(router: AsyncRouter, per_s: float, begun: asyncio.Queue[int], over: asyncio.Event) -> list[Record]:
    """Call at an even rate, whole answers and streams in turn, until it is over; nothing may fail."""

    async def one(number: int) -> Record:
        if number % 2:
            return (await router.chat.completions.create(messages=HELLO)).route
        stream = await router.chat.completions.create(messages=HELLO, stream=True)
        async for _ in stream:
            pass
        return stream.route

    calls: list[asyncio.Task[Record]] = []
    while not over.is_set():
        calls.append(asyncio.create_task(one(len(calls))))
        begun.put_nowait(len(calls))
        try:
            async with asyncio.timeout(1 / per_s):
                await over.wait()
        except TimeoutError:
            continue
    return list(await asyncio.gather(*calls))


@pytest.mark.slow
@pytest.mark.parametrize("how", ["asked for", "watched"])
async def test_a_hundred_changes_under_load(platform: SimulatorHandle, file: Path, told: Told, how: str) -> None:
    """50 requests a second, every other change broken: no request fails, and none mixes two policies."""
    watched = how == "watched"
    async with AsyncRouter(file, environ=platform.environ(), reload_on=["change"] if watched else ()) as router:
        begun: asyncio.Queue[int] = asyncio.Queue()
        over = asyncio.Event()
        traffic = asyncio.create_task(_traffic(router, 50, begun, over))
        for number in range(1, 101):
            await begun.get()
            broken = number % 2
            replaced(file, text(number) if not broken else text(number).replace("version: 1", "version: one"))
            if not watched:
                try:
                    await router.reload()
                except DocumentError:
                    assert broken
            event = await asyncio.to_thread(told.events.get, True, WAIT_S)
            assert event.startswith("ERROR" if broken else "INFO"), event
        over.set()
        records = await traffic
    hashes = {record.decision.policy_hash: record.decision.rule for record in records}
    assert all(fits(record) for record in records)
    assert all(hashes[record.decision.policy_hash] == record.decision.rule for record in records)
    assert all(record.answered_by is not None and record.answered_by.failure is None for record in records)
    assert len(hashes) > 25
    assert len(records) >= 100


def _failure() -> object:
    from qwenroute.domain.failure import Failure

    return Failure(kind=FailureKind.SERVER_ERROR, message="made up")


def _health(router: Router, deployment: str) -> object:
    return next(health for health in router.health() if health.deployment == deployment)


def _unfiled(file: Path) -> object:
    from dataclasses import replace

    return replace(load_policy(file), files=())
