"""What is wrong in a file of cases is told with its place, all at once."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import qwenroute
from qwenroute.cases import Rehearsal, load_cases
from qwenroute.errors import DocumentError
from qwenroute.policy import load_policy
from qwenroute.registry import Registry
from tests.cases.suites import HEAD, suite

TENANTS = Rehearsal(load_policy("tenants"), Registry.load())

OK = "expect: {rule: rest}"
MISTAKES: list[tuple[str, str, str, str]] = [
    ("an unknown key", "aks: hi, expect: {rule: rest}", "5:15", "QR101 unknown key `aks`"),
    ("an unknown expectation", "expect: {ruel: rest}", "5:24", "did you mean `rule`?"),
    ("nothing expected", "expect: {}", "5:15", "QR409 this case expects nothing, so it cannot fail"),
    ("an unknown rule", "expect: {rule: gould}", "5:24", "did you mean `gold`?"),
    ("an unknown rule and no model", "expect: {rule: xyzzy}", "5:24", "known: pictures, gold, rest, named outright"),
    ("an unknown route", "expect: {route: aut}", "5:24", "did you mean `auto`?"),
    ("an unknown pool", "expect: {pools: [generl]}", "5:32", "did you mean `general`?"),
    ("an unknown objective", "expect: {objective: chaep}", "5:24", "did you mean `cheap`?"),
    ("an unknown model", "expect: {model: qwen-pls}", "5:24", "QR404 unknown model `qwen-pls`"),
    ("a model by another name", "expect: {model: qwen-max-latest}", "5:24", "write `qwen-max`"),
    ("an unknown endpoint", "health: {'*@clod': open}, expect: {rule: rest}", "5:24", "`*@cloud`?"),
    ("an unknown state", "health: {qwen-plus: opn}, expect: {rule: rest}", "5:24", "did you mean `open`?"),
    ("an unknown gate", "expect: {rejected: {qwen-plus: regon}}", "5:35", "did you mean `region`?"),
    ("an unknown error", "expect: {refused: NoDeploymnt}", "5:24", "did you mean `NoDeployment`?"),
    ("an unknown environ", "environ: both, expect: {rule: rest}", "5:15", "`environs` has no `both`"),
    ("an unknown budget", "spent: {dya: 1}, expect: {rule: rest}", "5:23", "unknown budget `dya`"),
    ("an unknown example", "like: hello, expect: {rule: rest}", "5:15", "unknown example `hello`"),
    ("no experiment", "arm: variant, expect: {rule: rest}", "5:15", "QR409 `arm` is a side of an experiment"),
    ("no day", "on: 24.11.2026, expect: {rule: rest}", "5:15", "QR405 `24.11.2026` is no day"),
    ("no moment", "at: 3 pm, expect: {rule: rest}", "5:15", "QR405 `3 pm` is no moment"),
    ("a plan of a refusal", "expect: {refused: NoDeployment, model: qwen-plus}", "5:47", "there is no plan"),
    ("two requests", "ask: hi, request: {prompt: a}, expect: {rule: rest}", "5:15", "QR402"),
    ("no request", "request: {messages: []}, expect: {rule: rest}", "5:15", "QR407"),
    ("a wrong hint", "hints: {qualty: top}, expect: {rule: rest}", "5:15", "unknown hint `qualty`"),
    ("a wrong size", "image: big, expect: {rule: rest}", "5:15", "QR103 `cases.0.image`"),
    ("a key", "environ: {CLOUD_KEY: abc}, expect: {rule: rest}", "5:25", "QR110 `CLOUD_KEY` holds a key"),
    ("a secret", "ask: sk-0123456789abcdef, expect: {rule: rest}", "5:15", "QR110 a secret"),
    ("no endpoint", "environ: {CLOUD_KEY: null}, expect: {rule: rest}", "5:15", "QR406"),
]  # fmt: skip


@pytest.mark.parametrize(("cases", "place", "message"), [m[1:] for m in MISTAKES], ids=[m[0] for m in MISTAKES])
def test_a_mistake_is_told_with_its_place(tmp_path: Path, cases: str, place: str, message: str) -> None:
    """One mistake gives one finding: where it is, what is wrong, what to write instead."""
    with pytest.raises(DocumentError) as caught:
        suite(tmp_path, f"  - {{case: a, {cases}}}")
    [finding] = caught.value.diagnostics
    assert f"policy.cases.yaml:{place}: " in str(finding)
    assert message in str(finding)
    assert "abc" not in str(finding)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Who mends the file need not run it once for each of them."""
    cases = "  - {case: a, expect: {rule: gould}}\n  - {case: a, on: never, expect: {rule: rest}}\n"
    with pytest.raises(DocumentError) as caught:
        suite(tmp_path, cases)
    assert [d.code for d in caught.value.diagnostics] == ["QR403", "QR401", "QR405"]


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("version: 1\ncases:\n", "`on` is missing"),
        ("version: 2\non: 2026-11-24\ncases:\n", "`version` cannot be `2`"),
        ("version: 1\non: soon\nenviron: {CLOUD_KEY: set}\ncases:\n", "QR405 `soon` is no day"),
        ("version: 1\non: 2026-11-24\nenviron: {CLOUD_KEY: xyz}\ncases:\n", "QR110"),
        ("version: 1\non: 2026-11-24\nenvirons: {a: {CLOUD_KEY: xyz}}\nenviron: {CLOUD_KEY: set}\ncases:\n", "QR110"),
        ("version: 1\non: 2026-11-24\ncases:\n", "set CLOUD_KEY"),
    ],
)
def test_the_head_is_checked_too(tmp_path: Path, head: str, message: str) -> None:
    """A date is needed, so that a case does not fail on the day that a model retires; and keys stay out."""
    with pytest.raises(DocumentError, match=message):
        suite(tmp_path, f"  - {{case: a, {OK}}}\n", head=head)


