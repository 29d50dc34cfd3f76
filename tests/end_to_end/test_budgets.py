"""Budgets through the routers, over real HTTP: what is spent is what the answers cost, and never more than there is."""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import openai
import pytest
from typer.testing import CliRunner

from qwenroute import AsyncRouter, BudgetExceeded, ConfigurationError, Router
from qwenroute.cli.app import app
from qwenroute.cli.exits import exit_code_for
from qwenroute.testing import ConnectionReset, SimulatorHandle, SlowFirstToken, simulator

HELLO = [{"role": "user", "content": "Hello"}]
POLICY = """\
version: 1
timezone: Asia/Shanghai
endpoints:
  sg:
    provider: dashscope
    region: intl-singapore
    base_url: {env: DASHSCOPE_BASE_URL}
    api_key: {env: DASHSCOPE_API_KEY}
    rate_limits: {rpm: 100000000, tpm: 100000000000}
  own: {provider: openai_compatible, base_url: {env: QWENROUTE_SELF_HOSTED_URL}, models: [qwen2.5-7b-instruct]}
pools:
  usual: {models: [qwen-plus]}
  dear: {models: [qwen4-max]}
  cheap: {models: [qwen-flash]}
  free: {models: [qwen2.5-7b-instruct]}
routes:
  auto: [{rule: usual, pool: usual}]
  both: [{rule: both, pool: dear, fallback: [usual]}]
  free: [{rule: free, pool: free}]
limits: {queue_s: 30, max_output_tokens: 100}
retries: {base_s: 0.001, cap_s: 0.001}
timeouts: {connect_s: null}  # a busy machine is no failure
"""


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatorHandle]:
    """One for the file."""
    with simulator(time_scale=0, served=None) as handle:
        yield handle


@pytest.fixture
def platform(server: SimulatorHandle) -> Iterator[SimulatorHandle]:
    """The server, without what an earlier test had go wrong: a call that was cancelled may never have reached it."""
    yield server
    server.clear_faults()


def environ(platform: SimulatorHandle) -> dict[str, str]:
    """Both of its servers."""
    return platform.environ(self_hosted=["qwen2.5-7b-instruct"])


def written(folder: Path, budgets: str, **changes: str) -> Path:
    """A policy with these budgets."""
    text = POLICY
    for before, after in changes.items():
        assert before in text
        text = text.replace(before, after)
    path = folder / "policy.yaml"
    path.write_text(f"{text}budgets:\n{budgets}\n", encoding="utf-8")
    return path


def cost(folder: Path, platform: SimulatorHandle) -> float:
    """What one call costs on average."""
    with Router(written(folder, "  - {budget: all, amount: 9, window: month}"), environ=environ(platform)) as router:
        for number in range(20):
            router.chat.completions.create(messages=[{"role": "user", "content": f"Hello {number}"}])
        return router.budgets()[0].spent / 20


@pytest.mark.slow
@pytest.mark.parametrize("ledger", ["", "ledger: {path: spend.db}"], ids=["memory", "sqlite"])
async def test_two_thousand_at_once_never_overspend(tmp_path: Path, platform: SimulatorHandle, ledger: str) -> None:
    """A budget for 500 of them: never more than it is spent, at least 99 % of it is, and the rest are refused."""
    amount = round(500 * await asyncio.to_thread(cost, tmp_path, platform), 6)
    policy = written(tmp_path, f"  - {{budget: all, amount: {amount}, window: month}}\n{ledger}")

    async with AsyncRouter(policy, environ=environ(platform)) as router:

        async def one(number: int) -> float | BudgetExceeded:
            try:
                answer = await router.chat.completions.create(messages=[{"role": "user", "content": f"Hello {number}"}])
            except BudgetExceeded as error:
                return error
            assert router.budgets()[0].spent + router.budgets()[0].reserved <= amount
            assert answer.route.cost is not None
            return answer.route.cost.amount

        outcomes = await asyncio.gather(*(one(number) for number in range(2_000)))
        standing = router.budgets()[0]
    costs = [outcome for outcome in outcomes if isinstance(outcome, float)]
    assert sum(costs) == pytest.approx(standing.spent, abs=1e-8 * len(costs))
    assert 0.99 * amount <= standing.spent <= amount
    assert standing.reserved == 0
    assert len(costs) >= 490


