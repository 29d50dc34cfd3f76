"""Every call leaves one record, which holds what it should and nothing that it must not."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qwenroute import AsyncRouter, CallFailed, DocumentError, NoDeployment, Router, StreamInterrupted, load_policy
from qwenroute.domain.recording import RecordRules
from qwenroute.domain.request import Kind
from qwenroute.recording import Recording
from qwenroute.records import line, sinks, writer
from qwenroute.records.sinks import JsonlSink, SqliteSink, rotated
from qwenroute.testing import Cut, SimulatorHandle, simulator

ASKED = [{"role": "user", "content": "Name three rivers that cross a border."}]
SECRET = "sk-simulated"


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorHandle]:
    """Run one simulator for all tests here."""
    with simulator() as handle:
        yield handle


def policy_in(folder: Path, records: str, more: str = "") -> Path:
    """Write the default policy with `records`."""
    path = folder / "policy.yaml"
    path.write_text(f"extends: default\nrecords: {records}\n{more}", encoding="utf-8")
    return path


def rows(path: Path) -> list[dict[str, Any]]:
    """Read the lines of one file."""
    return [json.loads(text) for text in path.read_text(encoding="utf-8").splitlines()]


def test_an_answer_leaves_one_line(tmp_path: Path, running: SimulatorHandle) -> None:
    """Shape, signals, decision, attempts, usage and cost are there; the prompt and secrets are not."""
    hints = {"tenant": "acme", "tags": ["nightly"], "session": "user-4711"}
    with Router(policy_in(tmp_path, "{path: r.jsonl}"), environ=running.environ()) as router:
        answer = router.chat.completions.create(messages=ASKED, qwenroute=hints, temperature=0.5, max_tokens=40)
    (row,) = rows(tmp_path / "r.jsonl")
    record = answer.route
    assert (row["v"], row["id"], row["hash"]) == (1, record.id, record.decision.policy_hash)
    assert row["request"]["hints"] == {
        "tenant": "acme",
        "tags": ["nightly"],
        "session": row["request"]["hints"]["session"],
    }
    assert row["request"]["params"] == {"temperature": 0.5}
    assert row["signals"]["max_output_tokens"] == 40
    assert row["decision"]["deployment"] == record.deployment == row["answered_by"]
    assert row["usage"]["completion_tokens"] == record.usage.completion_tokens
    assert row["cost"] == [record.cost.amount, record.cost.currency]
    assert [one["deployment"] for one in row["attempts"]] == [one.deployment for one in record.attempts]
    text = (tmp_path / "r.jsonl").read_text()
    assert "rivers" not in text
    assert SECRET not in text
    assert "4711" not in text


def test_the_same_goes_into_a_database(tmp_path: Path, running: SimulatorHandle) -> None:
    """A path that ends in .sqlite holds the same lines in a table."""
    with Router(policy_in(tmp_path, "{path: r.sqlite}"), environ=running.environ()) as router:
        ids = [router.chat.completions.create(messages=ASKED).route.id for _ in range(3)]
    connection = sqlite3.connect(tmp_path / "r.sqlite")
    found = [json.loads(text)["id"] for (text,) in connection.execute(f"SELECT line FROM {sinks.TABLE} ORDER BY id")]
    connection.close()
    assert found == ids


async def test_every_way_to_end_leaves_one_line(tmp_path: Path, running: SimulatorHandle) -> None:
    """Answers, streams read, left and broken, refusals, failures, mistakes and cancelled calls: one line each."""
    path = policy_in(tmp_path, "{path: r.jsonl}", "cache: {ttl_s: 60}\n")
    async with AsyncRouter(path, environ=running.environ()) as router:
        create = router.chat.completions.create
        await create(messages=ASKED)
        await create(messages=ASKED)
        stream = await create(messages=[{"role": "user", "content": "Read to the end."}], stream=True)
        async for _ in stream:
            pass
        await stream.close()
        stream = await create(messages=[{"role": "user", "content": "Left early."}], stream=True)
        await stream.next()
        await stream.close()
        with pytest.raises(NoDeployment):
            await create(messages=[{"role": "user", "content": "word " * 2_000_000}])
        with pytest.raises(Exception, match="messages"):
            await create(messages=[])
        with pytest.raises(Exception, match="neither a route"):
            await create(messages=ASKED, model="no-such-model")
        call = asyncio.create_task(create(messages=[{"role": "user", "content": "Never mind."}]))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    found = rows(tmp_path / "r.jsonl")
    errors = [row.get("error") for row in found]
    assert errors[:7] == [None, None, None, "Left", "NoDeployment", "InvalidRequest", "UnknownModel"]
    assert errors[7:] == ["CancelledError"]
    assert [row.get("cached", False) for row in found[:2]] == [False, True]
    assert found[4]["decision"]["deployment"] is None
    assert "max_input" in found[4]["decision"]["rejected"]
    assert "signals" not in found[5]
    assert "signals" in found[6]


async def test_failures_are_on_the_line(tmp_path: Path, running: SimulatorHandle) -> None:
    """A call that failed tells each attempt and why; what the server said is not repeated."""
    path = policy_in(tmp_path, "{path: r.jsonl}")
    async with AsyncRouter(path, environ=running.environ()) as router:
        running.fail("qwen-plus", "Arrearage", times=1)
        with pytest.raises(CallFailed):
            await router.chat.completions.create(messages=ASKED, model="qwen-plus")
    (row,) = rows(tmp_path / "r.jsonl")
    assert row["error"] == "AllAttemptsFailed"
    assert row["attempts"][0]["failure"] == "billing"
    assert "message" not in row["attempts"][0]


async def test_a_dropped_stream_is_recorded(tmp_path: Path, running: SimulatorHandle) -> None:
    """A stream that nobody reads, and whose router is closed, has its line."""
    async with AsyncRouter(policy_in(tmp_path, "{path: r.jsonl}"), environ=running.environ()) as router:
        stream = await router.chat.completions.create(messages=ASKED, stream=True)
        await stream.next()
    assert [row["error"] for row in rows(tmp_path / "r.jsonl")] == ["Left"]


@pytest.mark.parametrize(
    ("text", "present", "absent"),
    [
        ("none", (), ("prompt", "text")),
        ("hash", ("prompt",), ("text",)),
        ("redacted", ("text",), ("prompt", "whole")),
        ("full", ("text", "whole"), ("prompt",)),
    ],
)
def test_as_much_of_the_prompt_as_wanted(
    text: str, present: tuple[str, ...], absent: tuple[str, ...], tmp_path: Path, running: SimulatorHandle
) -> None:
    """`text` says what of the prompt is in the record."""
    with Router(policy_in(tmp_path, f"{{path: r.jsonl, text: {text}}}"), environ=running.environ()) as router:
        router.chat.completions.create(messages=ASKED)
    (row,) = rows(tmp_path / "r.jsonl")
    assert row.keys() >= set(present)
    assert not row.keys() & set(absent)


def test_equal_prompts_have_equal_digests(tmp_path: Path, running: SimulatorHandle) -> None:
    """Digests tell equal prompts, over several routers; under another key they are others."""
    digests = []
    for folder in ("a", "a", "b"):
        (tmp_path / folder).mkdir(exist_ok=True)
        with Router(policy_in(tmp_path / folder, "{path: r.jsonl}"), environ=running.environ()) as router:
            router.chat.completions.create(messages=ASKED)
        digests.append(rows(tmp_path / folder / "r.jsonl")[-1]["prompt"])
    assert digests[0] == digests[1] != digests[2]
    assert stat.S_IMODE((tmp_path / "a" / "r.jsonl.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "a" / "r.jsonl").stat().st_mode) == 0o600


def test_what_was_found_of_the_policys_words_is_recorded(tmp_path: Path, running: SimulatorHandle) -> None:
    """For each keyword and pattern of the policy the record tells whether the request shows it, without its text."""
    teach = "teach:\n  - {task: code, keywords: [rivers]}\n  - {task: math, pattern: 'integrate'}\n"
    with Router(policy_in(tmp_path, "{path: r.jsonl}", teach), environ=running.environ()) as router:
        router.chat.completions.create(messages=ASKED)
    (row,) = rows(tmp_path / "r.jsonl")
    assert {name.partition(":")[0]: held for name, held in row["found"].items()} == {"keywords": 1, "pattern": 0}
    assert row["signals"]["task"] == "general"
    assert row["decision"]["rule"] == "code"


def test_a_pattern_that_could_stall_is_refused(tmp_path: Path) -> None:
    """`redact` takes the patterns that `teach` takes."""
    with pytest.raises(DocumentError, match="several ways"):
        load_policy(policy_in(tmp_path, "{path: r.jsonl, redact: ['(a+)+b']}"))


@pytest.mark.parametrize("records", ["{}", "{path: r, text: all}", "{path: r, keep: 0}", "{path: r, days: -1}", "yes"])
def test_nonsense_is_refused(records: str, tmp_path: Path) -> None:
    """What `records` does not know has a place and a message."""
    with pytest.raises(DocumentError, match=r"policy.yaml:2:"):
        load_policy(policy_in(tmp_path, records))


# Files


def rules(path: Path, **more: Any) -> RecordRules:
    return RecordRules(path=str(path), **more)


def a_line(at: float = 1_700_000_000.0, size: int = 100) -> tuple[float, bytes]:
    return at, line.line({**line.gap(at, 1), "filler": "x" * size})


def test_a_full_file_is_set_aside(tmp_path: Path) -> None:
    """Files of about the size wanted follow each other, and the oldest go; none is empty."""
    path = tmp_path / "r.jsonl"
    sink = JsonlSink(rules(path, max_mb=0.001, keep=3, days=None))
    for i in range(60):
        sink.write([a_line(1_700_000_000.0 + i)])
    sink.close()
    aside = rotated(path)
    assert len(aside) == 3
    assert all(1_000 <= file.stat().st_size < 1_300 for file in aside)
    kept = [row["at"] for file in [*aside, path] for row in rows(file)]
    assert kept == sorted(kept)
    assert kept[-1] == line.moment(1_700_000_059.0)


def test_old_records_are_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is kept longer than its days, though the file never was full."""
    path = tmp_path / "r.jsonl"
    now = 1_700_000_000.0
    sink = JsonlSink(rules(path, days=10, keep=4))
    monkeypatch.setattr(sinks.time, "time", lambda: now)
    for day in range(30):
        now = 1_700_000_000.0 + 86_400 * day
        sink.expire(now)
        sink.write([a_line(now)])
        days = [row["at"] for file in [*rotated(path), path] if file.exists() for row in rows(file)]
        assert min(days) >= line.moment(now - 10 * 86_400)
        assert len(days) >= min(day + 1, 8)
    sink.close()


