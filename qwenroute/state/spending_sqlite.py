"""What was spent, by account and window: in one SQLite file, which several processes may share."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from qwenroute.domain.budget import Account, Balance
from qwenroute.errors import ConfigurationError
from qwenroute.state.spending import KEEP_S, LEDGERS

BUSY_S = 2.0
"""How long to wait for another process that is writing. A write takes a ten-thousandth of a second."""
TIDY_EVERY_S = 3_600.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS qwenroute_spend_1 (
  id INTEGER PRIMARY KEY, budget TEXT NOT NULL, scope TEXT NOT NULL, window TEXT NOT NULL, currency TEXT NOT NULL,
  begins INTEGER NOT NULL, ends INTEGER NOT NULL,
  spent INTEGER NOT NULL DEFAULT 0, reserved INTEGER NOT NULL DEFAULT 0,
  UNIQUE (budget, scope, window, currency, begins)
);
CREATE TABLE IF NOT EXISTS qwenroute_held_1 (
  hold TEXT NOT NULL, account INTEGER NOT NULL, amount INTEGER NOT NULL, until REAL NOT NULL,
  PRIMARY KEY (hold, account)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS qwenroute_held_1_until ON qwenroute_held_1 (until);
"""
_FIND = """
SELECT id, spent, reserved FROM qwenroute_spend_1
WHERE budget = ? AND scope = ? AND window = ? AND currency = ? AND begins = ?
"""
_SCOPES = """
SELECT scope FROM qwenroute_spend_1
WHERE budget = ? AND window = ? AND currency = ? AND begins = ? AND (
  spent > 0 OR EXISTS (SELECT 1 FROM qwenroute_held_1 WHERE account = id AND until > ?)
)
ORDER BY scope
"""

Result = TypeVar("Result")