def test_a_spent_budget_refuses_before_anything_is_sent(tmp_path: Path, platform: SimulatorHandle) -> None:
    """The error says which budget, how much, and when it begins anew; it is OpenAI's 429, too."""
    policy = written(tmp_path, "  - {budget: tiny, amount: 0.0000001, window: day, per: tenant}")
    with Router(policy, environ=environ(platform)) as router:
        platform.clear_requests()
        with pytest.raises(BudgetExceeded) as caught:
            router.chat.completions.create(messages=HELLO, qwenroute={"tenant": "acme"})
        error = caught.value
        assert isinstance(error, openai.RateLimitError)
        assert (error.budget, error.window, error.amount, error.currency) == ("tiny", "day", 1e-7, "USD")
        assert error.resets_at.isoformat().endswith("T00:00:00+08:00")
        assert error.code == "insufficient_quota"
        assert error.status_code == 429
        assert "`tiny` (1e-07 USD a day)" in str(error)
        assert error.resets_at.isoformat() in str(error)
        assert {r.gate for r in error.decision.rejections} == {"budget"}
        assert router.chat.completions.create(messages=HELLO, model="free").route.deployment is not None
        assert len(platform.requests) == 1


def test_what_is_counted_is_what_it_cost(tmp_path: Path, platform: SimulatorHandle) -> None:
    """Whole and streamed answers, retries and fallbacks: the books agree with the records, tenant by tenant."""
    policy = written(
        tmp_path,
        "  - {budget: each, amount: 5, window: month, per: tenant}\n"
        "  - {budget: acme, amount: 5, window: hour, tenants: [acme]}\n"
        "  - {budget: both, amount: 5, window: week, per: route, routes: [both]}\n"
        "ledger: {path: spend.db}",
    )
    spent: dict[str, float] = {}
    with Router(policy, environ=environ(platform)) as router:
        platform.fail("qwen4-max", ConnectionReset(), times=2)
        for tenant, model, stream in (("acme", "both", False), ("acme", "auto", True), ("", "both", True)):
            hints = {"tenant": tenant} if tenant else {}
            answer = router.chat.completions.create(messages=HELLO, model=model, stream=stream, qwenroute=hints)  # type: ignore[call-overload]
            if stream:
                for _ in answer:
                    pass
            for name in (f"each {tenant}", *(["acme "] if tenant else []), *(["both both"] if model == "both" else [])):
                spent[name] = spent.get(name, 0.0) + answer.route.cost.amount
    with Router(policy, environ=environ(platform)) as router:  # another process would see the same
        told = {f"{b.budget} {b.scope}": b.spent for b in router.budgets()}
        assert {b.reserved for b in router.budgets()} == {0.0}
    assert told == pytest.approx(spent, abs=1e-8)


def test_a_spent_budget_sends_requests_to_a_cheaper_pool(tmp_path: Path, platform: SimulatorHandle) -> None:
    """What the cheaper pool costs is counted too, but this budget refuses nothing any more."""
    policy = written(tmp_path, "  - {budget: tiny, amount: 0.00025, window: day, when_spent: {pool: cheap}}")
    with Router(policy, environ=environ(platform)) as router:
        routes = [router.chat.completions.create(messages=HELLO).route for _ in range(4)]
        assert routes[0].model != routes[-1].model
        assert routes[-1].model == "qwen-flash"
        assert any("on to its pool `cheap`" in warning for warning in routes[-1].decision.warnings)
        total = sum(route.cost.amount for route in routes if route.cost is not None)
        assert router.budgets()[0].spent == pytest.approx(total, abs=1e-8)