def test_old_rows_are_dropped(tmp_path: Path) -> None:
    """A database keeps neither rows that are too old nor more than it may hold."""
    path = tmp_path / "r.db"
    sink = SqliteSink(rules(path, days=10, max_mb=0.05, keep=2))
    sink.write([a_line(86_400.0 * day) for day in range(30)])
    sink.expire(86_400.0 * 30)
    sink.write([a_line(86_400.0 * 30, 2_000) for _ in range(100)])
    for _ in range(20):
        sink.expire(86_400.0 * 30)
    sink.close()
    connection = sqlite3.connect(path)
    count, oldest = connection.execute(f"SELECT COUNT(*), MIN(at) FROM {sinks.TABLE}").fetchone()
    connection.close()
    assert oldest > 86_400.0 * 20
    assert 20 < count < 60


APPEND = """
import sys
from qwenroute.domain.recording import RecordRules
from qwenroute.records import line
from qwenroute.records.sinks import open_sink
path, who = sys.argv[1:]
sink = open_sink(RecordRules(path=path, max_mb=0.005, keep=1_000, days=None))
for i in range(200):
    sink.write([(0.0, line.line({**line.gap(1_700_000_000.0, 1), "who": int(who), "n": i}))])
sink.close()
"""


@pytest.mark.parametrize("name", ["r.jsonl", "r.sqlite"])
def test_processes_share_a_file(name: str, tmp_path: Path) -> None:
    """Four processes write to one path while it is set aside again and again: no line is lost, torn or doubled."""
    path = tmp_path / name
    processes = [subprocess.Popen([sys.executable, "-c", APPEND, str(path), str(i)]) for i in range(4)]
    assert [process.wait(60) for process in processes] == [0] * 4
    if name.endswith("jsonl"):
        assert len(rotated(path)) > 2
        found = [(row["who"], row["n"]) for file in [*rotated(path), path] if file.exists() for row in rows(file)]
    else:
        connection = sqlite3.connect(path)
        parsed = [json.loads(text) for (text,) in connection.execute(f"SELECT line FROM {sinks.TABLE}")]
        connection.close()
        found = [(row["who"], row["n"]) for row in parsed]
    assert sorted(found) == [(who, n) for who in range(4) for n in range(200)]


