"""Reading a reply: whole and streamed, refused, broken, and refused after a 200."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest

from qwenroute.domain.failure import FailureKind as K
from qwenroute.domain.protocols import HttpRequest
from qwenroute.errors import AttemptFailed
from qwenroute.providers.codecs import COMPLETION
from qwenroute.providers.failures import unreachable
from qwenroute.providers.reply import send

REQUEST = HttpRequest(method="POST", url="http://host.test/v1/chat/completions", headers={}, body=b"{}")
CHUNK = b'{"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}'
LAST = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}'
WHOLE = b'{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"}}]}'


class FakeResponse:
    """A response from memory that may break."""

    def __init__(self, status: int, headers: dict[str, str], pieces: Sequence[bytes], *, breaks: bool) -> None:
        self.status = status
        self.headers = headers
        self.pieces = list(pieces)
        self.breaks = breaks
        self.closed = 0
        self.read_to_end = False

    async def read(self) -> bytes:
        return b"".join([piece async for piece in self.chunks()])

    async def chunks(self) -> AsyncIterator[bytes]:
        while self.pieces:
            yield self.pieces.pop(0)
        if self.breaks:
            raise unreachable(REQUEST.url, "broken", kind=K.STREAM_CUT)
        self.read_to_end = True

    async def aclose(self) -> None:
        self.closed += 1


class FakeTransport:
    """Answers with one response."""

    def __init__(
        self, *pieces: bytes, status: int = 200, kind: str = "text/event-stream", breaks: bool = False, **headers: str
    ) -> None:
        named = {"content-type": kind, **{k.replace("_", "-"): v for k, v in headers.items()}}
        self.response = FakeResponse(status, named, pieces, breaks=breaks)

    async def send(self, request: HttpRequest) -> FakeResponse:
        return self.response

    async def aclose(self) -> None:
        pass


def events(*documents: bytes) -> bytes:
    return b"".join(b"data: " + d + b"\n\n" for d in documents)


async def read(transport: FakeTransport, *, stream: bool) -> list[bytes]:
    reply = await send(transport, REQUEST, stream=stream, notes=("n",), secret="a-secret-key")
    try:
        return [document async for document in reply.documents()]
    finally:
        await reply.aclose()


async def failure_of(transport: FakeTransport, *, stream: bool):
    with pytest.raises(AttemptFailed) as caught:
        await read(transport, stream=stream)
    assert transport.response.closed == 1
    return caught.value.failure


async def test_a_stream_yields_its_chunks_unparsed():
    """Each document is the very bytes that the host sent, and the end marker is none of them."""
    transport = FakeTransport(events(CHUNK), events(LAST, USAGE, b"[DONE]"))
    assert await read(transport, stream=True) == [CHUNK, LAST, USAGE]
    assert transport.response.read_to_end, "the connection can serve the next call"


async def test_a_reply_left_early_is_closed_and_not_drained():
    """Who gives up does not wait for the rest."""
    transport = FakeTransport(events(CHUNK), events(LAST), events(b"[DONE]"))
    reply = await send(transport, REQUEST, stream=True, notes=(), secret=None)
    documents = reply.documents()
    assert await anext(documents) == CHUNK
    await reply.aclose()
    assert transport.response.closed == 1
    assert not transport.response.read_to_end


async def test_a_whole_answer_is_one_document():
    """Non-streamed calls get the body as it is."""
    reply = await send(FakeTransport(WHOLE, kind="application/json"), REQUEST, stream=False, notes=("n",), secret=None)
    assert (reply.streamed, reply.notes, reply.simulated) == (False, ("n",), False)
    assert [d async for d in reply.documents()] == [WHOLE]
    await reply.aclose()


async def test_a_simulator_says_so():
    """The header of the simulator is handed on."""
    transport = FakeTransport(WHOLE, kind="application/json", x_qwenroute_simulated="1")
    assert (await send(transport, REQUEST, stream=False, notes=(), secret=None)).simulated


async def test_a_refusal_is_translated_with_what_the_headers_say():
    """Status, code, text, wait and request id arrive; the key that the host quotes does not."""
    body = json.dumps({"error": {"code": "limit_requests", "message": "slow down, a-secret-key"}}).encode()
    transport = FakeTransport(body, status=429, kind="application/json", retry_after="3", x_request_id="r-9")
    failure = await failure_of(transport, stream=True)
    assert (failure.kind, failure.status, failure.code) == (K.RATE_LIMITED, 429, "limit_requests")
    assert (failure.retry_after_s, failure.request_id) == (3.0, "r-9")
    assert failure.message == "slow down, [key]"


async def test_a_refusal_whose_body_breaks_off_is_still_a_refusal():
    """The status tells enough."""
    failure = await failure_of(FakeTransport(b'{"err', status=503, breaks=True), stream=False)
    assert failure.kind is K.OVERLOADED


@pytest.mark.parametrize("before", [(), (CHUNK,)])
@pytest.mark.parametrize(
    "error",
    [
        b'{"error":{"message":"Requests rate limit exceeded","code":"limit_requests"}}',
        b'{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded","request_id":"r"}',
        b'{"choices":[],"error":{"message":"Requests rate limit exceeded","code":"limit_requests"}}',
    ],
)
async def test_an_error_inside_a_stream_is_seen(before, error):
    """First or later, in either form, with or without choices beside it."""
    failure = await failure_of(FakeTransport(events(*before, error)), stream=True)
    assert failure.kind is K.RATE_LIMITED


@pytest.mark.parametrize("stream", [True, False])
async def test_an_error_inside_a_200_is_seen(stream):
    """HTTP says yes, the body says no."""
    body = b'{"code":"Arrearage","message":"Access denied"}'
    failure = await failure_of(FakeTransport(body, kind="application/json"), stream=stream)
    assert failure.kind is K.BILLING


@pytest.mark.parametrize(
    ("pieces", "breaks"),
    [
        ((events(CHUNK),), False),
        ((events(CHUNK), b'data: {"choices":[{"ind'), False),
        ((events(CHUNK),), True),
        ((), False),
        ((b": heartbeat\n\n",), False),
    ],
)
async def test_a_stream_that_ends_early_is_cut(pieces, breaks):
    """Without an end marker or a finish reason, an end is no end."""
    failure = await failure_of(FakeTransport(*pieces, breaks=breaks), stream=True)
    assert failure.kind is K.STREAM_CUT


async def test_a_finish_reason_ends_a_stream_without_a_marker():
    """Hosts that forget the marker, and even the last line end, lose nothing."""
    assert await read(FakeTransport(events(CHUNK, LAST) + b"data: " + USAGE), stream=True) == [CHUNK, LAST, USAGE]


async def test_native_null_is_no_finish_reason():
    """The platform's native word `null` does not count as an end."""
    chunk = CHUNK.replace(b"null", b'"null"')
    assert (await failure_of(FakeTransport(events(chunk)), stream=True)).kind is K.STREAM_CUT


