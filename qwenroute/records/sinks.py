"""Where lines go: a JSONL file that is set aside when it is full, or a SQLite file.

Several processes may write to either. Lines are appended whole, in one write; a file is set aside
under a lock, and whoever still has it open goes on to the new one with the next lines. Files are for
their owner alone to read.
"""

from __future__ import annotations

import os
import secrets
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from qwenroute.domain.recording import RecordRules

DAY_S = 86_400.0
BUSY_S = 2.0
"""How long to wait for another process; nobody waits for us meanwhile."""
TABLE = "qwenroute_records_1"
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS {TABLE} (id INTEGER PRIMARY KEY, at REAL NOT NULL, line TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS {TABLE}_at ON {TABLE} (at);
"""


class Sink(Protocol):
    """Takes lines."""

    def write(self, lines: Sequence[tuple[float, bytes]]) -> None:
        """Write lines, each with the time it is of.

        Raises:
            OSError, sqlite3.Error: they could not be written.
        """

    def expire(self, now: float) -> None:
        """Drop what is too old, or too much."""

    def close(self) -> None:
        """Let go of the file. Idempotent."""

    def abandon(self) -> None:
        """Let go of it after a fork: it is the parent's."""


def open_sink(rules: RecordRules) -> Sink:
    """Return where the rules say that lines go; nothing is opened yet."""
    return SqliteSink(rules) if rules.is_database else JsonlSink(rules)


class JsonlSink:
    """One line each; `records.jsonl` is being written, `records.<when it began>.jsonl` were set aside.

    A file is full at its size, or once it spans its share of the days that records are kept, so that
    whole files can be dropped when their first record has become too old.
    """

    def __init__(self, rules: RecordRules) -> None:
        self._path = Path(rules.path)
        self._most_bytes = int(rules.max_mb * 1_000_000)
        self._keep = rules.keep
        self._days_s = None if rules.days is None else rules.days * DAY_S
        self._span_s = None if self._days_s is None else self._days_s / (rules.keep + 1)
        self._handle: int | None = None
        self._began: float | None = None
        self._torn = False

    def write(self, lines: Sequence[tuple[float, bytes]]) -> None:
        """Append lines in one write."""
        now = time.time()
        handle = self._open()
        size = os.fstat(handle).st_size
        if size and (size >= self._most_bytes or self._spans_enough(now)):
            self._set_aside(now)
            handle = self._open()
        content = b"".join(line for _, line in lines)
        if self._torn:
            content = b"\n" + content
        written = os.write(handle, content)
        self._torn = written < len(content)
        if self._torn:
            raise OSError(f"only {written} of {len(content)} bytes could be written")

    def expire(self, now: float) -> None:
        """Drop files whose first record is too old, and the oldest of too many."""
        if self._path.exists() and self._began is None:
            self._began = _first_at(self._path)
        if self._spans_enough(now):
            self._set_aside(now)
        aside = rotated(self._path)
        for path in aside[: -self._keep or None] if len(aside) > self._keep else ():
            path.unlink(missing_ok=True)
        if self._days_s is not None:
            for path in rotated(self._path):
                began = _first_at(path)
                if began is not None and began <= now - self._days_s:
                    path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    abandon = close

    def _spans_enough(self, now: float) -> bool:
        return self._span_s is not None and self._began is not None and self._began <= now - self._span_s

    def _open(self) -> int:
        """Return the file, opened again where another process has set it aside."""
        if self._handle is not None:
            with suppress(FileNotFoundError):
                there = self._path.stat()
                here = os.fstat(self._handle)
                if (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev):
                    return self._handle
            self.close()
        self._handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._torn = _ends_torn(self._path)
        self._began = _first_at(self._path) or time.time()
        return self._handle

    def _set_aside(self, now: float) -> None:
        with _locked(self._path):
            began = _first_at(self._path)
            size = self._path.stat().st_size if self._path.exists() else 0
            full = size >= self._most_bytes
            old = began is not None and self._span_s is not None and began <= now - self._span_s
            if full or (old and size):  # or another process was quicker
                at = datetime.fromtimestamp(began or now, UTC).strftime("%Y%m%dT%H%M%S%f")
                name = f"{self._path.stem}.{at}-{secrets.token_hex(2)}{self._path.suffix}"
                self._path.rename(self._path.with_name(name))
        self.close()
        self._began = None
        self.expire(now)


class SqliteSink:
    """One row each, in a file that is kept to its size by dropping the oldest rows."""

    def __init__(self, rules: RecordRules) -> None:
        self._path = rules.path
        self._most_bytes = int(rules.max_mb * 1_000_000) * rules.keep
        self._days_s = None if rules.days is None else rules.days * DAY_S
        self._connection: sqlite3.Connection | None = None
        self._left_behind: list[sqlite3.Connection] = []

    def write(self, lines: Sequence[tuple[float, bytes]]) -> None:
        """Insert lines in one transaction."""
        connection = self._open()
        rows = [(at, line.decode().rstrip("\n")) for at, line in lines]
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO {TABLE} (at, line) VALUES (?, ?)", rows)  # noqa: S608 - a name of ours

    def expire(self, now: float) -> None:
        """Drop rows that are too old, and a tenth of the rest where they are too many."""
        if not Path(self._path).exists():
            return
        connection = self._open()
        with connection:
            if self._days_s is not None:
                connection.execute(f"DELETE FROM {TABLE} WHERE at <= ?", (now - self._days_s,))  # noqa: S608
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (free,) = connection.execute("PRAGMA freelist_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            if (pages - free) * size > self._most_bytes:
                (count,) = connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()  # noqa: S608
                connection.execute(
                    f"DELETE FROM {TABLE} WHERE id IN (SELECT id FROM {TABLE} ORDER BY at LIMIT ?)",  # noqa: S608
                    (count // 10 + 1,),
                )

    def close(self) -> None:
        """Close the file."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def abandon(self) -> None:
        """Keep the parent's connection without using or closing it."""
        if self._connection is not None:
            self._left_behind.append(self._connection)
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        with suppress(FileExistsError):  # to open and close one that is there would end this process's locks on it
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def rotated(path: Path) -> list[Path]:
    """Return the files that were set aside, oldest first."""
    if not path.suffix:
        return sorted(p for p in path.parent.glob(f"{path.name}.2*-*") if p.suffix != ".key")
    return sorted(path.parent.glob(f"{path.stem}.2*-*{path.suffix}"))


def _first_at(path: Path) -> float | None:
    """Return when a file's first record is of, by the record or else by the file."""
    try:
        with path.open("rb") as file:
            head = file.read(400)
            written = path.stat().st_mtime
    except OSError:
        return None
    start = head.find(b'"at":"')
    if start >= 0:
        with suppress(ValueError):
            return datetime.fromisoformat(head[start + 6 : head.index(b'"', start + 6)].decode()).timestamp()
    return written if head else None


def _ends_torn(path: Path) -> bool:
    """Whether the last line was broken off: what follows it has to begin a line of its own."""
    with path.open("rb") as file:
        if not file.seek(0, os.SEEK_END):
            return False
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Be the only process that sets a file aside."""
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with suppress(ImportError):  # not everywhere; there, one process alone may write to a path
            import fcntl  # noqa: PLC0415

            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
