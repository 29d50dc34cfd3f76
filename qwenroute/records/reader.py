"""Read records again: JSONL files, those that were set aside included, and SQLite files.

One line after the other, so that the size of a file does not matter. A last line that was broken off
is passed over; any other line that is no record is counted and told with its place.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from qwenroute.errors import ConfigurationError
from qwenroute.records.line import Row, Unreadable, at_of, is_copy, parse
from qwenroute.records.sinks import TABLE, rotated

LONGEST_LINE = 64_000_000
MOST_TOLD = 20
_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A line that is no record."""

    file: str
    line: int
    why: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.why}"


class Reader:
    """Yields rows, and keeps count of what it met.

    Raises, when it is made:
        ConfigurationError: there is no such file.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        progress: Callable[[int], None] | None = None,
        copies: bool = False,
    ) -> None:
        self.files = tuple(dict.fromkeys(file for path in paths for file in _files(path)))
        self.size = sum(file.stat().st_size for file in self.files)
        self._since, self._until = since, until
        self._progress = progress
        self._copies = copies
        self.read = 0
        """Records that were handed out."""
        self.copies = 0
        """Records of copies for shadows: passed over unless they are asked for, since nobody waited for them."""
        self.torn = 0
        """Last lines that were broken off."""
        self.lost = 0
        """Records that could not be written, as far as the files tell."""
        self.broken = 0
        self.place: tuple[Path, int] = (Path(), 0)
        """Of the row that was handed out last."""
        self.told: list[Broken] = []
        """The first of the broken lines."""

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows.

        Raises:
            ConfigurationError: a file cannot be read.
        """
        for file in self.files:
            try:
                with file.open("rb") as source:
                    database = source.read(len(_MAGIC)) == _MAGIC
                    source.seek(0)
                    yield from self._database(file) if database else self._lines(file, source)
            except OSError as error:
                raise ConfigurationError(f"cannot read `{file}`: {error.strerror or error}") from None

    def check(self, *, strict: bool) -> None:
        """Raise ConfigurationError where nothing could be read, or, if strict, not everything."""
        names = ", ".join(f"`{file}`" for file in self.files)
        first = f"; {self.told[0]}" if self.told else ""
        if self.broken and (strict or not self.read):
            raise ConfigurationError(f"{self.broken:,} line(s) of {names} are no records that can be read{first}")

    def _lines(self, file: Path, source: BinaryIO) -> Iterator[Row]:
        number = done = 0
        while text := source.readline(LONGEST_LINE):
            number += 1
            whole = text.endswith(b"\n")
            if not whole and len(text) >= LONGEST_LINE:
                self._break(file, number, "it is longer than any record")
                while (rest := source.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                    done += len(rest)
                continue
            if text.strip():
                try:
                    row = parse(text)
                    wanted = self._wanted(row)
                except Unreadable as error:
                    if whole or not text.startswith(b"{"):
                        self._break(file, number, str(error))
                    else:
                        self.torn += 1
                else:
                    if wanted:
                        self.place = file, number
                        yield row
            done += len(text)
            if self._progress is not None and done >= 65_536:
                self._progress(done)
                done = 0
        if self._progress is not None:
            self._progress(done)

    def _database(self, file: Path) -> Iterator[Row]:
        size = file.stat().st_size
        try:
            with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
                (count,) = connection.execute(f"SELECT COUNT(*) FROM {TABLE}").fetchone()  # noqa: S608 - a name of ours
                found = connection.execute(f"SELECT id, line FROM {TABLE} ORDER BY id")  # noqa: S608
                for number, (id_, text) in enumerate(found):
                    if self._progress is not None and number % 100 == 99:
                        self._progress(100 * size // count)
                    try:
                        row = parse(text)
                        wanted = self._wanted(row)
                    except Unreadable as error:
                        self._break(file, id_, str(error))
                        continue
                    if wanted:
                        self.place = file, id_
                        yield row
        except sqlite3.Error as error:
            raise ConfigurationError(f"cannot read `{file}` as records of qwenroute: {error}") from None

    def _wanted(self, row: Row) -> bool:
        lost = row.get("lost")
        if isinstance(lost, int):
            self.lost += lost
            return False
        if self._since is not None or self._until is not None:
            at = at_of(row)
            if (self._since is not None and at < self._since) or (self._until is not None and at >= self._until):
                return False
        if is_copy(row):
            self.copies += 1
            if not self._copies:
                return False
        self.read += 1
        return True

    def broke(self, why: str, place: tuple[Path, int] | None = None) -> None:
        """Count a row that was handed out, by default the last one, and turned out to be no record."""
        self.read -= 1
        file, number = self.place if place is None else place
        self._break(file, number, why)

    def _break(self, file: Path, number: int, why: str) -> None:
        self.broken += 1
        if len(self.told) < MOST_TOLD:
            self.told.append(Broken(file=str(file), line=number, why=why))


def _files(path: Path) -> list[Path]:
    """Return the files behind a path, oldest first: a folder's, and those that were set aside from a JSONL file."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if p.suffix in {".jsonl", ".sqlite", ".sqlite3", ".db"})
        if not found:
            raise ConfigurationError(f"there are no records in the folder `{path}`: no file ends in .jsonl or .sqlite")
        aside = [p for p in found if any(p in rotated(other) for other in found)]
        return [*aside, *(p for p in found if p not in aside)]
    before = rotated(path)
    if not path.exists() and not before:
        raise ConfigurationError(
            f"there are no records at `{path}`; a policy says under `records` where it writes them"
        )
    return [*before, *([path] if path.exists() else [])]
