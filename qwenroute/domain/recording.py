"""Where the records of requests are kept, for how long, and how much of a prompt is in them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RecordText(StrEnum):
    """What a record holds of the prompt."""

    NONE = "none"
    """Nothing."""
    HASH = "hash"
    """A keyed digest: equal prompts can be told, nobody can guess one without the key."""
    REDACTED = "redacted"
    """The text, without what looks like an address, a number or a key, and without what the policy names."""
    FULL = "full"
    """The text as it was sent, but for what looks like a key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordRules:
    """One record for each request."""

    path: str
    """A JSONL file, or a SQLite one where it ends in .sqlite, .sqlite3 or .db."""
    max_mb: float = 100.0
    """Of one file; it is set aside then, and another begun."""
    keep: int = 10
    """Files that were set aside."""
    days: float | None = 30.0
    """How long a record is kept at most; None: until there are too many files."""
    text: RecordText = RecordText.HASH
    redact: tuple[str, ...] = ()
    """Patterns of what a redacted text must not hold, beside the built-in ones."""

    @property
    def is_database(self) -> bool:
        """Whether the path names a SQLite file."""
        return self.path.lower().endswith((".sqlite", ".sqlite3", ".db"))
