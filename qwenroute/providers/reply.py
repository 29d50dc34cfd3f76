"""Send one adapted request over HTTP and read what comes back, whole or streamed."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.protocols import HttpRequest, HttpResponse, Transport
from qwenroute.errors import AttemptFailed
from qwenroute.providers.failures import error_in, translate
from qwenroute.providers.sse import EventParser

SIMULATED = "x-qwenroute-simulated"
MAX_ERROR_BYTES = 64 * 1024
DRAIN_S = 0.1

_DONE = b"[DONE]"
_FINISHED = re.compile(rb'"finish_reason"\s*:\s*"(?!null")')


async def send(
    transport: Transport, request: HttpRequest, *, stream: bool, notes: tuple[str, ...], secret: str | None
) -> HttpReply:
    """Send, and return the reply whose head has arrived.

    Raises:
        AttemptFailed: the host cannot be reached, or refuses.
    """
    response = await transport.send(request)
    if 200 <= response.status < 300:
        return HttpReply(response, stream=stream, notes=notes, secret=secret)
    try:
        body = await _beginning(response)
    finally:
        await response.aclose()
    failure = translate(response.status, response.headers, body, now=datetime.now(UTC), secret=secret)
    raise AttemptFailed(failure)


class HttpReply:
    """An answer under way over HTTP."""

    __slots__ = ("_chunks", "_done", "_events", "_response", "_secret", "notes", "simulated", "streamed")

    def __init__(self, response: HttpResponse, *, stream: bool, notes: tuple[str, ...], secret: str | None) -> None:
        content_type = response.headers.get("content-type", "").lower()
        self._response = response
        self._secret = secret
        self._chunks: AsyncIterator[bytes] | None = None
        self._events = content_type.startswith("text/event-stream") or (
            stream and not content_type.startswith(("application/json", "text/html"))
        )
        self._done = False
        self.notes = notes
        self.streamed = stream or self._events
        self.simulated = SIMULATED in response.headers

    async def documents(self) -> AsyncIterator[bytes]:
        """Yield each document as it arrives, unparsed."""
        if not self._events:
            body = await self._response.read()
            if self.streamed or _suspicious(body):
                self._check(body)
            yield _as_chunk(body) if self.streamed else body
            return
        parser = EventParser()
        recent: deque[bytes] = deque(maxlen=4)
        self._chunks = self._response.chunks()
        async for piece in self._chunks:
            for event in parser.feed(piece):
                if len(event) < 16 and event.strip() == _DONE:
                    self._done = True
                    return
                if not event:
                    continue
                if _suspicious(event):
                    self._check(event)
                recent.append(event)
                yield event
        for event in parser.close():
            if event.strip() == _DONE:
                return
            if not _is_json(event):
                raise self._cut("the stream ended within a chunk")
            self._check(event)
            recent.append(event)
            yield event
        if not any(_FINISHED.search(event) for event in recent):
            raise self._cut("the stream ended before the answer did" if recent else "the stream was empty")

    async def aclose(self) -> None:
        """Give up the rest.

        After the end marker only the end of the body is missing; waiting a moment for it lets the
        connection serve the next call.
        """
        if self._done and self._chunks is not None:
            chunks, self._chunks = self._chunks, None
            try:
                async with asyncio.timeout(DRAIN_S):
                    async for _ in chunks:
                        pass
            except (TimeoutError, AttemptFailed):
                pass
            except asyncio.CancelledError:
                await self._response.aclose()
                raise
        await self._response.aclose()

    def _check(self, document: bytes) -> None:
        failure = error_in(document, self._response.headers, now=datetime.now(UTC), secret=self._secret)
        if failure is not None:
            raise AttemptFailed(failure)

    def _cut(self, message: str) -> AttemptFailed:
        headers = self._response.headers
        return AttemptFailed(
            Failure(kind=FailureKind.STREAM_CUT, message=message, status=200, request_id=headers.get("x-request-id"))
        )


async def _beginning(response: HttpResponse) -> bytes:
    """Return the first part of an error's body, as much as arrives."""
    body = bytearray()
    try:
        async for piece in response.chunks():
            body += piece
            if len(body) >= MAX_ERROR_BYTES:
                break
    except AttemptFailed:
        pass  # the status and what has arrived tell more than a broken connection
    return bytes(body)


def _suspicious(document: bytes) -> bool:
    """Whether a document may be something else than an answer.

    A JSON string cannot hold a bare quote, so these bytes are keys (or a whole string): nearly
    all answers are told to be answers without being parsed here.
    """
    return b'"choices"' not in document or b'"error"' in document


def _is_json(document: bytes) -> bool:
    try:
        from_json(document)
    except ValueError:
        return False
    return True


def _as_chunk(document: bytes) -> bytes:
    """Return a whole answer as one chunk, for hosts that answer a streaming call at once."""
    answer: dict[str, Any] = from_json(document)
    if answer.get("object") == "text_completion":
        return document
    choices = []
    for choice in answer.get("choices") or ():
        delta = dict(choice.get("message") or {})
        if calls := delta.get("tool_calls"):
            delta["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
        kept = {k: v for k, v in choice.items() if k != "message"}
        choices.append({**kept, "delta": delta})
    return to_json({**answer, "object": "chat.completion.chunk", "choices": choices})
