"""Examples from the policy to the plan: the whole way, with an encoder and a simulator on loopback."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qwenroute import AsyncRouter, Router, explain
from qwenroute.cli.app import app
from qwenroute.simulator import Simulator
from qwenroute.testing import simulator
from tests.embedding.encoders import fake_encoder

POLICY = """\
version: 1
endpoints:
  own: {{provider: openai_compatible, base_url: "{own}", models: [qwen2.5-7b-instruct, qwen2.5-coder-7b-instruct]}}
teach:
  - {{task: code, keywords: [terraform]}}
  - {{task: code, examples: [why is my pod stuck in pending]}}
  - {{task: general, examples: [sum up this lease]}}
embedding: {{base_url: "{encoder}", model: bag, min_similarity: 0.7, timeout_ms: 5000}}
routes:
  auto:
    - {{rule: code, when: {{task: code, min_confidence: 0.9}}, pool: coder}}
    - {{rule: rest, pool: general}}
"""


def ask(text: str, **hints: object) -> dict[str, object]:
    """What `create` takes."""
    return {"messages": [{"role": "user", "content": text}], "qwenroute": hints}


async def test_from_example_to_plan(tmp_path: Path) -> None:
    """Each source of the task in its place: example, keyword before it, hint before all, and without an encoder."""
    path = tmp_path / "p.yaml"
    async with fake_encoder() as fake, Simulator(time_scale=0) as simulator:
        path.write_text(POLICY.format(own=simulator.self_hosted_url, encoder=fake.url), encoding="utf-8")
        async with AsyncRouter(path, environ={}) as router:
            create = router.chat.completions.create

            decision = (await create(**ask("why is my other pod stuck in pending"))).route.decision
            assert decision.rule == "code"
            assert decision.signals.taught is not None
            assert "like `why is my pod stuck in pending`" in explain(decision)
            assert decision.warnings == ()

            asked = len(fake.asked)
            decision = (await create(**ask("sum up this lease for terraform"))).route.decision
            assert decision.signals.taught == "keyword `terraform`"
            decision = (await create(**ask("why is my pod stuck in pending", task="general"))).route.decision
            assert (decision.rule, decision.signals.taught) == ("rest", None)
            assert len(fake.asked) == asked, "an encoder was asked that could change nothing"

            routed = router.route(**ask("why is my pod stuck in pending"))
            assert routed.signals.taught is None
            assert routed.warnings == ("the policy's examples were not consulted: nothing was sent to its encoder",)
            assert router.route(**ask("terraform")).warnings == ()

            fake.status = 500
            answer = await create(**ask("why is my second pod stuck in pending"))
            assert answer.choices[0].message.content
            assert answer.route.decision.signals.taught is None
            assert "examples were not consulted: the encoder failed" in answer.route.decision.reason


async def test_an_encoder_without_its_key_is_not_asked(tmp_path: Path) -> None:
    """A variable that is not set leaves the examples aside, and the decision says why."""
    path = tmp_path / "p.yaml"
    async with Simulator(time_scale=0) as simulator:
        text = POLICY.format(own=simulator.self_hosted_url, encoder="http://127.0.0.1:9")
        path.write_text(text.replace("model: bag", "model: bag, api_key: {env: NOT_SET}"), encoding="utf-8")
        async with AsyncRouter(path, environ={}) as router:
            answer = await router.chat.completions.create(**ask("why is my pod stuck in pending"))
            assert "its encoder lacks an address or a key here" in answer.route.decision.reason


async def test_prompts_stay_in_their_regions(tmp_path: Path) -> None:
    """An encoder outside the regions allowed is refused when the router is made."""
    path = tmp_path / "p.yaml"
    text = POLICY.format(own="http://127.0.0.1:9", encoder="x").replace('base_url: "x"', "endpoint: own")
    path.write_text(text + "limits: {regions: [cn-beijing]}\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"no region, which `limits\.regions` does not allow"):
        AsyncRouter(path, environ={})


def test_the_synchronous_router_learns_from_examples_too(tmp_path: Path) -> None:
    """On the loop of its own thread, from several threads at once, with DashScope's own encoder simulated."""
    path = tmp_path / "p.yaml"
    with simulator() as running:
        text = POLICY.format(own=running.self_hosted_url, encoder=running.dashscope_url())
        path.write_text(
            text.replace("model: bag", "model: text-embedding-v4, api_key: {env: DASHSCOPE_API_KEY}"), encoding="utf-8"
        )
        with Router(path, environ=running.environ()) as router, ThreadPoolExecutor(4) as threads:

            def told(number: int) -> str | None:
                answer = router.chat.completions.create(**ask(f"why is my pod {number} stuck in pending"))
                return answer.route.decision.signals.taught

            assert {str(found)[:35] for found in threads.map(told, range(8))} == {"like `why is my pod stuck in pendin"}
            asked = [one for one in running.requests if one.path.endswith("/embeddings")]
            assert len(asked) == 1 + 8, "the examples are read once"
            assert router.route(**ask("why is my pod stuck in pending")).warnings != ()


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_the_command_line_explains_the_call_that_was_made(tmp_path: Path, more: list[str]) -> None:
    """With the examples consulted, and where the call fails."""
    path = tmp_path / "p.yaml"
    with simulator() as running:
        path.write_text(POLICY.format(own=running.self_hosted_url, encoder=running.self_hosted_url), encoding="utf-8")
        ask_it = ["ask", "why is my pod stuck in pending", "--policy", str(path), "--explain", *more]
        done = CliRunner().invoke(app, ask_it)
        assert done.exit_code == 0, done.output
        assert done.stderr.startswith("qwen2.5-coder-7b-instruct@own: ")
        assert "like `why is my pod stuck in pending`" in done.stderr
        running.fail("qwen2.5-coder-7b-instruct", "invalid-api-key")
        failed = CliRunner().invoke(app, ask_it)
        assert failed.exit_code != 0
        assert failed.stderr.count("route `auto` of policy `p`") == 1
