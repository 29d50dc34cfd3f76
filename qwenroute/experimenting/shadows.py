"""Copies of requests for a newcomer whose answers are discarded."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date

from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import Experiment
from qwenroute.domain.record import Record
from qwenroute.domain.request import Request
from qwenroute.errors import CallFailed, QwenRouteError
from qwenroute.execution.codec import Answer, Codec, Piece
from qwenroute.execution.loop import Means, Run

MOST_AT_ONCE = 16
"""More copies than this are not begun: a slow newcomer must not pile them up."""

Decide = Callable[[Request], Decision]
"""Decides for the copy of a request; raises QwenRouteError where nothing may or can serve it."""


class Shadows:
    """The copies of one router that are under way, and what they cost today.

    A copy has one attempt. It is no part of any budget; its own cap is held against the worst case
    before it is sent, and settled with the real cost after. No caller waits for it, and none is told
    of its failure.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._day: date | None = None
        self._spent: dict[str, float] = {}
        """In USD, by experiment: what is settled and what is reserved."""
        self.skipped = 0
        """Copies that were not begun: the cap was reached, or too many were under way."""

    def begin(
        self,
        experiment: Experiment,
        request: Request,
        decide: Decide,
        means: Means,
        codec: Codec[Answer, Piece],
        *,
        cap_usd: float,
        today: date,
        tell: Callable[[Record, CallFailed | None], None],
    ) -> None:
        """Send a copy, unless the day's cap does not allow it."""
        if self._day is None or today > self._day:  # a clock that is set back over midnight gives nothing back
            self._day, self._spent = today, {}
        day = self._day
        left = cap_usd - self._spent.get(experiment.name, 0.0)
        if left <= 0 or len(self._tasks) >= MOST_AT_ONCE:
            self.skipped += 1
            return
        hints = request.hints
        most = left if hints.max_cost_usd is None else min(left, hints.max_cost_usd)
        try:
            decision = decide(replace(request, hints=replace(hints, max_cost_usd=most, hedge=False)))
        except QwenRouteError:
            self.skipped += 1
            return
        first = decision.plan.steps[0]
        plan = replace(decision.plan, steps=(first,), max_attempts=1)
        self._spent[experiment.name] = self._spent.get(experiment.name, 0.0) + first.worst_cost_usd
        began = asyncio.get_running_loop().time()
        run = Run(
            id=uuid.uuid4().hex,
            request=request,
            decision=replace(decision, plan=plan),
            means=means,
            codec=codec,
            began=began,
        )

        def settle(record: Record, error: CallFailed | None) -> None:
            cost = 0.0 if record.cost is None else means.exchange.usd(record.cost)
            if day == self._day:
                self._spent[experiment.name] += cost - first.worst_cost_usd
            tell(record, error)

        self._start(_perform(run, settle, streamed=request.stream))

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """End what is under way. Idempotent."""
        tasks = [task for task in self._tasks if task.get_loop() is asyncio.get_running_loop()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _perform(
    run: Run[Answer, Piece], settle: Callable[[Record, CallFailed | None], None], *, streamed: bool
) -> None:
    failed: CallFailed | None = None
    try:
        if streamed:
            await run.open()
            while await run.next() is not None:
                pass
        else:
            await run.answer()
    except CallFailed as error:
        failed = error
    finally:
        settle(run.record(), failed)
