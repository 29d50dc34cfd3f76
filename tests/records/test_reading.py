"""Records are read again, decided again, compared and counted; what cannot be is told."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from benchmarks.make_records import make
from qwenroute import AsyncRouter, NoDeployment, QwenRouteError
from qwenroute.cli.app import app
from qwenroute.domain.recording import RecordRules
from qwenroute.errors import ConfigurationError
from qwenroute.policy import load_policy
from qwenroute.records import line, stats
from qwenroute.records.bounds import Bound
from qwenroute.records.changes import changes
from qwenroute.records.compare import Part, Sums, compare
from qwenroute.records.judge import Judge
from qwenroute.records.parallel import Sides, compare_all
from qwenroute.records.reader import Reader
from qwenroute.records.replay import replay
from qwenroute.records.sinks import SqliteSink
from qwenroute.registry import Registry
from qwenroute.testing import simulator

ENVIRON = {"DASHSCOPE_API_KEY": "not-set"}
CHEAPER = "extends: default\nobjective: cheap\nlimits: {max_cost_usd: 0.02}\n"
COUNT = 1_500


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write synthetic records once."""
    path = tmp_path_factory.mktemp("records") / "r.jsonl"
    path.write_bytes(b"".join(make(COUNT, 7)))
    return path


@pytest.fixture
def cheaper(tmp_path: Path) -> Path:
    """Write a policy that differs from the default one."""
    path = tmp_path / "cheaper.yaml"
    path.write_text(CHEAPER, encoding="utf-8")
    return path


def judge(source: str | Path) -> Judge:
    registry = Registry.load()
    return Judge(load_policy(source, registry), registry, ENVIRON)


def run(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "200"})


# Reading


def test_synthetic_records_are_reproducible() -> None:
    """Equal seeds give equal files."""
    assert list(make(50, 3)) == list(make(50, 3)) != list(make(50, 4))


@pytest.mark.parametrize("database", [False, True])
def test_rows_come_back(database: bool, tmp_path: Path) -> None:
    """What was written is read, from JSONL and from SQLite, within the times asked for."""
    rows = [line.head(1_700_000_000.0 + 60 * n, str(n), "p", "h") for n in range(10)]
    path = tmp_path / ("r.sqlite" if database else "r.jsonl")
    if database:
        sink = SqliteSink(RecordRules(path=str(path)))
        sink.write([(0.0, line.line(row)) for row in rows])
        sink.close()
    else:
        path.write_bytes(b"".join(map(line.line, rows)))
    assert [dict(row) for row in Reader([path])] == rows
    since, until = (datetime.fromtimestamp(1_700_000_000 + 60 * n, UTC) for n in (2, 5))
    assert [row["id"] for row in Reader([path], since=since, until=until)] == ["2", "3", "4"]


def test_files_that_were_set_aside_are_read_first(tmp_path: Path) -> None:
    """The path of a policy stands for all that was written there."""
    for number, name in enumerate(["r.20260101T000000000000-aa.jsonl", "r.20260102T000000000000-bb.jsonl", "r.jsonl"]):
        (tmp_path / name).write_bytes(line.line(line.head(0.0, str(number), "p", "h")))
    assert [row["id"] for row in Reader([tmp_path / "r.jsonl"])] == ["0", "1", "2"]
    assert [row["id"] for row in Reader([tmp_path])] == ["0", "1", "2"]


def test_broken_lines_are_told_with_their_place(tmp_path: Path) -> None:
    """Junk, foreign JSON and newer versions are counted and named; a torn last line is not an error."""
    path = tmp_path / "r.jsonl"
    good = line.line(line.head(0.0, "1", "p", "h"))
    newer = b'{"v":99,"at":"2026-01-01T00:00:00Z"}\n'
    path.write_bytes(good + b"\xff\x00junk\n" + b"[1]\n" + b'{"a":1}\n' + newer + b"\n" + good + good[:20])
    reader = Reader([path])
    assert len(list(reader)) == 2
    assert (reader.broken, reader.torn) == (4, 1)
    told = [str(one) for one in reader.told]
    assert [re.sub(r"^.*:(\d+): .*", r"\1", text) for text in told] == ["2", "3", "4", "5"]
    assert "install a newer one" in told[3]
    reader.check(strict=False)
    with pytest.raises(ConfigurationError, match=r"r\.jsonl:2"):
        reader.check(strict=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "there are no records"),
        (b"\x00" * 5_000, "are no records that can be read"),
        (b"SQLite format 3\x00" + b"\x01" * 3_000, "cannot read"),
        (b'{"v":2,"at":"2026-01-01T00:00:00Z"}\n', "install a newer one"),
        (b'{"v":1,"at":"yesterday","signals":{}}\n', "there is|no time|wrong"),
    ],
)
@pytest.mark.parametrize("verb", [("stats",), ("replay",), ("policy", "diff", "default", "default", "--replay")])
def test_what_is_no_record_has_one_clear_error(
    content: bytes, said: str, verb: tuple[str, ...], tmp_path: Path
) -> None:
    """No content shows a traceback: an error says what is wrong with which file."""
    path = tmp_path / "odd.jsonl"
    path.write_bytes(content)
    done = run(*verb, path)
    assert isinstance(done.exception, QwenRouteError | SystemExit), done.exception
    assert done.exit_code != 0
    assert re.search(said, str(done.exception)), done.exception


