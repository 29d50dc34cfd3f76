"""The machine: what follows from what, without any I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest

from qwenroute.domain.capability import Deployment, Modality, Role, Speed
from qwenroute.domain.decision import HedgeRules, Plan, Resume, RetryRules, Step
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Obstacle
from qwenroute.execution.backoff import backoff
from qwenroute.execution.machine import (
    LOOK_AGAIN_S,
    Call,
    Cancel,
    Cause,
    Deliver,
    Execution,
    Failed,
    Finished,
    FirstToken,
    GiveUp,
    Hedging,
    Refused,
    Relay,
    Retrying,
    SetTimer,
    TimerFired,
)
from qwenroute.execution.verdicts import VERDICTS, FallBack, Retry


def deployment(name: str, *, endpoint: str = "here", context: int = 1000) -> Deployment:
    return Deployment(
        id=f"{name}@{endpoint}",
        model=name,
        wire_model=name,
        endpoint=endpoint,
        provider="openai_compatible",
        roles=(Role.GENERAL,),
        licence="apache-2.0",
        input=frozenset({Modality.TEXT}),
        output=frozenset({Modality.TEXT}),
        context_tokens=context,
        speed=Speed(ttft_s=0.1, tokens_per_s=50, basis="test"),
        quality={},
    )


def plan(*deployments: Deployment, **changes: object) -> Plan:
    steps = tuple(Step(deployment=d, pool="general", role=Role.GENERAL) for d in deployments)
    base = Plan(steps=steps, deadline_s=10, max_attempts=10, retry=RetryRules(per_step=1, base_s=0.5))
    return replace(base, **changes)  # type: ignore[arg-type]


def machine(
    p: Plan, *, streamed: bool = False, wait_s: float = 0.25, budget: bool = True, slow_s: float | None = None
) -> Execution:
    return Execution(p, lambda _: wait_s, streamed=streamed, may_retry=lambda _: budget, hedge_after_s=lambda _: slow_s)


def failed(kind: FailureKind, attempt: int = 1, *, resumable: bool = False, **facts: object) -> Failed:
    return Failed(attempt, Failure(kind=kind, message="", **facts), resumable=resumable)  # type: ignore[arg-type]


def again(step: int, seconds: float) -> SetTimer:
    return SetTimer(Retrying(step), seconds)


def fired(step: int) -> TimerFired:
    return TimerFired(Retrying(step))


A, B, C = deployment("a"), deployment("b"), deployment("c")


def test_every_failure_kind_has_a_verdict() -> None:
    """The table of consequences is total."""
    assert VERDICTS.keys() == set(FailureKind)


def test_a_first_success_is_delivered() -> None:
    """Nothing else happens when the first attempt brings the answer."""
    m = machine(plan(A, B))
    assert m.start(0) == [Call(1, m._plan.steps[0])]
    assert m.handle(Finished(1), 1) == [Deliver(1)]


def test_a_passing_failure_is_retried_before_the_next_step() -> None:
    """One retry of the same deployment, then the next in the plan."""
    p = plan(A, B)
    m = machine(p)
    m.start(0)
    assert m.handle(failed(FailureKind.SERVER_ERROR), 1) == [again(0, 0.25)]
    assert m.handle(fired(0), 1.25) == [Call(2, p.steps[0])]
    assert m.handle(failed(FailureKind.SERVER_ERROR, 2), 2) == [Call(3, p.steps[1])]


def test_a_rate_limit_moves_on_without_waiting() -> None:
    """A limited deployment is left at once while another is there."""
    p = plan(A, B)
    m = machine(p)
    m.start(0)
    assert m.handle(failed(FailureKind.RATE_LIMITED, retry_after_s=1), 0.1) == [Call(2, p.steps[1])]


def test_a_rate_limit_without_another_step_waits_as_long_as_the_server_asks() -> None:
    """Retry-After is a lower bound on the wait."""
    m = machine(plan(A))
    m.start(0)
    assert m.handle(failed(FailureKind.RATE_LIMITED, retry_after_s=3), 0) == [again(0, 3)]


@pytest.mark.parametrize("wish", [31, 9.9])
def test_a_wait_beyond_the_cap_or_the_deadline_is_not_begun(wish: float) -> None:
    """What cannot end in time is refused at once."""
    m = machine(plan(A))
    m.start(0)
    assert m.handle(failed(FailureKind.RATE_LIMITED, retry_after_s=wish), 0.2) == [GiveUp(Cause.ALL_FAILED)]


@pytest.mark.parametrize("kind", [k for k, v in VERDICTS.items() if v.fall_back is FallBack.NEVER])
def test_a_request_that_is_wrong_everywhere_ends_the_call(kind: FailureKind) -> None:
    """No retry, no fallback: the caller has to change it."""
    m = machine(plan(A, B))
    m.start(0)
    assert m.handle(failed(kind), 0) == [GiveUp(Cause.ALL_FAILED)]


@pytest.mark.parametrize("kind", [k for k, v in VERDICTS.items() if v.fall_back is FallBack.IF_POLICY_SAYS])
def test_refusals_fall_back_only_where_the_policy_says_so(kind: FailureKind) -> None:
    """Content, credential and bill end the call unless they are named."""
    elsewhere = deployment("b", endpoint="there")
    m = machine(plan(A, elsewhere))
    m.start(0)
    assert m.handle(failed(kind), 0) == [GiveUp(Cause.ALL_FAILED)]
    p = plan(A, elsewhere, fall_back_on=frozenset({kind}))
    m = machine(p)
    m.start(0)
    assert m.handle(failed(kind), 0) == [Call(2, p.steps[1])]


@pytest.mark.parametrize("kind", [FailureKind.AUTHENTICATION, FailureKind.BILLING])
def test_a_refused_account_is_left_for_another_endpoint_only(kind: FailureKind) -> None:
    """The same key would be refused again."""
    p = plan(A, B, deployment("c", endpoint="there"), fall_back_on=frozenset({kind}))
    m = machine(p)
    m.start(0)
    assert m.handle(failed(kind), 0) == [Call(2, p.steps[2])]


def test_an_overflow_goes_to_a_larger_window_only() -> None:
    """A window of the same size would overflow again."""
    p = plan(A, B, deployment("c", context=2000))
    m = machine(p)
    m.start(0)
    assert m.handle(failed(FailureKind.CONTEXT_OVERFLOW), 0) == [Call(2, p.steps[2])]
    m = machine(plan(A, B))
    m.start(0)
    assert m.handle(failed(FailureKind.CONTEXT_OVERFLOW), 0) == [GiveUp(Cause.ALL_FAILED)]


def test_the_allowance_of_attempts_is_one_for_the_whole_call() -> None:
    """Retries and fallbacks draw on the same number."""
    p = plan(A, B, C, max_attempts=2)
    m = machine(p)
    m.start(0)
    m.handle(failed(FailureKind.SERVER_ERROR), 0)
    m.handle(fired(0), 0.3)
    assert m.handle(failed(FailureKind.SERVER_ERROR, 2), 1) == [GiveUp(Cause.ALL_FAILED)]


def test_the_deadline_ends_the_call() -> None:
    """No attempt starts after it."""
    m = machine(plan(A, B))
    m.start(0)
    assert m.handle(failed(FailureKind.TIMEOUT), 10) == [GiveUp(Cause.DEADLINE)]


def test_nothing_is_rerouted_after_the_first_token_reached_the_caller() -> None:
    """A stream that has begun is reported as broken, never silently continued elsewhere."""
    m = machine(plan(A, B), streamed=True)
    m.start(0)
    assert m.handle(FirstToken(1), 1) == [Relay(1)]
    assert m.handle(failed(FailureKind.STREAM_CUT), 2) == [GiveUp(Cause.INTERRUPTED)]


def test_backoff_lies_between_nothing_and_the_cap() -> None:
    """Full jitter, doubling up to the cap."""
    wait = backoff(RetryRules(base_s=0.5, cap_s=2))
    assert all(0 <= wait(n) <= min(2, 0.5 * 2 ** (n - 1)) for n in range(1, 8) for _ in range(50))
    assert any(wait(6) > 1 for _ in range(200))


def test_retries_are_counted_per_step() -> None:
    """The next step has retries of its own."""
    p = plan(A, B)
    m = machine(p)
    m.start(0)
    m.handle(failed(FailureKind.OVERLOADED), 0)
    m.handle(fired(0), 0.3)
    m.handle(failed(FailureKind.OVERLOADED, 2), 0.4)
    assert m.handle(failed(FailureKind.OVERLOADED, 3), 0.5) == [again(1, 0.25)]
    assert VERDICTS[FailureKind.OVERLOADED].retry is Retry.FIRST


def test_a_spent_retry_budget_goes_on_to_the_next_step() -> None:
    """Retries cannot multiply an outage."""
    p = plan(A, B)
    m = machine(p, budget=False)
    m.start(0)
    assert m.handle(failed(FailureKind.SERVER_ERROR), 1) == [Call(2, p.steps[1])]


def test_a_limit_is_left_for_the_same_model_elsewhere_first() -> None:
    """The answer stays what the policy chose."""
    p = plan(A, B, deployment("a", endpoint="there"))
    m = machine(p)
    m.start(0)
    assert m.handle(failed(FailureKind.RATE_LIMITED), 0) == [Call(2, p.steps[2])]
    assert m.handle(failed(FailureKind.RATE_LIMITED, 2), 0) == [Call(3, p.steps[1])]


def test_what_stands_in_the_way_costs_no_attempt() -> None:
    """A refused step is passed over within the allowance."""
    p = plan(A, B, max_attempts=1)
    m = machine(p)
    m.start(0)
    assert m.handle(Refused(1, Obstacle(gate="circuit", reason="open")), 0) == [Call(2, p.steps[1])]
    assert m.sent == 1


def test_a_full_quota_is_queued_for_only_as_long_as_the_policy_says() -> None:
    """The step that frees up first is tried again; a longer wait is refused at once."""
    for until, expected in ((0.2, [again(1, 0.2)]), (0.4, [GiveUp(Cause.UNAVAILABLE)])):
        m = machine(plan(A, B, queue_s=0.3))
        m.start(0)
        m.handle(Refused(1, Obstacle(gate="quota", reason="full", until=0.9)), 0)
        assert m.handle(Refused(2, Obstacle(gate="quota", reason="full", until=until)), 0) == expected


def test_a_slow_attempt_gets_another_beside_it() -> None:
    """The first useful token wins, and the other is cancelled."""
    p = plan(A, B, hedge=HedgeRules())
    m = machine(p, streamed=True, slow_s=0.5)
    assert m.start(0) == [Call(1, p.steps[0]), SetTimer(Hedging(1), 0.5)]
    assert m.handle(TimerFired(Hedging(1)), 0.5) == [Call(2, p.steps[1])]
    assert m.handle(FirstToken(2), 0.7) == [Cancel(1), Relay(2)]
    assert m.handle(failed(FailureKind.TIMEOUT, 1), 0.8) == []


def test_a_hedge_needs_budget_and_a_slow_attempt() -> None:
    """A timer for an attempt that is over is harmless."""
    m = machine(plan(A, B, hedge=HedgeRules()), slow_s=0.5, budget=False)
    m.start(0)
    assert m.handle(TimerFired(Hedging(1)), 0.5) == []
    p = plan(A, B, C, hedge=HedgeRules())
    m = machine(p, slow_s=0.5)
    m.start(0)
    assert m.handle(failed(FailureKind.OVERLOADED, 1), 0.1) == [again(0, 0.25)]
    assert m.handle(TimerFired(Hedging(1)), 0.5) == []


def test_the_other_of_two_goes_on_when_one_fails() -> None:
    """A hedge is not doubled by a fallback."""
    p = plan(A, B, C, hedge=HedgeRules())
    m = machine(p, slow_s=0.5)
    m.start(0)
    m.handle(TimerFired(Hedging(1)), 0.5)
    assert m.handle(failed(FailureKind.RATE_LIMITED, 1), 0.6) == []
    assert m.handle(failed(FailureKind.RATE_LIMITED, 2), 0.7)[0] == Call(3, p.steps[2])


def test_a_broken_stream_is_resumed_only_where_policy_and_model_allow() -> None:
    """On a model that continues a prefix; never after tool calls or sound."""
    able = replace(B, partial=True)
    p = plan(A, C, able, resume=Resume.CONTINUE)
    m = machine(p, streamed=True)
    m.start(0)
    m.handle(FirstToken(1), 1)
    assert m.handle(failed(FailureKind.STREAM_CUT, 1, resumable=True), 2) == [Call(2, p.steps[2], resumes=True)]
    assert m.handle(FirstToken(2), 3) == [Relay(2)]
    m = machine(p, streamed=True)
    m.start(0)
    m.handle(FirstToken(1), 1)
    assert m.handle(failed(FailureKind.STREAM_CUT, 1), 2) == [GiveUp(Cause.INTERRUPTED)]


def test_money_is_one_allowance_too() -> None:
    """What was spent and what is under way count against the ceiling."""
    steps = tuple(
        Step(deployment=d, pool="general", role=Role.GENERAL, worst_cost_usd=c)
        for d, c in ((A, 0.4), (B, 0.7), (C, 0.5))
    )
    p = replace(plan(A), steps=steps, max_cost_usd=1.0)
    m = machine(p)
    m.start(0)
    spent = Failed(1, Failure(kind=FailureKind.RATE_LIMITED, message=""), cost_usd=0.4)
    assert m.handle(spent, 0) == [Call(2, steps[2])]


def test_no_command_follows_the_final_one() -> None:
    """Late events find a machine that is done."""
    m = machine(plan(A, B))
    m.start(0)
    m.handle(Finished(1), 1)
    assert m.handle(failed(FailureKind.SERVER_ERROR), 2) == []
    assert m.handle(TimerFired(Retrying(0)), 3) == []


def test_a_step_that_has_become_free_meanwhile_is_tried() -> None:
    """What was passed over is tried once its obstacle is gone, whatever the time of the queue."""
    p = plan(A, B)
    m = machine(p, budget=False)
    m.start(0.0)
    cooling = Obstacle(gate="cooldown", reason="too many requests", until=1.0)
    assert m.handle(Refused(1, cooling), 0.0) == [Call(2, p.steps[1])]
    assert m.handle(failed(FailureKind.TIMEOUT, 2), 2.0) == [Call(3, p.steps[0])]
    assert m.handle(Refused(3, cooling), 2.0) == [GiveUp(Cause.ALL_FAILED)]  # an obstacle that is over says nothing


def test_a_broken_stream_waits_for_no_step_that_could_not_go_on() -> None:
    """A step that was passed over before the first token is left alone if it takes no prefix."""
    m = machine(plan(A, B, resume=Resume.CONTINUE, queue_s=5.0), streamed=True)
    m.start(0.0)
    m.handle(Refused(1, Obstacle(gate="cooldown", reason="too many requests", until=1.0)), 0.0)
    assert m.handle(FirstToken(2), 0.5) == [Relay(2)]
    assert m.handle(failed(FailureKind.STREAM_CUT, 2, resumable=True), 2.0) == [GiveUp(Cause.INTERRUPTED)]


def test_the_end_of_a_probe_is_waited_for() -> None:
    """Nobody knows when it ends, so it is asked again and again, for as long as the queue allows."""
    p = plan(A, queue_s=0.25)
    m = machine(p)
    probing = Refused(1, Obstacle(gate="circuit", reason="a probe is under way"))
    m.start(0.0)
    assert m.handle(probing, 0.0) == [again(0, LOOK_AGAIN_S)]
    assert m.handle(fired(0), 0.1) == [Call(2, p.steps[0])]
    assert m.handle(replace(probing, attempt=2), 0.1) == [again(0, pytest.approx(LOOK_AGAIN_S))]
    assert m.handle(fired(0), 0.2) == [Call(3, p.steps[0])]
    assert m.handle(replace(probing, attempt=3), 0.2) == [GiveUp(Cause.UNAVAILABLE)]
