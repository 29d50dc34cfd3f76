"""`qwenroute policy show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwenroute.cli.app import app

RUN = CliRunner()
ON = ["--on", "2026-11-24"]
NOTHING = dict.fromkeys(
    ("DASHSCOPE_API_KEY", "DASHSCOPE_REGION", "QWENROUTE_SELF_HOSTED_URL", "QWENROUTE_SELF_HOSTED_MODELS")
)


def shown(*arguments: str, **environ: str) -> Any:
    result = RUN.invoke(app, ["policy", "show", *arguments, *ON, "--json"], env=NOTHING | environ)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_variables_that_are_missing_are_named() -> None:
    """With nothing set, everything is shown as if it were; with a key, only what it opens counts."""
    bare = shown()
    assert bare["usable"] is False
    assert {e["name"]: e["lacks"] for e in bare["endpoints"]} == {
        "dashscope": ["DASHSCOPE_API_KEY"],
        "self_hosted": ["QWENROUTE_SELF_HOSTED_URL"],
    }
    assert next(p for p in bare["pools"] if p["pool"] == "max")["living"]
    own = shown(QWENROUTE_SELF_HOSTED_URL="http://gpu:8000/v1", QWENROUTE_SELF_HOSTED_MODELS="qwq-32b")
    pools = {pool["pool"]: pool for pool in own["pools"]}
    assert pools["reasoning"]["living"] == ["qwq-32b@self_hosted"]
    assert pools["max"]["living"] == []
    assert set(pools["max"]["left_out"].values()) == {"`dashscope` cannot be used here"}


def test_a_region_of_the_environment_counts() -> None:
    """What is served depends on where the key works."""
    beijing = shown(DASHSCOPE_API_KEY="k", DASHSCOPE_REGION="cn-beijing")
    assert beijing["endpoints"][0]["regions"] == ["cn-beijing"]
    assert beijing["usable"] is True


def test_rules_are_told_in_words() -> None:
    """Conditions, the chain of pools, and what else a rule says."""
    rules = {rule["rule"]: rule for rule in shown()["routes"]["auto"]}
    assert rules["images-to-reason-about"]["when"] == (
        "task is vision_reasoning, brings image or video, at least 60% sure"
    )
    assert rules["anything-else"] == {
        "rule": "anything-else", "when": "always", "pools": ["general", "max", "coder"], "says": [],
    }  # fmt: skip
    assert rules["top-quality"]["says"] == ["objective quality"]


def test_what_limits_leave_out_says_why(tmp_path: Path) -> None:
    """A deployment that is never called stands beside those that are, with why; so does what nobody serves."""
    path = tmp_path / "p.yaml"
    path.write_text(
        """\
version: 1
endpoints:
  own: {provider: openai_compatible, base_url: "http://gpu:8000/v1", models: [qwen2.5-7b-instruct, qwen2.5-3b-instruct]}
pools:
  small: {models: [qwen2.5-7b-instruct, qwen2.5-3b-instruct, qwen2.5-72b-instruct]}
  idle: {roles: [max]}
routes:
  auto: [{rule: all, pool: small}]
limits: {licences: [apache-2.0]}
cache: {ttl_s: 60}
""",
        encoding="utf-8",
    )
    seen = shown(str(path))
    small, idle = seen["pools"]
    assert small["living"] == ["qwen2.5-7b-instruct@own"]
    assert small["left_out"] == {
        "qwen2.5-3b-instruct@own": "the policy allows apache-2.0, this is qwen-research",
        "qwen2.5-72b-instruct": "no endpoint serves it",
    }
    assert idle["used"] is False
    assert "licences apache-2.0" in seen["bounds"]["limits"]
    assert seen["bounds"]["and"] == ["cache {ttl_s: 60}"]


@pytest.mark.parametrize("policy", ["default"])
def test_the_screen_is_for_people(policy: str) -> None:
    """Without --json it fits on a screen and names rules, pools and what is missing."""
    result = RUN.invoke(app, ["policy", "show", policy, *ON], env={**NOTHING, "COLUMNS": "160"})
    assert result.exit_code == 0, result.output
    assert len(result.stdout.splitlines()) < 60
    for word in ("set DASHSCOPE_API_KEY", "hard-reasoning", "vision then vision_reasoning, omni", "qwen4-max"):
        assert word in result.stdout
