"""`qwenroute health`: what could be called, and on request whether it answers."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from qwenroute.cli.app import app
from qwenroute.testing import SimulatorHandle, simulator

RUN = CliRunner()


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatorHandle]:
    """Run a simulator, and point the environment at it."""
    with simulator() as handle:
        for name, value in handle.environ().items():
            monkeypatch.setenv(name, value)
        yield handle


def test_nothing_is_called_unless_asked_for(running: SimulatorHandle) -> None:
    """Every deployment is listed with its roles and limits."""
    result = RUN.invoke(app, ["health", "--json"])
    assert result.exit_code in {0, 1}
    told = json.loads(result.stdout)
    assert "qwen-plus@dashscope" in {row["id"] for row in told["deployments"]}
    assert "qwen-plus@dashscope" in told["roles"]["general"]
    assert running.requests == []


def test_a_probe_is_one_small_request_each(running: SimulatorHandle) -> None:
    """One that fails is shown with its error; the others keep its roles alive."""
    running.fail("qwen-plus", "model-not-found")
    result = RUN.invoke(app, ["health", "--probe", "--json"])
    told = json.loads(result.stdout)
    rows = {row["id"]: row for row in told["deployments"]}
    assert "model_gone" in rows["qwen-plus@dashscope"]["probe"]["error"]
    assert [row["available"] for id_, row in rows.items() if id_ != "qwen-plus@dashscope"] == [True] * (len(rows) - 1)
    assert "qwen-plus@dashscope" not in told["roles"]["general"]
    assert result.exit_code == 0 if all(told["roles"].values()) else 1
    assert len({a.model for a in running.requests}) == len(running.requests) == len(rows)


def test_a_role_without_a_deployment_is_told(running: SimulatorHandle) -> None:
    """The exit code is 1, so that a deployment pipeline can ask."""
    running.fail("*", "access-denied")
    result = RUN.invoke(app, ["health", "--probe"])
    assert result.exit_code == 1
    assert "no available deployment for the role general" in result.stdout
    assert "permission" in result.stdout