def spoilt(rows: list[dict[str, Any]], seed: int) -> Iterator[dict[str, Any]]:
    """Yield rows with one value somewhere in them replaced by another of any kind."""
    chance = random.Random(seed)
    for row in rows:
        copy: Any = json.loads(json.dumps(row))
        inner: Any = copy
        while True:
            keys = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
            key = chance.choice(keys)
            if isinstance(inner[key], dict | list) and inner[key] and chance.random() < 0.7:
                inner = inner[key]
                continue
            inner[key] = chance.choice(
                [None, -1, 1e308, "x", "", [], {}, [1], {"a": 1}, True, [["a", {}]], "2026-11-24"]
            )
            break
        yield copy


@pytest.mark.parametrize("seed", range(3))
def test_spoilt_records_show_no_traceback(seed: int, records: Path, tmp_path: Path) -> None:
    """Whatever stands in a record in place of what should, it is read, or told with its line."""
    rows = [json.loads(text) for text in records.read_text(encoding="utf-8").splitlines()[:400]]
    path = tmp_path / "spoilt.jsonl"
    path.write_bytes(b"".join(map(line.line, spoilt(rows, seed))))
    for look in (
        lambda reader: replay(reader, judge("default")).as_dict(),
        lambda reader: compare(reader, judge("default"), judge("default")).as_dict(),
        lambda reader: stats.count(reader, list(stats.GROUPINGS)).as_dict(),
    ):
        reader = Reader([path])
        json.dumps(look(reader))
        assert reader.broken
        assert all(f"spoilt.jsonl:{one.line}" in str(one) and 0 < one.line <= 400 for one in reader.told)


@pytest.mark.slow
def test_a_broken_record_has_the_same_place_in_other_processes(records: Path, tmp_path: Path) -> None:
    """Sharing the work out changes nothing of what is told."""
    path = tmp_path / "r.jsonl"
    texts = records.read_bytes().splitlines(keepends=True)
    texts[1_200] = texts[1_200].replace(b'"text_tokens":', b'"text_tokens":"many","voice":"x","was":')
    path.write_bytes(b"".join(texts))
    sides = Sides(old="default", new="default", environ=ENVIRON)
    for workers in (1, 2):
        reader = Reader([path])
        found = compare_all(reader, sides, sides.judges(), workers=workers)
        assert [one.line for one in reader.told] == [1_201]
        assert found.total.requests == reader.read == COUNT - 1


def test_a_missing_file_is_told() -> None:
    """A path without records says where records come from."""
    with pytest.raises(ConfigurationError, match="a policy says under `records`"):
        Reader([Path("nowhere.jsonl")])


# Replay


async def test_replay_decides_as_the_router_did(tmp_path: Path) -> None:
    """Requests of many kinds, decided again without their text, go where they went."""
    path = tmp_path / "policy.yaml"
    path.write_text(
        "extends: default\nrecords: {path: r.jsonl}\n"
        "teach:\n  - {task: code, keywords: [kubernetes]}\n  - {task: math, pattern: 'integrate'}\n",
        encoding="utf-8",
    )
    asked: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": "Why does kubernetes evict my pod?"}]},
        {"messages": [{"role": "user", "content": "Please integrate x**2."}], "temperature": 0.3},
        {"messages": [{"role": "user", "content": "Hello"}], "qwenroute": {"quality": "top", "tenant": "acme"}},
        {"messages": [{"role": "user", "content": "Hello"}], "temperature": 5},
        {"messages": [{"role": "user", "content": "word " * 200_000}]},
        {"messages": [{"role": "user", "content": "Hello"}], "model": "qwen-plus", "max_tokens": 30},
        {"messages": [{"role": "user", "content": "Hello"}], "qwenroute": {"max_cost_usd": 1e-9}},
        {"messages": [{"role": "user", "content": "Say it"}], "modalities": ["text", "audio"], "stream": True,
         "audio": {"voice": "Cherry", "format": "wav"}},
    ]  # fmt: skip
    refused = 0
    with simulator() as running:
        environ = running.environ()
        async with AsyncRouter(path, environ=environ) as router:
            for body in asked:
                try:
                    answer = await router.chat.completions.create(**body)
                    if body.get("stream"):
                        async for _ in answer:
                            pass
                except NoDeployment:
                    refused += 1
        registry = Registry.load()
        again = Judge(load_policy(path, registry), registry, environ)
        found = replay(Reader([tmp_path / "r.jsonl"]), again)
    assert refused >= 2
    assert (found.requests, found.same, found.moved, found.other_hash) == (len(asked), len(asked), 0, 0), found.shown


