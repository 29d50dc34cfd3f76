"""Conditions that hold others, and those on headers, on the time and on who asks: read from files, and mistaken."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from qwenroute.analysis.hints import read_hints
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import DocumentError, InvalidRequest
from qwenroute.policy import Policy, Wording, load_policy
from tests.routing.fleets import signals

FILE = """\
version: 1
timezone: {zone}
endpoints:
  own: {{provider: openai_compatible, base_url: http://gpu:8000/v1, models: [qwen2.5-7b-instruct]}}
routes:
  auto:
    - rule: asked
      when: {when}
      pool: general
    - {{rule: rest, pool: general}}
"""
MONDAY = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def load(tmp_path: Path, when: str, zone: str = "UTC") -> Policy:
    path = tmp_path / "p.yaml"
    path.write_text(FILE.format(when=when, zone=zone), encoding="utf-8")
    return load_policy(path)


def tried(
    policy: Policy, hints: dict[str, object] | None = None, at: datetime | None = None, **facts: object
) -> str | None:
    """Why the first rule does not hold, or None."""
    request = Request(hints=read_hints(hints or {}))
    when = policy.local(at or MONDAY, MONDAY.date())
    _, outcome = policy.routes["auto"].match(signals(**facts), request.hints, Wording(request), when)
    return outcome[0].failed


def mistakes(tmp_path: Path, when: str, zone: str = "UTC") -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load(tmp_path, when, zone)
    return [
        str(d).removeprefix(f"{tmp_path / 'p.yaml'}:").replace("\n  help: ", " | ") for d in caught.value.diagnostics
    ]


HARD_CODE = {"task": Task.CODE, "difficulty": Difficulty.HARD}


@pytest.mark.parametrize(
    ("when", "hints", "facts", "failed"),
    [
        ("{any: [{task: math}, {tenant: acme}]}", {"tenant": "acme"}, {}, None),
        ("{any: [{task: math}, {tenant: acme}]}", {"tenant": "b"}, HARD_CODE,
         "any: none of (task: math; tenant: acme)"),
        ("{any: [{task: math, difficulty: hard}]}", {}, {"task": Task.MATH}, "any: difficulty: hard"),
        ("{all: [{task: code}, {difficulty: hard}]}", {}, HARD_CODE, None),
        ("{all: [{task: code}, {difficulty: easy}]}", {}, HARD_CODE, "all: difficulty: easy"),
        ("{not: {task: code, difficulty: easy}}", {}, HARD_CODE, None),
        ("{not: {task: code, difficulty: hard}}", {}, HARD_CODE, "not: task: code and difficulty: hard"),
        ("{not: {any: [{task: math}, {tenant: a}]}}", {"tenant": "a"}, HARD_CODE, "not: any: tenant: a"),
        ("{not: {all: [{task: code}, {tenant: a}]}}", {"tenant": "a"}, HARD_CODE, "not: all: task: code and tenant: a"),
        ("{not: {not: {task: math}}}", {}, HARD_CODE, "not: not: task: math"),
        ("{any: [{not: {task: code}}, {all: [{task: code}, {tenant: a}]}]}", {}, HARD_CODE,
         "any: none of (not: task: code; all: tenant: a)"),
        ("{task: math, any: [{tenant: acme}]}", {"tenant": "acme"}, HARD_CODE, "task: math"),
        ("{headers: {X-Tier: [gold, up], x-beta: present}}", {"headers": {"x-TIER": "gold", "X-Beta": ""}}, {}, None),
        ("{headers: {x-tier: gold}}", {"headers": {"x-tier": "Gold"}}, {}, "headers.x-tier: gold"),
        ("{headers: {x-tier: gold, x-beta: present}}", {"headers": {"x-tier": "gold"}}, {}, "headers.x-beta: present"),
        ("{headers: {x-beta: [present]}}", {"headers": {"x-beta": "1"}}, {}, "headers.x-beta: present"),
        ("{not: {headers: {x-beta: present}}}", {}, {}, None),
        ("{key: [nightly, batch]}", {"key": "batch"}, {}, None),
        ("{key: nightly}", {}, {}, "key: nightly"),
    ],
)  # fmt: skip
def test_conditions(
    tmp_path: Path, when: str, hints: dict[str, object], facts: dict[str, object], failed: str | None
) -> None:
    """A rule holds where all of it does, and says which inner condition it was that did not."""
    assert tried(load(tmp_path, when), hints, **facts) == failed


@pytest.mark.parametrize(
    ("when", "zone", "at", "holds"),
    [
        ("{days: mon}", "UTC", "2026-11-23 00:00", True),
        ("{days: [sat, sun]}", "UTC", "2026-11-23 12:00", False),
        ('{from: "08:00", to: "20:00"}', "UTC", "2026-11-23 08:00", True),
        ('{from: "08:00", to: "20:00"}', "UTC", "2026-11-23 07:59", False),
        ('{from: "08:00", to: "20:00"}', "UTC", "2026-11-23 20:00", False),
        ("{from: 08:00, to: 20:00}", "UTC", "2026-11-23 19:59", True),
        ('{from: "20:00"}', "UTC", "2026-11-23 23:59", True),
        ('{from: "20:00"}', "UTC", "2026-11-23 00:00", False),
        ('{to: "06:00"}', "UTC", "2026-11-23 00:00", True),
        ('{to: "06:00"}', "UTC", "2026-11-23 06:00", False),
        ('{days: fri, from: "22:00", to: "06:00"}', "UTC", "2026-11-27 22:00", True),
        ('{days: fri, from: "22:00", to: "06:00"}', "UTC", "2026-11-28 05:59", True),
        ('{days: fri, from: "22:00", to: "06:00"}', "UTC", "2026-11-27 05:59", False),
        ('{days: fri, from: "22:00", to: "06:00"}', "UTC", "2026-11-28 22:00", False),
        ('{days: mon, from: "22:00", to: "00:00"}', "UTC", "2026-11-24 00:00", False),
        ('{from: "09:00", to: "10:00"}', "Europe/Berlin", "2026-11-23 08:30+00:00", True),
        ('{from: "09:00", to: "10:00"}', "Europe/Berlin", "2026-07-20 08:30+00:00", False),
        ("{days: mon}", "Asia/Shanghai", "2026-11-22 23:00+00:00", True),
        ("{days: mon}", "America/New_York", "2026-11-23 01:00+00:00", False),
    ],
)
def test_hours(tmp_path: Path, when: str, zone: str, at: str, holds: bool) -> None:
    """Days and hours are those of the policy's time zone; a span over midnight belongs to the day it begins on."""
    policy = load(tmp_path, f"{{time: {when}}}", zone)
    assert policy.timely
    assert (tried(policy, at=datetime.fromisoformat(at)) is None) is holds


def test_a_time_without_an_offset_is_local(tmp_path: Path) -> None:
    """What is not said is noon, in the policy's own time zone."""
    policy = load(tmp_path, '{not: {time: {from: "11:00", to: "13:00"}}}', "Asia/Tokyo")
    assert policy.local(None, MONDAY.date()).isoformat() == "2026-11-23T12:00:00+09:00"
    assert tried(policy, at=datetime(2026, 11, 23, 12)) == "not: time: 11:00 to 13:00"


def test_what_rules_ask_for_is_known(tmp_path: Path) -> None:
    """The clock is read, and headers count, only where some rule asks, however deep inside."""
    assert not load(tmp_path, "{task: code}").timely
    policy = load(tmp_path, "{any: [{not: {headers: {X-Tier: gold}}}, {time: {days: mon}}]}")
    assert policy.timely
    assert policy.headers == {"x-tier"}
    assert not load_policy("default").timely


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ("{any: []}", "8:14: QR103 "),
        ("{any: [{}]}", "8:20: QR219 a condition that says nothing always holds | say what has to hold"),
        ("{not: {}}", "8:14: QR219 `not` nothing can never hold | say what has to hold"),
        ("{all: [{task: null}]}", "8:21: QR219 `task` says nothing, so it would always hold | write what it has to be"),
        ("{any: [{task: maths}]}", "8:21: QR104 `routes.auto.0.when.any.0.task` cannot be `maths` | did you mean"),
        ("{not: {tsk: math}}", "8:20: QR101 unknown key `tsk` | did you mean `task`?"),
        ("{any: [{not: {pattern: '(a+)+'}}]}", "8:27: QR214 "),
        ("{not: {not: {not: {not: {not: {not: {task: code}}}}}}}", "8:44: QR222 conditions inside conditions"),
        ("{time: {}}", "8:14: QR220 `time` says neither days nor hours | write `days`"),
        ('{time: {from: "08:00", to: "08:00"}}', "8:36: QR220 from 08:00 to 08:00 is no time at all"),
        ("{time: {days: [monday]}}", "8:28: QR104 "),
        ("{time: {from: 8}}", "8:21: QR103 "),
        ('{time: {from: "8:00"}}', "8:21: QR103 "),
        ("{time: {form: 08:00}}", "8:21: QR101 unknown key `form` | did you mean `from`?"),
        ("{headers: {}}", "8:14: QR103 "),
        ("{headers: {Authorization: present}}", "8:24: QR221 the header `Authorization` carries secrets"),
        ("{headers: {x-a: b, X-A: c}}", "8:32: QR221 `X-A` and `x-a` are one header"),
        ("{prompt_tokens: {at_least: 9, at_most: 8}}", "8:43: QR219 no prompt has at least 9 and at most 8 tokens"),
        ("{prompt_tokens: {}}", "8:14: QR219 `prompt_tokens` has no bound"),
    ],
)  # fmt: skip
def test_mistakes(tmp_path: Path, when: str, said: str) -> None:
    """What cannot be meant is told where it stands, inside other conditions too."""
    assert any(one.startswith(said) for one in mistakes(tmp_path, when)), mistakes(tmp_path, when)


