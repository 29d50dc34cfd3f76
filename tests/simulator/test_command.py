"""`qwenroute simulate`."""

from __future__ import annotations

import signal
import subprocess
import sys
from typing import Any

import openai
import pytest
import typer
from typer.testing import CliRunner

from qwenroute import Router
from qwenroute.cli.simulate import simulate
from qwenroute.testing import named_faults, simulator

COMMAND = "import typer; from qwenroute.cli.simulate import simulate; typer.run(simulate)"


def run(*arguments: str) -> Any:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(simulate)
    return CliRunner().invoke(app, list(arguments))


def test_it_serves_until_interrupted_and_says_how_to_use_it() -> None:
    """The variables printed lead to a server of that date and with those faults; Ctrl-C ends it with 0."""
    arguments = ["--port", "0", "--time-scale", "0", "--on", "2025-06-01", "--region", "cn-beijing"]
    arguments += ["--fault", "qwen-max=internal-error", "--rpm", "qwen-plus=1"]
    process = subprocess.Popen([sys.executable, "-c", COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline().strip() for _ in range(10)]
        environ = dict(line.removeprefix("export ").split("=", 1) for line in lines if line.startswith("export "))
        assert environ["DASHSCOPE_REGION"] == "cn-beijing"
        assert environ["QWENROUTE_SELF_HOSTED_URL"].endswith("/v1")
        assert lines[-1] == f"# export OPENAI_API_KEY={environ['DASHSCOPE_API_KEY']}"
        with Router(environ=environ) as router:  # all of it together makes a router
            answer = router.chat.completions.create(messages=[{"role": "user", "content": "What is 17 times 23?"}])
            assert answer.route.deployment == "qwen2.5-math-7b-instruct@self_hosted"
        base_url, key = environ["DASHSCOPE_BASE_URL"], environ["DASHSCOPE_API_KEY"]
        with openai.OpenAI(base_url=base_url, api_key=key, max_retries=0) as client:
            hello: Any = [{"role": "user", "content": "hello"}]
            assert list(client.chat.completions.create(model="qwq-32b", messages=hello, stream=True))
            with pytest.raises(openai.InternalServerError):
                client.chat.completions.create(model="qwen-max", messages=hello)
            assert client.chat.completions.create(model="qwen-plus", messages=hello)
            with pytest.raises(openai.RateLimitError):
                client.chat.completions.create(model="qwen-plus", messages=hello)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert process.returncode == 0
    assert rest.strip() == "# stopped"  # a shell that reads all of it is not disturbed


def test_the_faults_can_be_listed() -> None:
    """Every name that `--fault` takes, one a line."""
    result = run("--list-faults")
    assert result.exit_code == 0
    assert result.output.split() == list(named_faults())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault", "qwen-max=throtling"], "did you mean `throttling`"),
        (["--fault", "qwen-max"], "is not MODEL=VALUE"),
        (["--rpm", "qwen-max=many"], "not a whole number"),
        (["--region", "mars"], "unknown region `mars`"),
        (["--time-scale", "-1"], "greater than or equal to 0"),
        (["--on", "yesterday"], "yesterday"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], message: str) -> None:
    """Exit code 2, and what is wrong."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.output.replace("│", " ").split())


def test_a_port_in_use_is_explained() -> None:
    """Exit code 2, and the advice to take another."""
    with simulator() as running:
        port = running.url.rpartition(":")[2]
        result = run("--port", port)
    assert result.exit_code == 2
    assert "choose another --port or --host" in result.output
