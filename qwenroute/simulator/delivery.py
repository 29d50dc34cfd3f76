"""Sending answers: at the model's pace, and with what is scripted to go wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Mapping, Sequence

from aiohttp import web

from qwenroute.domain.capability import Speed
from qwenroute.simulator.answers import Answer
from qwenroute.simulator.call import Call
from qwenroute.simulator.faults import (
    Cut,
    ErrorEvent,
    ErrorIn200,
    Fault,
    MalformedChunk,
    SlowFirstToken,
    Stall,
    error_body,
)
from qwenroute.simulator.frames import Frame, stream, whole

JSON_TYPE = "application/json"
MARK = {"x-qwenroute-simulated": "1"}
TORN = b'data: {"id":"chatcmpl-torn","choices":[{"delta":{"content":"to\n\n'


class Delivery:
    """Sends one answer after another; `stop` ends what is being held."""

    def __init__(self, *, time_scale: float, created: int, tokens_a_chunk: int) -> None:
        self._time_scale = time_scale
        self._created = created
        self._tokens_a_chunk = tokens_a_chunk
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let every stall end now."""
        self._stopping.set()

    async def send(
        self, request: web.Request, call: Call, answers: Sequence[Answer], fault: Fault | None, request_id: str
    ) -> web.StreamResponse:
        """Answer a request; the fault is one that shows only while answering, or None."""
        id_ = f"chatcmpl-{request_id}"
        if call.stream:
            frames = stream(call, answers, id_=id_, created=self._created, tokens_a_chunk=self._tokens_a_chunk)
            return await self._stream(request, call, list(frames), fault, request_id)
        body = whole(call, answers, id_=id_, created=self._created)
        await self._wait(call.deployment.speed.ttft_s)
        await self._wait(sum(a.tokens for a in answers) / call.deployment.speed.tokens_per_s)
        return await self.send_whole(request, body, fault, request_id)

    async def send_whole(
        self, request: web.Request, body: bytes, fault: Fault | None, request_id: str
    ) -> web.StreamResponse:
        """Send a body that is complete; the fault shows on the way."""
        half = len(body) // 2
        match fault:
            case SlowFirstToken():
                await self._hold(fault.s)
            case MalformedChunk():
                body = body[:half]
            case ErrorEvent():
                body = error_body(fault.code, fault.message, request_id)
            case Stall() | Cut():
                response = _head(JSON_TYPE, request_id)
                response.content_length = len(body)
                await response.prepare(request)
                await response.write(body[:half])
                if isinstance(fault, Cut):
                    return _hang_up(request, response)
                await self._hold(fault.s)
                await response.write(body[half:])
                await response.write_eof()
                return response
        return respond(body, request_id)

    async def _stream(
        self, request: web.Request, call: Call, frames: Sequence[Frame], fault: Fault | None, request_id: str
    ) -> web.StreamResponse:
        if isinstance(fault, SlowFirstToken) and fault.head:
            await self._hold(fault.s)
        response = _head("text/event-stream", request_id)
        await response.prepare(request)
        # A client that has left is told nothing more.
        with contextlib.suppress(ConnectionError):
            return await self._events(request, response, call.deployment.speed, frames, fault, request_id)
        return response

    async def _events(
        self,
        request: web.Request,
        response: web.StreamResponse,
        speed: Speed,
        frames: Sequence[Frame],
        fault: Fault | None,
        request_id: str,
    ) -> web.StreamResponse:
        if isinstance(fault, SlowFirstToken) and not fault.head:
            await self._hold(fault.s)
        if isinstance(fault, ErrorIn200):
            await response.write(_event(error_body(fault.code, fault.message, request_id, native=fault.code)))
            return response
        await self._wait(speed.ttft_s)
        turning = -1
        if isinstance(fault, Stall | Cut | MalformedChunk | ErrorEvent):
            # A fault later than the answer is long comes just before its end: it never stays away.
            turning = min(fault.after_chunks, len(frames) - 1)
        for number, (frame, tokens) in enumerate(frames):
            if number == turning:
                match fault:
                    case Stall():
                        await self._hold(fault.s)
                    case Cut():
                        return _hang_up(request, response)
                    case MalformedChunk():
                        await response.write(TORN)
                    case ErrorEvent():
                        await response.write(_event(error_body(fault.code, fault.message, request_id)))
                        return response
            await response.write(frame)
            await self._wait(tokens / speed.tokens_per_s)
        return response

    async def _wait(self, s: float) -> None:
        """Take the time that the model would, by the scale."""
        if self._time_scale > 0 and s > 0:
            await asyncio.sleep(s * self._time_scale)

    async def _hold(self, s: float) -> None:
        """Do nothing for real seconds, or until the client leaves or the server stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), s)


def respond(
    body: bytes, request_id: str, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a whole answer, marked as simulated."""
    marked = {**MARK, "Content-Type": JSON_TYPE, "x-request-id": request_id, **(headers or {})}
    return web.Response(body=body, status=status, headers=marked)


def reset(request: web.Request) -> web.Response:
    """Drop the connection with a reset, before anything was answered."""
    if request.transport is not None:
        raw = request.transport.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


def _head(content_type: str, request_id: str) -> web.StreamResponse:
    return web.StreamResponse(headers={**MARK, "Content-Type": content_type, "x-request-id": request_id})


def _event(body: bytes) -> bytes:
    return b"data: " + body + b"\n\n"


def _hang_up(request: web.Request, response: web.StreamResponse) -> web.StreamResponse:
    """Close the connection in the middle of an answer; what was written still goes out."""
    if request.transport is not None:
        request.transport.close()
    response.force_close()
    return response