def test_a_warning_is_in_every_decision_and_once_in_the_log(
    tmp_path: Path, platform: SimulatorHandle, caplog: pytest.LogCaptureFixture
) -> None:
    """`warn` refuses nothing; the log has one event for the budget and its window."""
    policy = written(tmp_path, "  - {budget: tiny, amount: 0.000001, window: day, when_spent: warn, warn_at: 0.5}")
    with Router(policy, environ=environ(platform)) as router, caplog.at_level(logging.WARNING, "qwenroute"):
        routes = [router.chat.completions.create(messages=HELLO).route for _ in range(3)]
    assert not any("tiny" in warning for warning in routes[0].decision.warnings)
    for route in routes[1:]:
        assert any("of the budget `tiny` (1e-06 USD a day) is spent" in warning for warning in route.decision.warnings)
    assert [record.message.count("tiny") for record in caplog.records] == [1]


async def test_both_attempts_of_a_hedge_are_reserved_and_settled(tmp_path: Path, platform: SimulatorHandle) -> None:
    """The one that was cancelled is settled with what it is reckoned to have cost; nothing stays reserved."""
    policy = written(
        tmp_path,
        "  - {budget: all, amount: 5, window: month}\nhedge: {after_s: 0.02}",
    )
    platform.fail("qwen4-max", SlowFirstToken(s=5.0, head=True), times=1)
    async with AsyncRouter(policy, environ=environ(platform)) as router:
        answer = await router.chat.completions.create(messages=HELLO, model="both")
        assert [attempt.cancelled for attempt in answer.route.attempts] == [True, False]
        standing = router.budgets()[0]
        assert answer.route.cost is not None
        assert standing.spent == pytest.approx(answer.route.cost.amount, abs=1e-8)
        assert standing.reserved == 0


async def test_a_caller_who_leaves_leaves_nothing_reserved(tmp_path: Path, platform: SimulatorHandle) -> None:
    """A cancelled call is settled with what was sent."""
    policy = written(tmp_path, "  - {budget: all, amount: 5, window: month}")
    platform.fail("qwen-plus", SlowFirstToken(s=5.0, head=True), times=1)
    async with AsyncRouter(policy, environ=environ(platform)) as router:
        call = asyncio.create_task(router.chat.completions.create(messages=HELLO))
        while not router.budgets()[0].reserved:  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert router.budgets()[0].reserved == 0


async def test_a_stream_that_is_left_is_reckoned_by_all_that_arrived(tmp_path: Path, platform: SimulatorHandle) -> None:
    """Thinking counts as much as the answer: it is billed, though nobody will be told what it came to."""
    policy = written(tmp_path, "  - {budget: all, amount: 5, window: month}")
    async with AsyncRouter(policy, environ=environ(platform)) as router:
        thinking = {"enable_thinking": True, "stream": True}
        stream = await router.chat.completions.create(messages=HELLO, **thinking)  # type: ignore[arg-type]
        seen = ""
        async for chunk in stream:
            thought = (chunk.choices[0].delta.model_extra or {}).get("reasoning_content")
            if not thought and seen:
                break
            seen += thought or ""
        await stream.close()
        [attempt] = stream.route.attempts
    assert seen
    assert attempt.reckoned
    assert attempt.usage is not None
    assert attempt.usage.completion_tokens >= len(seen.split())


