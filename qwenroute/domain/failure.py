"""Why an attempt failed: one kind for each consequence, whatever the provider called it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class FailureKind(StrEnum):
    """The normalised cause of a failed attempt."""

    INVALID_REQUEST = "invalid_request"
    UNSUPPORTED_FEATURE = "unsupported_feature"
    STREAM_REQUIRED = "stream_required"
    CONTEXT_OVERFLOW = "context_overflow"
    BAD_MEDIA = "bad_media"
    MEDIA_FETCH = "media_fetch"
    CONTENT_FILTER = "content_filter"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    BILLING = "billing"
    MODEL_GONE = "model_gone"
    CONFIGURATION = "configuration"
    RATE_LIMITED = "rate_limited"
    TOKENS_LIMITED = "tokens_limited"
    BURST_LIMITED = "burst_limited"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    TIMEOUT = "timeout"
    CONNECTION = "connection"
    MALFORMED = "malformed"
    STREAM_CUT = "stream_cut"


CALLERS_OWN = frozenset({FailureKind.INVALID_REQUEST, FailureKind.BAD_MEDIA})
"""Wrong everywhere: they say nothing of who was asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed attempt, translated. `message` is the provider's text, free of secrets."""

    kind: FailureKind
    message: str
    status: int | None = None
    code: str | None = None
    retry_after_s: float | None = None
    request_id: str | None = None
