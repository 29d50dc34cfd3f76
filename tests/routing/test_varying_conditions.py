"""Conditions that vary from request to request while everything else is equal: no decision is another's."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from qwenroute import Router
from qwenroute.domain.request import Hints
from qwenroute.policy import Policy, load_policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from tests.routing.fleets import request, signals

POLICY = """\
version: 1
timezone: Asia/Tokyo
endpoints:
  own: {provider: openai_compatible, base_url: http://gpu:8000/v1, models: [qwen2.5-7b-instruct, qwen2.5-72b-instruct]}
pools:
  small: {models: qwen2.5-7b-instruct}
  large: {models: qwen2.5-72b-instruct}
routes:
  auto:
    - {rule: gold, when: {any: [{headers: {x-tier: gold}}, {key: nightly}]}, pool: large}
    - {rule: night, when: {time: {from: "22:00", to: "06:00"}}, pool: large}
    - {rule: day, pool: small}
"""


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "p.yaml"
    path.write_text(POLICY, encoding="utf-8")
    return load_policy(path)


def test_a_kept_decision_is_that_of_the_rule_that_matched(policy: Policy) -> None:
    """Requests that differ in their headers, their key or their time alone each go where their rule says."""
    fleet = Fleet.build(policy, Registry.load(), {}, date(2026, 11, 24))
    asked = {
        "gold": (Hints(headers={"x-tier": "gold"}), None),
        "gold by key": (Hints(key="nightly"), None),
        "day": (Hints(headers={"x-tier": "silver"}), datetime(2026, 11, 24, 3, tzinfo=UTC)),
        "night": (Hints(), datetime(2026, 11, 24, 13, 30, tzinfo=UTC)),
        "day for want of a time": (Hints(), None),
    }
    expected = {name: ("72b" if name.startswith(("gold", "night")) else "7b") for name in asked}
    for _ in range(3):
        found = {}
        for name, (hints, at) in asked.items():
            decision = decide(request(hints=hints), signals(), policy, fleet, at=at)
            assert decision.rule == name.split(" ")[0]
            assert [t.failed for t in decision.rules_tried][-1] is None
            found[name] = decision.first.deployment.model.split("-")[1]
        assert found == expected


def test_what_failed_is_said_of_this_request(policy: Policy) -> None:
    """The trace names what did not hold, also where the choice itself was kept from before."""
    fleet = Fleet.build(policy, Registry.load(), {}, date(2026, 11, 24))
    tried = [decide(request(), signals(), policy, fleet).rules_tried for _ in range(2)][1]
    assert [t.failed for t in tried] == [
        "any: none of (headers.x-tier: gold; key: nightly)",
        "time: 22:00 to 06:00",
        None,
    ]


def test_hints_reach_the_rules_through_a_router(policy: Policy) -> None:
    """As an application passes them; what carries a secret is nowhere in the decision."""
    router = Router(policy, environ={})
    hello = [{"role": "user", "content": "Hello"}]
    headers = {"X-Tier": "gold", "Authorization": "Bearer abcdefgh"}
    decision = router.route(messages=hello, qwenroute={"headers": headers})
    assert decision.rule == "gold"
    assert router.route(messages=hello, qwenroute={"key": "nightly"}).rule == "gold"
    assert router.route(messages=hello).rule in {"day", "night"}
    assert "abcdefgh" not in json.dumps(repr(decision))
