"""Answers in one SQLite file, which several processes may share."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress

from qwenroute.domain.resilience import CacheRules

BUSY_S = 0.02
"""How long to wait for another process that is writing: an answer that is not kept costs less."""
MOST_OF_ROOM = 8
"""An answer may take at most this part of the room, or one long answer would empty it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS qwenroute_answers_1 (
  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, kept_at REAL NOT NULL, answer BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS qwenroute_answers_1_kept_at ON qwenroute_answers_1 (kept_at);
CREATE TABLE IF NOT EXISTS qwenroute_room_1 (id INTEGER PRIMARY KEY CHECK (id = 1), entries INTEGER, bytes INTEGER);
INSERT OR IGNORE INTO qwenroute_room_1 VALUES (1, 0, 0);
CREATE TRIGGER IF NOT EXISTS qwenroute_answers_1_kept AFTER INSERT ON qwenroute_answers_1 BEGIN
  UPDATE qwenroute_room_1 SET entries = entries + 1, bytes = bytes + length(NEW.answer);
END;
CREATE TRIGGER IF NOT EXISTS qwenroute_answers_1_dropped AFTER DELETE ON qwenroute_answers_1 BEGIN
  UPDATE qwenroute_room_1 SET entries = entries - 1, bytes = bytes - length(OLD.answer);
END;
"""  # the triggers keep count, so that no write has to


def largest_bytes(rules: CacheRules) -> int:
    """Return the size of the largest answer that is kept."""
    return int(rules.max_mb * 1_000_000) // MOST_OF_ROOM


class SqliteAnswerCache:
    """Keeps answers in a file; the oldest go first. The prompt is not in it: keys are digests.

    No trouble with the file reaches a call: what cannot be read was not there, what cannot be
    written is not kept. Trouble is counted, and each kind of it told once. A file that is damaged,
    or no database at all, is left as it is and not touched again.
    """

    def __init__(self, rules: CacheRules, on_failure: Callable[[str], None]) -> None:
        assert rules.path is not None
        self._path = rules.path
        self._ttl_s = rules.ttl_s
        self._max_entries = rules.max_entries
        self._max_bytes = int(rules.max_mb * 1_000_000)
        self._largest = largest_bytes(rules)
        self._on_failure = on_failure
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._left_behind: list[sqlite3.Connection] = []
        self._closed = False
        self._told: set[str] = set()
        self.failures = 0
        """Reads and writes that the file did not allow."""

    def get(self, key: bytes, now: float) -> bytes | None:
        """Return the answer that is kept, unless it is too old."""
        found: list[tuple[bytes, float]] = []

        def read(connection: sqlite3.Connection) -> None:
            found.extend(connection.execute("SELECT answer, kept_at FROM qwenroute_answers_1 WHERE key = ?", (key,)))

        self._use(read)
        if not found:
            return None
        answer, kept_at = found[0]
        return answer if abs(now - kept_at) < self._ttl_s else None

    def put(self, key: bytes, answer: bytes, now: float) -> None:
        """Keep an answer, at the cost of older ones where there is no room."""
        if len(answer) > self._largest:
            return

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("BEGIN IMMEDIATE")
            try:
                connection.execute("DELETE FROM qwenroute_answers_1 WHERE key = ?", (key,))
                values = (key, now, answer)
                connection.execute("INSERT INTO qwenroute_answers_1 (key, kept_at, answer) VALUES (?, ?, ?)", values)
                self._make_room(connection, now)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

        self._use(write)

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._hang_up()

    def leave_behind(self) -> None:
        """After a fork: whoever held the lock is in the parent."""
        self._lock = threading.Lock()

    def _use(self, work: Callable[[sqlite3.Connection], None]) -> None:
        with self._lock:
            if self._closed:
                return
            try:
                work(self._open())
            except (sqlite3.Error, OSError) as error:
                # Locked, full, unwritable: that may pass. Anything else is about the file itself.
                if isinstance(error, sqlite3.Error) and not isinstance(error, sqlite3.OperationalError):
                    self._hang_up()
                self.failures += 1
                trouble = f"the answer cache `{self._path}` cannot be used: {error}"
                if self._closed:
                    trouble += "; delete it to have answers kept again"
                if trouble in self._told:
                    return
                self._told.add(trouble)
            else:
                return
        self._on_failure(trouble)

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            if self._pid == os.getpid():
                return self._connection
            # After a fork the parent's connection must be neither used nor closed here.
            self._left_behind.append(self._connection)
            self._connection = None
        with suppress(FileExistsError):  # to open and close one that is there would end this process's locks on it
            # Answers are for nobody else to read.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = OFF")  # what a power cut takes can be asked for again
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            connection.close()
            raise
        self._connection, self._pid = connection, os.getpid()
        return connection

    def _hang_up(self) -> None:
        """Let go of the file for good."""
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._pid == os.getpid():
            connection.close()
        else:
            self._left_behind.append(connection)

    def _make_room(self, connection: sqlite3.Connection, now: float) -> None:
        old = (now - self._ttl_s, now + self._ttl_s)
        connection.execute("DELETE FROM qwenroute_answers_1 WHERE kept_at <= ? OR kept_at >= ?", old)
        dropped = 1
        while dropped:
            entries, held = connection.execute("SELECT entries, bytes FROM qwenroute_room_1").fetchone()
            if entries <= self._max_entries and held <= self._max_bytes:
                return
            dropped = connection.execute(
                "DELETE FROM qwenroute_answers_1 WHERE id IN (SELECT id FROM qwenroute_answers_1 ORDER BY id LIMIT ?)",
                (max(1, entries - self._max_entries),),
            ).rowcount