class SqliteLedger:
    """Spending of all processes that share a file.

    What was settled is in the file when `settle` returns, and survives the end of the process, by
    whatever signal. (A power cut may take the last moments, and leaves the rest in order.)

    Raises:
        ConfigurationError: the file cannot be opened, or is no database.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._pid = 0
        self._left_behind: list[sqlite3.Connection] = []
        self._closed = False
        self._ids: dict[Account, int] = {}
        self._tidy_at = 0.0
        LEDGERS.add(self)
        self._use(lambda _: None)

    def reserve(
        self, hold: str, accounts: Sequence[tuple[Account, int | None]], amount: int, at: float, until: float
    ) -> Account | None:
        """Reserve an amount in every account, or in none: then return the first whose limit it would exceed."""

        def work(db: sqlite3.Connection) -> Account | None:
            self._expire(db, at)
            if at >= self._tidy_at:
                self._tidy(db, at)
            ids = [self._id(db, account) for account, _ in accounts]
            for id_, (account, limit) in zip(ids, accounts, strict=True):
                if limit is not None:
                    used = db.execute("SELECT spent + reserved FROM qwenroute_spend_1 WHERE id = ?", (id_,)).fetchone()
                    if used[0] + amount > limit:
                        return account
            db.executemany("INSERT INTO qwenroute_held_1 VALUES (?, ?, ?, ?)", [(hold, i, amount, until) for i in ids])
            db.executemany(
                "UPDATE qwenroute_spend_1 SET reserved = reserved + ? WHERE id = ?", [(amount, i) for i in ids]
            )
            return None

        return self._write(work)

    def settle(self, hold: str, accounts: Sequence[Account], amount: int) -> None:
        """Spend an amount in every account, in place of what was reserved, if that still holds."""

        def work(db: sqlite3.Connection) -> None:
            for account in accounts:
                id_ = self._id(db, account)
                row = db.execute(
                    "DELETE FROM qwenroute_held_1 WHERE hold = ? AND account = ? RETURNING amount", (hold, id_)
                ).fetchone()
                held = 0 if row is None else row[0]
                db.execute(
                    "UPDATE qwenroute_spend_1 SET spent = spent + ?, reserved = reserved - ? WHERE id = ?",
                    (amount, held, id_),
                )

        self._write(work)

    def balances(self, accounts: Sequence[Account], at: float) -> list[Balance]:
        """Return what each account holds."""

        def work(db: sqlite3.Connection) -> list[Balance]:
            found = []
            for account in accounts:
                id_, spent, reserved = db.execute(_FIND, _key(account)).fetchone() or (None, 0, 0)
                if reserved:
                    over = "SELECT coalesce(sum(amount), 0) FROM qwenroute_held_1 WHERE until <= ? AND account = ?"
                    reserved -= db.execute(over, (at, id_)).fetchone()[0]
                found.append(Balance(spent=spent, reserved=reserved))
            return found

        return self._use(work)

    def scopes(self, account: Account, at: float) -> list[str]:
        """Return the scopes for which anything is in an account like this one."""

        def work(db: sqlite3.Connection) -> list[str]:
            return [row[0] for row in db.execute(_SCOPES, (*account.like, at))]

        return self._use(work)

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._closed = True
            connection, self._connection = self._connection, None
            if connection is None:
                return
            if self._pid == os.getpid():
                connection.close()
            else:
                self._left_behind.append(connection)

    def leave_behind(self) -> None:
        """After a fork: whoever held the lock is in the parent; the connection goes when it is next wanted."""
        self._lock = threading.Lock()

    def __del__(self) -> None:
        with suppress(Exception):  # of a policy that is no longer in force: its last call has ended
            self.close()

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        def whole(db: sqlite3.Connection) -> Result:
            db.execute("BEGIN IMMEDIATE")
            try:
                result = work(db)
                db.execute("COMMIT")
            except BaseException:
                self._ids.clear()  # some may have been of rows that are not there now
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            return result

        return self._use(whole)

    def _use(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._lock:
            try:
                return work(self._open())
            except (sqlite3.Error, OSError) as error:
                raise ConfigurationError(self._trouble(error)) from error

    def _trouble(self, error: Exception) -> str:
        path = self.path
        if isinstance(error, FileNotFoundError):
            return f"the spend ledger `{path}` cannot be opened: make its folder, or mend `ledger.path`"
        said = f"the spend ledger `{path}` cannot be used: {error}"
        if isinstance(error, OSError) or "unable to open" in str(error):
            return f"{said}; mend `ledger.path` or the rights to it"
        if "locked" in str(error) or "busy" in str(error):
            return f"{said} (for {BUSY_S:g} s); another process holds on to it"
        if not isinstance(error, sqlite3.OperationalError):
            return f"{said}; restore it from a copy, or move it away to begin a new one"
        return said

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise ConfigurationError(f"the spend ledger `{self.path}` is closed")
        if self._connection is not None:
            if self._pid == os.getpid():
                return self._connection
            # After a fork the parent's connection must be neither used nor closed here.
            self._left_behind.append(self._connection)
            self._connection = None
            self._ids.clear()
        with suppress(FileExistsError):  # to open and close one that is there would end this process's locks on it
            # Who spends what is for nobody else to read.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        db = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            _write_ahead(db)
            db.execute("PRAGMA synchronous = NORMAL")
            db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")
        except BaseException:
            db.close()
            raise
        self._connection, self._pid = db, os.getpid()
        return db

    def _id(self, db: sqlite3.Connection, account: Account) -> int:
        known = self._ids.get(account)
        if known is None:
            db.execute(
                "INSERT OR IGNORE INTO qwenroute_spend_1 (budget, scope, window, currency, begins, ends) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (*_key(account), account.ends),
            )
            known = int(db.execute(_FIND, _key(account)).fetchone()[0])
            if len(self._ids) >= 10_000:
                self._ids.clear()
            self._ids[account] = known
        return known

    def _expire(self, db: sqlite3.Connection, at: float) -> None:
        """Free what was reserved for longer than it may be."""
        gone = db.execute("SELECT account, amount FROM qwenroute_held_1 WHERE until <= ?", (at,)).fetchall()
        if gone:
            db.execute("DELETE FROM qwenroute_held_1 WHERE until <= ?", (at,))
            db.executemany(
                "UPDATE qwenroute_spend_1 SET reserved = reserved - ? WHERE id = ?",
                [(amount, account) for account, amount in gone],
            )

    def _tidy(self, db: sqlite3.Connection, at: float) -> None:
        """Delete windows that ended long ago."""
        self._tidy_at = at + TIDY_EVERY_S
        if db.execute("DELETE FROM qwenroute_spend_1 WHERE ends < ? AND reserved = 0", (at - KEEP_S,)).rowcount:
            self._ids.clear()


def _key(account: Account) -> tuple[str, str, str, str, int]:
    return account.budget, account.scope, account.window.value, account.currency, account.begins


def _write_ahead(db: sqlite3.Connection) -> None:
    """Have readers and the writer not wait for each other; of several that ask for it at once, all but one fail."""
    give_up = time.monotonic() + BUSY_S
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() >= give_up:
                raise
            time.sleep(0.005)
        else:
            return
