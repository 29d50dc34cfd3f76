"""Give an answer again where the policy says so, and keep those that are worth it."""

from __future__ import annotations

import time
import weakref
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from typing import Generic

from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from qwenroute.domain.decision import Decision
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.price import Money, Usage
from qwenroute.domain.record import Record
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import AttemptFailed
from qwenroute.execution.codec import Answer, Codec, Collecting, Piece
from qwenroute.execution.hooks import Arriving
from qwenroute.policy import Policy
from qwenroute.state import AnswerKeys, as_chunks, open_answer_cache, worth_keeping
from qwenroute.streams import Source
from qwenroute.telemetry import log


class KeptAnswers:
    """The answer cache of one router: exact, for one policy and fleet, never across tenants."""

    def __init__(self, policy: Policy, endpoints: Iterable[Endpoint]) -> None:
        assert policy.cache is not None
        self._cache = open_answer_cache(policy.cache, log.cache_failed)
        self._keys = AnswerKeys(policy.hash, endpoints, policy.headers)
        self._report = policy.exchange.report
        # A policy that is replaced goes when its last call has ended, and nobody is told of that.
        self._closing = weakref.finalize(self, self._cache.close)

    def key(self, request: Request) -> bytes | None:
        """Return the key of a request; None for one that cannot have any."""
        return self._keys.key(request)

    def find(self, key: bytes, codec: Codec[Answer, Piece]) -> tuple[bytes, Answer] | None:
        """Return the answer that is kept, as it is kept and read; one that cannot be read is none."""
        held = self._cache.get(key, time.time())
        if held is None:
            return None
        try:
            return held, codec.whole(held)
        except AttemptFailed as error:
            log.cache_failed(f"a kept answer cannot be read: {error.failure.kind}")
            return None

    def keep(self, key: bytes, request: Request, record: Record, answer: object) -> None:
        """Keep an answer, if it is worth it."""
        reasons = (
            [choice.finish_reason for choice in answer.choices] if isinstance(answer, ChatCompletion) else ["stop"]
        )
        if isinstance(answer, BaseModel) and worth_keeping(request, record, reasons):
            self._cache.put(key, answer.model_dump_json(exclude_unset=True, warnings=False).encode(), time.time())

    def record(self, id: str, decision: Decision, usage: Usage | None) -> Record:  # noqa: A002 - the record's id
        """Return the record of an answer that was given again: no attempt, no cost."""
        cost = Money(amount=0.0, currency=self._report)
        return Record(id=id, decision=decision, attempts=(), latency_s=0.0, usage=usage, cost=cost, cached=True)

    def close(self) -> None:
        """Let go of what is held open. Idempotent."""
        self._closing()


class GivenAgain(Generic[Answer, Piece]):
    """A kept answer as the stream that it could have come in."""

    def __init__(
        self, kept: bytes, request: Request, decision: Decision, codec: Codec[Answer, Piece], record: Record
    ) -> None:
        self._pieces = deque(codec.piece(document) for document in as_chunks(kept))
        self._record = record
        self._arriving = Arriving(id=record.id, request=request, step=decision.first)

    async def next(self) -> Piece | None:
        """Return the next piece, None at the end."""
        return self._pieces.popleft() if self._pieces else None

    async def aclose(self) -> None:
        """Give up the rest."""
        self._pieces.clear()

    def record(self) -> Record:
        """Return the record."""
        return self._record

    def arriving(self) -> Arriving:
        """Return where its pieces come from: the first choice, as far as anyone can tell."""
        return self._arriving


class Keeping(Generic[Answer, Piece]):
    """A stream that is kept once it has ended well."""

    def __init__(
        self, stream: Source[Piece], key: bytes, request: Request, kept: KeptAnswers, codec: Codec[Answer, Piece]
    ) -> None:
        self._stream = stream
        self._key = key
        self._request = request
        self._kept = kept
        self._collector: Collecting[Answer, Piece] | None = codec.collector() if request.kind is Kind.CHAT else None

    async def next(self) -> Piece | None:
        """Return the next piece, None at the end."""
        piece = await self._stream.next()
        collector = self._collector
        if piece is not None:
            if collector is not None:
                collector.add(piece)
        elif collector is not None:
            self._collector = None
            with suppress(AttemptFailed):  # what cannot be put together is not kept; the caller has it all the same
                self._kept.keep(self._key, self._request, self._stream.record(), collector.finish())
        return piece

    async def aclose(self) -> None:
        """Give up the rest; half an answer is not kept."""
        self._collector = None
        await self._stream.aclose()

    def record(self) -> Record:
        """Return the record as it stands."""
        return self._stream.record()

    def arriving(self) -> Arriving:
        """Return where its pieces come from just now."""
        return self._stream.arriving()
