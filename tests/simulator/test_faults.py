"""Every fault does what its name says, to whom it was scripted for, as often as it was."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import httpx
import openai
import pytest

from qwenroute.domain.failure import FailureKind
from qwenroute.testing import (
    UNRESOLVABLE_URL,
    ConnectionReset,
    Cut,
    EmptyAnswer,
    ErrorEvent,
    ErrorIn200,
    MalformedChunk,
    SimulatorHandle,
    SlowFirstToken,
    Stall,
    Status,
    errors,
    named_faults,
)

Connect = Callable[..., openai.OpenAI]
HELLO = [{"role": "user", "content": "hello"}]


def ask(client: openai.OpenAI, model: str = "qwen-plus", **more: Any) -> Any:
    return client.chat.completions.create(model=model, messages=HELLO, **more)


def consume(client: openai.OpenAI, *, stream: bool) -> list[Any]:
    return list(ask(client, stream=stream))


@asynccontextmanager
async def post(sim: SimulatorHandle, *, stream: bool, total_s: float = 20.0) -> AsyncIterator[aiohttp.ClientResponse]:
    body = {"model": "qwen-plus", "messages": HELLO, "stream": stream}
    url = f"{sim.dashscope_url()}/chat/completions"
    timeout = aiohttp.ClientTimeout(total=total_s)
    async with (
        aiohttp.ClientSession(headers={"Authorization": "Bearer sk-sim"}, timeout=timeout) as session,
        session.post(url, json=body) as response,
    ):
        yield response


async def read_until(response: aiohttp.ClientResponse, error: type[Exception], *, patience_s: float = 20.0) -> bytes:
    """Read what arrives before the error that has to come."""
    got = b""
    try:
        while piece := await asyncio.wait_for(response.content.readany(), patience_s):
            got += piece
    except error:
        return got
    pytest.fail("the answer ended as if all were well")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", list(errors()))
def test_every_error_of_the_table_can_be_made_to_happen(
    sim: SimulatorHandle, client: openai.OpenAI, name: str, stream: bool
) -> None:
    """By name: the status, the compatible code and the message of the table arrive."""
    error = errors()[name]
    sim.fail("qwen-plus", name)
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client, stream=stream)
    assert caught.value.status_code == error.status
    assert caught.value.code == error.code
    assert error.message in caught.value.message
    assert caught.value.response.json()["request_id"]


def test_the_table_covers_every_cause_that_an_error_body_can_have() -> None:
    """Only what shows as no body at all is missing from it."""
    shapeless = {FailureKind.CONNECTION, FailureKind.MALFORMED, FailureKind.STREAM_CUT}
    assert {e.kind for e in errors().values()} == set(FailureKind) - shapeless


def test_the_two_meanings_of_insufficient_quota_are_both_there() -> None:
    """One code, told apart by the words alone."""
    tokens, free = errors()["token-quota"], errors()["free-quota"]
    assert tokens.code == free.code == "insufficient_quota"
    assert (tokens.kind, free.kind) == (FailureKind.TOKENS_LIMITED, FailureKind.BILLING)


def test_a_status_of_ones_own_with_the_headers_it_asks_for(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """Status, code, message, Retry-After in both units."""
    sim.fail("qwen-plus", Status(code=529, compat_code="tired", message="later", retry_after="7", retry_after_ms=250))
    with pytest.raises(openai.APIStatusError, match="later") as caught:
        ask(client)
    assert (caught.value.status_code, caught.value.code) == (529, "tired")
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.response.headers["retry-after-ms"] == "250"


def test_the_native_form_of_a_body(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """`{code, message, request_id}`, without `error`."""
    sim.fail("qwen-plus", Status(code=429, native_code="Throttling", message="slow", native=True))
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert set(caught.value.response.json()) == {"code", "message", "request_id"}
    assert caught.value.response.json()["code"] == "Throttling"


def test_some_requests_fail_and_then_it_recovers(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """`after` lets through, `times` fails, then all is well; faults of one model queue up."""
    sim.fail("qwen-plus", "internal-error", times=2, after=1)
    sim.fail("qwen-plus", "throttling", times=1)
    seen = []
    for _ in range(6):
        try:
            ask(client)
            seen.append(200)
        except openai.APIStatusError as error:
            seen.append(error.status_code)
    assert seen == [200, 500, 500, 429, 200, 200]


def test_a_fault_is_for_its_model_region_and_path(sim: SimulatorHandle, connect: Connect) -> None:
    """Everything else goes on; `*` means every model; clearing ends it."""
    beijing, singapore = (connect(sim.dashscope_url(r)) for r in ("cn-beijing", "intl-singapore"))
    sim.fail("qwen-plus", "internal-error", region="cn-beijing", path="/chat/completions")
    with pytest.raises(openai.InternalServerError):
        ask(beijing)
    assert ask(beijing, "qwen-max")
    assert ask(singapore)
    sim.clear_faults()
    assert ask(beijing)
    sim.fail("*", "internal-error")
    with pytest.raises(openai.InternalServerError):
        ask(singapore, "qwen-max")


@pytest.mark.parametrize("stream", [False, True])
def test_a_slow_first_token_holds_until_the_client_gives_up(
    sim: SimulatorHandle, connect: Connect, stream: bool
) -> None:
    """A client with a short patience times out; the server forgets it and goes on."""
    sim.fail("qwen-plus", SlowFirstToken(s=600), times=1)
    client = connect(sim.dashscope_url(), timeout=0.2)
    with pytest.raises((openai.APITimeoutError, httpx.ReadTimeout)):
        consume(client, stream=stream)
    assert ask(client)


def test_a_slow_first_token_ends_by_itself(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """After its seconds the answer comes."""
    sim.fail("qwen-plus", SlowFirstToken(s=0.05))
    begun = time.perf_counter()
    assert ask(client)
    assert time.perf_counter() - begun >= 0.05


async def test_a_slow_head_delays_even_the_status(sim: SimulatorHandle) -> None:
    """With `head` not even the headers come."""
    sim.fail("qwen-plus", SlowFirstToken(s=600, head=True))
    with pytest.raises(TimeoutError):
        async with post(sim, stream=True, total_s=0.2):
            pytest.fail("the head came")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stall_holds_in_the_middle_until_the_client_leaves(sim: SimulatorHandle, stream: bool) -> None:
    """Something arrives, then nothing; leaving ends the stall."""
    sim.fail("qwen-plus", Stall(after_chunks=2, s=600))
    async with post(sim, stream=stream) as response:
        assert response.status == 200
        got = await read_until(response, TimeoutError, patience_s=0.2)
    assert got
    assert got.count(b"data: ") == (2 if stream else 0)


def test_a_stall_ends_by_itself(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """After its seconds the stream goes on to its end."""
    sim.fail("qwen-plus", Stall(after_chunks=1, s=0.05))
    assert list(ask(client, stream=True))[-1].choices[0].finish_reason == "stop"
    sim.fail("qwen-plus", Stall(s=0.05))
    assert ask(client).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_drops_the_connection_in_the_middle(sim: SimulatorHandle, stream: bool) -> None:
    """What was sent before the cut arrives; the end never does."""
    sim.fail("qwen-plus", Cut(after_chunks=3))
    body = {"model": "qwen-plus", "messages": HELLO, "stream": stream}
    # httpx hands on what arrived before it looks at the end; aiohttp drops it where both come at once.
    async with (
        httpx.AsyncClient(trust_env=False, headers={"Authorization": "Bearer sk-sim"}) as http,
        http.stream("POST", f"{sim.dashscope_url()}/chat/completions", json=body) as response,
    ):
        got = b""
        with contextlib.suppress(httpx.RemoteProtocolError):
            async for piece in response.aiter_raw():
                got += piece
            pytest.fail("the answer ended as if all were well")
    assert got
    assert got.count(b"data: ") == (3 if stream else 0)
    assert b"[DONE]" not in got


@pytest.mark.parametrize(("after", "arrive"), [(0, False), (10_000, True)])
async def test_a_cut_never_lets_a_stream_end_well(sim: SimulatorHandle, after: int, arrive: bool) -> None:
    """Cut before the first chunk nothing arrives; cut later than there are chunks, only the end is missing."""
    sim.fail("qwen-plus", Cut(after_chunks=after))
    async with post(sim, stream=True) as response:
        assert response.status == 200
        got = await read_until(response, aiohttp.ClientPayloadError)
    assert bool(got) is arrive


@pytest.mark.parametrize("stream", [False, True])
def test_a_malformed_chunk_is_no_json(sim: SimulatorHandle, client: openai.OpenAI, stream: bool) -> None:
    """The SDK stumbles over it."""
    sim.fail("qwen-plus", MalformedChunk(after_chunks=2))
    with pytest.raises(json.JSONDecodeError):
        consume(client, stream=stream)


def test_an_error_event_ends_a_stream_that_began_well(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """The SDK sees the code and the message."""
    sim.fail("qwen-plus", ErrorEvent(after_chunks=3, code="data_inspection_failed", message="no"))
    with pytest.raises(openai.APIError, match="no") as caught:
        consume(client, stream=True)
    assert caught.value.code == "data_inspection_failed"


async def test_an_error_event_follows_its_chunks(sim: SimulatorHandle) -> None:
    """Exactly as many chunks as asked for come before it, and nothing after."""
    sim.fail("qwen-plus", ErrorEvent(after_chunks=3, code="internal_error"))
    async with post(sim, stream=True) as response:
        events = (await response.read()).decode().strip().split("\n\n")
    assert len(events) == 4
    assert json.loads(events[-1].removeprefix("data: "))["error"]["code"] == "internal_error"


@pytest.mark.parametrize("name", ["error-event", "malformed-chunk", "cut"])
async def test_a_fault_later_than_the_answer_is_long_comes_at_its_end(sim: SimulatorHandle, name: str) -> None:
    """However late it was scripted, it happens, before the end marker."""
    fault = {"error-event": ErrorEvent, "malformed-chunk": MalformedChunk, "cut": Cut}[name](after_chunks=10_000)
    sim.fail("qwen-plus", fault)
    async with post(sim, stream=True) as response:
        if name == "cut":
            got = await read_until(response, aiohttp.ClientPayloadError)
            assert b"[DONE]" not in got
        else:
            got = await response.read()
            assert (b"scripted failure" if name == "error-event" else b"torn") in got


@pytest.mark.parametrize("stream", [False, True])
async def test_an_error_under_200(sim: SimulatorHandle, stream: bool) -> None:
    """The native body stands where the answer, or the first event, should."""
    sim.fail("qwen-plus", ErrorIn200(code="InternalError.Algo", message="oops"))
    async with post(sim, stream=stream) as response:
        assert response.status == 200
        raw = (await response.read()).decode().strip().removeprefix("data: ")
    found = json.loads(raw)
    assert (found["code"], found["message"], "choices" in found) == ("InternalError.Algo", "oops", False)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_reset_answers_nothing(sim: SimulatorHandle, stream: bool) -> None:
    """The connection is gone before a status; the next request gets a new one."""
    sim.fail("qwen-plus", ConnectionReset(), times=1)
    with pytest.raises(aiohttp.ClientConnectionError):
        async with post(sim, stream=stream):
            pytest.fail("the head came")
    async with post(sim, stream=stream) as response:
        assert response.status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_answer_has_no_text(sim: SimulatorHandle, client: openai.OpenAI, stream: bool) -> None:
    """200, `stop`, and nothing said."""
    sim.fail("qwen-plus", EmptyAnswer())
    if stream:
        chunks = list(ask(client, stream=True))
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == ""
        assert chunks[-1].choices[0].finish_reason == "stop"
    else:
        assert ask(client).choices[0].message.content == ""


def test_an_unresolvable_address_stands_for_a_dns_failure(connect: Connect) -> None:
    """The one fault that no server can commit."""
    with pytest.raises(openai.APIConnectionError):
        ask(connect(UNRESOLVABLE_URL))


def test_a_misspelt_fault_is_answered_with_the_nearest(sim: SimulatorHandle) -> None:
    """A wrong name or number is refused when the script is written."""
    with pytest.raises(ValueError, match="did you mean `throttling`"):
        sim.fail("qwen-plus", "throtling")
    with pytest.raises(ValueError, match="times"):
        sim.fail("qwen-plus", "throttling", times=0)
    with pytest.raises(ValueError, match="after"):
        sim.fail("qwen-plus", "throttling", after=-1)


def test_a_code_of_the_platform_names_its_error(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """Where a code means one thing it may be named; where it means several, the choice is asked for."""
    sim.fail("qwen-plus", "Throttling.RateQuota")
    with pytest.raises(openai.RateLimitError) as caught:
        ask(client)
    assert caught.value.code == "limit_requests"
    with pytest.raises(ValueError, match="choose one of token-quota, free-quota"):
        sim.fail("qwen-plus", "Throttling.AllocationQuota")


def test_every_name_stands_for_a_fault() -> None:
    """The errors of the table and the failures of shape share one list of names."""
    assert set(errors()) < set(named_faults())
    assert {"cut", "stall", "connection-reset"} <= set(named_faults())


def test_what_failed_is_on_record_too(sim: SimulatorHandle, client: openai.OpenAI) -> None:
    """A request that was made to fail has arrived all the same."""
    sim.fail("*", "internal-error")
    with pytest.raises(openai.InternalServerError):
        ask(client)
    assert sim.requests[-1].model == "qwen-plus"
