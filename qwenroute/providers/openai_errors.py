"""Errors that an application catches by the openai package's names as well as by ours.

`as_openai` gives an error a second parentage and leaves it what it is: the same object, caught by
`except qwenroute.InvalidRequest` and by `except openai.BadRequestError`. What becomes what:

our error                                               openai's                      status
InvalidRequest, NoDeployment                            BadRequestError                  400
UnknownModel, ModelRetired                              NotFoundError                    404
MissingCredentials                                      AuthenticationError              401
DeadlineExceeded                                        APITimeoutError
StreamInterrupted                                       APIConnectionError; APITimeoutError where it stalled
BudgetExceeded                                          RateLimitError                   429
NothingAvailable                                        InternalServerError              503
AllAttemptsFailed, AttemptFailed                        by the last failure, below
everything else (a policy's mistakes, a hook's)         OpenAIError

last failure                                            openai's                      status
invalid_request, unsupported_feature, stream_required,
context_overflow, bad_media, media_fetch,
content_filter                                          BadRequestError                  400
authentication                                          AuthenticationError              401
permission                                              PermissionDeniedError            403
model_gone, configuration                               NotFoundError                    404
rate_limited, tokens_limited, burst_limited, billing    RateLimitError                   429
overloaded                                              InternalServerError              the host's, or 503
server_error                                            InternalServerError              the host's, or 500
malformed                                               InternalServerError              502
timeout                                                 APITimeoutError
connection, stream_cut                                  APIConnectionError

`code` is OpenAI's word where it has one (`context_length_exceeded`, `insufficient_quota`, …), then
the host's, then the name of the failure kind. `response` was never on the wire: it has the status,
the body, and `retry-after` and `x-request-id` where the host said them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, TypeVar

import httpx
import openai

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.errors import (
    AttemptFailed,
    BudgetExceeded,
    CallFailed,
    DeadlineExceeded,
    InvalidRequest,
    MissingCredentials,
    ModelRetired,
    NoDeployment,
    NothingAvailable,
    QwenRouteError,
    StreamInterrupted,
    UnknownModel,
)

URL = "http://qwenroute.invalid/v1/chat/completions"
"""Of the request that the openai package wants to see: a call may have gone to several hosts."""

Error = TypeVar("Error", bound=QwenRouteError)


class Fit(NamedTuple):
    """A class of the openai package, and what its attributes are set to."""

    base: type[openai.OpenAIError]
    status: int | None = None
    code: str | None = None
    """OpenAI's word for it."""
    keeps_status: bool = False
    """Whether the host's own status of 500 or more is told."""


_BAD = Fit(openai.BadRequestError, 400)
_LIMIT = Fit(openai.RateLimitError, 429, "rate_limit_exceeded")
_LOST = Fit(openai.APIConnectionError)
_LATE = Fit(openai.APITimeoutError)

BY_KIND: Mapping[FailureKind, Fit] = {
    FailureKind.INVALID_REQUEST: _BAD,
    FailureKind.UNSUPPORTED_FEATURE: _BAD,
    FailureKind.STREAM_REQUIRED: _BAD,
    FailureKind.CONTEXT_OVERFLOW: _BAD._replace(code="context_length_exceeded"),
    FailureKind.BAD_MEDIA: _BAD,
    FailureKind.MEDIA_FETCH: _BAD,
    FailureKind.CONTENT_FILTER: _BAD._replace(code="content_filter"),
    FailureKind.AUTHENTICATION: Fit(openai.AuthenticationError, 401, "invalid_api_key"),
    FailureKind.PERMISSION: Fit(openai.PermissionDeniedError, 403),
    FailureKind.BILLING: _LIMIT._replace(code="insufficient_quota"),
    FailureKind.MODEL_GONE: Fit(openai.NotFoundError, 404, "model_not_found"),
    FailureKind.CONFIGURATION: Fit(openai.NotFoundError, 404),
    FailureKind.RATE_LIMITED: _LIMIT,
    FailureKind.TOKENS_LIMITED: _LIMIT,
    FailureKind.BURST_LIMITED: _LIMIT,
    FailureKind.OVERLOADED: Fit(openai.InternalServerError, 503, keeps_status=True),
    FailureKind.SERVER_ERROR: Fit(openai.InternalServerError, 500, keeps_status=True),
    FailureKind.TIMEOUT: _LATE,
    FailureKind.CONNECTION: _LOST,
    FailureKind.MALFORMED: Fit(openai.InternalServerError, 502),
    FailureKind.STREAM_CUT: _LOST,
}

