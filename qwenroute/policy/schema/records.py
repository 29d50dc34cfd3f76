"""What is written down of each request."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from qwenroute.domain.recording import RecordRules, RecordText
from qwenroute.policy.pattern import objection
from qwenroute.policy.schema.values import Number, Section, Whole, Word, listed

_USUAL = RecordRules(path="")


def _safe(pattern: str) -> str:
    wrong = objection(pattern)
    if wrong is not None:
        raise ValueError(f"`{pattern}` {wrong}")
    return pattern


Pattern = Annotated[str, StringConstraints(min_length=1, max_length=1_000), AfterValidator(_safe)]


class Records(Section):
    """One record for each request: what it was like, what was decided and why, what it took and cost."""

    path: Word
    """Where they are written, from the policy's folder: a JSONL file, one line each; ending in .sqlite or .db, a
    SQLite file."""
    max_mb: Number = Field(default=_USUAL.max_mb, gt=0)
    """Size in MB at which a JSONL file is set aside and another begun. A SQLite file holds `keep` times as much."""
    keep: Whole = Field(default=_USUAL.keep, ge=1, le=10_000)
    """How many files that were set aside are kept; the oldest go first."""
    days: Annotated[Number, Field(gt=0)] | None = _USUAL.days
    """How many days a record is kept at most; null: as long as there is room."""
    text: RecordText = _USUAL.text
    """What a record holds of the prompt: `none`, `hash` (a keyed digest), `redacted` or `full`. API keys never."""
    redact: Annotated[list[Pattern], BeforeValidator(listed)] = Field(default_factory=list)
    """Regular expressions of what `text: redacted` leaves out, beside e-mail addresses, phone and card numbers and
    keys."""
