"""Cache, hooks and health through the routers, over real HTTP."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import openai
import pytest

from qwenroute import (
    AllAttemptsFailed,
    AsyncRouter,
    Hook,
    HookFailed,
    InvalidRequest,
    Record,
    Router,
    load_policy,
)
from qwenroute.domain.request import Request
from qwenroute.testing import SimulatorHandle, simulator

HELLO = [{"role": "user", "content": "Hello"}]
SHIPPED = Path(__file__).parents[2] / "policies" / "default.yaml"


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """One server for the file."""
    with simulator(time_scale=0) as handle:
        yield handle


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Path]:
    """The default policy with a cache, in memory and in a file."""
    policy = tmp_path / "keeping.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    assert "\ncache: off" in text
    policy.write_text(text.replace("\ncache: off", "\ncache: {ttl_s: 60, path: answers.db}\n#"), encoding="utf-8")
    return policy


def test_an_answer_is_given_again_without_a_call(platform: SimulatorHandle, keeping: Path) -> None:
    """Whole or streamed, by this router or the next: the same text, no attempt, no cost."""
    before = len(platform.requests)
    with Router(keeping, environ=platform.environ()) as router:
        first = router.chat.completions.create(messages=HELLO)
        again = router.chat.completions.create(messages=HELLO)
        stream = router.chat.completions.create(messages=HELLO, stream=True)
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
    with Router(keeping, environ=platform.environ()) as router:
        later = router.chat.completions.create(messages=HELLO)
    assert len(platform.requests) == before + 1
    text = first.choices[0].message.content
    assert again.choices[0].message.content == later.choices[0].message.content == streamed == text
    for record in (again.route, stream.route, later.route):
        assert record.cached
        assert record.attempts == ()
        assert record.cost is not None
        assert record.cost.amount == 0
    assert not first.route.cached


def test_a_stream_is_kept_once_it_has_ended_well(platform: SimulatorHandle, keeping: Path) -> None:
    """Half a stream is not kept; a whole one serves both kinds of callers."""
    asked = [{"role": "user", "content": "Tell me of streams"}]
    with Router(keeping, environ=platform.environ()) as router:
        with router.chat.completions.create(messages=asked, stream=True) as stream:
            next(stream)
        whole = list(router.chat.completions.create(messages=asked, stream=True))
        before = len(platform.requests)
        again = router.chat.completions.create(messages=asked)
        assert len(platform.requests) == before
    assert again.choices[0].message.content == "".join(c.choices[0].delta.content or "" for c in whole)


@pytest.mark.parametrize("stream", [False, True])
def test_a_damaged_answer_is_asked_for_again(platform: SimulatorHandle, keeping: Path, stream: bool) -> None:
    """What was kept and cannot be read is not there."""
    asked = [{"role": "user", "content": "Tell me of damage"}]
    with Router(keeping, environ=platform.environ()) as router:
        first = router.chat.completions.create(messages=asked)
    with closing(sqlite3.connect(keeping.with_name("answers.db"))) as file, file:
        assert file.execute("UPDATE qwenroute_answers_1 SET answer = ?", (b'{"id": "1", "cho',)).rowcount == 1
    with Router(keeping, environ=platform.environ()) as router:
        again = router.chat.completions.create(messages=asked, stream=stream)
        text = "".join(c.choices[0].delta.content or "" for c in again) if stream else again.choices[0].message.content
        assert not again.route.cached
    assert text == first.choices[0].message.content


def test_tenants_never_share_answers(platform: SimulatorHandle, keeping: Path) -> None:
    """Each asks for itself."""
    with Router(keeping, environ=platform.environ()) as router:
        before = len(platform.requests)
        for tenant in ("a", "b", "a"):
            router.chat.completions.create(messages=HELLO, qwenroute={"tenant": tenant})
    assert len(platform.requests) == before + 2


def test_nothing_is_kept_unless_the_policy_says_so(platform: SimulatorHandle) -> None:
    """The default has no cache."""
    with Router(environ=platform.environ()) as router:
        before = len(platform.requests)
        for _ in range(2):
            assert not router.chat.completions.create(messages=HELLO).route.cached
    assert len(platform.requests) == before + 2


class Redact(Hook):
    """Takes a name out before anything is decided or sent."""

    inline = True

    def before_routing(self, request: Request) -> Request:
        messages = tuple({**m, "content": str(m["content"]).replace("Ada", "[name]")} for m in request.messages)
        return replace(request, messages=messages)


class Refuse(Hook):
    """Refuses what it does not like."""

    async def before_routing(self, request: Request) -> None:
        raise InvalidRequest("not here", param="messages")


class Watch(Hook):
    """Sees every answer and chunk."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.chunks = 0

    def after_answer(self, answer: object, record: Record) -> None:
        self.records.append(record)

    def on_chunk(self, chunk: object, arriving: object) -> None:
        self.chunks += 1


