"""How a request of an experiment went in its arm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from qwenroute.domain.experiment import ExperimentKind, Trial
from qwenroute.domain.failure import CALLERS_OWN
from qwenroute.domain.record import Record
from qwenroute.execution.hooks import Arriving
from qwenroute.streams import Source

Piece = TypeVar("Piece")


def trial_of(record: Record, *, streamed: bool) -> Trial | None:
    """Return what a record says of its arm; None where its request is in no experiment, or is wrong in itself.

    It failed if the arm's own pool did not answer at the first attempt, whoever saved it then.
    """
    assignment = record.decision.assignment
    if assignment is None or record.cached or (assignment.kind is ExperimentKind.SHADOW and not assignment.copied):
        return None
    first = record.attempts[0].failure if record.attempts else None
    if first is not None and first.kind in CALLERS_OWN:
        return None
    answered = record.answered is not None
    latency = record.ttft_s if streamed else record.latency_s
    return Trial(
        experiment=assignment.experiment,
        arm=assignment.arm,
        failed=record.missed,
        latency_s=latency if answered else None,
        cost=None if record.cost is None or not answered else record.cost.amount,
    )


class Tried(Generic[Piece]):
    """A stream of an experiment: how it went is told once, when it ends or is left."""

    def __init__(self, stream: Source[Piece], tell: Callable[[Record], None]) -> None:
        self._stream = stream
        self._tell: Callable[[Record], None] | None = tell

    async def next(self) -> Piece | None:
        """Return the next piece, None at the end."""
        try:
            piece = await self._stream.next()
        except BaseException:
            self._over()
            raise
        if piece is None:
            self._over()
        return piece

    async def aclose(self) -> None:
        """Give up the rest."""
        await self._stream.aclose()
        self._over()

    def record(self) -> Record:
        """Return the record as it stands."""
        return self._stream.record()

    def arriving(self) -> Arriving:
        """Return where its pieces come from just now."""
        return self._stream.arriving()

    def _over(self) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(self._stream.record())
