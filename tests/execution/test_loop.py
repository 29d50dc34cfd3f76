"""The loop: performs what the machine says, with a provider that is scripted."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import pytest

from qwenroute.domain.capability import Deployment, Modality, Role, Speed
from qwenroute.domain.decision import Decision, HedgeRules, Plan, Resume, RetryRules, Step, Timeouts
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Obstacle
from qwenroute.domain.price import Exchange, Money, Price, Tier, Usage
from qwenroute.domain.record import Attempt
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.errors import (
    AllAttemptsFailed,
    AttemptFailed,
    DeadlineExceeded,
    InvalidRequest,
    NothingAvailable,
    StreamInterrupted,
)
from qwenroute.execution.codec import Codec, Collecting
from qwenroute.execution.loop import Means, Run


class Text(str):
    """An answer or a piece: text, and the usage in tokens after a colon."""

    __slots__ = ()


class Joined(Collecting[Text, Text]):
    def __init__(self) -> None:
        self._parts: list[str] = []

    def add(self, piece: Text) -> None:
        self._parts.append(piece.split(":")[0])

    def finish(self) -> Text:
        return Text("".join(self._parts))


class TextCodec(Codec[Text, Text]):
    def whole(self, document: bytes) -> Text:
        if document == b"rubbish":
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="rubbish"))
        return Text(document.decode())

    piece = whole

    def useful(self, piece: Text) -> bool:
        return bool(piece.split(":")[0])

    def shows(self, piece: Text) -> bool:
        return True

    def usage(self, part: Text) -> Usage | None:
        tokens = part.partition(":")[2]
        return Usage(prompt_tokens=1_000_000, completion_tokens=int(tokens)) if tokens else None

    def blank(self, part: Text) -> bool:
        return not part.split(":")[0]

    def text(self, piece: Text) -> str:
        return piece.split(":")[0]

    def continued(self, piece: Text, first: Text) -> Text:
        return piece

    def collector(self) -> Joined:
        return Joined()


@dataclass
class Admitted:
    deployment: Deployment


@dataclass
class Gate:
    """Admits everything but what is obstructed, and keeps count."""

    obstructed: dict[str, Obstacle] = field(default_factory=dict)
    hedge_s: float | None = None
    budget: int = 100
    open_tickets: list[object] = field(default_factory=list)
    settled: list[tuple[str, Failure | None, bool]] = field(default_factory=list)

    def admit(self, deployment: Deployment, tokens: int, now: float) -> Admitted | Obstacle:
        if deployment.model in self.obstructed:
            return self.obstructed[deployment.model]
        ticket = Admitted(deployment)
        self.open_tickets.append(ticket)
        return ticket

    def first_token(self, ticket: Admitted, now: float) -> None:
        assert ticket in self.open_tickets

    def settle(
        self, ticket: Admitted, failure: Failure | None, usage: Usage | None, now: float, *, cancelled: bool
    ) -> None:
        self.open_tickets.remove(ticket)
        self.settled.append((ticket.deployment.model, failure, cancelled))

    def request_began(self, now: float) -> None:
        pass

    def withdraw_retry(self, now: float) -> bool:
        self.budget -= 1
        return self.budget >= 0

    def hedge_after_s(self, deployment: Deployment, percentile: float) -> float | None:
        return self.hedge_s


@dataclass
class Scripted:
    """A reply: documents, failures to raise, or seconds to hang for."""

    script: Sequence[bytes | FailureKind | float]
    streamed: bool = False
    notes: tuple[str, ...] = ()
    simulated: bool = False
    closed: int = 0

    async def documents(self) -> AsyncIterator[bytes]:
        for item in self.script:
            if isinstance(item, FailureKind):
                raise AttemptFailed(Failure(kind=item, message="scripted"))
            if isinstance(item, bytes):
                yield item
            else:
                await asyncio.sleep(item)

    async def aclose(self) -> None:
        self.closed += 1


@dataclass
class Host:
    """A provider with one reply, or one failure, for each call."""

    replies: list[Scripted | FailureKind]
    calls: list[str] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)
    requests: list[Request] = field(default_factory=list)

    async def call(self, request: Request, step: Step, *, connect_s: float | None) -> Scripted:
        self.calls.append(step.deployment.id)
        self.called.set()
        self.requests.append(request)
        reply = self.replies.pop(0)
        if isinstance(reply, FailureKind):
            raise AttemptFailed(Failure(kind=reply, message="scripted"))
        return reply

    async def aclose(self) -> None:
        pass


PRICE = Price(currency="CNY", tiers=(Tier(input=1.0, output=1_000_000.0),))


def deployment(name: str, **facts: object) -> Deployment:
    base = Deployment(
        id=f"{name}@here",
        model=name,
        wire_model=name,
        endpoint="here",
        provider="openai_compatible",
        roles=(Role.GENERAL,),
        licence="apache-2.0",
        input=frozenset({Modality.TEXT}),
        output=frozenset({Modality.TEXT}),
        context_tokens=1000,
        price=PRICE,
        speed=Speed(ttft_s=0.1, tokens_per_s=50, basis="test"),
        quality={},
    )
    return replace(base, **facts)  # type: ignore[arg-type]


SIGNALS = Signals(
    task=Task.GENERAL,
    task_confidence=1,
    difficulty=Difficulty.EASY,
    difficulty_confidence=1,
    language="en",
    input=frozenset({Modality.TEXT}),
    output=frozenset({Modality.TEXT}),
    text_tokens=10,
    text_tokens_upper=12,
)


@dataclass
class Bench:
    """A run on scripted replies, and what was seen of it."""

    host: Host
    run: Run[Text, Text]
    seen: list[Attempt]
    gate: Gate

    @classmethod
    def set_up(
        cls,
        *replies: Scripted | FailureKind,
        stream: bool = False,
        stream_only: bool = False,
        gate: Gate | None = None,
        partial: bool | None = None,
        begun: Sequence[Mapping[str, object]] = (),
        before_attempt: Callable[[Request, Step], Awaitable[None]] | None = None,
        waited_s: float = 0.0,
        **plan: object,
    ) -> Self:
        steps = tuple(
            Step(deployment=deployment(n, stream_only=stream_only, partial=partial), pool="general", role=Role.GENERAL)
            for n in "ab"
        )
        base = Plan(
            steps=steps,
            deadline_s=5,
            max_attempts=5,
            retry=RetryRules(per_step=0),
            timeouts=Timeouts(first_token_s=0.05, between_tokens_s=0.05, answer_s=0.05),
        )
        decision = Decision(
            route="auto",
            rule="r",
            pool="general",
            objective="balanced",
            signals=SIGNALS,
            rules_tried=(),
            candidates=(),
            rejections=(),
            plan=replace(base, **plan),  # type: ignore[arg-type]
            policy="default",
            policy_hash="x",
        )
        host, seen, gate = Host(list(replies)), list[Attempt](), gate or Gate()
        means = Means(
            providers={"here": host},
            gatekeeper=gate,
            exchange=Exchange(report="USD", rates={"CNY": 0.5}),
            backoff=lambda _: 0.0,
            on_attempt=seen.append,
            before_attempt=before_attempt,
        )
        request = Request(stream=stream, messages=({"role": "user", "content": "hi"}, *begun))
        began = asyncio.get_running_loop().time() - waited_s
        run = Run(id="1", request=request, decision=decision, means=means, codec=TextCodec(), began=began)
        return cls(host, run, seen, gate)

    async def read(self) -> list[str]:
        await self.run.open()
        pieces = []
        while (piece := await self.run.next()) is not None:
            pieces.append(str(piece))
        return pieces


async def test_an_answer_is_returned_with_its_usage_cost_and_record() -> None:
    """Cost is settled from the usage, in the price's currency and in the policy's."""
    bench = Bench.set_up(Scripted([b"hello:3"]))
    assert await bench.run.answer() == "hello:3"
    record = bench.run.record()
    assert record.deployment == "a@here"
    assert record.usage == Usage(prompt_tokens=1_000_000, completion_tokens=3)
    assert record.attempts[0].cost == Money(amount=4.0, currency="CNY")
    assert record.cost == Money(amount=2.0, currency="USD")
    assert bench.seen == list(record.attempts)


async def test_a_failed_first_choice_falls_back_and_both_are_on_record() -> None:
    """The caller sees the second answer; the record tells of the first failure."""
    bench = Bench.set_up(FailureKind.OVERLOADED, Scripted([b"hello:3"]))
    assert await bench.run.answer() == "hello:3"
    attempts = bench.run.record().attempts
    assert [a.deployment for a in attempts] == ["a@here", "b@here"]
    assert attempts[0].failure is not None
    assert attempts[0].failure.kind is FailureKind.OVERLOADED


async def test_rubbish_is_a_failure_like_any_other() -> None:
    """A document that is no answer leads to the next step."""
    bench = Bench.set_up(Scripted([b"rubbish"]), Scripted([b"fine:1"]))
    assert await bench.run.answer() == "fine:1"


async def test_a_stream_only_model_answers_a_caller_who_wants_the_whole() -> None:
    """Its pieces are put together, usage included."""
    bench = Bench.set_up(Scripted([b"", b"he", b"llo", b":3"], streamed=True), stream_only=True)
    assert await bench.run.answer() == "hello"
    record = bench.run.record()
    assert record.usage is not None
    assert record.usage.completion_tokens == 3
    assert record.ttft_s is not None


async def test_a_stream_arrives_piece_by_piece() -> None:
    """Pieces before the first token are held back, and none is lost."""
    bench = Bench.set_up(Scripted([b"", b"he", b"llo", b":3"], streamed=True), stream=True)
    assert await bench.read() == ["", "he", "llo", ":3"]
    assert bench.run.record().usage == Usage(prompt_tokens=1_000_000, completion_tokens=3)


async def test_a_failure_before_the_first_token_is_invisible_in_the_stream() -> None:
    """The next step streams; nothing of the first is shown."""
    bench = Bench.set_up(
        Scripted([b"", FailureKind.STREAM_CUT], streamed=True), Scripted([b"", b"ok"], streamed=True), stream=True
    )
    assert await bench.read() == ["", "ok"]
    assert len(bench.run.record().attempts) == 2


async def test_a_failure_after_the_first_token_is_reported_and_nothing_is_lost() -> None:
    """The caller has what arrived, then a typed error with the record."""
    bench = Bench.set_up(Scripted([b"he", b"l", FailureKind.STREAM_CUT], streamed=True), stream=True)
    await bench.run.open()
    assert [await bench.run.next(), await bench.run.next()] == ["he", "l"]
    with pytest.raises(StreamInterrupted) as error:
        await bench.run.next()
    assert error.value.attempts[-1].failure is not None
    assert error.value.attempts[-1].failure.kind is FailureKind.STREAM_CUT
    assert await bench.run.next() is None


@pytest.mark.parametrize(
    ("replies", "stream"),
    [
        ([Scripted([5.0, b"late"]), Scripted([b"ok"])], False),
        ([Scripted([b"", 5.0], streamed=True), Scripted([b"ok"], streamed=True)], True),
    ],
)
async def test_a_slow_attempt_gives_way_to_the_next(replies: list[Scripted], stream: bool) -> None:
    """Each phase has its own limit, and the slow reply is closed."""
    bench = Bench.set_up(*replies, stream=stream)
    text = await bench.read() if stream else [str(await bench.run.answer())]
    assert text == ["ok"]
    assert bench.seen[0].failure is not None
    assert bench.seen[0].failure.kind is FailureKind.TIMEOUT
    assert bench.seen[0].reckoned  # it was at work, and will be billed as one that was cancelled is
    assert replies[0].closed == 1


async def test_a_stall_in_a_collected_stream_is_seen() -> None:
    """The limit between tokens holds for callers who want the whole, too."""
    bench = Bench.set_up(Scripted([b"he", 5.0], streamed=True), Scripted([b"ok"], streamed=True), stream_only=True)
    assert await bench.run.answer() == "ok"


async def test_a_stall_after_the_first_token_interrupts_the_stream() -> None:
    """The limit between tokens ends a stream that has begun."""
    bench = Bench.set_up(Scripted([b"he", 5.0], streamed=True), stream=True)
    await bench.run.open()
    assert await bench.run.next() == "he"
    with pytest.raises(StreamInterrupted):
        await bench.run.next()


async def test_the_deadline_ends_the_call_with_what_was_tried() -> None:
    """One absolute instant for all attempts together."""
    bench = Bench.set_up(Scripted([5.0]), deadline_s=0.03)
    with pytest.raises(DeadlineExceeded) as error:
        await bench.run.answer()
    assert [a.deployment for a in error.value.attempts] == ["a@here"]


async def test_a_used_up_plan_says_what_was_tried() -> None:
    """The message holds the trail, oldest first."""
    bench = Bench.set_up(FailureKind.OVERLOADED, FailureKind.RATE_LIMITED)
    with pytest.raises(AllAttemptsFailed, match=r"`a@here` overloaded .* → `b@here` rate_limited"):
        await bench.run.answer()


async def test_leaving_a_stream_early_closes_the_reply() -> None:
    """Nothing upstream is left running."""
    reply = Scripted([b"he", b"llo"], streamed=True)
    bench = Bench.set_up(reply, stream=True)
    await bench.run.open()
    await bench.run.aclose()
    await bench.run.aclose()
    assert reply.closed == 1
    assert await bench.run.next() is None


async def test_a_cancelled_caller_closes_the_reply() -> None:
    """Cancelling the task cancels the work upstream."""
    reply = Scripted([5.0])
    bench = Bench.set_up(reply, timeouts=Timeouts())
    task = asyncio.create_task(bench.run.answer())
    await bench.host.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert reply.closed == 1


# --- what stands in the way, hedges, resumption ---


async def test_an_obstructed_deployment_is_passed_over_without_a_call() -> None:
    """An open breaker or a known limit costs no attempt, and the record tells of it."""
    bench = Bench.set_up(
        Scripted([b"ok"]), gate=Gate(obstructed={"a": Obstacle(gate="circuit", reason="open")}), max_attempts=1
    )
    assert await bench.run.answer() == "ok"
    record = bench.run.record()
    assert [a.deployment for a in record.attempts] == ["b@here"]
    assert [(r.deployment, r.gate) for r in record.passed_over] == [("a@here", "circuit")]


async def test_nothing_available_is_an_error_of_its_own() -> None:
    """Nothing was sent, and the error says so."""
    shut = Obstacle(gate="cooldown", reason="limited")
    bench = Bench.set_up(gate=Gate(obstructed={"a": shut, "b": shut}))
    with pytest.raises(NothingAvailable) as caught:
        await bench.run.answer()
    assert caught.value.attempts == ()
    assert len(caught.value.record.passed_over) == 2


async def test_a_known_limit_is_queued_for_briefly() -> None:
    """Where nothing else is left, and it frees up soon enough."""
    now = asyncio.get_running_loop().time()
    gate = Gate(obstructed={n: Obstacle(gate="quota", reason="full", until=now + 0.02) for n in "ab"})
    bench = Bench.set_up(Scripted([b"ok"]), gate=gate, queue_s=0.1)
    asyncio.get_running_loop().call_later(0.01, gate.obstructed.clear)
    assert await bench.run.answer() == "ok"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_hedge_overtakes_a_slow_first_attempt(stream: bool) -> None:
    """The first useful token wins; the other is cancelled, settled, and its cost recorded."""
    slow = Scripted([b"", 5.0, b"late"], streamed=True) if stream else Scripted([5.0, b"late"])
    fast = Scripted([b"", b"fast"], streamed=stream) if stream else Scripted([b"fast"])
    bench = Bench.set_up(
        slow, fast, stream=stream, gate=Gate(hedge_s=0.01), hedge=HedgeRules(), timeouts=Timeouts(answer_s=1)
    )
    text = await bench.read() if stream else [str(await bench.run.answer())]
    assert "fast" in text
    attempts = {a.deployment: a for a in bench.run.record().attempts}
    assert attempts["a@here"].cancelled
    assert attempts["a@here"].cost is not None
    assert attempts["b@here"].failure is None
    assert slow.closed == fast.closed == 1
    assert bench.gate.open_tickets == []


async def test_a_fast_first_attempt_is_not_hedged() -> None:
    """The second is called only after the delay."""
    bench = Bench.set_up(Scripted([b"ok"]), gate=Gate(hedge_s=1), hedge=HedgeRules())
    assert await bench.run.answer() == "ok"
    assert bench.host.calls == ["a@here"]


async def test_hedges_stay_within_the_retry_budget() -> None:
    """A spent budget leaves the slow attempt alone."""
    bench = Bench.set_up(
        Scripted([0.03, b"slow"]),
        gate=Gate(hedge_s=0.01, budget=0),
        hedge=HedgeRules(),
        timeouts=Timeouts(answer_s=1),
    )
    assert await bench.run.answer() == "slow"
    assert bench.host.calls == ["a@here"]


async def test_when_both_of_a_hedge_fail_the_call_fails() -> None:
    """The first failure waits for the second attempt, and no attempt is forgotten."""
    bench = Bench.set_up(
        Scripted([0.03, FailureKind.OVERLOADED]),
        Scripted([0.05, FailureKind.OVERLOADED]),
        gate=Gate(hedge_s=0.01),
        hedge=HedgeRules(),
        timeouts=Timeouts(answer_s=1),
    )
    with pytest.raises(AllAttemptsFailed) as caught:
        await bench.run.answer()
    assert len(caught.value.attempts) == 2
    assert bench.gate.open_tickets == []


async def test_a_cut_stream_is_continued_from_what_the_caller_has() -> None:
    """The policy says `resume: continue`: the next model is given the prefix, and the splice is told."""
    bench = Bench.set_up(
        Scripted([b"", b"The sky ", b"is ", FailureKind.STREAM_CUT], streamed=True),
        Scripted([b"", b"blue.", b":2"], streamed=True),
        stream=True,
        partial=True,
        resume=Resume.CONTINUE,
    )
    assert "".join(p.split(":")[0] for p in await bench.read()) == "The sky is blue."
    assert bench.host.requests[-1].messages[-1] == {"role": "assistant", "content": "The sky is ", "partial": True}
    [splice] = bench.run.record().splices
    assert (splice.after_characters, splice.broken, splice.continued_by) == (11, "a@here", "b@here")
    assert splice.failure is FailureKind.STREAM_CUT


async def test_a_second_break_is_continued_from_both_parts() -> None:
    """The prefix grows by what the resumed stream brought."""
    bench = Bench.set_up(
        Scripted([b"one ", FailureKind.STREAM_CUT], streamed=True),
        Scripted([b"two ", FailureKind.STREAM_CUT], streamed=True),
        Scripted([b"three"], streamed=True),
        stream=True,
        partial=True,
        resume=Resume.CONTINUE,
        retry=RetryRules(per_step=1),
    )
    assert "".join(await bench.read()) == "one two three"
    assert bench.host.requests[-1].messages[-1]["content"] == "one two "


async def test_a_stream_that_nobody_can_continue_is_reported() -> None:
    """Models without partial mode are never asked to guess."""
    bench = Bench.set_up(
        Scripted([b"he", FailureKind.STREAM_CUT], streamed=True), stream=True, partial=False, resume=Resume.CONTINUE
    )
    await bench.run.open()
    assert await bench.run.next() == "he"
    with pytest.raises(StreamInterrupted):
        await bench.run.next()
    assert bench.gate.open_tickets == []


async def test_every_ending_settles_every_ticket() -> None:
    """Success, failure, early leave: nothing stays reserved."""
    for bench in (
        Bench.set_up(Scripted([b"ok"])),
        Bench.set_up(FailureKind.OVERLOADED, FailureKind.OVERLOADED),
    ):
        with contextlib.suppress(AllAttemptsFailed):
            await bench.run.answer()
        assert bench.gate.open_tickets == []
    bench = Bench.set_up(Scripted([b"he", b"llo"], streamed=True), stream=True)
    await bench.run.open()
    await bench.run.aclose()
    assert bench.gate.open_tickets == []
    assert bench.gate.settled == [("a", None, True)]


async def test_a_resumption_keeps_what_the_caller_began_the_answer_with() -> None:
    """The prefix of the caller comes first in the prefix that the next model is given, each time."""
    bench = Bench.set_up(
        Scripted([b"two ", FailureKind.STREAM_CUT], streamed=True),
        Scripted([b"three ", FailureKind.STREAM_CUT], streamed=True),
        Scripted([b"four"], streamed=True),
        stream=True,
        partial=True,
        begun=[{"role": "assistant", "content": "one ", "partial": True}],
        resume=Resume.CONTINUE,
        retry=RetryRules(per_step=1),
    )
    assert "".join(await bench.read()) == "two three four"
    assert [r.messages[-1]["content"] for r in bench.host.requests] == ["one ", "one two ", "one two three "]
    assert {len(r.messages) for r in bench.host.requests} == {2}


async def wait_until(ready: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not ready():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("resuming", [False, True])
async def test_closing_a_stream_that_is_being_read_ends_the_reader(resuming: bool) -> None:
    """Nothing is called after it, each attempt is settled once, and the reader is told."""
    stalled = Scripted([b"one ", 5.0], streamed=True)
    cut = Scripted([b"one ", FailureKind.STREAM_CUT], streamed=True)
    bench = Bench.set_up(
        *([cut, Scripted([5.0], streamed=True)] if resuming else [stalled, Scripted([b"two"], streamed=True)]),
        stream=True,
        partial=True,
        resume=Resume.CONTINUE,
        timeouts=Timeouts(first_token_s=4, between_tokens_s=4, answer_s=4),
    )
    await bench.run.open()
    assert await bench.run.next() == "one "
    reader = asyncio.create_task(bench.run.next())
    await wait_until(lambda: len(bench.host.calls) == 1 + resuming)
    await asyncio.gather(bench.run.aclose(), bench.run.aclose())
    with pytest.raises(StreamInterrupted, match=r"closed while it was read(: `a@here` stream_cut.*)?$"):
        await reader
    assert reader.cancelling() == 0
    assert len(bench.host.calls) == len(bench.seen) == 1 + resuming
    assert bench.gate.open_tickets == []
    assert await bench.run.next() is None


async def test_a_reader_cancelled_by_its_owner_stays_cancelled() -> None:
    """Closing beside it does not turn the owner's wish into an error."""
    bench = Bench.set_up(Scripted([b"one ", 5.0], streamed=True), stream=True)
    await bench.run.open()
    await bench.run.next()
    reader = asyncio.create_task(bench.run.next())
    await asyncio.sleep(0)
    reader.cancel()
    await bench.run.aclose()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert bench.gate.open_tickets == []