def test_what_is_reserved_in_another_process_counts(tmp_path: Path, platform: SimulatorHandle) -> None:
    """Money that another process holds is waited for, no longer than `queue_s`, and then it is refused."""
    policy = written(
        tmp_path,
        "  - {budget: all, amount: 0.001, window: month}\nledger: {path: spend.db}",
        **{"queue_s: 30": "queue_s: 0.05"},
    )
    with Router(policy, environ=environ(platform)) as router:
        router.chat.completions.create(messages=HELLO)
        with closing(sqlite3.connect(tmp_path / "spend.db")) as db:
            db.execute("INSERT INTO qwenroute_held_1 SELECT 'other', id, 990000, 1e12 FROM qwenroute_spend_1")
            db.execute("UPDATE qwenroute_spend_1 SET reserved = 990000")
            db.commit()
        with pytest.raises(BudgetExceeded, match="too little left"):
            router.chat.completions.create(messages=HELLO)
        with closing(sqlite3.connect(tmp_path / "spend.db")) as db:
            db.execute("UPDATE qwenroute_held_1 SET until = 0")
            db.commit()
        router.chat.completions.create(messages=HELLO)


def test_a_ledger_that_cannot_be_opened_is_told_at_once(tmp_path: Path, platform: SimulatorHandle) -> None:
    """A router is not made with books that it cannot keep."""
    policy = written(tmp_path, "  - {budget: all, amount: 1, window: month}\nledger: {path: missing/spend.db}")
    with pytest.raises(ConfigurationError, match=r"make its folder, or mend `ledger.path`"):
        Router(policy, environ=environ(platform))


def test_a_ledger_that_breaks_refuses_and_loses_nothing(
    tmp_path: Path, platform: SimulatorHandle, caplog: pytest.LogCaptureFixture
) -> None:
    """An answer that cannot be written down is handed on, no further call is made, and it is written down later."""
    policy = written(tmp_path, "  - {budget: all, amount: 1, window: month}\nledger: {path: spend.db}")
    with Router(policy, environ=environ(platform)) as router:
        stream = router.chat.completions.create(messages=HELLO, stream=True)
        with closing(sqlite3.connect(tmp_path / "spend.db")) as db:
            db.execute("ALTER TABLE qwenroute_held_1 RENAME TO away")
            db.commit()
        text = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert text
        with pytest.raises(ConfigurationError, match="spend ledger"):
            router.chat.completions.create(messages=HELLO)
        with closing(sqlite3.connect(tmp_path / "spend.db")) as db:
            db.execute("ALTER TABLE away RENAME TO qwenroute_held_1")
            db.commit()
        again = router.chat.completions.create(messages=HELLO)
        assert stream.route.cost is not None
        assert again.route.cost is not None
        total = stream.route.cost.amount + again.route.cost.amount
        assert router.budgets()[0].spent == pytest.approx(total, abs=1e-8)
    assert any("cost not written down yet" in record.message for record in caplog.records)


def test_an_answer_that_is_given_again_needs_no_budget(tmp_path: Path, platform: SimulatorHandle) -> None:
    """It costs nothing: a spent budget refuses what is not in the cache, and that alone."""
    policy = written(tmp_path, "  - {budget: tiny, amount: 0.00025, window: month}\ncache: {ttl_s: 300}")
    with Router(policy, environ=environ(platform)) as router:
        router.chat.completions.create(messages=HELLO)
        with pytest.raises(BudgetExceeded):
            [router.chat.completions.create(messages=[{"role": "user", "content": f"Not {n}"}]) for n in range(50)]
        spent = router.budgets()[0].spent
        for stream in (False, True):
            again = router.chat.completions.create(messages=HELLO, stream=stream)  # type: ignore[call-overload]
            assert again.route.cached
        assert router.budgets()[0].spent == spent


def test_a_policy_without_budgets_in_between_forgets_nothing(tmp_path: Path, platform: SimulatorHandle) -> None:
    """What was spent in memory outlives the policies that count it."""
    policy = written(tmp_path, "  - {budget: all, amount: 1, window: month}")
    with Router(policy, environ=environ(platform)) as router:
        router.chat.completions.create(messages=HELLO)
        before = router.budgets()
        assert router.reload("default")
        assert router.budgets() == ()
        assert router.reload(policy)
        assert router.budgets() == before
        assert before[0].spent > 0


