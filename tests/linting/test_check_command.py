"""`qwenroute policy check`."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from qwenroute.cli.app import app

RUN = CliRunner()
SMALL = """\
version: 1
endpoints:
  own: {provider: openai_compatible, base_url: "http://gpu:8000/v1", models: [qwen2.5-7b-instruct]}
routes:
  auto: [{rule: all, pool: general}]
"""


def test_a_mistake_ends_with_2_and_is_shown_with_its_place(tmp_path: Path) -> None:
    """What the loader refuses is an error, with file, line, column, code and help."""
    path = tmp_path / "p.yaml"
    path.write_text(SMALL.replace("pool: general", "pool: genral"), encoding="utf-8")
    result = RUN.invoke(app, ["policy", "check", str(path)])
    assert result.exit_code == 2
    assert f"{path}:5:22: error QR201 unknown pool `genral`" in result.stdout
    assert "help: did you mean `general`?" in result.stdout
    assert f"{path}: 1 error" in result.stdout


def test_warnings_fail_only_where_that_is_asked_for(tmp_path: Path) -> None:
    """A warning ends with 0, with `--strict` with 2; JSON has the severity."""
    path = tmp_path / "p.yaml"
    path.write_text(SMALL + "limits: {deadline_s: 10}\ntimeouts: {first_token_s: 20}\n", encoding="utf-8")
    result = RUN.invoke(app, ["policy", "check", str(path), "--json"])
    assert result.exit_code == 0
    found = [one for one in json.loads(result.stdout) if one["code"] == "QR350"]
    assert [(one["severity"], one["file"], one["column"]) for one in found] == [("warning", str(path), 12)]
    assert RUN.invoke(app, ["policy", "check", str(path), "--strict"]).exit_code == 2


def test_several_policies_in_one_run(tmp_path: Path) -> None:
    """Names of shipped policies and files may stand together; each is summed up."""
    path = tmp_path / "p.yaml"
    path.write_text(SMALL, encoding="utf-8")
    result = RUN.invoke(app, ["policy", "check", "default", str(path), "--on", "2026-11-24"])
    assert result.exit_code == 0
    assert "default: " in result.stdout
    assert f"{path}: " in result.stdout


def test_files_of_cases_are_checked_too(tmp_path: Path) -> None:
    """So that all files of a folder can be named at once; a case is held against the policy beside it."""
    (tmp_path / "p.yaml").write_text(SMALL, encoding="utf-8")
    path = tmp_path / "p.cases.yaml"
    path.write_text("version: 1\non: 2026-11-24\ncases: [{case: one, expect: {rule: al}}]\n", encoding="utf-8")
    result = RUN.invoke(app, ["policy", "check", str(tmp_path / "p.yaml"), str(path)])
    assert result.exit_code == 2
    assert f"{path}:3:" in result.stdout
    assert "did you mean `all`?" in result.stdout