def test_without_cases_there_is_nothing_to_run(tmp_path: Path) -> None:
    """An empty list, or none, is a mistake and no success."""
    with pytest.raises(DocumentError, match="cases"):
        suite(tmp_path, "", head=HEAD.replace("cases:\n", "cases: []\n"))


def test_a_case_may_differ_from_the_file(tmp_path: Path) -> None:
    """Day, moment and variables of a case go before those of the file; a moment with a day brings its day."""
    cases = """\
  - {case: usual, expect: {rule: rest}}
  - {case: then, on: 2025-06-01, expect: {rule: rest}}
  - {case: at night, at: "03:00", expect: {rule: rest}}
  - {case: one night, at: 2025-06-01T03:00:30, expect: {rule: rest}}
  - {case: own, environ: {CLOUD_KEY: null, OWN_URL: "http://gpu:8000/v1"}, expect: {endpoint: own}}
"""
    found, _ = suite(tmp_path, cases)
    scenes = {case.name: case.scene for case in found.cases}
    assert str(scenes["usual"].on) == "2026-11-24"
    assert str(scenes["usual"].at) == "2026-11-24 12:00:00"
    assert str(scenes["then"].at) == "2025-06-01 12:00:00"
    assert str(scenes["at night"].at) == "2026-11-24 03:00:00"
    assert (str(scenes["one night"].on), str(scenes["one night"].at)) == ("2025-06-01", "2025-06-01 03:00:30")
    assert dict(scenes["own"].environ) == {"OWN_URL": "http://gpu:8000/v1"}


LINES = (Path(qwenroute.__file__).parent / "policies" / "tenants.cases.yaml").read_text(encoding="utf-8").splitlines()
JUNK = (
    "",
    "null",
    "[]",
    "{}",
    "- 1",
    "1e999",
    "true",
    "'x'",
    "&a 1",
    "*a",
    "!!set {}",
    "\t",
    "a: {b: [",
    "💥",
    "0x1F",
    "on",
)


@settings(max_examples=150)
@given(st.integers(0, len(LINES) - 1), st.sampled_from(JUNK), st.sampled_from(["replace", "value", "insert", "cut"]))
def test_no_file_of_cases_shows_a_traceback(index: int, junk: str, how: str) -> None:
    """Whatever somebody does to a line, there are cases or diagnostics, and no other error."""
    lines = list(LINES)
    key = lines[index].partition(":")[0]
    lines[index : index + (how != "insert")] = {
        "replace": [junk], "value": [f"{key}: {junk}"], "insert": [junk], "cut": [lines[index][: len(junk)]],
    }[how]  # fmt: skip
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tenants.cases.yaml"
        path.write_text("\n".join(lines), encoding="utf-8")
        with suppress(DocumentError):
            assert load_cases(path, TENANTS).cases
