"""Laws of the machine, against any sequence of events."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qwenroute.domain.capability import Deployment, Modality, Role, Speed
from qwenroute.domain.decision import HedgeRules, Plan, Resume, RetryRules, Step
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Obstacle
from qwenroute.execution.machine import (
    Call,
    Cancel,
    Command,
    Deliver,
    Execution,
    Failed,
    Finished,
    FirstToken,
    GiveUp,
    Refused,
    Relay,
    SetTimer,
    Timer,
    TimerFired,
)
from qwenroute.execution.verdicts import VERDICTS, FallBack


def deployment(index: int, *, partial: bool) -> Deployment:
    return Deployment(
        id=f"m{index}@e{index % 2}",
        model=f"m{index % 3}",
        wire_model=f"m{index}",
        endpoint=f"e{index % 2}",
        provider="openai_compatible",
        roles=(Role.GENERAL,),
        licence="apache-2.0",
        input=frozenset({Modality.TEXT}),
        output=frozenset({Modality.TEXT}),
        context_tokens=1000 * (index + 1),
        partial=partial,
        speed=Speed(ttft_s=0.1, tokens_per_s=50, basis="test"),
        quality={},
    )


class MachineLaws(RuleBasedStateMachine):
    """Drives the machine as a loop would, and keeps its own books."""

    @initialize(
        steps=st.integers(1, 5),
        partial=st.lists(st.booleans(), min_size=5, max_size=5),
        attempts=st.integers(1, 6),
        retries=st.integers(0, 2),
        hedged=st.booleans(),
        resume=st.sampled_from(Resume),
        streamed=st.booleans(),
        budget=st.integers(0, 3),
        queue=st.sampled_from([0.0, 1.0]),
        ceiling=st.sampled_from([None, 1.0, 3.0]),
    )
    def begin(
        self,
        steps: int,
        partial: list[bool],
        attempts: int,
        retries: int,
        hedged: bool,
        resume: Resume,
        streamed: bool,
        budget: int,
        queue: float,
        ceiling: float | None,
    ) -> None:
        base = Step(deployment=deployment(0, partial=False), pool="p", role=Role.GENERAL, worst_cost_usd=1.0)
        self.plan = Plan(
            steps=tuple(replace(base, deployment=deployment(i, partial=partial[i])) for i in range(steps)),
            deadline_s=30,
            max_attempts=attempts,
            retry=RetryRules(per_step=retries),
            hedge=HedgeRules() if hedged else None,
            resume=resume,
            queue_s=queue,
            max_cost_usd=ceiling,
        )
        self.now = 0.0
        self.budget = self.withdrawn = 0
        self.budget = budget
        self.live: dict[int, Call] = {}
        self.timers: list[Timer] = []
        self.sent = self.refused = 0
        self.spent = 0.0
        self.committed: int | None = None
        self.over = False
        self.streamed = streamed
        self.machine = Execution(
            self.plan,
            lambda n: 0.5 * n,
            streamed=streamed,
            may_retry=self.withdraw,
            hedge_after_s=lambda _: 1.0,
        )
        self.perform(self.machine.start(self.now))

    def withdraw(self, now: float) -> bool:
        if self.withdrawn >= self.budget:
            return False
        self.withdrawn += 1
        return True

    def perform(self, commands: list[Command], *, resumable: bool = False) -> None:
        for command in commands:
            assert not self.over, "a command after the final one"
            match command:
                case Call(attempt=number, step=step, resumes=resumes):
                    assert self.now < self.machine.deadline
                    assert self.committed is None
                    assert not resumes or (step.deployment.partial and self.plan.resume is Resume.CONTINUE)
                    self.live[number] = command
                    self.sent += 1
                    if self.plan.max_cost_usd is not None:
                        assert self.spent + len(self.live) <= self.plan.max_cost_usd + 1e-9
                case SetTimer(timer=timer, seconds=seconds):
                    assert seconds >= 0
                    self.timers.append(timer)
                case Cancel(attempt=number):
                    del self.live[number]
                case Relay(attempt=number):
                    assert self.streamed
                    self.committed = number
                    assert list(self.live) == [number]
                case Deliver(attempt=number):
                    assert list(self.live) == [number]
                    self.over = True
                case GiveUp():
                    self.over = True
        assert self.over or self.live or self.timers, "nothing is under way and nothing was said"

    @precondition(lambda self: not self.over and self.live)
    @rule(data=st.data(), kind=st.sampled_from(FailureKind), resumable=st.booleans(), cost=st.sampled_from([0.0, 1.0]))
    def fail(self, data: st.DataObject, kind: FailureKind, resumable: bool, cost: float) -> None:
        number = data.draw(st.sampled_from(sorted(self.live)))
        others = len(self.live) - 1
        before = self.sent
        was_committed = self.committed == number
        del self.live[number]
        if was_committed:
            self.committed = None
        self.spent += cost
        failure = Failure(kind=kind, message="")
        self.perform(self.machine.handle(Failed(number, failure, resumable=resumable, cost_usd=cost), self.now))
        if was_committed and not (resumable and self.plan.resume is Resume.CONTINUE):
            assert self.over
        if VERDICTS[kind].fall_back is FallBack.NEVER and not others:
            assert self.sent == before or self.timers == []

    @precondition(lambda self: not self.over and self.live and self.committed is None)
    @rule(data=st.data(), until=st.sampled_from([None, 0.5, 50.0]))
    def refuse(self, data: st.DataObject, until: float | None) -> None:
        number = data.draw(st.sampled_from(sorted(self.live)))
        del self.live[number]
        self.sent -= 1
        instant = None if until is None else self.now + until
        self.perform(self.machine.handle(Refused(number, Obstacle(gate="quota", reason="", until=instant)), self.now))

    @precondition(lambda self: not self.over and self.live and self.committed is None)
    @rule(data=st.data())
    def show(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.live)))
        self.perform(self.machine.handle(FirstToken(number), self.now))

    @precondition(lambda self: not self.over and self.live)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        if self.committed is not None:
            return  # the loop reads the rest of a stream by itself
        number = data.draw(st.sampled_from(sorted(self.live)))
        self.perform(self.machine.handle(Finished(number), self.now))

    @precondition(lambda self: not self.over and self.timers)
    @rule(data=st.data())
    def fire(self, data: st.DataObject) -> None:
        timer = data.draw(st.sampled_from(self.timers))
        self.timers.remove(timer)
        if self.committed is not None:
            return  # the loop drops its timers at the commit point
        self.perform(self.machine.handle(TimerFired(timer), self.now))

    @rule(seconds=st.sampled_from([0.1, 1.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def within_the_allowance(self) -> None:
        if hasattr(self, "plan"):
            assert self.sent <= self.plan.max_attempts
            assert self.machine.sent == self.sent or self.over


MachineLaws.TestCase.settings = settings(max_examples=300, stateful_step_count=25, deadline=None)
TestMachineLaws = MachineLaws.TestCase
