"""The loop: performs what the machine says, with a provider that is scripted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import pytest

from qwenroute.domain.capability import Deployment, Modality, Role, Speed
from qwenroute.domain.decision import Decision, Plan, RetryRules, Step, Timeouts
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.price import Exchange, Money, Price, Tier, Usage
from qwenroute.domain.record import Attempt
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.errors import AllAttemptsFailed, AttemptFailed, DeadlineExceeded, StreamInterrupted
from qwenroute.execution.codec import Codec, Collecting
from qwenroute.execution.loop import Run


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

    def collector(self) -> Joined:
        return Joined()


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

    async def call(self, request: Request, step: Step, *, connect_s: float | None) -> Scripted:
        self.calls.append(step.deployment.id)
        self.called.set()
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

    @classmethod
    def set_up(
        cls, *replies: Scripted | FailureKind, stream: bool = False, stream_only: bool = False, **plan: object
    ) -> Self:
        steps = tuple(
            Step(deployment=deployment(n, stream_only=stream_only), pool="general", role=Role.GENERAL) for n in "ab"
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
            policy_hash="x",
        )
        host, seen = Host(list(replies)), list[Attempt]()
        run = Run(
            id="1",
            request=Request(stream=stream),
            decision=decision,
            providers={"here": host},
            codec=TextCodec(),
            exchange=Exchange(report="USD", rates={"CNY": 0.5}),
            backoff=lambda _: 0.0,
            on_attempt=seen.append,
        )
        return cls(host, run, seen)

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