@pytest.mark.parametrize("zone", ["Europe/Berlln", "Europe", "../etc/passwd", "CEST!", "/"])
def test_time_zones(tmp_path: Path, zone: str) -> None:
    """A name that is none is told, with the nearest."""
    [said] = mistakes(tmp_path, "{task: code}", zone)
    assert said.startswith(f"2:1: QR225 there is no time zone `{zone}` | ")
    assert said.endswith("did you mean `Europe/Berlin`?") or zone != "Europe/Berlln"


@pytest.mark.parametrize(
    ("given", "headers"),
    [
        ({"X-Tier": "gold"}, {"x-tier": "gold"}),
        ({"Authorization": "Bearer abc", "Cookie": "a=b", "X-Api-Key": "k", "api_key": "k", "X-Auth-Token": "t"}, {}),
        ({"x-amz-security-token": 7, "x-max-tokens": "7", "x-keyword": "w"}, {"x-max-tokens": "7", "x-keyword": "w"}),
    ],
)
def test_headers_are_read(given: dict[str, object], headers: dict[str, str]) -> None:
    """Names lose their case; what carries a secret is left behind before anything can write it down."""
    hints = read_hints({"headers": given})
    assert hints.headers == headers
    assert "gold" not in repr(hints)


@pytest.mark.parametrize(
    "given",
    [
        {"headers": ["x"]},
        {"headers": {"x": 1}},
        {"headers": {1: "x"}},
        {"headers": {"": "x"}},
        {"headers": {f"x{i}": "" for i in range(101)}},
        {"headers": {"x": "y" * 17_000}},
        {"key": "sk-abcdefgh12345678"},
        {"key": "Bearer abcdef"},
        {"key": "k" * 201},
        {"key": 7},
    ],
)
def test_hints_that_are_refused(given: dict[str, object]) -> None:
    """The message names the hint, and repeats no secret."""
    with pytest.raises(InvalidRequest, match=f"qwenroute.{next(iter(given))}") as caught:
        read_hints(given)
    assert "abcdef" not in str(caught.value)


