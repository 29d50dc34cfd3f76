"""Deadlines, timeouts and attempts that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.linting.subject import Subject

CODES = {
    "QR350": "a timeout that the deadline comes before, so that what hangs is never tried elsewhere",
}
_TIMEOUTS = ("connect_s", "first_token_s", "between_tokens_s", "answer_s")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    policy = subject.policy
    deadline = policy.limits.deadline_s
    too_long = {
        key: limit for key in _TIMEOUTS if (limit := getattr(policy.timeouts, key)) is not None and limit >= deadline
    }
    if too_long:
        said = " and ".join(f"`{key}` ({limit:g} s)" for key, limit in too_long.items())
        written = [key for key in too_long if key in subject.loaded.file.timeouts.model_fields_set]
        trail = ("timeouts", written[0]) if written else ("limits", "deadline_s")
        message = f"the deadline of {deadline:g} s comes before {said}: what hangs is never tried elsewhere"
        yield subject.warning(trail, "QR350", message, "lower the timeout, or raise `limits.deadline_s`")
