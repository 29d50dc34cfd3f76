"""Every refusal of the error reference, translated to the one kind that it means."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from qwenroute.domain.failure import FailureKind as K
from qwenroute.providers.failures import ROWS, clean, error_in, kind_of, retry_after_s, translate, unreachable

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)

# HTTP status, native code, compatible code, message, kind: the rows of the facts sheet, section 10.
PLATFORM = [
    (400, "InvalidParameter", "invalid_parameter_error", "This model only support stream mode", K.STREAM_REQUIRED),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "current user api does not support http call",
        K.STREAM_REQUIRED,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "Range of input length should be [1, 30720]",
        K.CONTEXT_OVERFLOW,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 30720]",
        K.CONTEXT_OVERFLOW,
    ),
    (400, "InvalidParameter", "invalid_parameter_error", "Range of max_tokens should be [1, 8192]", K.INVALID_REQUEST),
    (400, "InvalidParameter", "invalid_parameter_error", "thinking_budget out of range", K.INVALID_REQUEST),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "parameter.enable_thinking must be set to false for non-streaming calls",
        K.INVALID_REQUEST,
    ),
    (400, "InvalidParameter", "invalid_parameter_error", "incremental_output must be true", K.INVALID_REQUEST),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "'messages' must contain the word 'json' in some form",
        K.INVALID_REQUEST,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "Json mode response is not supported when enable_thinking is true",
        K.INVALID_REQUEST,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "The tool_choice parameter must be none or auto",
        K.UNSUPPORTED_FEATURE,
    ),
    (400, "InvalidParameter", "invalid_parameter_error", "tool call not supported", K.UNSUPPORTED_FEATURE),
    (400, "InvalidParameter", "invalid_parameter_error", "tool call is not supported", K.UNSUPPORTED_FEATURE),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "audio output only support with stream=true",
        K.INVALID_REQUEST,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "voice must be one of Cherry, Serena, Ethan, Chelsie",
        K.INVALID_REQUEST,
    ),
    (400, "InvalidParameter", "invalid_parameter_error", "The video frames should be in [4, 512]", K.BAD_MEDIA),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "The video modality input does not meet the requirements: the range of sequence images should be (4, 80)",
        K.BAD_MEDIA,
    ),
    (
        400,
        "InvalidParameter",
        "invalid_parameter_error",
        "Exceeded limit on max bytes per data-uri item : 10485760",
        K.BAD_MEDIA,
    ),
    (400, "InvalidParameter", "invalid_parameter_error", "url error, please check url", K.BAD_MEDIA),
    (400, "InternalError.Algo.InvalidParameter", "", "details differ", K.INVALID_REQUEST),
    (
        400,
        "DataInspectionFailed",
        "data_inspection_failed",
        "Input data may contain inappropriate content.",
        K.CONTENT_FILTER,
    ),
    (
        400,
        "InvalidParameter.DataInspection",
        "",
        "Unable to download the media resource during the data inspection process.",
        K.MEDIA_FETCH,
    ),
    (400, "InvalidURL", "", "The request URL is invalid", K.MEDIA_FETCH),
    (400, "InvalidURL.Timeout", "", "Download timed out", K.MEDIA_FETCH),
    (400, "InvalidURL.ConnectionRefused", "", "Connection refused", K.MEDIA_FETCH),
    (
        400,
        "Arrearage",
        "Arrearage",
        "Access denied, please make sure your account is in good standing.",
        K.BILLING,
    ),
    (400, "BadRequest.EmptyInput", "", "Required input parameter missing", K.INVALID_REQUEST),
    (400, "BadRequest.EmptyModel", "", "Required parameter model missing", K.INVALID_REQUEST),
    (400, "BadRequest.TooLarge", "", "Payload Too Large", K.INVALID_REQUEST),
    (400, "BadRequest.SomethingNew", "", "", K.INVALID_REQUEST),
    (400, "IPInfringementSuspect", "", "Input data is suspected of infringement", K.CONTENT_FILTER),
    (400, "CustomRoleBlocked", "", "", K.CONTENT_FILTER),
    (400, "FaqRuleBlocked", "", "", K.CONTENT_FILTER),
    (400, "UnsupportedOperation", "", "", K.INVALID_REQUEST),
    (400, "ClientDisconnect", "", "", K.INVALID_REQUEST),
    (401, "InvalidApiKey", "invalid_api_key", "Incorrect API key provided.", K.AUTHENTICATION),
    (403, "AccessDenied", "access_denied", "Access denied.", K.PERMISSION),
    (403, "AccessDenied.Unpurchased", "access_denied", "Access to model denied.", K.PERMISSION),
    (403, "Model.AccessDenied", "", "Model access denied.", K.PERMISSION),
    (403, "Workspace.AccessDenied", "", "", K.PERMISSION),
    (403, "App.AccessDenied", "", "", K.PERMISSION),
    (403, "AllocationQuota.FreeTierOnly", "", "The free tier of the model has been exhausted.", K.BILLING),
    (404, "ModelNotFound", "model_not_found", "The model `nope` does not exist or you have no access", K.MODEL_GONE),
    (404, "ModelNotFound", "model_not_supported", "Unsupported model", K.MODEL_GONE),
    (400, "Model.NotExist", "", "Model not exist.", K.MODEL_GONE),
    (404, "WorkSpaceNotFound", "", "WorkSpace can not be found.", K.CONFIGURATION),
    (404, "NotFound", "", "Not found!", K.CONFIGURATION),
    (408, "RequestTimeOut", "", "Request timed out, please try again later.", K.TIMEOUT),
    (500, "RequestTimeOut", "", "Request timed out, please try again later.", K.TIMEOUT),
    (413, "", "", "", K.INVALID_REQUEST),
    (429, "Throttling", "limit_requests", "Requests throttling triggered.", K.RATE_LIMITED),
    (429, "Throttling.RateQuota", "limit_requests", "Requests rate limit exceeded", K.RATE_LIMITED),
    (429, "LimitRequests", "limit_requests", "You exceeded your current requests list.", K.RATE_LIMITED),
    (429, "Throttling.SomethingNew", "", "", K.RATE_LIMITED),
    (429, "Throttling.BurstRate", "limit_burst_rate", "Request rate increased too quickly.", K.BURST_LIMITED),
    (
        429,
        "Throttling.AllocationQuota",
        "insufficient_quota",
        "Allocated quota exceeded, please increase your quota limit.",
        K.TOKENS_LIMITED,
    ),
    (
        429,
        "Throttling.AllocationQuota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details, see error-code#token-limit",
        K.TOKENS_LIMITED,
    ),
    (429, "Throttling.AllocationQuota", "insufficient_quota", "Free allocated quota exceeded.", K.BILLING),
    (429, "CommodityNotPurchased", "", "Commodity has not purchased yet.", K.BILLING),
    (429, "PrepaidBillOverdue", "", "The prepaid bill is overdue.", K.BILLING),
    (429, "PostpaidBillOverdue", "", "The postpaid bill is overdue.", K.BILLING),
    (500, "InternalError", "internal_error", "An internal error has occured, please try again later.", K.SERVER_ERROR),
    (500, "InternalError.Algo", "internal_error", "An error occurred in model inference", K.SERVER_ERROR),
    (
        500,
        "InternalError.Algo",
        "internal_error",
        "Expecting value: the function.arguments of a tool call must be valid json",
        K.INVALID_REQUEST,
    ),
    (500, "SystemError", "", "An system error has occured", K.SERVER_ERROR),
    (500, "ModelServiceFailed", "", "Failed to request model service.", K.SERVER_ERROR),
    (500, "InternalError.Timeout", "", "", K.TIMEOUT),
    (503, "ModelUnavailable", "", "Model is unavailable, please try again later.", K.OVERLOADED),
    (503, "ModelServingError", "", "Too many requests. Your requests are being throttled", K.OVERLOADED),
    (500, "ModelServingError", "", "", K.OVERLOADED),
]


@pytest.mark.parametrize(("status", "native", "compatible", "message", "kind"), PLATFORM)
def test_every_row_in_both_forms(status, native, compatible, message, kind):
    """A row means the same kind as a native body, as a compatible one, and in any case of letters."""
    if native:
        body = json.dumps({"code": native, "message": message, "request_id": "r-1"}).encode()
        failure = translate(status, {}, body, now=NOW)
        assert (failure.kind, failure.code, failure.status, failure.request_id) == (kind, native, status, "r-1")
        assert kind_of(status, [native.upper()], message.upper()) is kind
    if compatible:
        error = {"message": message, "type": "x", "param": None, "code": compatible}
        failure = translate(status, {"x-request-id": "h"}, json.dumps({"error": error}).encode(), now=NOW)
        assert (failure.kind, failure.code, failure.request_id) == (kind, compatible, "h")
    if not native and not compatible:
        assert translate(status, {}, b"", now=NOW).kind is kind


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            400,
            {
                "object": "error",
                "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens",
                "type": "BadRequestError",
                "code": 400,
            },
            K.CONTEXT_OVERFLOW,
        ),
        (400, {"error": {"message": "…", "code": "context_length_exceeded"}}, K.CONTEXT_OVERFLOW),
        (
            404,
            {"object": "error", "message": "The model `x` does not exist.", "type": "NotFoundError", "code": 404},
            K.MODEL_GONE,
        ),
        (404, {"error": {"message": 'model "qwq:32b" not found, try pulling it first'}}, K.MODEL_GONE),
        (404, {"detail": "Not Found"}, K.CONFIGURATION),
        (
            400,
            {"message": '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'},
            K.UNSUPPORTED_FEATURE,
        ),
        (400, {"message": "response_format is not supported by this model"}, K.UNSUPPORTED_FEATURE),
        (400, {"message": "qwen2.5 is not a multimodal model"}, K.UNSUPPORTED_FEATURE),
        (400, {"message": "At most 1 image(s) may be provided in one request."}, K.UNSUPPORTED_FEATURE),
        (429, {"error": {"code": "insufficient_quota", "message": "check your plan and billing details"}}, K.BILLING),
        (429, {"error": {"code": "rate_limit_exceeded", "message": "Limit 100 tokens per min"}}, K.TOKENS_LIMITED),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "not an int"}]}, K.INVALID_REQUEST),
        (500, {"error": "something broke"}, K.SERVER_ERROR),
    ],
)
def test_other_hosts_speak_too(status, body, kind):
    """vLLM, Ollama, OpenAI and plain web frameworks are understood, and their text is kept."""
    failure = translate(status, {}, json.dumps(body).encode(), now=NOW)
    assert failure.kind is kind
    assert failure.message


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, K.CONFIGURATION),
        (400, K.INVALID_REQUEST),
        (401, K.AUTHENTICATION),
        (402, K.BILLING),
        (403, K.PERMISSION),
        (404, K.CONFIGURATION),
        (408, K.TIMEOUT),
        (418, K.INVALID_REQUEST),
        (429, K.RATE_LIMITED),
        (500, K.SERVER_ERROR),
        (502, K.SERVER_ERROR),
        (503, K.OVERLOADED),
        (504, K.TIMEOUT),
        (599, K.SERVER_ERROR),
        (None, K.SERVER_ERROR),
    ],
)
def test_unknown_codes_fall_back_on_the_status(status, kind):
    """A code that nobody has seen before still has the meaning of its status."""
    assert kind_of(status, ["NeverSeen"], "no known words") is kind


def test_every_row_can_be_reached():
    """No row is hidden behind a wider one: each wins for some refusal that it describes."""
    for row in ROWS:
        if row.text is None:
            assert any(kind_of(400, [code], "") is row.kind for code in row.codes), row.codes


def test_an_error_inside_a_200_is_seen():
    """Both forms of error are found in a 200 body or event; an answer that says `error` is none."""
    compatible = b'{"error":{"message":"slow down","code":"limit_requests"},"request_id":"r"}'
    found = error_in(compatible, {}, now=NOW)
    assert found is not None
    assert (found.kind, found.request_id) == (K.RATE_LIMITED, "r")
    native = error_in(b'{"code":"InternalError","message":"oops"}', {}, now=NOW)
    assert native is not None
    assert native.kind is K.SERVER_ERROR
    assert error_in(b'{"choices":[{"text":"error"}],"error":null}', {}, now=NOW) is None
    assert error_in(b'{"usage":{"prompt_tokens":1}}', {}, now=NOW) is None


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b'"text"', b'{"hello": 1}', b"[" * 100_000])
def test_a_200_that_is_no_answer_is_malformed(body):
    """What is neither an answer nor an error has a kind of its own."""
    found = error_in(body, {}, now=NOW)
    assert found is not None
    assert found.kind is K.MALFORMED


def test_a_status_that_the_body_names_counts_inside_a_200():
    """Some hosts wrap an error in a 200 and put the status into `code`."""
    found = error_in(b'{"error":{"message":"busy","code":503}}', {}, now=NOW)
    assert found is not None
    assert (found.kind, found.status) == (K.OVERLOADED, 503)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Tue, 24 Nov 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Tue, 24 Nov 2026 11:00:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
    ],
)
def test_retry_after_in_all_its_forms(headers, expected):
    """Seconds, milliseconds and dates are read; nonsense and the past ask for nothing."""
    assert retry_after_s(headers, now=NOW) == expected


@pytest.mark.parametrize(
    "leaky",
    [
        "Incorrect API key provided: sk-0123456789abcdef.",
        "bad header Authorization: Bearer abc.def-ghi",
        "key sk-sp-ABCDEF123456 is not valid here",
        "you sent my-own-token-77",
    ],
)
def test_messages_carry_no_credentials(leaky):
    """Whatever a host quotes, no key reaches a message."""
    text = clean(leaky, "my-own-token-77")
    assert "[key]" in text
    for secret in ("0123456789", "abc.def", "ABCDEF", "token-77"):
        assert secret not in text


def test_messages_are_short_and_on_one_line():
    """A page of HTML becomes a line of at most 500 characters."""
    text = translate(502, {}, b"<html>\n\n" + b"x " * 5000, now=NOW).message
    assert len(text) <= 500
    assert "\n" not in text


def test_an_unreachable_host_is_named_without_its_secrets():
    """The message has the host and the port, and neither user, path nor query."""
    failure = unreachable("https://me:sk-secret99@example.org:8443/v1?key=abc", "cannot connect").failure
    assert failure.kind is K.CONNECTION
    assert failure.message == "example.org:8443: cannot connect"


def test_an_address_that_cannot_be_taken_apart_is_not_shown():
    """It fails as every address does, and what may be a password in it stays out."""
    failure = unreachable("http://me:secret99@[::1/v1", "not an address that can be called").failure
    assert failure.message == "the endpoint: not an address that can be called"
