"""The fault matrix as data: what goes wrong, who calls how, and what the caller has to get.

A case is one call by a router of its own to two accounts that serve the same models: `primary`,
where the fault is, and `standby`, which is well or (`alone`) as ill as the other. What has to come
of it follows from the kind of failure that the fault is, and from nothing that qwenroute computes.
"""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from collections.abc import Awaitable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

import openai

from qwenroute import (
    AllAttemptsFailed,
    AsyncRouter,
    CallFailed,
    FailureKind,
    Policy,
    Record,
    Registry,
    Router,
    StreamInterrupted,
    load_policy,
)
from qwenroute.domain.decision import Timeouts
from qwenroute.testing import (
    UNRESOLVABLE_URL,
    Cut,
    ErrorEvent,
    Fault,
    MalformedChunk,
    SimulatorHandle,
    SlowFirstToken,
    Stall,
    errors,
    named_faults,
    prompt_digest,
)

ILL, WELL = "cn-beijing", "intl-singapore"
ON = date(2026, 11, 24)
POLICY = Path(__file__).with_name("policy.yaml")
OVERLAY = Path(__file__).with_name("overlay.yaml")
PATIENT_S, IMPATIENT_S = 15.0, 0.8
"""How long an attempt may take; the short one where a fault is that nothing comes."""
WORDS = ["ocean", "tide", "coral", "reef"]


class Shape(Enum):
    """What is asked for."""

    PLAIN = "plain"
    TOOLS = "tools"
    REASONING = "reasoning"
    AUDIO = "audio"


class Gets(Enum):
    """What the caller gets."""

    ANSWER = "answer"
    RESUMED = "resumed"
    ERROR = "error"
    BROKEN = "broken"
    """What arrived, and an error."""


@dataclass(frozen=True)
class Consequence:
    """What a kind of failure comes to, with the default `fall_back_on`."""

    falls_back: bool
    error: type[openai.OpenAIError]
    """What an application that knows only the openai package catches, if nothing capable is well."""


_BAD = openai.BadRequestError
CONSEQUENCES: Mapping[FailureKind, Consequence] = {
    FailureKind.INVALID_REQUEST: Consequence(False, _BAD),
    FailureKind.BAD_MEDIA: Consequence(False, _BAD),
    FailureKind.CONTENT_FILTER: Consequence(False, _BAD),
    FailureKind.AUTHENTICATION: Consequence(False, openai.AuthenticationError),
    FailureKind.BILLING: Consequence(False, openai.RateLimitError),
    FailureKind.CONFIGURATION: Consequence(False, openai.NotFoundError),
    FailureKind.UNSUPPORTED_FEATURE: Consequence(True, _BAD),
    FailureKind.STREAM_REQUIRED: Consequence(True, _BAD),
    FailureKind.CONTEXT_OVERFLOW: Consequence(True, _BAD),
    FailureKind.MEDIA_FETCH: Consequence(True, _BAD),
    FailureKind.PERMISSION: Consequence(True, openai.PermissionDeniedError),
    FailureKind.MODEL_GONE: Consequence(True, openai.NotFoundError),
    FailureKind.RATE_LIMITED: Consequence(True, openai.RateLimitError),
    FailureKind.TOKENS_LIMITED: Consequence(True, openai.RateLimitError),
    FailureKind.BURST_LIMITED: Consequence(True, openai.RateLimitError),
    FailureKind.OVERLOADED: Consequence(True, openai.InternalServerError),
    FailureKind.SERVER_ERROR: Consequence(True, openai.InternalServerError),
    FailureKind.TIMEOUT: Consequence(True, openai.APITimeoutError),
    FailureKind.CONNECTION: Consequence(True, openai.APIConnectionError),
    FailureKind.MALFORMED: Consequence(True, openai.InternalServerError),
    FailureKind.STREAM_CUT: Consequence(True, openai.APIConnectionError),
}


@dataclass(frozen=True)
class Ill:
    """Something that goes wrong: its name, how it is done, and what it is to a caller of each sort."""

    name: str
    fault: Fault | None
    """None: the host's name does not resolve."""
    whole: FailureKind
    """To an answer that comes in one piece."""
    streamed: FailureKind
    late: bool = False
    """It strikes a stream after its first token."""

    def kind(self, case: Case) -> FailureKind:
        """Return what it is to a case: thinking and speech always come from a stream."""
        streamed = case.stream or case.shape in {Shape.REASONING, Shape.AUDIO}
        return self.streamed if streamed else self.whole

    @property
    def patience_s(self) -> float:
        """How long to wait for something that may not come."""
        return IMPATIENT_S if FailureKind.TIMEOUT in {self.whole, self.streamed} else PATIENT_S


