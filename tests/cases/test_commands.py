"""`qwenroute policy test` and `qwenroute policy explain`, as somebody on call uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qwenroute.cli.app import app
from tests.cases.suites import HEAD, POLICY

GOOD = """\
  - {case: a picture, image: 640x480, expect: {rule: pictures}}
  - {case: for gold, hints: {tenant: gold}, signals: {difficulty: hard}, expect: {rule: gold}}
  - {case: the rest, expect: {rule: rest}}
"""
BAD = "  - {case: a mistake, hints: {tenant: gold}, signals: {difficulty: hard}, expect: {rule: rest}}\n"


def invoke(*words: str, input_: str | None = None) -> Result:
    """Run the command; an error of ours is left to the caller."""
    return CliRunner().invoke(app, ["policy", *words], input=input_, env={"COLUMNS": "200"})


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """Write the policy with cases that pass."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    (tmp_path / "policy.cases.yaml").write_text(HEAD + GOOD, encoding="utf-8")
    return path


def test_what_passes_is_one_line(policy: Path) -> None:
    """Three cases, three rules, exit code 0."""
    done = invoke("test", str(policy))
    assert done.exit_code == 0, done.output
    assert "3 of 3 cases passed, 3 of 3 rules reached" in done.output
    assert "untried no case is kept out of `gold` of the route `auto` by tenant: gold" in done.output


def test_what_fails_is_told_with_its_line_and_reason(policy: Path) -> None:
    """Place, name, what was expected, what came instead, and the rule that took it."""
    policy.with_suffix(".cases.yaml").write_text(HEAD + GOOD + BAD, encoding="utf-8")
    done = invoke("test", str(policy))
    assert done.exit_code == 1
    assert "policy.cases.yaml:8: a mistake" in done.output
    assert "rule: expected rest, got gold" in done.output
    assert "`gold` stands before it and holds: difficulty: hard and tenant: gold" in done.output
    assert "3 of 4 cases passed" in done.output


def test_a_rule_that_no_case_reaches_fails_too(policy: Path) -> None:
    """Unless that is allowed, or only some cases are run."""
    policy.with_suffix(".cases.yaml").write_text(HEAD + GOOD.splitlines(keepends=True)[0], encoding="utf-8")
    done = invoke("test", str(policy))
    assert done.exit_code == 1
    assert "not covered no case reaches the rule `gold` of the route `auto`" in done.output
    assert invoke("test", str(policy), "--no-coverage").exit_code == 0
    assert invoke("test", str(policy), "-k", "PICTURE").exit_code == 0


def test_rules_that_are_inherited_need_no_cases(tmp_path: Path) -> None:
    """The cases of the policy where they stand are for them; here they are neither asked for nor counted."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "version: 1\nextends: default\nroutes:\n  auto:\n    - {rule: rest, pool: general}\n", encoding="utf-8"
    )
    cases = "version: 1\non: 2026-11-24\nenviron: {DASHSCOPE_API_KEY: set}\ncases:\n"
    cases += "  - {case: a, ask: Hello, expect: {rule: rest}}\n"
    own.with_suffix(".cases.yaml").write_text(cases, encoding="utf-8")
    done = invoke("test", str(own))
    assert done.exit_code == 0, done.output
    assert "1 of 1 cases passed, 1 of 1 rules reached" in done.output


def test_machines_get_json(policy: Path) -> None:
    """Failures with their places, and how often each rule was reached."""
    policy.with_suffix(".cases.yaml").write_text(HEAD + GOOD + BAD, encoding="utf-8")
    done = invoke("test", str(policy), "--json")
    assert done.exit_code == 1
    [told] = json.loads(done.stdout)
    assert told["cases"] == 4
    [failed] = told["failed"]
    assert (failed["case"], failed["line"]) == ("a mistake", 8)
    assert failed["mismatches"][0]["got"] == "gold"
    assert {rule["rule"]: rule["cases"] for rule in told["rules"]} == {"pictures": 1, "gold": 2, "rest": 1}


def test_cases_may_lie_elsewhere(policy: Path, tmp_path: Path) -> None:
    """`--cases` names them; a file of cases stands for its policy."""
    elsewhere = tmp_path / "others.yaml"
    policy.with_suffix(".cases.yaml").rename(elsewhere)
    assert invoke("test", str(policy), "--cases", str(elsewhere)).exit_code == 0
    missing = invoke("test", str(policy))
    assert "policy.cases.yaml` is not there" in str(missing.exception)
    elsewhere.rename(policy.with_suffix(".cases.yaml"))
    assert invoke("test", str(policy.with_suffix(".cases.yaml"))).exit_code == 0
    assert "belongs to one policy" in str(invoke("test", "default", "default", "--cases", "x").exception)


def test_without_names_the_policies_of_the_folder_are_tested(policy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one that has cases; a folder without any says what to do."""
    monkeypatch.chdir(policy.parent)
    done = invoke("test")
    assert done.exit_code == 0
    assert done.output.splitlines()[-1].startswith("policy.yaml: 3 of 3")
    policy.with_suffix(".cases.yaml").unlink()
    assert "`qwenroute policy test default`" in str(invoke("test").exception)


