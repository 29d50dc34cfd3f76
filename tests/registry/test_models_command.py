"""`qwenroute models` and `qwenroute models show`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qwenroute import cli
from qwenroute.cli.app import app as whole
from qwenroute.cli.models import app

RUN = CliRunner()


def listed(*arguments: str) -> dict[str, dict[str, object]]:
    result = RUN.invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    return {row["id"]: row for row in json.loads(result.stdout)}


def test_every_model_is_listed() -> None:
    """Without filters all are there, retired ones too, each with its state in every region."""
    rows = listed("--on", "2026-11-24")
    assert len(rows) == 64
    assert rows["qwen-max"]["lifecycle"]["cn-beijing"]["status"] == "retired"  # type: ignore[index]
    assert rows["qwen2.5-math-rm-72b"]["lifecycle"]["anywhere"]["status"] == "self_host_only"  # type: ignore[index]


def test_filters_narrow_the_list() -> None:
    """Role, modality, region, platform and date each leave out what does not fit."""
    assert set(listed("--role", "max", "--alive", "--on", "2025-06-01")) == {"qwen-max"}
    assert set(listed("--role", "omni", "--output", "audio", "--alive", "--on", "2026-11-24")) == {
        "qwen3.5-omni-plus", "qwen3.5-omni-flash", "qwen3-omni-flash",
    }  # fmt: skip
    hearing = listed("--modality", "audio", "--modality", "video")
    assert all({"audio", "video"} <= set(row["input"]) for row in hearing.values())  # type: ignore[arg-type]
    assert "qwen-math-plus" not in listed("--region", "intl-singapore")
    own = listed("--platform", "self_hosted", "--alive")
    assert "qwq-32b" in own
    assert "qwen-max" not in own
    assert set(listed("--platform", "litellm", "--alive")) < set(own)


def test_the_table_is_for_people() -> None:
    """The same without --json is a table with a line for each model."""
    result = RUN.invoke(app, ["--role", "max", "--on", "2026-11-24"], env={"COLUMNS": "160"})
    assert result.exit_code == 0
    assert "qwen4-max" in result.stdout
    assert "retired" in result.stdout


def test_show_prints_every_fact_with_its_source() -> None:
    """Values, sources, confidence, lifecycle by region and what the sources stand for."""
    result = RUN.invoke(app, ["show", "qwen-max", "--on", "2026-11-24"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "dashscope.regions.cn-beijing.limits [ms-models, litellm, models-dev; A]" in result.stdout
    assert "context_tokens: 131,072" in result.stdout
    assert "notice-731" in result.stdout
    assert "qwen4-max" in result.stdout
    assert "alibabacloud.com" in result.stdout


def test_show_as_json() -> None:
    """Machines get the same, and an alias is shown by its own lifecycle."""
    result = RUN.invoke(app, ["show", "qwen-max-latest", "--on", "2026-06-01", "--json"])
    shown = json.loads(result.stdout)
    assert (shown["id"], shown["asked_for"]) == ("qwen-max", "qwen-max-latest")
    assert shown["lifecycle"]["cn-beijing"]["status"] == "retired"
    assert shown["lifecycle"]["cn-beijing"]["replacements"][0] == "qwen-max"
    facts = {fact["path"]: fact for fact in shown["facts"]}
    assert facts["released.day"]["value"] == "2025-01-28"
    assert all(fact["sources"] for fact in shown["facts"])
    assert set(shown["sources"]) >= {"ms-models", "blog-max"}


def test_overrides_are_shown(tmp_path: Path) -> None:
    """A fact of an overlay says so where it stands, and on stderr."""
    path = tmp_path / "mine.yaml"
    path.write_text("models: {qwen-max: {name: Ours}}\n", encoding="utf-8")
    result = RUN.invoke(app, ["show", "qwen-max", "--overlay", str(path), "--json"])
    shown = json.loads(result.stdout)
    assert shown["overrides"][0]["new"] == "Ours"
    assert "override: qwen-max: name is 'Ours'" in result.stderr


def test_an_unknown_id_gets_the_nearest_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mistake is one line on stderr."""
    monkeypatch.setattr("sys.argv", ["qwenroute", "models", "show", "qwen-mx"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "there is no model `qwen-mx`; did you mean `qwen-max`?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--region", "cn-bejing"], "there is no region"),
        (["--platform", "azure"], "is none of"),
        (["--role", "chat"], "general"),
    ],
)
def test_a_wrong_filter_is_refused(arguments: list[str], message: str) -> None:
    """A filter that cannot be says what it can be, with exit code 2."""
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("arguments", [["models"], ["models", "show"], ["route"], ["ask"], ["simulate"], ["demo"], []])
def test_help_tells_the_exit_codes(arguments: list[str]) -> None:
    """The README says so of every command."""
    result = RUN.invoke(whole, [*arguments, "--help"], terminal_width=80)
    assert "130 interrupted" in result.stdout


def test_one_model_is_one_model() -> None:
    """The caption counts as one says it."""
    result = RUN.invoke(app, ["--role", "max", "--alive", "--on", "2025-06-01"])
    assert result.stdout.split()[-2:] == ["1", "model"]


def test_a_file_of_requests_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Once, and in words; not with what Python prints of the error."""
    (tmp_path / "image.png").write_bytes(b"\x89PNG\r\n")
    for name, says in [("image.png", "it is not UTF-8 text"), ("none.jsonl", "No such file or directory")]:
        path = tmp_path / name
        result = RUN.invoke(whole, ["route", str(path)])
        assert str(result.exception) == f"cannot read `{path}`: {says}"