_SHAPES: Mapping[str, tuple[FailureKind, FailureKind]] = {
    "slow-first-token": (FailureKind.TIMEOUT, FailureKind.TIMEOUT),
    "stall": (FailureKind.TIMEOUT, FailureKind.TIMEOUT),
    "cut": (FailureKind.CONNECTION, FailureKind.STREAM_CUT),
    "malformed-chunk": (FailureKind.MALFORMED, FailureKind.MALFORMED),
    "error-event": (FailureKind.SERVER_ERROR, FailureKind.SERVER_ERROR),
    "error-in-200": (FailureKind.SERVER_ERROR, FailureKind.SERVER_ERROR),
    "connection-reset": (FailureKind.CONNECTION, FailureKind.CONNECTION),
    "empty-answer": (FailureKind.MALFORMED, FailureKind.MALFORMED),
}
_LATE: Mapping[str, Fault] = {
    "stall": Stall(after_chunks=3),
    "cut": Cut(after_chunks=3),
    "malformed-chunk": MalformedChunk(after_chunks=3),
    "error-event": ErrorEvent(after_chunks=3),
}


def ills() -> Iterator[Ill]:
    """Yield every fault that the simulator knows, the same within a stream, and a name that is unknown."""
    table = errors()
    for name, fault in named_faults().items():
        if name in table:
            kind = FailureKind(table[name].kind)
            yield Ill(name, fault, kind, kind)
        else:
            yield Ill(name, fault, *_SHAPES[name])
    yield Ill("slow-head", SlowFirstToken(s=60.0, head=True), FailureKind.TIMEOUT, FailureKind.TIMEOUT)
    for name, fault in _LATE.items():
        yield Ill(f"{name}-later", fault, *_SHAPES[name], late=True)
    yield Ill("dns", None, FailureKind.CONNECTION, FailureKind.CONNECTION)


@dataclass(frozen=True)
class Case:
    """One call."""

    shape: Shape
    stream: bool
    sync: bool
    alone: bool
    """Nothing capable is well."""

    @property
    def word(self) -> str:
        """What its prompt and its tool have that no other case's have."""
        return f"{self.shape.value}_{'stream' if self.stream else 'whole'}_{'sync' if self.sync else 'async'}"

    @property
    def prompt(self) -> str:
        """What is asked."""
        return f"Call look_up_{self.word} for me." if self.shape is Shape.TOOLS else f"What of {self.word}?"

    def body(self) -> dict[str, Any]:
        """Return what `create` is called with."""
        body: dict[str, Any] = {"messages": [{"role": "user", "content": self.prompt}], "stream": self.stream}
        if self.shape is Shape.TOOLS:
            place = {"type": "object", "properties": {w: {"type": "string"} for w in WORDS}, "required": WORDS}
            function = {"name": f"look_up_{self.word}", "parameters": place}
            body["tools"] = [{"type": "function", "function": function}]
        elif self.shape is Shape.REASONING:
            body["qwenroute"] = {"thinking": True}
        elif self.shape is Shape.AUDIO:
            body["modalities"] = ["text", "audio"]
            body["audio"] = {"format": "wav"}
        return body


CASES = tuple(
    Case(shape, stream, sync, alone)
    for alone in (False, True)
    for sync in (False, True)
    for stream in (False, True)
    for shape in Shape
)


def expected(ill: Ill, case: Case) -> Gets:
    """Return what the caller of a case has to get."""
    kind = ill.kind(case)
    if case.stream and ill.late:
        # Only text can be gone on from; what else has begun ends in an error, and is never mended.
        return Gets.RESUMED if case.shape is Shape.PLAIN and not case.alone else Gets.BROKEN
    return Gets.ANSWER if CONSEQUENCES[kind].falls_back and not case.alone else Gets.ERROR