BY_CLASS: Mapping[type[QwenRouteError], Fit] = {
    UnknownModel: Fit(openai.NotFoundError, 404, "model_not_found"),
    ModelRetired: Fit(openai.NotFoundError, 404, "model_not_found"),
    InvalidRequest: _BAD,
    NoDeployment: _BAD._replace(code="no_deployment"),
    BudgetExceeded: _LIMIT._replace(code="insufficient_quota"),
    MissingCredentials: Fit(openai.AuthenticationError, 401, "invalid_api_key"),
    NothingAvailable: Fit(openai.InternalServerError, 503, "nothing_available"),
    DeadlineExceeded: _LATE._replace(code="deadline_exceeded"),
}

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
"""What OpenAI calls a status; other refusals are of the request, the rest of the server."""


def as_openai(error: Error) -> Error:
    """Return the same error, now of the fitting class of the openai package too. Idempotent."""
    if isinstance(error, openai.OpenAIError):
        return error
    failure = _last_failure(error)
    fit = _fit(error, failure)
    status = fit.status
    if fit.keeps_status and failure is not None and failure.status is not None and failure.status >= 500:
        status = failure.status
    code = fit.code
    if code is None and failure is not None:
        code = BY_KIND[failure.kind].code or failure.code or failure.kind.value
    state: dict[str, Any] = {"message": str(error)}
    if issubclass(fit.base, openai.APIError):
        kind = _type(status)
        param = getattr(error, "param", None)
        body = {"message": str(error), "type": kind, "param": param, "code": code}
        state |= {"code": code, "type": kind, "param": param, "body": None if status is None else body}
    if status is not None:
        state |= {"status_code": status, "request_id": None if failure is None else failure.request_id}
    error.__dict__.update(state)
    error.__class__ = _joined(type(error), fit.base)  # type: ignore[arg-type, assignment]
    return error


def _last_failure(error: QwenRouteError) -> Failure | None:
    if isinstance(error, AttemptFailed):
        return error.failure
    if isinstance(error, CallFailed):
        return next((a.failure for a in reversed(error.attempts) if a.failure is not None), None)
    return None


def _fit(error: QwenRouteError, failure: Failure | None) -> Fit:
    for ours in type(error).__mro__:
        if (fit := BY_CLASS.get(ours)) is not None:
            return fit
    if isinstance(error, StreamInterrupted):
        return _LATE if failure is not None and failure.kind is FailureKind.TIMEOUT else _LOST
    if failure is not None:
        return BY_KIND[failure.kind]
    return BY_KIND[FailureKind.SERVER_ERROR] if isinstance(error, CallFailed) else Fit(openai.OpenAIError)


def _type(status: int | None) -> str | None:
    if status is None:
        return None
    return _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")


@cache
def _joined(ours: type[QwenRouteError], theirs: type[openai.OpenAIError]) -> type[QwenRouteError]:
    """Return the class that is both, under the name of ours."""
    members: dict[str, Any] = {
        "__module__": ours.__module__,
        "__qualname__": ours.__qualname__,
        "__doc__": ours.__doc__,
        "__reduce__": _reduce,
        "_ours": ours,
    }
    if issubclass(theirs, openai.APIError):
        members["request"] = property(_request)
    if issubclass(theirs, openai.APIStatusError):
        members["response"] = property(_response)
    return type(ours.__name__, (ours, theirs), members)


def _request(_: Any) -> httpx.Request:
    return httpx.Request("POST", URL)


def _response(error: Any) -> httpx.Response:
    failure = _last_failure(error)
    headers = {}
    if failure is not None and failure.retry_after_s is not None:
        headers["retry-after"] = f"{failure.retry_after_s:g}"
    if error.request_id is not None:
        headers["x-request-id"] = error.request_id
    return httpx.Response(error.status_code, headers=headers, json={"error": error.body}, request=error.request)


def _reduce(error: Any) -> tuple[object, ...]:
    # Our constructors take more than `args`, and pickle could not find a class made at run time.
    return _rebuilt, (error._ours, error.args, error.__dict__)  # noqa: SLF001 - it is a member of that class


def _rebuilt(ours: type[QwenRouteError], args: tuple[object, ...], state: Mapping[str, object]) -> QwenRouteError:
    error = ours.__new__(ours, *args)
    error.__dict__.update(state)
    return as_openai(error)