async def test_a_second_reader_is_refused_and_the_first_reads_on() -> None:
    """Two readers would each get a part of the stream."""
    bench = Bench.set_up(Scripted([b"one ", 0.01, b"two"], streamed=True), stream=True)
    await bench.run.open()
    await bench.run.next()
    first = asyncio.create_task(bench.run.next())
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="only one may at a time"):
        await bench.run.next()
    assert await first == "two"
    assert await bench.run.next() is None
    assert len(bench.seen) == 1


class Stubborn(Scripted):
    """A reply that takes its time to end."""

    async def documents(self) -> AsyncIterator[bytes]:
        try:
            async for document in super().documents():
                yield document
        finally:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("overtaken", [False, True])
async def test_a_caller_cancelled_twice_leaves_nothing_reserved(overtaken: bool) -> None:
    """The second cancellation comes while attempts are being ended, and ends that; they are settled all the same."""
    slow, fast = Stubborn([5.0], streamed=True), Scripted([b"" if overtaken else 5.0, b"x"], streamed=True)
    bench = Bench.set_up(
        slow,
        fast,
        stream=True,
        gate=Gate(hedge_s=0.01),
        hedge=HedgeRules(percentile=90),
        timeouts=Timeouts(first_token_s=4, between_tokens_s=4, answer_s=4),
    )
    caller = asyncio.create_task(bench.run.open())
    await wait_until(lambda: len(bench.gate.settled) == 1 if overtaken else len(bench.host.calls) == 2)
    caller.cancel()
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert bench.gate.open_tickets == []
    assert (slow.closed, fast.closed) == (1, 1)
    await asyncio.sleep(0.02)
    assert len(bench.seen) == 2


