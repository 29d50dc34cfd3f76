"""The answer cache: one key for one request, bounds that hold, and a file that breaks no call."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.analysis import read_request
from qwenroute.domain.capability import Role
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.record import Attempt, Record, Splice
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.resilience import CacheRules
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.providers.answers import decode_chunk, decode_completion, decode_text_completion
from qwenroute.providers.collect import Collector
from qwenroute.state.answer_cache import AnswerCache, AnswerKeys, MemoryAnswerCache, open_answer_cache, worth_keeping
from qwenroute.state.answer_cache_sqlite import SqliteAnswerCache
from qwenroute.state.answer_chunks import as_chunks

ENDPOINTS = (Endpoint(name="cn", provider="dashscope", region="beijing", base_url="https://a.example/v1"),)
KEYS = AnswerKeys("policy-1", ENDPOINTS)
ASKED: dict[str, Any] = {
    "model": "auto",
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "temperature": 0.7,
    "tools": [{"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}],
}


def key(**changed: Any) -> bytes:
    found = KEYS.key(read_request({**ASKED, **changed}))
    assert found is not None
    return found


# Keys

HINTS: dict[str, Any] = {
    "task": Task.CODE, "difficulty": Difficulty.HARD, "role": Role.CODER, "objective": "cheap", "quality": "top",
    "thinking": True, "sound": True, "max_cost_usd": 0.1, "tenant": "acme", "tags": ("batch",), "media_seconds": 3.0,
    "key": "job-7",
}  # fmt: skip


@pytest.mark.parametrize(
    "same",
    [
        {"stream": True},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"qwenroute": {"deadline_s": 3, "hedge": False, "session": "s1"}},
        {"qwenroute": {}},
        {"top_p": None},
        {"extra_body": {"temperature": 0.7}},
        {"messages": tuple({"content": m["content"], "role": m["role"]} for m in ASKED["messages"])},
        {"tools": json.loads(json.dumps(ASKED["tools"], sort_keys=True))},
    ],
    ids=str,
)
def test_what_makes_no_difference(same: dict[str, Any]) -> None:
    """How the answer is delivered, how long one can wait, and the order of names share one key."""
    assert key(**same) == key()


@pytest.mark.parametrize(
    "other",
    [
        {"model": "qwen-plus"},
        {"messages": [{"role": "user", "content": "Hi"}]},
        {"messages": [*ASKED["messages"][:1], {"role": "user", "content": "Hi "}]},
        {"messages": [*ASKED["messages"][:1], {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]},
        {"messages": [ASKED["messages"][1], ASKED["messages"][0], ASKED["messages"][1]]},
        {"temperature": 0.8},
        {"temperature": 0},
        {"tools": [*ASKED["tools"], *ASKED["tools"]]},
        {"seed": 1},
        {"enable_thinking": True},
        {"n": 2},
        *({"qwenroute": {name: value}} for name, value in HINTS.items()),
    ],
    ids=str,
)
def test_what_makes_a_difference(other: dict[str, Any]) -> None:
    """Whatever may change the answer, or who answers, makes another key."""
    assert key(**other) != key()


def test_every_hint_is_placed() -> None:
    """A hint that is added to the domain is part of the key unless it is left out on purpose."""
    assert HINTS.keys() | {"deadline_s", "hedge", "session", "headers"} == {field.name for field in fields(Hints)}


def test_headers_count_where_rules_ask_for_them() -> None:
    """A header that no rule reads, such as a trace id, costs no hit; one that decides who answers makes a key."""
    gold, silver = ({"qwenroute": {"headers": {"X-Tier": tier, "X-Trace": tier}}} for tier in ("gold", "silver"))
    assert key(**gold) == key(**silver) == key()
    keys = AnswerKeys("policy-1", ENDPOINTS, {"x-tier"})
    assert len({keys.key(read_request({**ASKED, **one})) for one in (gold, silver, {})}) == 3


def test_composed_and_decomposed_letters_are_two_requests() -> None:
    """Content is taken as it is: Unicode that looks alike is not made equal."""
    composed, decomposed = ({"messages": [{"role": "user", "content": text}]} for text in ("\u00e9", "e\u0301"))
    assert key(**composed) != key(**decomposed)


def test_tenants_and_those_without_one_share_nothing() -> None:
    """A tenant's key is found by nobody else, whatever its name."""
    names = [None, "acme", "acm", "None", "null"]
    assert len({key(qwenroute={"tenant": name} if name else None) for name in names}) == len(names)


