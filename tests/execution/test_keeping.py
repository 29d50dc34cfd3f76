"""Keeping a stream: whatever becomes of the kept answer, the caller has the stream."""

from __future__ import annotations

from qwenroute.caching import Keeping
from qwenroute.domain.record import Record
from qwenroute.domain.request import Request
from qwenroute.execution.hooks import Arriving
from qwenroute.providers.answers import ChatCompletionChunk
from qwenroute.providers.codecs import CHAT


class NothingInIt:
    """A stream that ends well, without a choice to put together."""

    async def next(self) -> ChatCompletionChunk | None:
        return None

    async def aclose(self) -> None:
        raise AssertionError

    def record(self) -> Record:
        return None  # type: ignore[return-value]

    def arriving(self) -> Arriving:
        raise AssertionError


class Kept:
    def keep(self, *told: object) -> None:
        raise AssertionError


async def test_what_cannot_be_put_together_is_not_kept_and_not_told() -> None:
    """The stream was read to its end without an error, so the cache makes none of it."""
    keeping = Keeping(NothingInIt(), b"key", Request(stream=True), Kept(), CHAT)  # type: ignore[arg-type]
    assert await keeping.next() is None