@dataclass
class Got:
    """What arrived, put together by the caller and not by qwenroute."""

    content: str = ""
    reasoning: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Name and arguments, by index."""
    transcript: str = ""
    sound: bytes = b""
    """Samples, without a header."""
    finish: str | None = None
    error: CallFailed | None = None
    record: Record | None = None

    def take(self, choices: Any) -> None:
        """Take the choices of a chunk or of an answer."""
        for choice in choices:
            part = getattr(choice, "delta", None) or choice.message
            self.finish = choice.finish_reason or self.finish
            self.content += part.content or ""
            self.reasoning += getattr(part, "reasoning_content", None) or ""
            for position, call in enumerate(part.tool_calls or ()):
                held = self.calls.setdefault(getattr(call, "index", position), ["", ""])
                held[0] += call.function.name or ""
                held[1] += call.function.arguments or ""
            audio = getattr(part, "audio", None)
            if isinstance(audio, dict):
                self.transcript += audio.get("transcript") or ""
                self.sound += base64.b64decode(audio.get("data") or "")
            elif audio is not None:
                self.transcript += audio.transcript
                with wave.open(io.BytesIO(base64.b64decode(audio.data))) as wav:
                    self.sound += wav.readframes(wav.getnframes())

    def told(self) -> tuple[object, ...]:
        """Return what makes two answers the same."""
        return self.content, self.reasoning, self.calls, self.transcript, self.sound, self.finish

    def begins(self, whole: Got) -> bool:
        """Whether this is a beginning of an answer, or all of it."""
        ours, theirs = self.calls.get(0, ["", ""]), whole.calls.get(0, ["", ""])
        return (
            whole.content.startswith(self.content)
            and whole.reasoning.startswith(self.reasoning)
            and all(theirs[i].startswith(ours[i]) for i in (0, 1))
            and whole.transcript.startswith(self.transcript)
            and whole.sound.startswith(self.sound)
        )


@cache
def policy(patience_s: float) -> Policy:
    """Return the policy of the matrix."""
    timeouts = Timeouts(first_token_s=patience_s, between_tokens_s=patience_s, answer_s=patience_s)
    return replace(load_policy(POLICY), timeouts=timeouts)


@cache
def registry() -> Registry:
    """Return the facts of the matrix."""
    return Registry.load([OVERLAY])


def environ(running: SimulatorHandle, ill: Ill | None, *, alone: bool) -> dict[str, str]:
    """Return where the two accounts are: the same ill place twice where nothing is to be well."""
    at_fault = UNRESOLVABLE_URL if ill is not None and ill.fault is None else running.dashscope_url(ILL)
    return {
        "PRIMARY_URL": at_fault,
        "PRIMARY_KEY": "sk-sim-primary",
        "STANDBY_URL": at_fault if alone else running.dashscope_url(WELL),
        "STANDBY_KEY": "sk-sim-standby",
    }


async def call_async(case: Case, places: Mapping[str, str], patience_s: float) -> Got:
    """Make the call with an AsyncRouter."""
    got = Got()
    async with AsyncRouter(policy(patience_s), registry=registry(), environ=places, on=ON) as router:
        try:
            if case.stream:
                stream = await router.chat.completions.create(**case.body())
                try:
                    async for chunk in stream:
                        got.take(chunk.choices)
                finally:
                    got.record = stream.route
            else:
                answer = await router.chat.completions.create(**case.body())
                got.take(answer.choices)
                got.record = answer.route
        except CallFailed as error:
            got.error, got.record = error, error.record
    return got


def call_sync(case: Case, places: Mapping[str, str], patience_s: float) -> Got:
    """Make the call with a Router."""
    got = Got()
    with Router(policy(patience_s), registry=registry(), environ=places, on=ON) as router:
        try:
            if case.stream:
                stream = router.chat.completions.create(**case.body())
                try:
                    for chunk in stream:
                        got.take(chunk.choices)
                finally:
                    got.record = stream.route
            else:
                answer = router.chat.completions.create(**case.body())
                got.take(answer.choices)
                got.record = answer.route
        except CallFailed as error:
            got.error, got.record = error, error.record
    return got


def call(case: Case, places: Mapping[str, str], patience_s: float = PATIENT_S) -> Awaitable[Got]:
    """Make the call as the case says."""
    if case.sync:
        return asyncio.to_thread(call_sync, case, places, patience_s)
    return call_async(case, places, patience_s)


async def right_answers(running: SimulatorHandle) -> dict[str, Got]:
    """Return what each prompt is answered with where nothing is wrong; checked against the prompt itself."""
    running.clear_faults()
    found: dict[str, Got] = {}
    for case in CASES:
        if case.alone:
            continue
        got = await call(case, environ(running, None, alone=False))
        assert got.error is None, got.error
        assert got.finish == ("tool_calls" if case.shape is Shape.TOOLS else "stop")
        digest = prompt_digest(({"role": "user", "content": case.prompt},))
        match case.shape:
            case Shape.TOOLS:
                assert [name for name, _ in got.calls.values()] == [f"look_up_{case.word}"]
            case Shape.AUDIO:
                assert digest in got.transcript
                assert len(got.sound) > 10_000
            case Shape.PLAIN | Shape.REASONING:
                assert digest in got.content
                assert bool(got.reasoning) is (case.shape is Shape.REASONING)
        found[case.word] = got
    return found


def verdict(ill: Ill, case: Case, got: Got, right: Got) -> str | None:
    """Return what is wrong with what a caller got, or None."""
    wanted = expected(ill, case)
    kind = ill.kind(case)
    record = got.record
    assert record is not None
    tried = [a.failure.kind.value if a.failure else "answered" for a in record.attempts]
    if record.attempts and record.attempts[0].failure is not None and record.attempts[0].failure.kind is not kind:
        return f"the first attempt was {tried[0]}, not {kind}"
    if wanted is Gets.ANSWER:
        if got.error is not None:
            return f"an error: {got.error}"
        if got.told() != right.told():
            return f"another answer: {got.content[:60]!r} {got.calls} after {tried}"
        if record.answered_by is None or not record.answered_by.deployment.endswith("@standby"):
            return f"answered by {record.deployment}"
        return None
    if wanted is Gets.RESUMED:
        if got.error is not None:
            return f"an error: {got.error}"
        digest = prompt_digest(({"role": "user", "content": case.prompt},))
        if not record.splices:
            return "no splice is told"
        ends = [splice.after_characters for splice in record.splices]
        before, *after = [got.content[i:j] for i, j in zip([0, *ends], [*ends, None], strict=True)]
        if not before or not right.content.startswith(before):
            return f"begun wrongly: {before!r}"
        if not all(part.startswith(" [simulated qwen-plus] continuation " + digest) for part in after):
            return f"gone on wrongly: {after}"
        last = record.splices[-1]
        if {s.failure for s in record.splices} != {kind} or last.continued_by != "qwen-plus@standby":
            return f"told wrongly: {record.splices}"
        if record.deployment != "qwen-plus@standby" or got.finish != "stop":
            return f"ended wrongly: {record.deployment}, {got.finish}"
        return None
    error = got.error
    ours = StreamInterrupted if wanted is Gets.BROKEN else AllAttemptsFailed
    theirs = CONSEQUENCES[kind].error
    if wanted is Gets.BROKEN and kind is not FailureKind.TIMEOUT:
        theirs = openai.APIConnectionError
    if not isinstance(error, ours) or not isinstance(error, theirs):
        bases = [c.__name__ for c in type(error).__mro__ if issubclass(c, openai.OpenAIError)]
        return f"{type(error).__name__} ({', '.join(bases[:2])}): {error}; wanted {ours.__name__}, {theirs.__name__}"
    if wanted is Gets.BROKEN and not got.begins(right) and not record.splices:
        return f"what arrived is no beginning of the answer: {got.content!r}"
    if wanted is Gets.ERROR and got.told() != Got().told():
        return f"an error after something had arrived: {got.content!r}"
    if not CONSEQUENCES[kind].falls_back and len(tried) != 1:
        return f"it went on after {tried[0]}: {tried}"
    return None


Findings = Mapping[Case, tuple[Gets, str | None]]


async def examine(ill: Ill, running: SimulatorHandle, right: Mapping[str, Got]) -> Findings:
    """Make every call of a fault at once; return what each got and what is wrong with it."""
    running.clear_faults()
    if ill.fault is not None:
        running.fail("*", ill.fault, region=ILL)
    got = await asyncio.gather(*(call(case, environ(running, ill, alone=case.alone), ill.patience_s) for case in CASES))
    running.clear_faults()
    return {case: (_gets(g), verdict(ill, case, g, right[case.word])) for case, g in zip(CASES, got, strict=True)}


def _gets(got: Got) -> Gets:
    if isinstance(got.error, StreamInterrupted):
        return Gets.BROKEN
    if got.error is not None:
        return Gets.ERROR
    return Gets.RESUMED if got.record is not None and got.record.splices else Gets.ANSWER