def test_kinds_share_nothing() -> None:
    """A prompt to complete is no chat."""
    assert KEYS.key(Request(prompt="x")) != KEYS.key(Request(prompt="x", kind=Kind.COMPLETION))
    assert KEYS.key(Request(prompt="x")) != KEYS.key(Request(prompt="x", suffix=""))


def test_scopes_share_nothing() -> None:
    """Another policy, or other endpoints (a simulator's, say) under the same policy, make other keys."""
    elsewhere = (replace(ENDPOINTS[0], base_url="http://127.0.0.1:1/v1"),)
    more = (*ENDPOINTS, Endpoint(name="own", provider="openai_compatible"))
    scopes = [("policy-1", ENDPOINTS), ("policy-2", ENDPOINTS), ("policy-1", elsewhere), ("policy-1", more)]
    request = read_request(ASKED)
    assert len({AnswerKeys(*scope).key(request) for scope in scopes}) == len(scopes)
    assert AnswerKeys("policy-1", more).key(request) == AnswerKeys("policy-1", more[::-1]).key(request)


def test_credentials_are_no_part_of_it() -> None:
    """A key that is rotated does not empty the cache."""
    rotated = (replace(ENDPOINTS[0], api_key="sk-another"),)
    assert AnswerKeys("policy-1", rotated).key(read_request(ASKED)) == key()


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", {1: "a", "1": "b"}], ids=["object", "set", "bytes", "keys"])
def test_what_is_no_json_has_no_key(value: object) -> None:
    """Such a request goes past the cache."""
    assert KEYS.key(Request(params={"odd": value})) is None


def test_endless_values_have_no_key() -> None:
    """A value that holds itself, or nests beyond measure, goes past the cache too."""
    circle: list[object] = []
    circle.append(circle)
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert KEYS.key(Request(params={"odd": circle})) is None
    assert KEYS.key(Request(params={"odd": deep})) is None


def test_lone_surrogates_have_a_key() -> None:
    """Text that cannot be encoded is told apart all the same."""
    first, second = (KEYS.key(Request(prompt=text)) for text in ("\ud800", "\ud801"))
    assert first is not None
    assert first != second


def test_prompt_does_not_show_in_the_key() -> None:
    """The key is a digest of a fixed size."""
    assert len(key()) == len(key(messages=[{"role": "user", "content": "x" * 10_000}])) == 20


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
)
requests = st.builds(
    Request,
    model=st.sampled_from(["auto", "coding"]),
    messages=st.lists(st.dictionaries(st.sampled_from(["role", "content"]), values), max_size=2).map(tuple),
    prompt=st.sampled_from(["", "p", '","']),
    suffix=st.none() | st.sampled_from(["", "p"]),
    params=st.dictionaries(st.sampled_from(["a", "b", "stream_options"]), values, max_size=3),
    stream=st.booleans(),
    hints=st.builds(
        Hints,
        tenant=st.none() | st.sampled_from(["a", "b"]),
        tags=st.lists(st.sampled_from(["a", "b"])).map(tuple),
        deadline_s=st.none() | st.just(1.0),
    ),
)