async def test_a_chunk_that_is_not_json_is_malformed():
    """Garbage between events is named as such."""
    assert (await failure_of(FakeTransport(events(CHUNK, b"<oops>")), stream=True)).kind is K.MALFORMED


async def test_a_page_instead_of_an_answer_is_malformed():
    """A proxy's HTML with status 200 is no answer, streamed or not."""
    for stream in (True, False):
        failure = await failure_of(FakeTransport(b"<html>hi</html>", kind="text/html"), stream=stream)
        assert failure.kind is K.MALFORMED


async def test_a_whole_answer_to_a_streaming_call_becomes_a_chunk():
    """Servers that ignore `stream` still serve a caller who streams."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    whole = {
        "object": "chat.completion",
        "usage": {"prompt_tokens": 1},
        "choices": [{"index": 0, "message": {"content": "hi", "tool_calls": [call]}, "finish_reason": "stop"}],
    }
    (document,) = await read(FakeTransport(json.dumps(whole).encode(), kind="application/json"), stream=True)
    chunk = json.loads(document)
    assert chunk["object"] == "chat.completion.chunk"
    assert chunk["usage"] == {"prompt_tokens": 1}
    assert chunk["choices"] == [
        {"index": 0, "finish_reason": "stop", "delta": {"content": "hi", "tool_calls": [{"index": 0, **call}]}}
    ]


async def test_a_stream_to_a_non_streaming_call_is_told():
    """Servers that always stream are read as streams."""
    reply = await send(FakeTransport(events(LAST, b"[DONE]")), REQUEST, stream=False, notes=(), secret=None)
    assert reply.streamed
    assert [d async for d in reply.documents()] == [LAST]
    await reply.aclose()


def test_a_text_completion_streamed_unasked_is_malformed():
    """A host that streams to a caller who wants one piece fails its attempt, and nothing else."""
    with pytest.raises(AttemptFailed) as caught:
        COMPLETION.collector()
    assert caught.value.failure.kind is K.MALFORMED