def test_pools_by_tags_and_exceptions(tmp_path: Path) -> None:
    """A pool is narrowed to endpoints with a tag, and by what does not belong to it."""
    from datetime import date

    from qwenroute.registry import Registry
    from qwenroute.routing import Fleet

    path = tmp_path / "p.yaml"
    path.write_text(
        """\
version: 1
endpoints:
  a: {provider: openai_compatible, base_url: "http://a/v1", models: [qwen2.5-7b-instruct, qwen2.5-14b-instruct],
      tags: [eu, spot]}
  b: {provider: openai_compatible, base_url: "http://b/v1", models: [qwen2.5-7b-instruct], tags: us}
  c: {provider: openai_compatible, base_url: "http://c/v1", models: [qwen2.5-7b-instruct]}
pools:
  eu: {roles: general, tags: eu}
  tagged: {roles: general, tags: [us, spot], except: Qwen/Qwen2.5-14B-Instruct}
  most: {roles: general, except: [qwen2.5-7b-instruct@a, qwen2.5-14b-instruct]}
routes: {auto: [{rule: all, pool: eu}]}
""",
        encoding="utf-8",
    )
    policy = load_policy(path)
    fleet = Fleet.build(policy, Registry.load(), {}, date(2026, 11, 24))
    small, large = "qwen2.5-7b-instruct", "qwen2.5-14b-instruct"
    pools = {name: [d.id for d in fleet.pool(policy.pools[name])] for name in ("eu", "tagged", "most")}
    assert pools == {
        "eu": [f"{small}@a", f"{large}@a"],
        "tagged": [f"{small}@a", f"{small}@b"],
        "most": [f"{small}@b", f"{small}@c"],
    }
