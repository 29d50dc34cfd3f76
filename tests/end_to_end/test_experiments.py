"""Canaries, splits and shadows over HTTP: who answers, who is taken back, and what the records say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qwenroute import AsyncRouter, Router
from qwenroute.cli.app import app
from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import Arm, Experiment, ExperimentKind
from qwenroute.domain.request import Request
from qwenroute.errors import CallFailed, ConfigurationError
from qwenroute.experimenting import Shadows
from qwenroute.testing import SimulatorHandle, SlowFirstToken, Status, simulator

HELLO = [{"role": "user", "content": "Hello"}]
OLD, NEW = "qwen-plus", "qwen-flash"

POLICY = """
version: 1
currency: {{report: USD, rates: {{CNY: 0.14}}}}
endpoints:
  cloud:
    provider: dashscope
    region: intl-singapore
    api_key: {{env: DASHSCOPE_API_KEY}}
    base_url: {{env: DASHSCOPE_BASE_URL, optional: true}}
    rate_limits: {{rpm: 1000000, tpm: 1000000000}}
pools:
  old: {{models: [qwen-plus]}}
  new: {{models: [qwen-flash]}}
routes:
  auto:
    - {{rule: all, pool: old, experiment: try}}
experiments:
  - {{experiment: try, pool: new, {experiment}}}
breaker: {{failures: 1000, error_rate: 1.0, min_attempts: 100000}}
outliers: {{min_attempts: 100000}}
timeouts: {{connect_s: null}}  # a busy machine is no failure
retries: {{per_step: 0, budget: {{share: 1.0, floor_per_s: 1000}}}}
{more}
"""


@pytest.fixture
def platform() -> Iterator[SimulatorHandle]:
    """A server of its own for each test, since faults are scripted."""
    with simulator(time_scale=0, rate_limits=False) as handle:
        yield handle


def policy(folder: Path, experiment: str, more: str = "") -> Path:
    """Write a policy with one experiment."""
    path = folder / "policy.yaml"
    path.write_text(POLICY.format(experiment=experiment, more=more))
    return path


def asked(platform: SimulatorHandle) -> list[str]:
    """Return the models that were called, in order."""
    return [str(request.body["model"]) for request in platform.requests]


def test_a_tenant_stays_in_its_arm(platform: SimulatorHandle, tmp_path: Path) -> None:
    """Whole and streamed; the record says which, and the share is met."""
    path = policy(tmp_path, "kind: canary, share: 0.3")
    with Router(path, environ=platform.environ()) as router:
        arms: dict[str, set[Arm]] = {}
        for number in range(120):
            tenant = f"tenant-{number % 40}"
            if number % 2:
                route = router.chat.completions.create(messages=HELLO, qwenroute={"tenant": tenant}).route
            else:
                stream = router.chat.completions.create(messages=HELLO, stream=True, qwenroute={"tenant": tenant})
                list(stream)
                route = stream.route
            part = route.decision.assignment
            assert part is not None
            arms.setdefault(tenant, set()).add(part.arm)
            assert route.model.startswith(NEW if part.arm is Arm.VARIANT else OLD)
        [state] = router.experiments()
    assert all(len(arm) == 1 for arm in arms.values())
    assert 4 <= sum(arm == {Arm.VARIANT} for arm in arms.values()) <= 20
    assert state.control.requests + state.variant.requests == 120


def test_the_control_saves_what_the_newcomer_fails(platform: SimulatorHandle, tmp_path: Path) -> None:
    """A caller does not suffer from an experiment, and the failure counts against the newcomer."""
    platform.fail(NEW, Status(code=500))
    path = policy(tmp_path, "kind: ab, share: 1.0")
    with Router(path, environ=platform.environ()) as router:
        answer = router.chat.completions.create(messages=HELLO, qwenroute={"tenant": "a"})
        [state] = router.experiments()
    assert answer.route.model.startswith(OLD)
    assert "newcomer of the experiment try" in answer.route.decision.reason
    assert (state.variant.requests, state.variant.failures, state.control.requests) == (1, 1, 0)


def test_a_newcomer_that_a_hedge_outran_has_failed(platform: SimulatorHandle, tmp_path: Path) -> None:
    """The control answered in its place, though its own attempt was only slow."""
    platform.fail(NEW, SlowFirstToken(s=60.0, head=True))
    path = policy(tmp_path, "kind: ab, share: 1.0", "hedge: {after_s: 0.02}")
    with Router(path, environ=platform.environ()) as router:
        answer = router.chat.completions.create(messages=HELLO, qwenroute={"tenant": "a"})
        [state] = router.experiments()
    assert answer.route.model.startswith(OLD)
    assert [attempt.failure for attempt in answer.route.attempts] == [None, None]
    assert (state.variant.requests, state.variant.failures) == (1, 1)


def test_who_is_sent_elsewhere_for_want_of_money_is_in_no_arm(platform: SimulatorHandle, tmp_path: Path) -> None:
    """What a budget's pool does tells nothing of the newcomer."""
    budget = "budgets: [{budget: tiny, amount: 0.0000001, window: month, when_spent: {pool: old}}]"
    path = policy(tmp_path, "kind: ab, share: 1.0", budget)
    with Router(path, environ=platform.environ()) as router:
        answer = router.chat.completions.create(messages=HELLO, qwenroute={"tenant": "a"})
        [state] = router.experiments()
    assert answer.route.model.startswith(OLD)
    assert answer.route.decision.assignment is None
    assert state.variant.requests == state.control.requests == 0


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_canary_that_degrades_is_rolled_back(
    platform: SimulatorHandle, tmp_path: Path, caplog: pytest.LogCaptureFixture, stream: bool
) -> None:
    """It starts well; then half of its calls fail: within 120 of its requests nobody goes there any more."""
    path = policy(tmp_path, "kind: canary, share: 0.5, sticky: request")
    async with AsyncRouter(path, environ=platform.environ()) as router:

        async def call() -> None:
            answer = await router.chat.completions.create(messages=HELLO, stream=stream)
            if stream:
                async for _ in answer:
                    pass

        for _ in range(10):
            await asyncio.gather(*(call() for _ in range(20)))
        [well] = router.experiments()
        assert well.rolled_back is None
        while (state := router.experiments()[0]).rolled_back is None:
            platform.clear_faults()
            platform.fail(NEW, Status(code=503), times=3)  # of the five or so that are to come
            await asyncio.gather(*(call() for _ in range(10)))
            assert state.variant.requests - well.variant.requests <= 120
        platform.clear_faults()
        platform.clear_requests()
        await asyncio.gather(*(call() for _ in range(40)))
    assert set(asked(platform)) == {OLD}
    assert "of its requests failed" in (state.rolled_back or "")
    assert "experiment rolled back" in caplog.text