def test_one_request_is_explained(policy: Path) -> None:
    """Signals, rules with what they want and what is there, candidates, rejections, plan."""
    done = invoke(
        "explain", str(policy), "--ask", "Name three rivers.", "--on", "2026-11-24", "--health", "*@cloud=open"
    )
    assert done.exit_code == 0, done.output
    for line in (
        "pictures: no, wants input: image; here it is text",
        "rest: matched",
        "candidates, pool after pool, each by the objective `balanced`",
        "warning: nothing that can serve it may be called now",
        "plan: at most 5 attempts",
    ):
        assert line in done.output


def test_a_request_may_come_from_a_file_or_a_pipe(policy: Path, tmp_path: Path) -> None:
    """As the OpenAI API has it, hints included."""
    body = {"messages": [{"role": "user", "content": "Hi"}], "qwenroute": {"tenant": "gold", "difficulty": "hard"}}
    path = tmp_path / "request.json"
    path.write_text(json.dumps(body), encoding="utf-8")
    assert "gold: matched" in invoke("explain", str(policy), str(path)).output
    assert "gold: matched" in invoke("explain", str(policy), "-", input_=json.dumps(body)).output
    named = invoke("explain", str(policy), "-", "--model", "qwen-plus", input_=json.dumps(body))
    assert "named outright" in named.output


def test_the_whole_trace_is_there_as_json(policy: Path) -> None:
    """All that is said in words."""
    done = invoke("explain", str(policy), "--ask", "Hi", "--on", "2026-11-24", "--json")
    told = json.loads(done.stdout)
    assert told["rule"] == "rest"
    assert [one["rule"] for one in told["rules_tried"]] == ["pictures", "gold", "rest"]
    assert told["deployment"] == told["plan"]["steps"][0]["deployment"] == told["candidates"][0]["deployment"]
    assert told["signals"]["input"] == ["text"]
    assert told["plan"]["timeouts"]["connect_s"] == 5


def test_a_case_is_explained_in_its_own_situation(policy: Path) -> None:
    """What fails in `test` is looked up here by its name."""
    assert "gold: matched" in invoke("explain", str(policy), "--case", "for gold").output
    assert "did you mean `for gold`?" in str(invoke("explain", str(policy), "--case", "for gol").exception)


def test_a_refusal_is_explained_too(policy: Path) -> None:
    """What nothing can serve comes out with the reasons, and an exit code of its own."""
    body = {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {
        "data": "https://cases.invalid/a.wav", "format": "wav"}}]}]}  # fmt: skip
    done = invoke("explain", str(policy), "-", input_=json.dumps(body))
    assert done.exit_code == 3
    assert "nothing can serve this request" in done.output
    told = invoke("explain", str(policy), "-", "--json", input_=json.dumps(body))
    assert told.exit_code == 3
    assert json.loads(told.stdout)["deployment"] is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "nothing is given"),
        (["--ask", "a", "--case", "b"], "--ask and --case are given"),
        (["--ask", "a", "--health", "qwen-plus"], "write model@endpoint=open"),
        (["--ask", "a", "--health", "qwen-plus=opn"], "did you mean `open`?"),
        (["--ask", "a", "--health", "qwen-pls@cloud=open"], "did you mean `qwen-plus@cloud`?"),
        (["--ask", "a", "--set", "X"], "write NAME=VALUE"),
        (["--ask", "a", "--at", "teatime"], "write the time of day"),
        (["--case", "for gold", "--at", "03:00"], "leave `--at` out"),
        (["nowhere.json"], "cannot read `nowhere.json`"),
    ],
)
def test_wrong_options_are_told(policy: Path, words: list[str], message: str) -> None:
    """One sentence that says what to write."""
    assert message in str(invoke("explain", str(policy), *words).exception)


@pytest.mark.parametrize("text", ["nonsense", "[]", "3"])
def test_what_is_no_request_is_told(policy: Path, text: str) -> None:
    """A pipe that holds something else."""
    assert "`-` is not" in str(invoke("explain", str(policy), "-", input_=text).exception)


@pytest.mark.parametrize("amount", ["nan", "inf", "-1", "much"])
def test_what_is_no_amount_is_told(amount: str) -> None:
    """What is spent of a budget is a sum of money."""
    told = invoke("explain", "tenants", "--ask", "a", "--spent", f"everything={amount}")
    assert "write an amount, such as everything=9.99" in str(told.exception)


def test_a_choice_of_no_case_is_no_success(policy: Path) -> None:
    """A typo behind `-k` must not look as if all went well."""
    assert "`-k glod`" in str(invoke("test", str(policy), "-k", "glod").exception)
