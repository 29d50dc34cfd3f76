"""Errors are caught by the openai package's names too, and stay what they are."""

from __future__ import annotations

import copy
import pickle
import traceback
from datetime import date
from typing import Any

import openai
import pytest

from qwenroute.analysis import analyse, read_request
from qwenroute.domain.decision import Decision
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.record import Attempt, Record
from qwenroute.errors import (
    AllAttemptsFailed,
    AttemptFailed,
    ConfigurationError,
    DeadlineExceeded,
    DocumentError,
    HookFailed,
    InvalidRequest,
    MissingCredentials,
    ModelRetired,
    NoDeployment,
    NothingAvailable,
    QwenRouteError,
    StreamInterrupted,
    UnknownModel,
)
from qwenroute.policy import load_policy
from qwenroute.providers.openai_errors import BY_KIND, as_openai
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide

K = FailureKind
BAD, LATE, LOST, LIMIT = (
    openai.BadRequestError,
    openai.APITimeoutError,
    openai.APIConnectionError,
    openai.RateLimitError,
)
SERVER, GONE = openai.InternalServerError, openai.NotFoundError


@pytest.fixture(scope="module")
def decision() -> Decision:
    """Return a real decision, for errors that carry one."""
    policy, on = load_policy("default"), date(2026, 1, 15)
    fleet = Fleet.build(policy, Registry.load(), {"DASHSCOPE_API_KEY": "sk-planted-secret"}, on)
    request = read_request({"messages": [{"role": "user", "content": "hi"}]})
    return decide(request, analyse(request), policy, fleet)


def failed(kind: FailureKind, **more: Any) -> Failure:
    return Failure(kind=kind, message=f"the host says {kind}", **more)


def record(decision: Decision, *failures: Failure | None) -> Record:
    attempts = tuple(
        Attempt(number=n, deployment="qwen-plus@cn", model="qwen-plus", started_s=0.0, ended_s=1.0, failure=failure)
        for n, failure in enumerate(failures, start=1)
    )
    return Record(id="r1", decision=decision, attempts=attempts, latency_s=1.0)


# Written out a second time and not read from the table, so that a slip in one of them shows.
KINDS: dict[FailureKind, tuple[type[openai.APIError], int | None, str]] = {
    K.INVALID_REQUEST: (BAD, 400, "invalid_request"),
    K.UNSUPPORTED_FEATURE: (BAD, 400, "unsupported_feature"),
    K.STREAM_REQUIRED: (BAD, 400, "stream_required"),
    K.CONTEXT_OVERFLOW: (BAD, 400, "context_length_exceeded"),
    K.BAD_MEDIA: (BAD, 400, "bad_media"),
    K.MEDIA_FETCH: (BAD, 400, "media_fetch"),
    K.CONTENT_FILTER: (BAD, 400, "content_filter"),
    K.AUTHENTICATION: (openai.AuthenticationError, 401, "invalid_api_key"),
    K.PERMISSION: (openai.PermissionDeniedError, 403, "permission"),
    K.BILLING: (LIMIT, 429, "insufficient_quota"),
    K.MODEL_GONE: (GONE, 404, "model_not_found"),
    K.CONFIGURATION: (GONE, 404, "configuration"),
    K.RATE_LIMITED: (LIMIT, 429, "rate_limit_exceeded"),
    K.TOKENS_LIMITED: (LIMIT, 429, "rate_limit_exceeded"),
    K.BURST_LIMITED: (LIMIT, 429, "rate_limit_exceeded"),
    K.OVERLOADED: (SERVER, 503, "overloaded"),
    K.SERVER_ERROR: (SERVER, 500, "server_error"),
    K.TIMEOUT: (LATE, None, "timeout"),
    K.CONNECTION: (LOST, None, "connection"),
    K.MALFORMED: (SERVER, 502, "malformed"),
    K.STREAM_CUT: (LOST, None, "stream_cut"),
}


def test_every_kind_has_a_place() -> None:
    """No failure kind is forgotten, here or in the code."""
    assert BY_KIND.keys() == KINDS.keys() == set(FailureKind)


def checked(error: Any, theirs: type[openai.OpenAIError], status: int | None, code: str | None) -> None:
    """Check what holds for every translated error."""
    ours, said, arguments = type(error), str(error), error.args
    assert as_openai(error) is error
    for expected in (ours, QwenRouteError, theirs, openai.OpenAIError):
        with pytest.raises(expected) as caught:
            raise error
        assert caught.value is error
    narrower = (BAD, LATE, LIMIT, SERVER, GONE, openai.AuthenticationError, openai.PermissionDeniedError)
    assert not any(isinstance(error, other) for other in narrower if not issubclass(theirs, other))
    assert (str(error), error.args, error.message) == (said, arguments, said)
    assert "".join(traceback.format_exception_only(error)).startswith(f"qwenroute.errors.{ours.__name__}")
    if isinstance(error, openai.APIError):
        assert error.code == code
        assert "authorization" not in error.request.headers
        assert error.param == getattr(error, "param", None)
    assert isinstance(error, openai.APIStatusError) == (status is not None)
    if isinstance(error, openai.APIStatusError):
        assert error.status_code == error.response.status_code == status
        assert error.response.request.url == error.request.url
        assert error.response.json() == {"error": error.body}
        assert error.body == {"message": said, "type": error.type, "param": error.param, "code": code}
    assert as_openai(error) is error
    assert str(error) == said
    for twin in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is type(error)
        assert (str(twin), twin.args) == (said, arguments)
        assert twin.__dict__.keys() == error.__dict__.keys()
        if isinstance(error, openai.APIStatusError):
            assert twin.response.status_code == status
    assert b"sk-planted-secret" not in pickle.dumps(error)


