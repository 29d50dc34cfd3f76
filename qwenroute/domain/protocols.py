"""The seams: what a provider and a transport owe to the rooms above them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from qwenroute.domain.decision import Step
from qwenroute.domain.request import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """One HTTP request, complete."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes
    connect_s: float | None = None
    """How long connecting may take. Every other limit is the caller's."""


class HttpResponse(Protocol):
    """An answer whose head has arrived; the body is still to be read."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names in lower case."""

    async def read(self) -> bytes:
        """Return the whole body."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives, in pieces of any size."""

    async def aclose(self) -> None:
        """Release the connection; close it if the body was not read to its end. Idempotent."""


class Transport(Protocol):
    """Sends one request and returns when the head of the answer is there.

    Connection failures are raised as `AttemptFailed`, never as the client library's own.
    """

    async def send(self, request: HttpRequest) -> HttpResponse:
        """Send, wait for the head."""

    async def aclose(self) -> None:
        """Close every connection. Idempotent."""


class Reply(Protocol):
    """An answer under way: JSON documents, one per chunk, or one for the whole."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was changed on the wire for this model, in words."""

    @property
    def streamed(self) -> bool:
        """Whether the documents are chunks (a stream-only model streams to every caller)."""

    @property
    def simulated(self) -> bool:
        """Whether the server says that it is a simulator."""

    def documents(self) -> AsyncIterator[bytes]:
        """Yield each document as it arrives, unparsed.

        Raises:
            AttemptFailed: the stream was cut, or carried an error.
        """

    async def aclose(self) -> None:
        """Give up the rest, releasing or closing the connection. Idempotent."""


class Provider(Protocol):
    """Speaks to the hosts of one kind."""

    async def call(self, request: Request, step: Step, *, connect_s: float | None) -> Reply:
        """Send the request as this step's model needs it; return once the answer has begun.

        Raises:
            AttemptFailed: with the cause, translated.
        """

    async def aclose(self) -> None:
        """Close what was opened. Idempotent."""
