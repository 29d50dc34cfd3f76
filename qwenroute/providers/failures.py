"""Every way a host says no, translated once into a failure kind.

The rows come from the platform's error reference (ms-errors and qc-errors in the facts sheet)
and from what vLLM, Ollama and other OpenAI-compatible hosts answer. The first row that matches
decides, so narrow rows stand before wide ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import from_json

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.errors import AttemptFailed

MAX_MESSAGE = 500


@dataclass(frozen=True, slots=True)
class Row:
    """What is given has to match: one of the codes exactly, the text anywhere, one of the statuses."""

    kind: FailureKind
    codes: frozenset[str]
    text: re.Pattern[str] | None
    statuses: frozenset[int]

    def matches(self, status: int | None, codes: frozenset[str], message: str) -> bool:
        """Whether a refusal is of this row; codes are in lower case."""
        return (
            (not self.codes or not self.codes.isdisjoint(codes))
            and (not self.statuses or status in self.statuses)
            and (self.text is None or self.text.search(message) is not None)
        )


def _row(kind: FailureKind, *codes: str, text: str | None = None, statuses: Iterable[int] = ()) -> Row:
    pattern = None if text is None else re.compile(text, re.IGNORECASE | re.DOTALL)
    return Row(kind, frozenset(c.lower() for c in codes), pattern, frozenset(statuses))


K = FailureKind
QUOTA = ("Throttling.AllocationQuota", "insufficient_quota")

ROWS: tuple[Row, ...] = (
    # One code, two meanings: tokens per minute, or a quota that is used up. Only the text tells.
    _row(K.BILLING, *QUOTA, text=r"free (allocated )?quota|free tier"),
    _row(K.TOKENS_LIMITED, *QUOTA, text=r"token[-_ ]limit|tokens per"),
    _row(K.BILLING, "insufficient_quota", text=r"plan and billing|top up|balance"),
    _row(K.TOKENS_LIMITED, *QUOTA),
    _row(K.BILLING, "Arrearage", "AllocationQuota.FreeTierOnly", "billing_not_active"),
    _row(K.BILLING, "CommodityNotPurchased", "PrepaidBillOverdue", "PostpaidBillOverdue"),
    _row(K.BILLING, text=r"account is (not )?in good standing|overdue[- ]payment|free allocated quota exceeded"),
    # Rates
    _row(K.BURST_LIMITED, "Throttling.BurstRate", "limit_burst_rate"),
    _row(K.RATE_LIMITED, "Throttling", "Throttling.RateQuota", "LimitRequests", "limit_requests"),
    _row(K.TOKENS_LIMITED, "rate_limit_exceeded", "tokens", text=r"tokens per min|\bTPM\b"),
    _row(K.RATE_LIMITED, "rate_limit_exceeded", "rate_limit_error"),
    # Credentials and permission
    _row(K.AUTHENTICATION, "InvalidApiKey", "invalid_api_key", "authentication_error"),
    _row(K.AUTHENTICATION, text=r"(incorrect|invalid) api[- ]?key", statuses=(400, 401, 403)),
    _row(K.PERMISSION, "AccessDenied", "AccessDenied.Unpurchased", "access_denied", "permission_error"),
    _row(K.PERMISSION, "Model.AccessDenied", "Workspace.AccessDenied", "App.AccessDenied"),
    # Ids
    _row(K.MODEL_GONE, "ModelNotFound", "Model.NotExist", "model_not_found", "model_not_supported"),
    _row(
        K.MODEL_GONE,
        text=r"\bmodels?\b.{0,160}(does ?n[o']t exist|not exist|not found|not supported on|been (retired|deprecated))",
        statuses=(400, 404, 410),
    ),
    _row(K.CONFIGURATION, "WorkSpaceNotFound", "NotFound"),
    # Content and media
    _row(K.MEDIA_FETCH, "InvalidParameter.DataInspection", "InvalidURL"),
    _row(K.MEDIA_FETCH, "InvalidURL.Timeout", "InvalidURL.ConnectionRefused"),
    _row(K.MEDIA_FETCH, text=r"(unable|failed) to (download|fetch|load) .{0,40}(media|image|audio|video|resource|url)"),
    _row(K.CONTENT_FILTER, "DataInspectionFailed", "data_inspection_failed", "content_filter"),
    _row(K.CONTENT_FILTER, "IPInfringementSuspect", "CustomRoleBlocked", "FaqRuleBlocked"),
    # What this model cannot take: the code says only that something is invalid, the text says what.
    _row(K.STREAM_REQUIRED, text=r"only supports? stream(ing)? mode|does not support http call"),
    _row(K.CONTEXT_OVERFLOW, "context_length_exceeded"),
    _row(
        K.CONTEXT_OVERFLOW,
        text=r"range of input length should be|maximum context length|maximum model length|input length .{0,40}exceeds?"
        r"|exceeds? .{0,60}context (window|length|size)|(prompt|input)( is)? too long|too many input tokens",
    ),
    _row(
        K.UNSUPPORTED_FEATURE,
        text=r"tool_choice .{0,60}\b(none|auto)\b|(tool|function)[_ ]?call\w* (is |are )?(not |un)support"
        r"|not support.{0,40}(tool|function)[_ ]?(call|use|choice)?|enable-auto-tool-choice"
        r"|not support.{0,20}\b(image|audio|video|multi-?modal)|not a multimodal model|at most \d+ (image|audio|video)"
        r"|not supported by (this|the) model",
    ),
    _row(K.UNSUPPORTED_FEATURE, "unsupported_parameter"),
    _row(
        K.BAD_MEDIA,
        text=r"data[-_ ]uri|\burl error\b|video frames?\b|sequence images|video modality|aspect ratio"
        r"|image (length|width|height|size|format)|cannot identify image"
        r"|\b(image|audio|video)( file)?( is| are)?( too (long|short|large|small)| format is illegal| cannot be)",
        statuses=(200, 400, 413, 415, 422),
    ),
    _row(K.BAD_MEDIA, "invalid_image", "invalid_image_format", "invalid_image_url"),
    # A tool call in the history whose arguments are not JSON: a server's code, a caller's mistake.
    _row(
        K.INVALID_REQUEST,
        *("InternalError.Algo", "InternalError", "internal_error"),
        text=r"(tool|function)\b.{0,120}\bjson|json\b.{0,120}\b(tool|function)|InternalError\.Algo\.InvalidParameter",
    ),
    _row(K.INVALID_REQUEST, "InvalidParameter", "invalid_parameter_error", "InternalError.Algo.InvalidParameter"),
    _row(K.INVALID_REQUEST, "BadRequest.EmptyInput", "BadRequest.EmptyModel", "BadRequest.TooLarge"),
    _row(K.INVALID_REQUEST, "UnsupportedOperation", "ClientDisconnect"),
    # The server
    _row(K.TIMEOUT, "RequestTimeOut", "InternalError.Timeout"),
    _row(K.OVERLOADED, "ModelUnavailable", "ModelServingError", "overloaded_error"),
    _row(K.SERVER_ERROR, "InternalError", "InternalError.Algo", "SystemError", "ModelServiceFailed", "internal_error"),
)

FAMILIES: Mapping[str, FailureKind] = {
    "badrequest": K.INVALID_REQUEST,
    "invalidparameter": K.INVALID_REQUEST,
    "invalidurl": K.MEDIA_FETCH,
    "throttling": K.RATE_LIMITED,
    "accessdenied": K.PERMISSION,
    "internalerror": K.SERVER_ERROR,
}
"""For codes of no row: what stands before the first point."""

STATUSES: Mapping[int, FailureKind] = {
    401: K.AUTHENTICATION,
    402: K.BILLING,
    403: K.PERMISSION,
    404: K.CONFIGURATION,  # no word of a model: the base URL is wrong
    405: K.CONFIGURATION,
    408: K.TIMEOUT,
    410: K.MODEL_GONE,
    429: K.RATE_LIMITED,
    503: K.OVERLOADED,
    504: K.TIMEOUT,
    529: K.OVERLOADED,
}
"""For everything else; then by the hundred."""

HUNDREDS: Mapping[int, FailureKind] = {3: K.CONFIGURATION, 4: K.INVALID_REQUEST}

_SECRETS = re.compile(r"\b(sk|rk|pk)-[\w*.\-]{4,}|\bBearer\s+[^\s\"',}]+", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


def kind_of(status: int | None, codes: Iterable[str], message: str) -> FailureKind:
    """Return the one kind that a refusal means."""
    lowered = frozenset(c.lower() for c in codes)
    for row in ROWS:
        if row.matches(status, lowered, message):
            return row.kind
    for code in lowered:
        if (kind := FAMILIES.get(code.partition(".")[0])) is not None:
            return kind
    if status is None:
        return K.SERVER_ERROR
    return STATUSES.get(status) or HUNDREDS.get(status // 100, K.SERVER_ERROR)


def translate(
    status: int | None, headers: Mapping[str, str], body: bytes, *, now: datetime, secret: str | None = None
) -> Failure:
    """Return the failure that a refusal means, in whichever form the body came.

    `headers` have names in lower case. `secret` is the credential of the call: a host that
    quotes it does not get it into a message.
    """
    codes, message, request_id, stated = _read_body(body)
    if stated is not None and (status is None or status == 200):
        status = stated
    if not message:
        message = f"HTTP {status} without a message" if status is not None else "an error without a message"
    return Failure(
        kind=kind_of(status, codes, message),
        message=clean(message, secret),
        status=status,
        code=codes[0] if codes else None,
        retry_after_s=retry_after_s(headers, now=now),
        request_id=request_id or headers.get("x-request-id"),
    )


def error_in(
    document: bytes, headers: Mapping[str, str], *, now: datetime, secret: str | None = None
) -> Failure | None:
    """Return the failure that a document of a 200 answer holds instead of an answer, if it does."""
    try:
        value: Any = from_json(document)
    except ValueError:
        shown = clean(document[:200].decode("utf-8", "replace"), secret)
        return Failure(kind=K.MALFORMED, message=f"not JSON: {shown}" if shown else "an empty answer", status=200)
    if isinstance(value, dict):
        if value.get("error") or ("choices" not in value and value.get("code") and "message" in value):
            return translate(200, headers, document, now=now, secret=secret)
        if "choices" in value or "usage" in value:
            return None
    shown = clean(document[:200].decode("utf-8", "replace"), secret)
    return Failure(kind=K.MALFORMED, message=f"neither an answer nor an error: {shown}", status=200)


def retry_after_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Return how long the server asks to wait; unreadable and past times ask for nothing."""
    for name, unit_s in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        if not text:
            continue
        try:
            wait_s = float(text) * unit_s
        except ValueError:
            try:
                at = parsedate_to_datetime(text)
            except ValueError:
                continue
            wait_s = (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds()
        if 0 <= wait_s < float("inf"):
            return wait_s
    return None


def clean(message: str, secret: str | None = None) -> str:
    """Return a message on one line, without credentials, and not longer than anyone reads."""
    message = message[: 4 * MAX_MESSAGE]
    if secret and len(secret) >= 6:
        message = message.replace(secret, "[key]")
    message = _SPACE.sub(" ", _SECRETS.sub("[key]", message)).strip()
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"


def unreachable(url: str, reason: str, *, kind: FailureKind = K.CONNECTION) -> AttemptFailed:
    """Return the error for a host that cannot be talked to; it names the host, not the address."""
    try:
        host = urlsplit(url).netloc.rpartition("@")[2] or url
    except ValueError:  # an address that cannot be taken apart may hold a password
        host = "the endpoint"
    return AttemptFailed(Failure(kind=kind, message=clean(f"{host}: {reason}")))


def _read_body(body: bytes) -> tuple[tuple[str, ...], str, str | None, int | None]:
    """Return codes, message, request id and the status that the body itself names."""
    try:
        value: Any = from_json(body)
    except ValueError:
        return (), body[: 4 * MAX_MESSAGE].decode("utf-8", "replace"), None, None
    if not isinstance(value, dict):
        return (), str(value), None, None
    inner = value.get("error")
    error: Mapping[str, Any] = inner if isinstance(inner, dict) else value
    message = error.get("message") or value.get("message") or error.get("detail") or ""
    if isinstance(inner, str):  # {"error": "…"}
        message = message or inner
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False)
    found = [error.get("code"), error.get("type"), value.get("code")]
    codes = tuple(dict.fromkeys(c for c in found if isinstance(c, str) and c and not c.isdigit()))
    stated = next((int(c) for c in found if isinstance(c, int) or (isinstance(c, str) and c.isdigit())), None)
    request_id = value.get("request_id") or error.get("request_id")
    return (
        codes,
        message,
        request_id if isinstance(request_id, str) else None,
        stated if stated is not None and 400 <= stated < 600 else None,
    )