def test_words_that_are_not_recorded_are_counted_apart(tmp_path: Path, records: Path) -> None:
    """A policy that asks for words cannot be judged by records without text, and they are said to be left out."""
    path = tmp_path / "worded.yaml"
    path.write_text("extends: default\nteach: [{task: code, keywords: [kubernetes]}]\n", encoding="utf-8")
    found = replay(Reader([records]), judge(path))
    assert found.needs_text > COUNT / 2
    assert found.needs_text + found.requests + found.unread == COUNT
    done = run("replay", records, "--policy", path)
    assert "cannot be judged" in done.output


def test_another_policy_moves_requests_for_a_reason(records: Path, cheaper: Path) -> None:
    """Each request that goes elsewhere has a reason, and the counts add up."""
    found = replay(Reader([records]), judge(cheaper))
    assert found.moved > 0
    assert found.same + found.moved == found.requests == found.other_hash
    assert sum(found.reasons.values()) == found.moved
    same = replay(Reader([records]), judge("default"))
    assert (same.moved, same.other_hash) == (0, 0)


# Comparison


def recount(path: Path, old: Judge, new: Judge) -> dict[str, dict[str, float]]:
    """Count again, slowly, by whole decisions: what `compare` has to agree with."""
    totals: dict[str, dict[str, float]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        one = line.recorded(json.loads(text))
        assert one is not None
        seen = []
        for side in (old, new):
            try:
                decision = side.decide(one)
            except NoDeployment as error:
                seen.append((error.decision.route, None, None))
            else:
                first = decision.first.deployment.id
                seen.append((decision.route, first, next(c for c in decision.candidates if c.deployment == first)))
        (route, was, before), (_, now, after) = seen
        for name in (route, "all"):
            into = totals.setdefault(name, dict.fromkeys(
                ("requests", "moved", "refused_old", "refused_new", "common", "cost_old", "cost_new", "latency_old",
                 "latency_new", "quality_old", "quality_new", "paid"), 0.0))  # fmt: skip
            into["requests"] += 1
            into["moved"] += was != now
            into["refused_old"] += was is None
            into["refused_new"] += now is None
            into["paid"] += 0.0 if one.cost is None else old.policy.exchange.usd(one.cost)
            if before is not None and after is not None:
                into["common"] += 1
                for side_name, candidate in (("old", before), ("new", after)):
                    into[f"cost_{side_name}"] += candidate.expected_cost_usd or 0.0
                    into[f"latency_{side_name}"] += candidate.expected_latency_s
                    into[f"quality_{side_name}"] += candidate.quality
    return totals


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_totals_equal_a_recount(workers: int, records: Path, cheaper: Path) -> None:
    """Per route and in all, counts are those of a plain loop over `decide`, sums but for rounding."""
    sides = Sides(old="default", new=str(cheaper), environ=ENVIRON)
    old, new = sides.judges()
    found = compare_all(Reader([records]), sides, (old, new), workers=workers)
    expected = recount(records, old, new)
    assert {*found.routes, "all"} == expected.keys()
    for name, wanted in expected.items():
        part = found.total if name == "all" else found.routes[name]
        got = {
            "requests": part.requests,
            "moved": part.moved,
            "refused_old": part.old.refused,
            "refused_new": part.new.refused,
            "common": part.common,
            "cost_old": part.old.cost_usd,
            "cost_new": part.new.cost_usd,
            "latency_old": part.old.latency_s,
            "latency_new": part.new.latency_s,
            "quality_old": part.old.quality,
            "quality_new": part.new.quality,
            "paid": part.paid_usd,
        }
        assert got == pytest.approx(wanted, rel=1e-9), name
    assert found.total.moved > 0
    assert found.total.new.refused > found.total.old.refused
    assert sum(found.flows.values()) == COUNT
    assert sum(n for _, n in found.moves()) == found.total.moved


@pytest.mark.slow
def test_equal_requests_are_decided_once(records: Path, cheaper: Path, tmp_path: Path) -> None:
    """The same lines twice give twice the counts and no more decisions."""
    twice = tmp_path / "twice.jsonl"
    twice.write_bytes(records.read_bytes() * 2)
    once, both = (compare(Reader([path]), judge("default"), judge(cheaper)) for path in (records, twice))
    assert both.kinds == once.kinds <= COUNT
    assert both.total.requests == 2 * once.total.requests
    assert both.total.moved == 2 * once.total.moved


def test_diff_says_what_changed_in_words(cheaper: Path) -> None:
    """Differences of meaning are told once, formatting is none."""
    said = [str(one) for one in changes(load_policy("default"), load_policy(cheaper))]
    assert said == ["limits.max_cost_usd: none → 0.02", "objective: balanced → cheap"]
    assert not changes(load_policy("default"), load_policy("default"))


def test_money_and_experiments_are_told_as_the_file_says_them(tmp_path: Path) -> None:
    """Amounts in units of the currency; of an experiment that a rule names, the name."""
    text = """version: 1
extends: default
budgets: [{budget: daily, amount: 20, window: day}]
experiments: [{experiment: try-it, kind: ab, pool: max, share: 0.1}]
routes: {auto: [{rule: rest, pool: general, experiment: try-it}]}
"""
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(text, encoding="utf-8")
    after.write_text(text.replace("20", "15").replace(", experiment: try-it}", "}"), encoding="utf-8")
    said = [str(one) for one in changes(load_policy(before), load_policy(after))]
    assert said == ["routes.auto.rest.experiment: try-it → none", "budgets.daily.amount: 20 → 15"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("pools: {best: {roles: [max], providers: [dashscope]}, tiny: {roles: [general]}}", "pools.tiny: new"),
        ("teach: [{task: code, keywords: [kubernetes, terraform]}]", "teach"),
        ("objectives: {cheap: {quality: 1, cost: 0.9}}", "objectives.cheap.cost: 0.6 → 0.9"),
        ("timezone: Europe/Berlin", "timezone: UTC → Europe/Berlin"),
        ("limits: {regions: [cn-beijing]}", "limits.regions: none → cn-beijing"),
        ("records: {path: r.jsonl}", "records: "),
        (
            "routes: {omni: [{rule: omni, pool: omni, fallback: [vision]}]}",
            "routes.omni.omni.fallback: nothing → vision",
        ),
        (
            "routes: {omni: [{rule: few, when: {tenant: [a, b]}, pool: omni}, {rule: omni, pool: omni}]}",
            "routes.omni.few: new: tenant: a or b → omni",
        ),
    ],
)
def test_each_kind_of_change_is_told(content: str, expected: str, tmp_path: Path) -> None:
    """Whatever key changes, the difference names its place."""
    path = tmp_path / "p.yaml"
    path.write_text(f"extends: default\n{content}\n", encoding="utf-8")
    said = [str(one) for one in changes(load_policy("default"), load_policy(path))]
    assert any(text.startswith(expected) for text in said), said
    assert len(said) <= 2, said