def test_another_amount_in_the_file_keeps_what_was_spent(tmp_path: Path, platform: SimulatorHandle) -> None:
    """A reload goes on with the same books, in memory too."""
    policy = written(tmp_path, "  - {budget: all, amount: 1, window: month}")
    with Router(policy, environ=environ(platform)) as router:
        router.chat.completions.create(messages=HELLO)
        spent = router.budgets()[0].spent
        written(tmp_path, "  - {budget: all, amount: 2, window: month}")
        assert router.reload()
        assert (router.budgets()[0].amount, router.budgets()[0].spent) == (2.0, spent)


def test_answers_are_bounded_on_the_wire(tmp_path: Path, platform: SimulatorHandle) -> None:
    """Whoever does not say how long, or asks for more, gets the policy's bound, and the record says so."""
    policy = written(tmp_path, "  - {budget: all, amount: 1, window: month}")
    with Router(policy, environ=environ(platform)) as router:
        sent = []
        for asked in ({}, {"max_tokens": 5_000}, {"max_completion_tokens": 5_000}, {"max_tokens": 7}):
            answer = router.chat.completions.create(messages=HELLO, **asked)
            sent.append((platform.requests[-1].body["max_tokens"], answer.route.attempts[0].notes))
    assert [bound for bound, _ in sent] == [100, 100, 100, 7]
    assert "`max_tokens` 100, the policy's limit" in sent[0][1]
    assert "`max_tokens` lowered from 5000 to 100, the policy's limit" in sent[1][1]
    assert "`max_completion_tokens` lowered from 5000 to 100, the policy's limit" in sent[2][1]
    assert not any("policy" in note for note in sent[3][1])


def test_a_policy_without_budgets_keeps_no_books(platform: SimulatorHandle) -> None:
    """Nothing is counted, and there is nothing to tell."""
    with Router(environ=platform.environ()) as router:
        answer = router.chat.completions.create(messages=HELLO)
        assert router.budgets() == ()
        assert answer.route.decision.allowances == ()


def test_the_command_shows_what_is_left(tmp_path: Path, platform: SimulatorHandle) -> None:
    """From the file, for everyone who spent anything; without one it says who knows."""
    budgets = "  - {budget: all, amount: 5, window: month}\n  - {budget: each, amount: 5, window: day, per: tenant}"
    policy = written(tmp_path, f"{budgets}\nledger: {{path: spend.db}}")
    run = CliRunner()
    empty = run.invoke(app, ["budgets", "--policy", str(policy), "--json"])
    assert json.loads(empty.stdout)["budgets"] == []
    assert "nothing was spent yet" in empty.stderr
    with Router(policy, environ=environ(platform)) as router:
        router.chat.completions.create(messages=HELLO, qwenroute={"tenant": "acme"})
        told = [asdict(one) for one in router.budgets()]
    assert json.loads(run.invoke(app, ["budgets", "--policy", str(policy), "--json"]).stdout)["budgets"] == told
    table = run.invoke(app, ["budgets", "--policy", str(policy)])
    assert table.exit_code == 0
    assert "each: 5 USD a day for each tenant, until" in table.stdout
    assert "acme" in table.stdout
    assert f"{told[0]['spent']:.6f}" in table.stdout
    kept_in_memory = run.invoke(app, ["budgets", "--policy", str(written(tmp_path, budgets))])
    assert "Router.budgets()" in kept_in_memory.stderr
    assert "has no budgets" in run.invoke(app, ["budgets"]).stdout


def test_a_spent_budget_has_an_exit_code_of_its_own(tmp_path: Path, platform: SimulatorHandle) -> None:
    """`qwenroute ask` ends with 4."""
    policy = written(tmp_path, "  - {budget: tiny, amount: 0.0000001, window: day}")
    asked = CliRunner().invoke(app, ["ask", "--policy", str(policy), "Hello"], env=environ(platform))
    assert isinstance(asked.exception, BudgetExceeded)
    assert exit_code_for(asked.exception) == 4
