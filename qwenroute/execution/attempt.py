"""One attempt on the wire: send, read, and say what happened."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic

from qwenroute.analysis.tokens import estimate
from qwenroute.domain.budget import Hold
from qwenroute.domain.decision import Step, Timeouts
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Ticket
from qwenroute.domain.price import Usage
from qwenroute.domain.protocols import Provider, Reply
from qwenroute.domain.request import Request
from qwenroute.errors import AttemptFailed
from qwenroute.execution.codec import Answer, Codec, Collecting, Piece


class LiveAttempt(Generic[Answer, Piece]):
    """An attempt under way.

    `begin` up to its first token (or, for an answer in one piece, its end); then `collect` the
    rest of it, or `read` it piece by piece.
    """

    __slots__ = (
        "_codec",
        "_collector",
        "_deadline",
        "_documents",
        "_now",
        "_reply",
        "_timeouts",
        "answer",
        "continuable",
        "first_token_at",
        "given_up",
        "held",
        "hold",
        "notes",
        "number",
        "sent",
        "simulated",
        "spoken",
        "started_at",
        "step",
        "text",
        "ticket",
        "usage",
    )

    def __init__(
        self, number: int, step: Step, ticket: Ticket, codec: Codec[Answer, Piece], timeouts: Timeouts, deadline: float
    ) -> None:
        self.number = number
        self.step = step
        self.ticket = ticket
        self.hold: Hold | None = None
        """What is reserved for it of the budgets."""
        self.held: deque[Piece] = deque()
        """Pieces that arrived up to the first token, and were not handed on yet."""
        self.text: list[str] = []
        """The visible text that arrived."""
        self.spoken: list[str] = []
        """That, and what is not shown: thinking, calls of tools, further answers."""
        self.continuable = True
        """Nothing but text has arrived, which another model can go on from."""
        self.answer: Answer | None = None
        self.usage: Usage | None = None
        self.notes: tuple[str, ...] = ()
        """What was changed of the request, in words."""
        self.simulated = False
        self.sent = False
        """Whether the provider was asked at all."""
        self.given_up = False
        """Whether it was at work still when its time was over."""
        self._now = asyncio.get_running_loop().time
        self.started_at = self._now()
        self.first_token_at: float | None = None
        self._codec = codec
        self._timeouts = timeouts
        self._deadline = deadline
        self._reply: Reply | None = None
        self._documents: AsyncIterator[bytes] | None = None
        self._collector: Collecting[Answer, Piece] | None = None

    async def begin(self, provider: Provider, request: Request) -> None:
        """Send, and read up to the first token, or to the end of an answer that has none.

        Raises:
            AttemptFailed: it failed, or took too long.
        """
        streams = request.stream or self.step.deployment.stream_only
        phase_s = self._timeouts.first_token_s if streams else self._timeouts.answer_s
        try:
            async with asyncio.timeout_at(self._limit(phase_s)):
                await self._begin(provider, request)
        except TimeoutError:
            raise self._too_slow("no answer", phase_s) from None

    async def collect(self) -> None:
        """Read the rest for a caller who wants the whole.

        Raises:
            AttemptFailed: it failed, or stalled.
        """
        collector, documents = self._collector, self._documents
        if collector is None or documents is None or self.answer is not None:
            return
        between_s = self._timeouts.between_tokens_s
        try:
            async with asyncio.timeout_at(self._limit(between_s)) as scope:
                while (piece := await self._next(documents)) is not None:
                    collector.add(piece)
                    scope.reschedule(self._limit(between_s))
        except TimeoutError:
            raise self._too_slow("no token", between_s) from None
        self.answer = collector.finish()

    async def read(self) -> Piece | None:
        """Return the next piece, None at the end.

        Raises:
            AttemptFailed: it failed, or stalled.
        """
        if self.held:
            return self.held.popleft()
        if self._documents is None:
            return None
        between_s = self._timeouts.between_tokens_s
        try:
            async with asyncio.timeout_at(self._limit(between_s)):
                return await self._next(self._documents)
        except TimeoutError:
            raise self._too_slow("no token", between_s) from None

    async def aclose(self) -> None:
        """Release the connection; close it if the answer was not read to its end. Idempotent."""
        reply, self._reply, self._documents = self._reply, None, None
        if reply is not None:
            await reply.aclose()

    @property
    def output_tokens(self) -> int:
        """What has been produced: as reported, or reckoned from what arrived, rather too high than too low."""
        if self.usage is not None:
            return self.usage.completion_tokens
        return math.ceil(estimate(self.spoken).upper)

    async def _begin(self, provider: Provider, request: Request) -> None:
        self.sent = True
        reply = self._reply = await provider.call(request, self.step, connect_s=self._timeouts.connect_s)
        self.notes += reply.notes
        self.simulated = reply.simulated
        self._documents = reply.documents()
        if not reply.streamed:
            await self._whole(self._documents, request)
            return
        if not request.stream:
            self._collector = self._codec.collector()
        while (piece := await self._next(self._documents)) is not None:
            if self._collector is None:
                self.held.append(piece)
            else:
                self._collector.add(piece)
            if self._codec.useful(piece):
                self.first_token_at = self._now()
                return
        if self._collector is not None:
            self.answer = self._collector.finish()
        self._check(request, self.answer, *self.held)

    def _check(self, request: Request, *parts: Answer | Piece | None) -> None:
        """Refuse an answer without anything in it, where the request leaves no room for one."""
        if request.params.get("stop") or (request.messages and request.messages[-1].get("partial")):
            return
        if all(part is None or self._codec.blank(part) for part in parts):
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="the answer is empty"))

    async def _whole(self, documents: AsyncIterator[bytes], request: Request) -> None:
        document = await anext(documents, None)
        if document is None:
            raise AttemptFailed(Failure(kind=FailureKind.MALFORMED, message="the answer is empty"))
        self.answer = self._codec.whole(document)
        self.usage = self._codec.usage(self.answer)
        self._check(request, self.answer)
        self.first_token_at = self._now()
        await anext(documents, None)  # to its end: a generator left open costs a task to close

    async def _next(self, documents: AsyncIterator[bytes]) -> Piece | None:
        document = await anext(documents, None)
        if document is None:
            return None
        piece = self._codec.piece(document)
        usage = self._codec.usage(piece)
        if usage is not None:
            self.usage = usage
        spoken = self._codec.spoken(piece)
        if spoken:
            self.spoken.append(spoken)
        text = self._codec.text(piece)
        if text is None:
            self.continuable = False
        elif text:
            self.text.append(text)
        return piece

    def _limit(self, phase_s: float | None) -> float:
        """Return the instant at which a phase that starts now has to be over."""
        return self._deadline if phase_s is None else min(self._deadline, self._now() + phase_s)

    def _too_slow(self, what: str, phase_s: float | None) -> AttemptFailed:
        self.given_up = True
        late = self._now() >= self._deadline or phase_s is None
        limit = "before the deadline" if late else f"within {phase_s:g} s"
        return AttemptFailed(Failure(kind=FailureKind.TIMEOUT, message=f"{what} {limit}"))