async def test_an_attempt_that_has_begun_to_answer_is_not_slow() -> None:
    """A collected stream whose first token came in time is not hedged while the rest of it arrives."""
    bench = Bench.set_up(
        Scripted([b"one ", 0.03, b"two"], streamed=True),
        Scripted([b"three"], streamed=True),
        stream_only=True,
        gate=Gate(hedge_s=0.01),
        hedge=HedgeRules(percentile=90),
    )
    assert await bench.run.answer() == "one two"
    assert bench.host.calls == ["a@here"]


async def test_what_a_hedge_cost_counts_against_the_ceiling() -> None:
    """The loser of a hedge was paid for, so less is left for a resumption."""
    spent = Scripted([b":1", 5.0], streamed=True)
    bench = Bench.set_up(
        spent,
        Scripted([b"one ", FailureKind.STREAM_CUT], streamed=True),
        stream=True,
        partial=True,
        gate=Gate(hedge_s=0.01),
        hedge=HedgeRules(percentile=90),
        resume=Resume.CONTINUE,
        max_cost_usd=1.0,
        retry=RetryRules(per_step=1),
    )
    await bench.run.open()
    await bench.run.next()
    with pytest.raises(StreamInterrupted):
        await bench.run.next()
    assert bench.host.calls == ["a@here", "b@here"]


