"""The JSON Schema of policy files, and the page beside the shipped ones."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from qwenroute.cli.app import app
from qwenroute.documents import parse
from qwenroute.linting import codes
from qwenroute.reference.attributes import meanings, sections
from qwenroute.reference.codes import CODES

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "qwenroute/policies"
MADE: dict[str, Any] = json.loads((SHIPPED / "schema.json").read_text(encoding="utf-8"))
VALIDATOR = jsonschema.Draft7Validator(MADE)
POLICIES = sorted(p for p in SHIPPED.glob("*.yaml") if not p.name.endswith(".cases.yaml"))

SMALL = """\
version: 1
endpoints:
  own: {provider: openai_compatible, base_url: "http://gpu:8000/v1", models: [qwen2.5-7b-instruct]}
routes:
  auto: [{rule: all, pool: general}]
"""


def complaints(text: str) -> list[str]:
    """What an editor would underline."""
    return [error.message for error in VALIDATOR.iter_errors(parse(text, "p.yaml").value)]


@pytest.mark.parametrize("arguments", [[], ["--markdown"]], ids=["schema.json", "README.md"])
def test_what_was_generated_is_current(arguments: list[str]) -> None:
    """`make policies` would change nothing."""
    name = "README.md" if arguments else "schema.json"
    shown = CliRunner().invoke(app, ["policy", "schema", *arguments])
    assert shown.exit_code == 0, shown.output
    assert shown.stdout == (SHIPPED / name).read_text(encoding="utf-8"), "run `make policies`"


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.name)
def test_a_shipped_policy_passes(path: Path) -> None:
    """Editors underline nothing in what we ship, and find the schema by its first line."""
    text = path.read_text(encoding="utf-8")
    assert complaints(text) == []
    assert text.startswith("# yaml-language-server: $schema=schema.json\n")


def test_the_schema_is_one() -> None:
    """It follows the draft that it names."""
    VALIDATOR.check_schema(MADE)


@pytest.mark.parametrize(
    "broken",
    [
        SMALL.replace("version: 1", "version: 2"),
        SMALL.replace("version: 1\n", ""),
        SMALL + "budget: 3\n",
        SMALL.replace("provider: openai_compatible", "provider: openai"),
        SMALL.replace("provider: openai_compatible, ", ""),
        SMALL.replace("pool: general", "pol: general"),
        SMALL.replace("pool: general", "pool: [general]"),
        SMALL.replace("{rule: all, ", "{"),
        SMALL.replace("rule: all,", "rule: all, when: {task: maths},"),
        SMALL.replace("rule: all,", "rule: all, when: {input: []},"),
        SMALL.replace("rule: all,", "rule: all, when: {min_confidence: 1.5},"),
        SMALL + "limits: {max_attempts: 0}\n",
        SMALL + "limits: {deadline_s: soon}\n",
        SMALL + "limits: {regions: [cn-bejing]}\n",
        SMALL + "hedge: on\n",
        SMALL + "hedge: {percentil: 90}\n",
        SMALL + "timeouts: {first_token_s: -1}\n",
        SMALL + "objectives: {mine: {quality: -1}}\n",
        SMALL + "routes_: {}\n",
        SMALL.replace("routes:\n  auto: [{rule: all, pool: general}]\n", ""),
        SMALL.replace("models: [qwen2.5-7b-instruct]", "models: 7"),
        SMALL.replace("base_url: ", "api_key: sk-1234567890, base_url: "),
        SMALL + "cache: {ttl_s: 0}\n",
        SMALL + "embedding: {model: m}\n",
        "[]",
    ],
)
def test_a_broken_policy_does_not_pass(broken: str) -> None:
    """Unknown keys, wrong kinds, words and bounds, and missing keys are underlined."""
    assert complaints(SMALL) == []
    assert complaints(broken)


@pytest.mark.parametrize(
    "said",
    [
        "rule: all, when: {task: math, input: [image, video], thinking: true, prompt_tokens: {at_least: 10}},",
        "rule: all, fallback: max, hedge: off,",
        "rule: all, fallback: [max, coder], hedge: {percentile: 90, after_s: null},",
    ],
)
def test_one_value_stands_for_a_list_of_one(said: str) -> None:
    """And `off` stands beside a mapping, as the loader takes it."""
    assert complaints(SMALL.replace("rule: all,", said)) == []


def test_what_extends_a_file_may_leave_out_the_rest() -> None:
    """It need not repeat endpoints and routes, and may take a key away with null; the rest holds as ever."""
    assert complaints("extends: default\nendpoints: {dashscope: {region: cn-beijing, workspace: null}}\n") == []
    assert complaints("extends: default\nlimits: null\nroutes: {coder: null}\n") == []
    assert complaints("extends: default\nendpoints: {dashscope: {regoin: cn-beijing}}\n")
    assert complaints("extends: default\nroutes: {auto: [{rule: a}]}\n")


def test_every_key_says_what_it_means() -> None:
    """Each key of the schema has a sentence below it, and the JSON Schema has it too."""
    for name, kind in sections().items():
        keys = {field.alias or key for key, field in kind.model_fields.items()}
        assert keys == set(meanings()[name]), f"{name}: write below each key what it means to an operator"
        made = MADE if name == "PolicyFile" else MADE["$defs"].get(name)
        if made is not None:
            assert {key for key, value in made["properties"].items() if value.get("description")} == keys


def test_every_code_is_explained() -> None:
    """Each code in the source stands in the table, and none stands there that no longer exists."""
    table = {ROOT / "qwenroute/reference/codes.py"}
    sources = [path for path in (ROOT / "qwenroute").rglob("*.py") if path not in table]
    used = {code for path in sources for code in re.findall(r'"(QR\d{3})"', path.read_text(encoding="utf-8"))}
    assert not set(CODES) & set(codes())
    assert used == set(CODES) | set(codes())
