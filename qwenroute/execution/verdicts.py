"""What each kind of failure means for the rest of the plan: one total table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from qwenroute.domain.failure import FailureKind


class Retry(Enum):
    """Whether the same deployment may be tried again."""

    NEVER = "never"
    FIRST = "first"
    """Before the next step."""
    LAST = "last"
    """Only where no other step is left."""


class FallBack(Enum):
    """Whether the next step may be tried."""

    NEVER = "never"
    IF_POLICY_SAYS = "if the policy says so"
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The consequence of a failure."""

    retry: Retry
    fall_back: FallBack


_MEND_IT = Verdict(Retry.NEVER, FallBack.NEVER)
_ANOTHER_MODEL = Verdict(Retry.NEVER, FallBack.ALWAYS)
_POLICY = Verdict(Retry.NEVER, FallBack.IF_POLICY_SAYS)
_PASSING = Verdict(Retry.FIRST, FallBack.ALWAYS)
_BUSY = Verdict(Retry.LAST, FallBack.ALWAYS)

VERDICTS: Mapping[FailureKind, Verdict] = {
    FailureKind.INVALID_REQUEST: _MEND_IT,  # wrong everywhere: the caller must change it
    FailureKind.BAD_MEDIA: _MEND_IT,
    FailureKind.UNSUPPORTED_FEATURE: _ANOTHER_MODEL,  # the registry did not know; another may
    FailureKind.STREAM_REQUIRED: _ANOTHER_MODEL,
    FailureKind.CONTEXT_OVERFLOW: _ANOTHER_MODEL,  # a wider window may do
    FailureKind.MEDIA_FETCH: _PASSING,  # the host of the media was slow, or out of this region's reach
    FailureKind.CONTENT_FILTER: _POLICY,  # another host may see it otherwise: not ours to decide
    FailureKind.AUTHENTICATION: _POLICY,  # hiding a wrong key would cost for weeks
    FailureKind.BILLING: _POLICY,
    FailureKind.PERMISSION: _ANOTHER_MODEL,
    FailureKind.MODEL_GONE: _ANOTHER_MODEL,
    FailureKind.CONFIGURATION: _POLICY,
    FailureKind.RATE_LIMITED: _BUSY,
    FailureKind.TOKENS_LIMITED: _BUSY,
    FailureKind.BURST_LIMITED: _BUSY,
    FailureKind.OVERLOADED: _PASSING,
    FailureKind.SERVER_ERROR: _PASSING,
    FailureKind.TIMEOUT: _BUSY,  # it has had its time; someone else gets the rest
    FailureKind.CONNECTION: _PASSING,
    FailureKind.MALFORMED: _PASSING,
    FailureKind.STREAM_CUT: _PASSING,
}