def test_a_torn_line_ends_before_the_next(tmp_path: Path) -> None:
    """What a crash left half written does not spoil the line after it."""
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"v":1,"at":"2026-')
    sink = JsonlSink(rules(path))
    sink.write([a_line()])
    sink.close()
    torn, whole = path.read_text().splitlines()
    assert json.loads(whole)["v"] == 1
    assert torn == '{"v":1,"at":"2026-'


# Trouble


def test_an_unwritable_place_fails_no_call(
    tmp_path: Path, running: SimulatorHandle, caplog: pytest.LogCaptureFixture
) -> None:
    """Where records cannot be written, calls are answered, and it is told at once what is lost."""
    path = policy_in(tmp_path, "{path: nowhere/r.jsonl}")
    with caplog.at_level(logging.WARNING, "qwenroute"), Router(path, environ=running.environ()) as router:
        assert "there is no folder" in caplog.text
        assert router.chat.completions.create(messages=ASKED).choices
    assert "1 lost so far" in caplog.text


class Full:
    """A sink that is full, until it is not."""

    def __init__(self) -> None:
        self.full = True
        self.lines: list[bytes] = []

    def write(self, lines: list[tuple[float, bytes]]) -> None:
        if self.full:
            raise OSError(28, "No space left on device")
        self.lines += [text for _, text in lines]

    def expire(self, now: float) -> None: ...
    def close(self) -> None: ...
    def abandon(self) -> None: ...


