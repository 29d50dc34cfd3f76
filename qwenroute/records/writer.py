"""Write lines beside the calls: nothing here makes an answer wait, or fail.

Entries are put into a queue with a bound; one thread makes lines of them and writes these together,
a few times a second. What there is no room for, or what the file does not take, is lost, counted and
told, and the next line that can be written says how many are missing.
"""

from __future__ import annotations

import atexit
import os
import sqlite3
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any, Generic, TypeVar

from qwenroute.records.sinks import Sink

Entry = TypeVar("Entry")

MOST_ENTRIES = 10_000
MOST_CHARACTERS = 64_000_000
"""Of prompts that wait to be digested or redacted."""
LINGER_S = 0.05
"""Lines of so long are written together."""
AT_ONCE = 200
EXPIRE_EVERY_S = 3_600.0
CLOSE_WITHIN_S = 5.0
TELL_EVERY_S = 60.0

Line = tuple[float, bytes]


class Writer(Generic[Entry]):
    """A queue and a thread. Fork-safe: what the parent has not written stays the parent's to write."""

    def __init__(
        self,
        sink: Sink,
        make: Callable[[Entry], Line],
        gap: Callable[[float, int], Line],
        tell: Callable[[str], None],
    ) -> None:
        self._sink = sink
        self._make = make
        self._gap = gap
        self._tell = tell
        self._told: dict[Hashable, float] = {}
        self.lost = 0
        """Records that could not be written."""
        self._unsaid = 0
        self._expired_at = float("-inf")
        self._closed = False
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._file = threading.Lock()
        self._waiting: deque[tuple[Entry, int]] = deque()
        self._characters = 0
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, entry: Entry, characters: int) -> None:
        """Have an entry written, some time soon."""
        if self._pid != os.getpid():
            self._sink.abandon()
            self._reset()
        with self._lock:
            full = len(self._waiting) >= MOST_ENTRIES or self._characters + characters > MOST_CHARACTERS
            if full:
                self.lost += 1
                self._unsaid += 1
            else:
                self._waiting.append((entry, characters))
                self._characters += characters
            start = self._thread is None and not self._closed
            if start:
                self._thread = threading.Thread(target=self._work, name="qwenroute-records", daemon=True)
        if full:
            self._say("full", "more records than can be written: the file is too slow")
        if start:
            with suppress(RuntimeError):  # the interpreter is ending; `close` writes what is left
                self._thread.start()  # type: ignore[union-attr]  # set above
        elif self._closed:
            self.close()  # what ends after its router is written at once
        if not self._wake.is_set():
            self._wake.set()

    def flush(self) -> None:
        """Write what is waiting."""
        while self._write_some():
            pass

    def stop(self) -> None:
        """Have the thread write what is waiting, and end; wait for nothing."""
        self._closed = True
        self._stop.set()
        self._wake.set()

    def close(self) -> None:
        """Write what is waiting, within a few seconds, and let go of the file. Idempotent."""
        self.stop()
        if self._pid != os.getpid():
            return
        thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive() and thread is not threading.current_thread():
            thread.join(CLOSE_WITHIN_S)
            if thread.is_alive():
                with self._lock:
                    left = len(self._waiting)
                    self._waiting.clear()
                    self.lost += left
                self._say("slow", f"{left} record(s) were not written in time")
                return
        self.flush()
        with self._file:
            self._sink.close()

    def _work(self) -> None:
        stop, wake = self._stop, self._wake
        while not stop.is_set():
            wake.wait(EXPIRE_EVERY_S)
            stop.wait(LINGER_S)
            wake.clear()
            self.flush()
        self.flush()
        if self._pid == os.getpid():
            with self._file:
                self._sink.close()

    def _write_some(self) -> bool:
        """Write some of what is waiting; return whether there was anything."""
        with self._file:
            lines: list[Line] = []
            while self._waiting and len(lines) < AT_ONCE:
                with self._lock:
                    entry, characters = self._waiting.popleft()
                    self._characters -= characters
                try:
                    lines.append(self._make(entry))
                except Exception as error:  # noqa: BLE001 - whatever it is, it must reach no call
                    self._miss(1, error)
                del entry
                time.sleep(0)  # the calls of this process come first
            self._expire()
            if not lines:
                return False
            try:
                with self._lock:
                    unsaid, self._unsaid = self._unsaid, 0
                gap = [self._gap(time.time(), unsaid)] if unsaid else []
                self._sink.write([*gap, *lines])
            except (OSError, sqlite3.Error, ValueError) as error:
                with self._lock:
                    self._unsaid += unsaid
                self._miss(len(lines), error)
                with suppress(OSError, sqlite3.Error):
                    self._sink.close()
            return True

    def _expire(self) -> None:
        now = time.monotonic()
        if now - self._expired_at >= EXPIRE_EVERY_S:
            self._expired_at = now
            try:
                self._sink.expire(time.time())
            except (OSError, sqlite3.Error) as error:
                self._say(type(error).__name__, f"old records cannot be dropped: {error}")

    def _miss(self, count: int, error: Exception) -> None:
        with self._lock:
            self.lost += count
            self._unsaid += count
        self._say((type(error).__name__, getattr(error, "errno", None)), f"{error}")

    def _say(self, kind: Hashable, trouble: str) -> None:
        """Tell of trouble, of each kind once a minute."""
        now = time.monotonic()
        if now - self._told.get(kind, float("-inf")) >= TELL_EVERY_S:
            self._told[kind] = now
            self._tell(f"{trouble}; {self.lost} lost so far")


_all: weakref.WeakSet[Writer[Any]] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    for each in list(_all):
        each.close()