async def test_what_came_before_the_first_attempt_takes_from_the_deadline() -> None:
    """A call whose time went into hooks is refused, and nothing is sent."""
    bench = Bench.set_up(Scripted([b"late"]), deadline_s=1.0, waited_s=1.0)
    with pytest.raises(DeadlineExceeded):
        await bench.run.answer()
    assert bench.host.calls == []
    assert bench.run.record().latency_s >= 1.0


async def test_a_hook_before_an_attempt_is_held_to_the_deadline() -> None:
    """It is not waited for any longer; nothing was sent, so nothing is reckoned, and nobody is blamed."""

    async def slow(request: Request, step: Step) -> None:
        await asyncio.sleep(60)

    bench = Bench.set_up(Scripted([b"late"]), deadline_s=0.03, before_attempt=slow)
    with pytest.raises(DeadlineExceeded):
        await bench.run.answer()
    assert bench.host.calls == []
    assert bench.gate.settled == [("a", None, True)]
    [attempt] = bench.seen
    assert attempt.cost is not None
    assert (attempt.cost.amount, attempt.usage, attempt.reckoned) == (0.0, Usage(prompt_tokens=0), False)


async def test_an_attempt_that_a_hook_refused_costs_nothing() -> None:
    """Nothing was sent: the record says so."""

    async def refuse(request: Request, step: Step) -> None:
        raise InvalidRequest("no", param="messages")

    bench = Bench.set_up(Scripted([b"late"]), before_attempt=refuse)
    with pytest.raises(InvalidRequest):
        await bench.run.answer()
    [attempt] = bench.seen
    assert attempt.usage == Usage(prompt_tokens=0)
    assert bench.gate.open_tickets == []