def a_writer(
    sink: Any, make: Callable[[int], tuple[float, bytes]] | None = None
) -> tuple[writer.Writer[int], list[str]]:
    told: list[str] = []
    made = make or (lambda n: (0.0, f"{n}\n".encode()))
    return writer.Writer(sink, made, lambda at, n: (at, f"gap {n}\n".encode()), told.append), told


def test_a_full_disk_is_counted_and_told() -> None:
    """What the disk does not take is counted, told once, and stands as a gap before the next line."""
    sink = Full()
    under_test, told = a_writer(sink)
    for n in range(3):
        under_test.put(n, 0)
        under_test.flush()
    assert under_test.lost == 3
    assert len(told) == 1
    assert "No space left" in told[0]
    sink.full = False
    under_test.put(3, 0)
    under_test.close()
    assert sink.lines == [b"gap 3\n", b"3\n"]


def test_the_queue_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """More than the queue holds is dropped at once, and counted; nobody waits."""
    monkeypatch.setattr(writer, "LINGER_S", 60.0)
    monkeypatch.setattr(writer, "MOST_ENTRIES", 5)
    sink = Full()
    sink.full = False
    under_test, told = a_writer(sink)
    for n in range(9):
        under_test.put(n, 0)
    assert under_test.lost == 4
    assert "too slow" in told[0]
    under_test.close()
    assert sink.lines == [b"gap 4\n", *(f"{n}\n".encode() for n in range(5))]