@pytest.mark.parametrize("kind", FailureKind)
def test_last_failure_decides(kind: FailureKind, decision: Decision) -> None:
    """A call that failed is what its last failure is; earlier ones and cancelled attempts do not matter."""
    other = failed(K.SERVER_ERROR if kind is not K.SERVER_ERROR else K.AUTHENTICATION)
    error = AllAttemptsFailed("all attempts failed", record(decision, other, failed(kind), None))
    checked(error, *KINDS[kind])
    assert error.attempts[1].failure == failed(kind)


@pytest.mark.parametrize("kind", FailureKind)
def test_one_attempt(kind: FailureKind) -> None:
    """An attempt's own error is mapped the same way."""
    checked(AttemptFailed(failed(kind)), *KINDS[kind])


@pytest.mark.parametrize("kind", FailureKind)
def test_deadline_is_a_timeout_whatever_failed(kind: FailureKind, decision: Decision) -> None:
    """Time being up goes before what went wrong until then."""
    checked(DeadlineExceeded("deadline", record(decision, failed(kind))), LATE, None, "deadline_exceeded")


@pytest.mark.parametrize("kind", FailureKind)
def test_interrupted_stream_is_a_lost_connection(kind: FailureKind, decision: Decision) -> None:
    """A stream that broke is a connection that broke; one that stalled is a timeout."""
    theirs = LATE if kind is K.TIMEOUT else LOST
    checked(StreamInterrupted("interrupted", record(decision, failed(kind))), theirs, None, KINDS[kind][2])


def test_errors_without_a_failure(decision: Decision) -> None:
    """What is refused before anything was sent has its class by what it is."""
    gone = "model_not_found"
    checked(InvalidRequest("`top_p` has to be a number", param="top_p"), BAD, 400, None)
    checked(UnknownModel("no `qwen-9`", param="model"), GONE, 404, gone)
    checked(ModelRetired("`qwen-turbo` is gone"), GONE, 404, gone)
    checked(NoDeployment("nothing fits", decision), BAD, 400, "no_deployment")
    checked(MissingCredentials("set DASHSCOPE_API_KEY"), openai.AuthenticationError, 401, "invalid_api_key")
    checked(NothingAvailable("unavailable", record(decision)), SERVER, 503, "nothing_available")
    checked(AllAttemptsFailed("all attempts failed", record(decision)), SERVER, 500, None)
    checked(DeadlineExceeded("deadline", record(decision)), LATE, None, "deadline_exceeded")


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("this router is closed"),
        DocumentError([Diagnostic(file="p.yaml", line=1, column=1, code="QR104", message="unknown")]),
        HookFailed("failed with ValueError", hook="Redact", point="before_routing"),
        QwenRouteError("something"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_openai_has_no_word_for(error: QwenRouteError) -> None:
    """Other errors are caught by the base of both trees."""
    checked(error, openai.OpenAIError, None, None)
    assert not isinstance(error, openai.APIError)


def test_parameter_stays() -> None:
    """`param` is the field at fault, as both packages call it."""
    error: Any = as_openai(InvalidRequest("wrong", param="messages[0].role"))
    assert error.param == error.body["param"] == "messages[0].role"
    assert error.type == "invalid_request_error"


@pytest.mark.parametrize(("kind", "status", "told"), [
    (K.SERVER_ERROR, 502, 502), (K.SERVER_ERROR, 200, 500), (K.OVERLOADED, 529, 529), (K.OVERLOADED, 429, 503),
    (K.INVALID_REQUEST, 422, 400), (K.MALFORMED, 200, 502), (K.BILLING, 400, 429),
])  # fmt: skip
def test_status(kind: FailureKind, status: int, told: int) -> None:
    """The host's status is told where the class leaves room for it, and never one that contradicts it."""
    error: Any = as_openai(AttemptFailed(failed(kind, status=status)))
    assert error.status_code == told


def test_what_the_host_said_is_there(decision: Decision) -> None:
    """Its code where OpenAI has none, its request id, and how long it asks to wait."""
    limited = failed(K.RATE_LIMITED, status=429, code="Throttling", retry_after_s=1.5, request_id="q-1")
    error: Any = as_openai(AllAttemptsFailed("failed", record(decision, limited)))
    assert error.response.headers["retry-after"] == "1.5"
    assert error.response.headers["x-request-id"] == error.request_id == "q-1"
    denied: Any = as_openai(AttemptFailed(failed(K.PERMISSION, code="AccessDenied.Unpurchased")))
    assert denied.code == "AccessDenied.Unpurchased"
    assert denied.request_id is None


def test_cause_and_notes_stay() -> None:
    """The object is the same: what it was chained to and what was noted on it are still there."""
    error = HookFailed("failed", hook="Own", point="on_chunk")
    error.__cause__ = ValueError("why")
    error.add_note("seen at noon")
    as_openai(error)
    assert isinstance(error.__cause__, ValueError)
    assert error.__notes__ == ["seen at noon"]


def test_own_subclasses_stay_what_they_are() -> None:
    """An application's subclass of an error is mapped as its parent, and stays a subclass."""
    error = as_openai(Refused("not this one", param="messages"))
    assert isinstance(error, Refused)
    assert isinstance(error, BAD)


class Refused(InvalidRequest):
    pass
