"""A streamed answer in the caller's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, Protocol, Self, TypeVar, cast

from qwenroute.domain.record import Record
from qwenroute.errors import ConfigurationError, QwenRouteError
from qwenroute.execution.background import BackgroundLoop
from qwenroute.execution.hooks import Arriving, Hooks
from qwenroute.providers.openai_errors import as_openai

Piece = TypeVar("Piece")
Arriving_co = TypeVar("Arriving_co", covariant=True)


class Source(Protocol[Arriving_co]):
    """A call whose pieces are still arriving."""

    async def next(self) -> Arriving_co | None:
        """Return the next piece, None at the end."""

    async def aclose(self) -> None:
        """Give up the rest. Idempotent."""

    def record(self) -> Record:
        """Return the record as it stands."""

    def arriving(self) -> Arriving:
        """Return where its pieces come from just now."""


class Closing(Protocol):
    """What can be left early."""

    async def cut_off(self) -> None:
        """Give up the rest; a reader is told. Idempotent."""


class AsyncStream(Generic[Piece]):
    """A streamed answer: iterate it, or leave it early with `close` or `async with`.

    Raises, while it is iterated:
        StreamInterrupted: it broke after the first token; everything received was handed on.
    """

    def __init__(self, source: Source[Piece], shows: Callable[[Piece], bool], hooks: Hooks) -> None:
        self._source = source
        self._shows = shows
        self._on_chunk = hooks.on_chunk
        self._after_answer = hooks.after_answer
        self._loop = asyncio.get_running_loop()
        self._over = False
        self._cut_off = False

    @property
    def route(self) -> Record:
        """The record as it stands: the decision at once, usage and cost once the stream has ended."""
        return self._source.record()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Piece:
        piece = await self.next()
        if piece is None:
            raise StopAsyncIteration
        return piece

    async def next(self) -> Piece | None:
        """Return the next piece, None at the end."""
        if self._cut_off:
            raise as_openai(ConfigurationError("this router was closed while the stream was read"))
        try:
            return await self._next()
        except QwenRouteError as error:
            await self.close()
            raise as_openai(error) from error.__cause__

    async def _next(self) -> Piece | None:
        while (piece := await self._source.next()) is not None:
            if self._shows(piece):
                if self._on_chunk is None:
                    return piece
                return cast("Piece", await self._on_chunk(piece, self._source.arriving()))
        self._over = True
        after, self._after_answer = self._after_answer, None
        if after is not None:
            await after(None, self.route)
        return None

    async def close(self) -> None:
        """Give up the rest. Idempotent."""
        await self._source.aclose()
        self._over = True

    async def cut_off(self) -> None:
        """Give up the rest on behalf of the router; a reader is told, and does not take it for the end."""
        self._cut_off = self._cut_off or not self._over
        await self.close()

    def __del__(self) -> None:
        """Give up the rest of a stream that was dropped, or its place would be taken for ever."""
        if not getattr(self, "_over", True):
            with suppress(RuntimeError):  # the loop is closed, and everything with it
                self._loop.call_soon_threadsafe(_give_up, self._source)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


_given_up: set[asyncio.Task[None]] = set()
"""A loop holds its tasks only weakly."""


def _give_up(source: Source[object]) -> None:
    task = asyncio.get_running_loop().create_task(source.aclose())
    _given_up.add(task)
    task.add_done_callback(_given_up.discard)


class Stream(Generic[Piece]):
    """The same for synchronous callers."""

    def __init__(self, stream: AsyncStream[Piece], loop: BackgroundLoop) -> None:
        self._stream = stream
        self._loop = loop

    @property
    def route(self) -> Record:
        """The record as it stands: the decision at once, usage and cost once the stream has ended."""
        return self._stream.route

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Piece:
        piece = self._loop.run(self._stream.next())
        if piece is None:
            raise StopIteration
        return piece

    def close(self) -> None:
        """Give up the rest. Idempotent."""
        if not self._loop.stopped:  # its router closed it already
            self._loop.run(self._stream.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
