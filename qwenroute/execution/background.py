"""The event loop that synchronous clients share: one thread per process, there while someone needs it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError
from typing import TypeVar

from qwenroute.errors import ConfigurationError

Result = TypeVar("Result")


class BackgroundLoop:
    """An event loop on a daemon thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.RLock()  # the garbage collector may end a router within `run`
        self.stopped = False
        self._thread = threading.Thread(target=self._work, name="qwenroute", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        """Run until stopped, then end what was begun meanwhile: somebody waits for it."""
        self._loop.run_forever()
        while left := asyncio.all_tasks(self._loop):
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def run(self, work: Coroutine[object, object, Result]) -> Result:
        """Run to the end and return the result; an interrupted caller cancels the work.

        Raises:
            ConfigurationError: the loop has ended with its last router.
        """
        with self._lock:  # what is accepted here is begun before the loop stops
            if self.stopped:
                work.close()
                raise ConfigurationError("this router is closed: make a new one")
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except CancelledError:
            if self.stopped:
                raise ConfigurationError("this router was closed during the call") from None
            raise
        except BaseException:
            future.cancel()
            raise

    def post(self, work: Coroutine[object, object, object], then: Callable[[], None]) -> None:
        """Begin something that nobody waits for."""
        with self._lock:
            if self.stopped:
                work.close()
                return
            asyncio.run_coroutine_threadsafe(work, self._loop).add_done_callback(lambda _: then())

    def is_here(self) -> bool:
        """Whether the caller is on the loop's own thread, where waiting for it would never end."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """End the loop and its thread."""
        with self._lock:
            self.stopped = True
            self._loop.call_soon_threadsafe(self._loop.stop)
        if not self.is_here():
            self._thread.join()

    def leave_behind(self) -> None:
        """After a fork: its thread is not here, and nobody may wait for it."""
        self._lock = threading.RLock()
        self.stopped = True


_lock = threading.RLock()
_shared: BackgroundLoop | None = None
_users = 0


def acquire() -> BackgroundLoop:
    """Return the process's loop, starting it for its first user."""
    global _shared, _users  # noqa: PLW0603 - one loop per process is the point
    with _lock:
        _users += 1  # first: the garbage collector may release another router's hold within the next line
        if _shared is None:
            _shared = BackgroundLoop()
        return _shared


def release(loop: BackgroundLoop) -> None:
    """Say that a user is done; the last one stops the loop."""
    global _shared, _users  # noqa: PLW0603
    with _lock:
        if loop is not _shared:  # of a parent process, before a fork
            return
        _users -= 1
        if _users > 0:
            return
        _shared = None
    loop.stop()


def is_current(loop: BackgroundLoop) -> bool:
    """Whether the loop is this process's own: a fork leaves the parent's thread behind."""
    return loop is _shared


def _forget() -> None:
    global _lock, _shared, _users  # noqa: PLW0603
    _lock = threading.RLock()
    if _shared is not None:
        _shared.leave_behind()
    _shared = None
    _users = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