def part(**facts: Any) -> Part:
    return Part(
        requests=100, moved=7, common=100, priced=100,
        old=Sums(refused=1, cost_usd=1.0, latency_s=100.0, quality=80.0),
        new=Sums(refused=3, cost_usd=1.12, latency_s=150.0, quality=76.0),
        **facts,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("bound", "fires"),
    [
        ("cost>+10%", True), ("cost > 12.5%", False), ("cost<0%", False), ("cost>0.001", True), ("cost>0.0013", False),
        ("latency>0.4", True), ("latency>60%", False), ("quality<-2%", True), ("quality<-0.05", False),
        ("moved>5%", True), ("moved>7", False), ("moved>6", True), ("refused>1%", True), ("refused>2", False),
    ],
)  # fmt: skip
def test_a_bound_fires_where_it_should(bound: str, fires: bool) -> None:
    """Each metric, by share or by amount, above or below."""
    assert (Bound.of(bound).crossed(part()) is not None) is fires


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cost", "for example"), ("costs>1%", "did you mean `cost`"), ("price>1%", "metrics: cost"),
        ("cost>=1", "for example"), ("cost>lots", "for example"), ("", "for example"), ("cost>1%%", "for example"),
    ],
)  # fmt: skip
def test_a_bound_that_is_wrong_says_how_to_write_it(text: str, said: str) -> None:
    """The message shows what is taken."""
    with pytest.raises(ConfigurationError, match=re.escape(said)):
        Bound.of(text)


