"""What users get for their own tests: both context managers, the fixture, the environment."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import openai
import pytest

from qwenroute.testing import (
    API_KEY,
    Arrival,
    SimulatorHandle,
    async_simulator,
    simulator,
)

Connect = Callable[..., openai.OpenAI]
pytest_plugins = ["pytester"]
HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def test_the_environment_points_at_the_simulator(connect: Connect) -> None:
    """Key, region and address of the platform; the self-hosted server where models are named."""
    with simulator(region="cn-beijing") as running:
        assert running.environ() == {
            "DASHSCOPE_API_KEY": API_KEY,
            "DASHSCOPE_REGION": "cn-beijing",
            "DASHSCOPE_BASE_URL": f"{running.url}/cn-beijing/compatible-mode/v1",
        }
        assert running.environ(dashscope=False, self_hosted=["qwq-32b", "qwen2.5-7b-instruct"]) == {
            "QWENROUTE_SELF_HOSTED_URL": f"{running.url}/v1",
            "QWENROUTE_SELF_HOSTED_MODELS": "qwq-32b,qwen2.5-7b-instruct",
        }
        given = running.environ(region="us-virginia")
        assert given["DASHSCOPE_BASE_URL"] == f"{running.url}/us-virginia/compatible-mode/v1"
        client = connect(running.environ()["DASHSCOPE_BASE_URL"], key=API_KEY)
        assert client.chat.completions.create(model="qwen-plus", messages=HELLO)


def test_an_arrival_holds_everything_but_the_key(connect: Connect) -> None:
    """Method, path, region, headers in lower case, body; never the key."""
    with simulator() as running:
        client = connect(running.dashscope_url("cn-beijing"), key="sk-sim-secret")
        client.chat.completions.create(model="qwen-plus", messages=HELLO, extra_headers={"X-Mine": "1"})
        arrival = running.requests[0]
        assert isinstance(arrival, Arrival)
        assert (arrival.number, arrival.method, arrival.region) == (1, "POST", "cn-beijing")
        assert arrival.path == "/cn-beijing/compatible-mode/v1/chat/completions"
        assert arrival.headers["x-mine"] == "1"
        assert "secret" not in repr(arrival)
        assert arrival.body == {"model": "qwen-plus", "messages": HELLO}
        running.clear_requests()
        assert running.requests == []


def test_only_the_latest_arrivals_are_kept(connect: Connect) -> None:
    """`keep_requests` bounds the memory of a long run."""
    with simulator(keep_requests=2) as running:
        client = connect(running.dashscope_url())
        for _ in range(3):
            client.chat.completions.create(model="qwen-plus", messages=HELLO)
        assert [a.number for a in running.requests] == [2, 3]


def test_it_can_be_driven_from_many_threads(connect: Connect) -> None:
    """Requests and scripts from several threads at once are all counted."""
    with simulator() as running:
        client = connect(running.dashscope_url())

        def work() -> None:
            for _ in range(5):
                running.fail("qwen-flash", "internal-error", times=1)
                client.chat.completions.create(model="qwen-plus", messages=HELLO)
                assert running.requests

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(running.requests) == 20
        failed = 0
        for _ in range(21):
            try:
                client.chat.completions.create(model="qwen-flash", messages=HELLO)
            except openai.InternalServerError:
                failed += 1
        assert failed == 20


async def test_it_runs_on_the_loop_of_an_async_test() -> None:
    """The async form serves the async client on the same loop, many calls at once."""
    async with async_simulator() as running:
        async with openai.AsyncOpenAI(base_url=running.dashscope_url(), api_key=API_KEY, max_retries=0) as client:
            answers = await asyncio.gather(
                *(
                    client.chat.completions.create(model="qwen-plus", messages=[{"role": "user", "content": str(i)}])
                    for i in range(16)
                )
            )
        assert len({a.id for a in answers}) == 16
        for number, answer in enumerate(answers):
            assert f'to "{number}":' in (answer.choices[0].message.content or "")


def test_it_stops_even_while_an_answer_stalls() -> None:
    """Leaving the context ends what is still being held; no thread stays behind."""
    with simulator() as running:
        running.fail("qwen-plus", "stall")
        client = openai.OpenAI(base_url=running.dashscope_url(), api_key=API_KEY, max_retries=0)
        stream = client.chat.completions.create(model="qwen-plus", messages=HELLO, stream=True)
        next(iter(stream))
    stream.close()
    client.close()
    assert not [t for t in threading.enumerate() if t.name == "qwenroute-simulator"]


def test_a_port_in_use_is_an_error_in_the_callers_thread() -> None:
    """What fails while starting is raised where it was started."""
    with simulator() as running:
        port = int(running.url.rpartition(":")[2])
        with pytest.raises(OSError, match=re.escape(str(port))), simulator(port=port):
            pass


def test_options_are_checked() -> None:
    """An unknown region or a negative scale is refused before anything listens."""
    with pytest.raises(ValueError, match="unknown region `mars`; known: cn-beijing"), simulator(region="mars"):
        pass
    with pytest.raises(ValueError, match="time_scale"), simulator(time_scale=-1):
        pass
    with simulator() as running, pytest.raises(ValueError, match="unknown region `mars`"):
        running.dashscope_url("mars")


def test_the_fixture_serves_a_users_test(pytester: pytest.Pytester) -> None:
    """`pytest_plugins = ["qwenroute.testing"]` is all that a user's suite needs."""
    pytester.makeconftest('pytest_plugins = ["qwenroute.testing"]')
    pytester.makepyfile(
        """
        import json, urllib.request

        def test_mine(qwen_simulator):
            request = urllib.request.Request(
                qwen_simulator.dashscope_url() + "/chat/completions",
                data=json.dumps({"model": "qwen-plus", "messages": [{"role": "user", "content": "hi"}]}).encode(),
                headers={"Authorization": "Bearer sk-sim"},
            )
            with urllib.request.urlopen(request) as answer:
                assert b"[simulated qwen-plus]" in answer.read()
            assert qwen_simulator.requests[0].model == "qwen-plus"
        """
    )
    pytester.runpytest_inprocess("-p", "no:randomly", "-p", "no:asyncio").assert_outcomes(passed=1)


def test_the_handle_lives_as_long_as_its_context(sim: SimulatorHandle) -> None:
    """Its addresses are those of one server."""
    assert sim.dashscope_url() == f"{sim.url}/compatible-mode/v1"
    assert sim.self_hosted_url == f"{sim.url}/v1"


def test_pytest_is_not_imported_for_those_who_run_no_tests() -> None:
    """The module is used by the demo too, which has no use for a test runner."""
    program = "import sys, qwenroute.testing; print('pytest' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