@pytest.mark.slow
async def test_a_harmless_canary_stays(platform: SimulatorHandle, tmp_path: Path) -> None:
    """A thousand requests, and nothing to say against it."""
    path = policy(tmp_path, "kind: canary, share: 0.5, sticky: request")
    async with AsyncRouter(path, environ=platform.environ()) as router:
        for _ in range(20):
            await asyncio.gather(*(router.chat.completions.create(messages=HELLO) for _ in range(50)))
        [state] = router.experiments()
    assert state.rolled_back is None
    assert state.control.requests + state.variant.requests == 1_000


async def test_a_shadow_is_seen_by_nobody(platform: SimulatorHandle, tmp_path: Path) -> None:
    """The caller's answer and cost are the control's; the copy's are counted apart, up to the cap."""
    records = tmp_path / "records.jsonl"
    path = policy(tmp_path, "kind: shadow, share: 1.0, max_cost_per_day: 100", f"records: {{path: {records.name}}}")
    async with AsyncRouter(path, environ=platform.environ()) as router:
        whole = await router.chat.completions.create(messages=HELLO)
        stream = await router.chat.completions.create(messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
        await asyncio.gather(*router._shadows._tasks)
        [state] = router.experiments()
    assert chunks
    for route in (whole.route, stream.route):
        assert route.model.startswith(OLD)
        assert len(route.attempts) == 1
    assert sorted(asked(platform)) == [NEW, NEW, OLD, OLD]
    assert (state.control.requests, state.variant.requests) == (2, 2)
    assert 0 < state.variant.cost < state.control.cost
    shown = CliRunner().invoke(app, ["stats", str(records), "--json"])
    assert json.loads(shown.stdout)["records"] == 2
    assert "2 copies for shadows are not counted" in shown.stderr
    told = json.loads(CliRunner().invoke(app, ["experiment", "report", str(records), "--json"]).stdout)
    assert [told[0][arm]["requests"] for arm in ("control", "variant")] == [2, 2]


async def test_a_shadow_keeps_to_its_cap(platform: SimulatorHandle, tmp_path: Path) -> None:
    """Its worst case is held against what is left of the day; the caller notices nothing."""
    path = policy(tmp_path, "kind: shadow, share: 1.0, max_cost_per_day: 0.0005")
    async with AsyncRouter(path, environ=platform.environ()) as router:
        for _ in range(30):
            await router.chat.completions.create(messages=HELLO, max_tokens=200)
            await asyncio.gather(*router._shadows._tasks)
        [state] = router.experiments()
        assert router._shadows.skipped > 0
    assert 0 < state.variant.cost <= 0.0005
    assert asked(platform).count(OLD) == 30


def test_a_clock_that_is_set_back_gives_a_shadow_no_second_cap() -> None:
    """Only a later day begins anew."""
    shadows, asked_for = Shadows(), []
    experiment = Experiment(name="try", kind=ExperimentKind.SHADOW, pool="new", share=1.0)

    def refuse(request: Request) -> Decision:
        asked_for.append(request)
        raise ConfigurationError("no")

    def begin(day: int) -> None:
        today = date(2026, 1, day)
        unused: Any = None
        shadows.begin(experiment, Request(), refuse, unused, unused, cap_usd=1.0, today=today, tell=unused)

    begin(2)
    shadows._spent["try"] = 1.0
    begin(1)
    begin(2)
    assert len(asked_for) == 1
    begin(3)
    assert len(asked_for) == 2


async def test_a_failing_shadow_fails_nobody(platform: SimulatorHandle, tmp_path: Path) -> None:
    """Not even where its record is written."""
    records = tmp_path / "records.jsonl"
    path = policy(tmp_path, "kind: shadow, share: 1.0, max_cost_per_day: 1", f"records: {{path: {records.name}}}")
    platform.fail(NEW, Status(code=500))
    async with AsyncRouter(path, environ=platform.environ()) as router:
        answer = await router.chat.completions.create(messages=HELLO)
        await asyncio.gather(*router._shadows._tasks)
        [state] = router.experiments()
    assert answer.route.model.startswith(OLD)
    assert (state.variant.requests, state.variant.failures) == (1, 1)
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    assert [line.get("error") for line in lines] == [None, "AllAttemptsFailed"]


async def test_a_rule_s_limits_bind_its_shadow(platform: SimulatorHandle, tmp_path: Path) -> None:
    """What may not leave a model's reach does not leave as a copy either."""
    path = policy(tmp_path, "kind: shadow, share: 1.0, max_cost_per_day: 1", "limits: {models: [qwen-plus]}")
    async with AsyncRouter(path, environ=platform.environ()) as router:
        await router.chat.completions.create(messages=HELLO)
        await asyncio.gather(*router._shadows._tasks)
    assert asked(platform) == [OLD]


def test_a_request_that_nobody_answers_counts(platform: SimulatorHandle, tmp_path: Path) -> None:
    """In its arm, whole and streamed."""
    platform.fail(OLD, Status(code=500))
    platform.fail(NEW, Status(code=500))
    path = policy(tmp_path, "kind: ab, share: 1.0, sticky: request")
    with Router(path, environ=platform.environ()) as router:
        for stream in (False, True):
            with pytest.raises(CallFailed):
                router.chat.completions.create(messages=HELLO, stream=stream)
        [state] = router.experiments()
    assert (state.variant.requests, state.variant.failures) == (2, 2)


def test_a_wrong_request_says_nothing_of_an_arm(platform: SimulatorHandle, tmp_path: Path) -> None:
    """One bad client cannot have a newcomer taken back."""
    platform.fail(NEW, Status(code=400, compat_code="invalid_parameter_error"))
    path = policy(tmp_path, "kind: ab, share: 1.0, sticky: request")
    with Router(path, environ=platform.environ()) as router:
        with pytest.raises(CallFailed):
            router.chat.completions.create(messages=HELLO)
        [state] = router.experiments()
    assert state.variant.requests == 0


def test_a_reload_keeps_a_rollback(platform: SimulatorHandle, tmp_path: Path) -> None:
    """Only another experiment begins anew."""
    path = policy(tmp_path, "kind: canary, share: 0.5, sticky: request, rollback: {min_requests: 5}")
    platform.fail(NEW, Status(code=500))
    with Router(path, environ=platform.environ()) as router:
        while router.experiments()[0].rolled_back is None:
            router.chat.completions.create(messages=HELLO)
        path.write_text(path.read_text().replace("failures: 1000", "failures: 999"))
        assert router.reload()
        assert router.experiments()[0].rolled_back is not None
        path.write_text(path.read_text().replace("share: 0.5", "share: 0.4"))
        assert router.reload()
        assert router.experiments()[0].rolled_back is None


def test_a_report_tells_arms_apart(platform: SimulatorHandle, tmp_path: Path) -> None:
    """With intervals, scores of one's own, and a clear error for scores that are none."""
    records, scores = tmp_path / "records.jsonl", tmp_path / "scores.jsonl"
    path = policy(tmp_path, "kind: ab, share: 0.5, sticky: request", f"records: {{path: {records.name}}}")
    with Router(path, environ=platform.environ()) as router:
        answers = [router.chat.completions.create(messages=HELLO).route for _ in range(60)]
    with scores.open("w") as file:
        for route in answers:
            variant = route.decision.assignment.arm is Arm.VARIANT
            print(json.dumps({"id": route.id, "score": 0.9 if variant else 0.1}), file=file)
    run = CliRunner().invoke(app, ["experiment", "report", str(records), "--scores", str(scores), "--json"])
    [told] = json.loads(run.stdout)
    assert told["control"]["requests"] + told["variant"]["requests"] == 60
    assert told["differences"]["cost"]["high"] < 1.0
    assert told["differences"]["score"]["estimate"] == pytest.approx(0.8)
    assert told["differences"]["failed"]["low"] < 0 < told["differences"]["failed"]["high"]
    shown = CliRunner().invoke(app, ["experiment", "report", str(records)])
    assert "try (ab)" in shown.stdout
    scores.write_text('{"id": "x"}\n')
    wrong = CliRunner().invoke(app, ["experiment", "report", str(records), "--scores", str(scores)])
    assert "scores.jsonl:1: has to be" in str(wrong.exception)