def test_a_line_that_cannot_be_made_costs_itself_alone() -> None:
    """Whatever goes wrong with one record, the next is written."""
    sink = Full()
    sink.full = False

    def make(n: int) -> tuple[float, bytes]:
        if n == 1:
            raise KeyError("odd")
        return 0.0, f"{n}\n".encode()

    under_test, told = a_writer(sink, make)
    for n in range(3):
        under_test.put(n, 0)
    under_test.close()
    assert [text for text in sink.lines if b"gap" not in text] == [b"0\n", b"2\n"]
    assert under_test.lost == 1
    assert told


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_writes_its_own(tmp_path: Path) -> None:
    """After a fork each process writes what it recorded, and the parent's lines are not doubled."""
    code = f"""
import os, sys
from pathlib import Path
from qwenroute.records import sinks, writer
from qwenroute.domain.recording import RecordRules
sink = sinks.open_sink(RecordRules(path={str(tmp_path / "r.jsonl")!r}))
w = writer.Writer(sink, lambda n: (0.0, f"{{n}}\\n".encode()), lambda at, n: (at, b""), print)
w.put(1, 0); w.flush(); w.put(2, 0)
pid = os.fork()
w.put(10 if pid == 0 else 3, 0)
w.close()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert sorted((tmp_path / "r.jsonl").read_text().split()) == ["1", "10", "2", "3"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_writes_nothing_of_its_parents_calls(tmp_path: Path) -> None:
    """A call that was under way is the parent's to write, whatever the child does with what it has of it."""
    path = tmp_path / "r.jsonl"
    recording = Recording(RecordRules(path=str(path)))
    note = recording.begin(load_policy("default"), Kind.CHAT)
    child = os.fork()
    if child == 0:
        note.left()
        recording.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert not path.exists()
    recording.close()
    assert len(path.read_text().splitlines()) == 1


@pytest.mark.slow
def test_nothing_is_lost_at_exit(tmp_path: Path, running: SimulatorHandle) -> None:
    """A program that ends without closing its router has its records written."""
    path = policy_in(tmp_path, "{path: r.jsonl}")
    code = f"""
from qwenroute import Router
router = Router({str(path)!r})
for _ in range(3):
    router.chat.completions.create(messages=[{{"role": "user", "content": "Hello"}}])
"""
    environ = {**os.environ, **running.environ()}
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "r.jsonl")) == 3


def test_a_router_that_is_dropped_writes_what_it_has(tmp_path: Path) -> None:
    """The writer's thread ends with its owner."""
    import gc

    recording = Recording(rules(tmp_path / "r.jsonl"))
    policy = load_policy("default")
    from qwenroute.domain.request import Kind

    recording.begin(policy, Kind.CHAT).failed(ValueError())
    thread = recording._writer._thread
    assert thread is not None
    del recording
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
    assert [row["error"] for row in rows(tmp_path / "r.jsonl")] == ["ValueError"]


async def test_a_broken_stream_is_recorded(tmp_path: Path, running: SimulatorHandle) -> None:
    """A stream that breaks after its first token has one line, with what broke it."""
    async with AsyncRouter(policy_in(tmp_path, "{path: r.jsonl}"), environ=running.environ()) as router:
        running.fail("qwen-plus", Cut(after_chunks=3), times=1)
        with pytest.raises(StreamInterrupted):
            async for _ in await router.chat.completions.create(messages=ASKED, model="qwen-plus", stream=True):
                pass
    (row,) = rows(tmp_path / "r.jsonl")
    assert row["error"] == "StreamInterrupted"
    assert row["attempts"][0]["failure"]


@pytest.mark.slow
def test_every_key_is_explained(tmp_path: Path, running: SimulatorHandle) -> None:
    """What stands in a record is in the table of the room's README."""
    known = set(re.findall(r"`(\w+)`", (Path(line.__file__).parent / "README.md").read_text(encoding="utf-8")))
    teach = "teach: [{task: code, keywords: [rivers]}]\n"
    for text in ("hash", "full"):
        with Router(
            policy_in(tmp_path, f"{{path: r.jsonl, text: {text}}}", teach), environ=running.environ()
        ) as router:
            running.fail("*", "ModelUnavailable", times=1)
            router.chat.completions.create(messages=ASKED, temperature=0.1, qwenroute={"session": "s"})
            with pytest.raises(NoDeployment):
                router.chat.completions.create(messages=[{"role": "user", "content": "word " * 2_000_000}])
    found = rows(tmp_path / "r.jsonl")
    keys = {key for row in found for key in row}
    keys |= {key for row in found for part in (row["request"], row["decision"]) for key in part}
    keys |= {key for row in found for attempt in row.get("attempts", ()) for key in attempt}
    assert keys <= known, keys - known
    assert {"found", "prompt", "text", "whole", "attempts", "failure", "rejected", "error"} <= keys