def shuffled(value: Any) -> Any:
    """Return the same value with the names of every object the other way round."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(value)}
    return [shuffled(each) for each in value] if isinstance(value, list | tuple) else value


def normal(value: Any) -> Any:
    """Return what is compared: types apart, so that 1, 1.0 and true are three things; order of names not."""
    if isinstance(value, dict):
        return frozenset((name, normal(each)) for name, each in value.items())
    if isinstance(value, list | tuple):
        return tuple(normal(each) for each in value)
    return (type(value).__name__, repr(value))


def meaning(request: Request) -> Any:
    params = {name: value for name, value in request.params.items() if name != "stream_options"}
    hints = replace(request.hints, deadline_s=None)
    return normal([request.model, request.messages, request.prompt, request.suffix, params]), hints


@given(requests, requests)
def test_keys_are_equal_iff_requests_are(one: Request, other: Request) -> None:
    """Two requests have one key exactly where they mean the same."""
    assert (KEYS.key(one) == KEYS.key(other)) == (meaning(one) == meaning(other))


@given(requests)
def test_order_and_delivery_never_change_a_key(request: Request) -> None:
    """However the same request is written down, its key is the same."""
    again = Request(
        model=request.model,
        messages=tuple(shuffled(request.messages)),
        prompt=request.prompt,
        suffix=request.suffix,
        params=shuffled(request.params),
        stream=not request.stream,
        hints=replace(request.hints, deadline_s=9.0),
    )
    assert KEYS.key(again) == KEYS.key(request)


# What is kept


def record(*, answered: int | None = 1, spliced: bool = False) -> Record:
    attempt = Attempt(number=1, deployment="m@cn", model="m", started_s=0.0, ended_s=1.0)
    splice = Splice(after_characters=3, broken="m@cn", failure=FailureKind.STREAM_CUT, continued_by="m@intl")
    decision: Any = None
    return Record(
        id="r", decision=decision, attempts=(attempt,), answered=answered, splices=(splice,) * spliced, latency_s=1.0
    )


@pytest.mark.parametrize(
    ("reasons", "params", "kept"),
    [
        (["stop"], {}, True),
        (["tool_calls"], {}, True),
        (["function_call"], {}, True),
        (["stop", "stop"], {}, True),
        (["stop", "length"], {}, False),
        (["length"], {}, False),
        (["length"], {"max_tokens": 3}, True),
        (["length"], {"max_completion_tokens": 3}, True),
        (["content_filter"], {"max_tokens": 3}, False),
        ([None], {}, False),
        ([], {}, False),
    ],
)
def test_what_is_worth_keeping(reasons: list[str | None], params: dict[str, object], kept: bool) -> None:
    """Whole answers are, and cut ones only where the caller asked for the cut."""
    assert worth_keeping(Request(params=params), record(), reasons) is kept


def test_spliced_and_missing_answers_are_not_kept() -> None:
    """An answer that two models wrote, and none at all, are never given again."""
    assert not worth_keeping(Request(), record(spliced=True), ["stop"])
    assert not worth_keeping(Request(), record(answered=None), ["stop"])


# Both stores


def never(trouble: str) -> None:
    raise AssertionError(trouble)


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., AnswerCache]]:
    """Return what makes a cache with these rules, in memory or in a file."""
    made: list[AnswerCache] = []

    def opened(**rules: Any) -> AnswerCache:
        path = str(tmp_path / "answers.db") if request.param == "sqlite" else None
        made.append(open_answer_cache(CacheRules(path=path, **rules), never))
        return made[-1]

    yield opened
    for each in made:
        each.close()


def test_what_is_put_is_found(make: Callable[..., AnswerCache]) -> None:
    """An answer comes back byte by byte, and a later one takes its place."""
    cache = make()
    assert cache.get(b"k", 100.0) is None
    cache.put(b"k", b'{"a": "\xc3\xa9"}', 100.0)
    cache.put(b"other", b"{}", 100.0)
    assert cache.get(b"k", 100.0) == b'{"a": "\xc3\xa9"}'
    cache.put(b"k", b"{}", 101.0)
    assert cache.get(b"k", 101.0) == b"{}"


def test_answers_grow_old(make: Callable[..., AnswerCache]) -> None:
    """An answer is given again until its time is up, counted from when it was last put."""
    cache = make(ttl_s=10.0)
    cache.put(b"k", b"{}", 100.0)
    assert cache.get(b"k", 109.9) == b"{}"
    assert cache.get(b"k", 110.0) is None
    cache.put(b"k", b"{}", 110.0)
    assert cache.get(b"k", 119.9) == b"{}"


def test_clock_that_was_set_back_keeps_nothing_for_ever(make: Callable[..., AnswerCache]) -> None:
    """An answer from far in the future is not given."""
    cache = make(ttl_s=10.0)
    cache.put(b"k", b"{}", 1_000.0)
    assert cache.get(b"k", 999.0) == b"{}"
    assert cache.get(b"k", 100.0) is None


def test_entries_are_bounded(make: Callable[..., AnswerCache]) -> None:
    """One more than there is room for drops the oldest, and the rest stays."""
    cache = make(max_entries=3)
    for n in range(5):
        cache.put(b"k%d" % n, b"{}", 100.0 + n)
    assert [cache.get(b"k%d" % n, 105.0) is not None for n in range(5)] == [False, False, True, True, True]


def test_bytes_are_bounded(make: Callable[..., AnswerCache]) -> None:
    """Sizes count, not only numbers; replacing an answer counts it once."""
    cache = make(max_mb=0.001)  # 1,000 bytes, 125 for one answer
    for n in range(10):
        cache.put(b"k%d" % n, b"x" * 125, 100.0 + n)
        cache.put(b"k%d" % n, b"y" * 125, 100.0 + n)
    assert [cache.get(b"k%d" % n, 110.0) is not None for n in range(10)] == [False] * 2 + [True] * 8


def test_huge_answer_is_not_kept(make: Callable[..., AnswerCache]) -> None:
    """An answer beyond an eighth of the room would empty it, so it is left out; smaller sound fits."""
    cache = make(max_mb=0.001)
    cache.put(b"small", b"x" * 125, 100.0)
    cache.put(b"huge", b"x" * 126, 100.0)
    assert cache.get(b"huge", 100.0) is None
    assert cache.get(b"small", 100.0) is not None


def test_closing_twice_is_nothing(make: Callable[..., AnswerCache]) -> None:
    """After closing nothing is found and nothing fails."""
    cache = make()
    cache.put(b"k", b"{}", 100.0)
    cache.close()
    cache.close()
    assert cache.get(b"k", 100.0) is None


def test_threads_may_share_one(make: Callable[..., AnswerCache]) -> None:
    """Eight threads at once: every answer found is the one of its key, and the bounds hold."""
    cache = make(max_entries=20)
    wrong: list[object] = []

    def work(seed: int) -> None:
        try:
            for n in range(100):
                k = b"k%d" % ((seed * 7 + n) % 30)
                cache.put(k, b"answer of " + k, 100.0)
                found = cache.get(k, 100.0)
                if found not in (None, b"answer of " + k):
                    wrong.append(found)
        except Exception as error:  # noqa: BLE001 - whatever a thread meets is a finding
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert sum(cache.get(b"k%d" % n, 100.0) is not None for n in range(30)) == 20


# In memory


def test_what_is_asked_for_stays_longest_in_memory() -> None:
    """The answer that was not asked for the longest goes first."""
    cache = MemoryAnswerCache(CacheRules(max_entries=2))
    cache.put(b"a", b"{}", 100.0)
    cache.put(b"b", b"{}", 101.0)
    cache.get(b"a", 102.0)
    cache.put(b"c", b"{}", 103.0)
    assert [cache.get(k, 104.0) is not None for k in (b"a", b"b", b"c")] == [True, False, True]


# In a file


def in_file(path: Path, told: list[str] | None = None, **rules: Any) -> SqliteAnswerCache:
    return SqliteAnswerCache(CacheRules(path=str(path), **rules), never if told is None else told.append)


def test_answers_outlive_the_process(tmp_path: Path) -> None:
    """Another cache on the same file finds them; only the owner may read it."""
    path = tmp_path / "answers.db"
    first = in_file(path)
    first.put(b"k", b"{}", 100.0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first.close()
    second = in_file(path)
    assert second.get(b"k", 101.0) == b"{}"
    second.close()


def test_lowered_bounds_hold_for_what_is_there(tmp_path: Path) -> None:
    """A file that was filled under wider rules shrinks at the next answer."""
    wide = in_file(tmp_path / "answers.db")
    for n in range(50):
        wide.put(b"k%d" % n, b"x" * 100, 100.0)
    wide.close()
    narrow = in_file(tmp_path / "answers.db", max_entries=30, max_mb=0.001)
    narrow.put(b"new", b"x" * 100, 100.0)
    assert narrow.get(b"new", 100.0) is not None
    assert sum(narrow.get(b"k%d" % n, 100.0) is not None for n in range(50)) == 9
    narrow.close()


WRITER = """
import sys
from qwenroute.domain.resilience import CacheRules
from qwenroute.state.answer_cache_sqlite import SqliteAnswerCache
path, mark = sys.argv[1:]
cache = SqliteAnswerCache(CacheRules(path=path, max_entries=40), lambda trouble: None)
found = 0
for n in range(150):
    key = b"k%d" % (n % 50)
    cache.put(key, b"answer of " + key, 100.0)
    held = cache.get(key, 100.0)
    assert held in (None, b"answer of " + key), held
    found += held is not None
