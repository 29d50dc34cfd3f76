"""The background loop: whoever waits for it gets an answer, also while it ends."""

from __future__ import annotations

import asyncio
import threading

import pytest

from qwenroute.errors import ConfigurationError
from qwenroute.execution.background import BackgroundLoop


def test_work_under_way_when_the_loop_stops_is_ended_and_its_caller_told() -> None:
    """No thread waits for a loop that has gone."""
    loop = BackgroundLoop()
    began, told = threading.Event(), list[Exception]()

    async def work() -> None:
        began.set()
        await asyncio.sleep(60)

    def wait() -> None:
        try:
            loop.run(work())
        except ConfigurationError as error:
            told.append(error)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    assert began.wait(5)
    loop.stop()
    thread.join(5)
    assert not thread.is_alive()
    assert "closed during the call" in str(told)
    with pytest.raises(ConfigurationError, match="closed"):
        loop.run(work())