class Broken(Hook):
    """Fails whenever it is asked."""

    def after_answer(self, answer: object, record: Record) -> None:
        raise RuntimeError("broken")


def test_hooks_see_change_and_refuse(platform: SimulatorHandle) -> None:
    """Redaction reaches the wire, metrics see the record, a guardrail's refusal reaches the caller."""
    watch = Watch()
    with Router(environ=platform.environ(), hooks=[Redact(), watch]) as router:
        router.chat.completions.create(messages=[{"role": "user", "content": "I am Ada"}])
        assert platform.requests[-1].body["messages"] == [{"role": "user", "content": "I am [name]"}]
        chunks = list(router.chat.completions.create(messages=HELLO, stream=True))
    assert len(watch.records) == 2
    assert watch.chunks == len(chunks)
    before = len(platform.requests)
    with (
        Router(environ=platform.environ(), hooks=[Refuse()]) as router,
        pytest.raises(InvalidRequest, match="not here"),
    ):
        router.chat.completions.create(messages=HELLO)
    assert len(platform.requests) == before


async def test_a_failing_hook_fails_as_it_declares(platform: SimulatorHandle) -> None:
    """`raise` fails the call, catchable by the openai package's base too; `ignore` does not."""
    async with AsyncRouter(environ=platform.environ(), hooks=[Broken()]) as router:
        with pytest.raises(HookFailed) as caught:
            await router.chat.completions.create(messages=HELLO)
        assert isinstance(caught.value, openai.OpenAIError)
        stream = await router.chat.completions.create(messages=HELLO, stream=True)
        with pytest.raises(HookFailed):
            _ = [chunk async for chunk in stream]
    tolerant = Broken()
    tolerant.on_failure = "ignore"
    async with AsyncRouter(environ=platform.environ(), hooks=[tolerant]) as router:
        assert (await router.chat.completions.create(messages=HELLO)).choices


def test_health_tells_what_is_wrong_and_until_when(platform: SimulatorHandle) -> None:
    """After failures a circuit is open, calls go elsewhere, and `health` says so."""
    with Router(environ=platform.environ()) as router:
        first = router.route(messages=HELLO).first.deployment
        assert all(state.available for state in router.health())
        platform.fail(first.wire_model, "ModelUnavailable")
        for _ in range(6):
            assert router.chat.completions.create(messages=HELLO).route.deployment != first.id
        [sick] = [state for state in router.health() if not state.available]
        platform.clear_faults()
        assert sick.deployment == first.id
        assert sick.why is not None
        assert sick.until is not None
        assert router.route(messages=HELLO).first.deployment.id != first.id
        assert first.id in router.route(messages=HELLO).rejected


def test_applications_that_catch_openai_errors_keep_working(platform: SimulatorHandle) -> None:
    """One exception, both names."""
    with Router(environ=platform.environ()) as router:
        with pytest.raises(openai.BadRequestError):
            router.chat.completions.create(messages=[])
        with pytest.raises(openai.NotFoundError):
            router.chat.completions.create(model="gpt-4o", messages=HELLO)
        platform.fail("*", "InvalidApiKey", times=1)
        with pytest.raises(openai.AuthenticationError) as caught:
            router.chat.completions.create(messages=HELLO)
        assert isinstance(caught.value, AllAttemptsFailed)
        platform.clear_faults()


def test_the_default_policy_is_patient_without_being_asked() -> None:
    """Breakers and cooldowns are on; hedging, resumption and the cache have to be asked for."""
    policy = load_policy("default")
    assert policy.resilience.breaker.failures > 0
    assert policy.hedge is None
    assert policy.cache is None