cache.close()
print(found, cache.failures)
"""


def test_processes_may_share_a_file(tmp_path: Path) -> None:
    """Three processes write and read at once: nothing is mixed up, the bounds and the counts hold."""
    path = tmp_path / "answers.db"
    started = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(n)], stdout=subprocess.PIPE, text=True)
        for n in range(3)
    ]
    for process in started:
        out, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        found, failures = map(int, out.split())
        # What was not found had not been written, which was counted, or had to make room for the others.
        assert found + failures >= 100
    with sqlite3.connect(path) as connection:
        held, size = connection.execute("SELECT count(*), sum(length(answer)) FROM qwenroute_answers_1").fetchone()
        counted = connection.execute("SELECT entries, bytes FROM qwenroute_room_1").fetchone()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert counted == (held, size)
    assert 0 < held <= 40


def test_locked_file_breaks_no_call(tmp_path: Path) -> None:
    """While another process writes for long, answers are found but not kept; that is told once, and passes."""
    told: list[str] = []
    cache = in_file(tmp_path / "answers.db", told)
    cache.put(b"k", b"{}", 100.0)
    other = sqlite3.connect(tmp_path / "answers.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    cache.put(b"later", b"{}", 100.0)
    cache.put(b"later", b"{}", 100.0)
    assert cache.get(b"k", 100.0) == b"{}"
    assert cache.get(b"later", 100.0) is None
    other.execute("ROLLBACK")
    other.close()
    assert cache.failures == 2
    assert len(told) == 1
    assert "is locked" in told[0]
    cache.put(b"later", b"{}", 100.0)
    assert cache.get(b"later", 100.0) == b"{}"
    cache.close()


@pytest.mark.parametrize("content", [b"these are my notes\n" * 100, b"SQLite format 3\x00" + b"\xff" * 8_000])
def test_file_that_is_no_cache_is_left_alone(tmp_path: Path, content: bytes) -> None:
    """It is reported once, with what to do, and keeps its content."""
    path = tmp_path / "answers.db"
    path.write_bytes(content)
    told: list[str] = []
    cache = in_file(path, told)
    for _ in range(3):
        cache.put(b"k", b"{}", 100.0)
        assert cache.get(b"k", 100.0) is None
    cache.close()
    assert len(told) == 1
    assert told[0].startswith(f"the answer cache `{path}` cannot be used: ")
    assert told[0].endswith("; delete it to have answers kept again")
    assert path.read_bytes() == content


def test_file_that_is_damaged_while_open(tmp_path: Path) -> None:
    """Damage that shows later is told as well, and the calls go on."""
    path = tmp_path / "answers.db"
    first = in_file(path)
    for n in range(200):
        first.put(b"k%d" % n, b"x" * 500, 100.0)
    first.close()
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (path.stat().st_size - 4_096))
    told: list[str] = []
    second = in_file(path, told)
    for n in range(5):
        assert second.get(b"k%d" % n, 100.0) is None
        second.put(b"k%d" % n, b"{}", 100.0)
    second.close()
    assert second.failures == 1
    assert len(told) == 1


def test_place_that_cannot_be_written(tmp_path: Path) -> None:
    """A folder that is not there, or a path that is a folder, is told once; every use is counted."""
    for path in (tmp_path / "nowhere" / "answers.db", tmp_path):
        told: list[str] = []
        cache = in_file(path, told)
        cache.put(b"k", b"{}", 100.0)
        assert cache.get(b"k", 100.0) is None
        assert cache.failures == 2
        assert len(told) == 1
        cache.close()


def test_file_that_appears_later_is_used(tmp_path: Path) -> None:
    """Once the folder is there, answers are kept."""
    told: list[str] = []
    cache = in_file(tmp_path / "later" / "answers.db", told)
    cache.put(b"k", b"{}", 100.0)
    (tmp_path / "later").mkdir()
    cache.put(b"k", b"{}", 100.0)
    assert cache.get(b"k", 100.0) == b"{}"
    cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("name", [None, "answers.db"])
def test_child_of_a_fork_does_not_wait_for_its_parents_threads(tmp_path: Path, name: str | None) -> None:
    """A fork while another thread is at a cache leaves the child one that works."""
    rules = CacheRules(ttl_s=60, path=None if name is None else str(tmp_path / name))
    cache: Any = open_answer_cache(rules, lambda _: None)
    with cache._lock:
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            cache.put(b"key", b"answer", 0.0)
            os._exit(0 if cache.get(b"key", 0.0) == b"answer" else 1)
    assert os.waitpid(child, 0)[1] == 0
    cache.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_of_a_fork_opens_the_file_itself(tmp_path: Path) -> None:
    """Parent and child go on with connections of their own."""
    cache = in_file(tmp_path / "answers.db")
    cache.put(b"k", b"{}", 100.0)
    child = os.fork()
    if child == 0:
        found = cache.get(b"k", 100.0)
        cache.put(b"child", b"{}", 100.0)
        os._exit(0 if found == b"{}" and len(cache._left_behind) == 1 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert cache.get(b"child", 100.0) == b"{}"
    cache.close()


# As a stream

WAV = "UklGRiYAAABXQVZFZm10IBAAAAABAAEAwF0AAIC7AAACABAAZGF0YQIAAAABAg=="
USAGE = {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8}


def whole(*messages: dict[str, Any], finish: str = "stop", **more: Any) -> bytes:
    choices = [
        {"index": n, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish, **more}
        for n, message in enumerate(messages)
    ]
    head = {"id": "c1", "object": "chat.completion", "created": 7, "model": "qwen-plus", "system_fingerprint": "f"}
    return json.dumps({**head, "choices": choices, "usage": USAGE}).encode()


CALLS = [
    {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"at": "é"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
]
TOKEN = {"token": "Hi", "logprob": -0.1, "bytes": [72, 105], "top_logprobs": []}
ANSWERS = {
    "text": whole({"content": "Hello 世界 " * 200}),
    "empty": whole({"content": ""}),
    "thinking": whole({"reasoning_content": "Let me see. " * 50, "content": "42"}),
    "tools": whole({"tool_calls": CALLS}, finish="tool_calls"),
    "text and tools": whole({"content": "I look.", "tool_calls": CALLS}, finish="tool_calls"),
    "refusal": whole({"refusal": "I will not."}),
    "several": whole({"content": "one"}, {"content": "two"}),
    "sound": whole({"audio": {"id": "a1", "expires_at": 9, "transcript": "Hi", "data": WAV}}),
    "logprobs": whole({"content": "Hi" * 300}, logprobs={"content": [TOKEN], "refusal": None}),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_stream_brings_the_same_answer(name: str) -> None:
    """The chunks decode like a host's, and put together they are the answer that was kept."""
    answer = decode_completion(ANSWERS[name])
    collector = Collector()
    for document in as_chunks(ANSWERS[name]):
        collector.add(decode_chunk(document))
    again = collector.finish()
    shown = [each.model_dump(exclude_none=True) for each in (again, answer)]
    for each in shown:
        for choice in each["choices"]:
            choice["message"].setdefault("content", "")
    assert shown[0] == shown[1]