@pytest.mark.slow
def test_diff_command_ends_as_it_should(records: Path, cheaper: Path, tmp_path: Path) -> None:
    """0 where nothing is too much, 1 where something is; JSON and page hold the same figures."""
    page = tmp_path / "out.html"
    done = run("policy", "diff", "default", cheaper, "--replay", records, "--html", page, "--fail-if", "cost>+10%")
    assert done.exit_code == 0, done.output
    assert "What moves where" in done.output
    html = page.read_text(encoding="utf-8")
    assert html.count("<svg") == 4
    assert "http" not in html.replace("http-equiv", "")
    done = run("policy", "diff", "default", cheaper, "--replay", records, "--json", "--fail-if", "moved>1%")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["total"]["requests"] == COUNT
    assert found["failed"][0].startswith("moved>1%")
    assert [one["where"] for one in found["changes"]] == ["limits.max_cost_usd", "objective"]
    done = run("policy", "diff", "default", cheaper)
    assert done.exit_code == 0
    assert "max_cost_usd" in done.output
    assert run("policy", "diff", "default", cheaper, "--fail-if", "cost>1%").exit_code == 2


# Statistics


def test_stats_equal_a_recount(records: Path) -> None:
    """Counts, sums and percentiles are those of a plain loop."""
    rows = [json.loads(text) for text in records.read_text(encoding="utf-8").splitlines()]
    found = stats.count(Reader([records]), ["route", "model", "tenant"])
    latencies = sorted(row["latency_s"] for row in rows if "error" not in row)
    assert found.total.requests == COUNT
    assert found.total.errors == sum("error" in row for row in rows)
    fallbacks = [r for r in rows if r.get("answered_by") and r["answered_by"] != r["decision"]["deployment"]]
    assert found.total.fallbacks == len(fallbacks) > 0
    assert found.total.cost["USD"] == pytest.approx(sum(row["cost"][0] for row in rows if "cost" in row))
    assert stats.percentiles(found.total.latencies) == {
        f"p{p}": latencies[-(-p * len(latencies) // 100) - 1] for p in (50, 95, 99)
    }
    for groups in found.groups.values():
        assert sum(group.requests for group in groups.values()) == COUNT
    assert set(found.groups["tenant"]) == {"acme", "borealis", "cumulus", "–"}
    _, slots = found.curve(50)
    assert sum(slot.requests for slot in slots) == COUNT


def test_stats_command(records: Path, tmp_path: Path) -> None:
    """Screen, JSON and page."""
    page = tmp_path / "stats.html"
    done = run("stats", records, "--by", "tenant", "--by", "day", "--html", page)
    assert done.exit_code == 0, done.output
    assert "▁" in done.output or "█" in done.output
    assert "acme" in done.output
    assert page.read_text(encoding="utf-8").count("<svg") == 3
    done = run("stats", records, "--json", "--since", "2026-10-25", "--until", "2026-10-25")
    found = json.loads(done.stdout)
    assert 0 < found["records"] < COUNT / 20
    assert found["first"].startswith("2026-10-25T00")
    assert found["last"].startswith("2026-10-25T23")


def many(count: int) -> Iterator[line.Row]:
    """Yield rows over ten years, of more tenants than are told apart."""
    for n in range(count):
        row = line.head(1_400_000_000.0 + n * 3_600, str(n), "p", "h")
        yield {**row, "request": {"hints": {"tenant": f"t{n % 5_000}"}}, "answered_by": "a", "latency_s": n / count}


@pytest.mark.slow
def test_stats_stay_small() -> None:
    """Stretches of time and groups are bounded, and nothing is lost by that."""
    found = stats.count(many(90_000), ["tenant"])
    assert len(found.times) <= stats.MOST_MINUTES + 1
    assert len(found.groups["tenant"]) == stats.MOST_GROUPS + 1
    assert sum(group.requests for group in found.groups["tenant"].values()) == 90_000
    assert sum(slot.requests for slot in found.times.values()) == 90_000
    assert stats.percentiles(found.total.latencies) == pytest.approx({"p50": 0.5, "p95": 0.95, "p99": 0.99}, abs=1e-4)


def test_a_replay_needs_the_policy_that_was_in_force(tmp_path: Path) -> None:
    """A shipped one is found by its name; of any other the file has to be named."""
    own = tmp_path / "own.jsonl"
    own.write_text('{"v": 1, "at": "2026-11-24T10:00:00Z", "id": "a", "policy": "mine", "hash": "0"}\n')
    done = run("replay", own)
    assert done.exit_code != 0
    assert "records of the policy `mine`: say where its file is, with `--policy`" in str(done.exception)