def test_stream_looks_like_one() -> None:
    """Role first, then thinking, text, tool calls, the reason for the end, and the usage on its own."""
    message = {"reasoning_content": "r" * 300, "content": "c" * 300, "tool_calls": CALLS, "annotations": [{"a": 1}]}
    chunks = [json.loads(document) for document in as_chunks(whole(message, finish="tool_calls"))]
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert [next(iter(delta), "end") for delta in deltas] == [
        "role", "reasoning_content", "reasoning_content", "content", "content", "tool_calls", "tool_calls", "end",
    ]  # fmt: skip
    assert deltas[0] == {"role": "assistant", "content": "", "annotations": [{"a": 1}]}
    assert [call["index"] for delta in deltas for call in delta.get("tool_calls", ())] == [0, 1]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert finishes == [None] * 7 + ["tool_calls"]
    assert {(c["id"], c["object"], c["created"], c["model"], c["system_fingerprint"]) for c in chunks} == {
        ("c1", "chat.completion.chunk", 7, "qwen-plus", "f")
    }
    assert chunks[-1]["choices"] == []
    assert [chunk.get("usage") for chunk in chunks] == [None] * 8 + [USAGE]


def test_sound_is_streamed_as_samples() -> None:
    """A stream carries the samples without the header of the file."""
    chunks = [json.loads(document) for document in as_chunks(ANSWERS["sound"])]
    parts = [choice["delta"].get("audio", {}) for chunk in chunks for choice in chunk["choices"]]
    assert [part["data"] for part in parts if "data" in part] == ["AQI="]


def test_completed_code_is_streamed_too() -> None:
    """A text completion becomes chunks of its own shape."""
    head = {"id": "c1", "object": "text_completion", "created": 7, "model": "qwen2.5-coder"}
    choice = {"index": 0, "text": "return x\n" * 60, "finish_reason": "stop", "logprobs": None}
    document = json.dumps({**head, "choices": [choice], "usage": USAGE}).encode()
    chunks = [decode_text_completion(chunk) for chunk in as_chunks(document)]
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == choice["text"]
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert {chunk.object for chunk in chunks} == {"text_completion"}


@pytest.mark.parametrize("name", ANSWERS)
def test_answer_survives_being_kept(name: str) -> None:
    """What the router has in hand, written down and read again, is the same answer."""
    answer = decode_completion(ANSWERS[name])
    kept = answer.model_dump_json(exclude_unset=True, warnings=False).encode()
    assert decode_completion(kept) == answer
    assert len(as_chunks(kept)) == len(as_chunks(ANSWERS[name]))
