"""Every other host, through litellm: an extra, imported when the first call needs it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import importlib
import importlib.util
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic_core import from_json, to_json

from qwenroute.domain.decision import Step
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.protocols import Reply
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import AttemptFailed, ConfigurationError
from qwenroute.providers.adapt import Wire, body_for
from qwenroute.providers.failures import translate

# What litellm knows as arguments of the API. Everything else travels in `extra_body`: among
# litellm's own arguments are addresses and keys, which a request must not set.
ARGUMENTS = frozenset({
    "model", "messages", "prompt", "suffix", "stream", "stream_options", "temperature", "top_p", "n", "stop",
    "max_tokens", "modalities", "audio", "presence_penalty", "frequency_penalty", "logit_bias", "user",
    "response_format", "seed", "tools", "tool_choice", "parallel_tool_calls", "logprobs", "top_logprobs",
    "reasoning_effort",
})  # fmt: skip

NAMED: Mapping[str, FailureKind] = {
    "ContextWindowExceededError": FailureKind.CONTEXT_OVERFLOW,
    "ContentPolicyViolationError": FailureKind.CONTENT_FILTER,
    "UnsupportedParamsError": FailureKind.UNSUPPORTED_FEATURE,
    "PaymentRequiredError": FailureKind.BILLING,
    "ImageFetchError": FailureKind.MEDIA_FETCH,
    "LiteLLMUnknownProvider": FailureKind.CONFIGURATION,
    "Timeout": FailureKind.TIMEOUT,
    "APIConnectionError": FailureKind.CONNECTION,
    "MidStreamFallbackError": FailureKind.STREAM_CUT,
}
"""Where the exception's class says more than its status."""


class LitellmProvider:
    """Calls `litellm.acompletion` once per attempt; retries and fallbacks are ours."""

    def __init__(self, endpoint: Endpoint) -> None:
        if importlib.util.find_spec("litellm") is None:
            raise ConfigurationError(
                f"endpoint `{endpoint.name}` calls through litellm, which is not installed: "
                'pip install "qwenroute[litellm]"'
            )
        self._endpoint = endpoint
        self._litellm: Any = None

    async def call(self, request: Request, step: Step, *, connect_s: float | None) -> Reply:
        """Send the request as this step's model needs it; return once the answer has begun."""
        if self._litellm is None:
            self._litellm = await asyncio.to_thread(_load)  # takes seconds
        wire = body_for(request, step)
        send = self._litellm.acompletion if request.kind is Kind.CHAT else self._litellm.atext_completion
        try:
            answer = await send(**self._arguments(wire, connect_s))
        except Exception as error:  # the attempt's boundary: litellm lets all sorts through
            raise self._translated(error) from error
        return LitellmReply(answer, wire, self._translated)

    async def aclose(self) -> None:
        """Leave litellm's clients open: it shares them over the process."""

    def _arguments(self, wire: Wire, connect_s: float | None) -> dict[str, Any]:
        from openai import Timeout  # noqa: PLC0415 - httpx's, under the name that is a dependency

        # litellm changes messages in place, and the next step needs them as they are.
        body = copy.deepcopy(wire.body) if "messages" in wire.body else dict(wire.body)
        arguments = {name: body.pop(name) for name in ARGUMENTS.intersection(body)}
        if body:
            arguments["extra_body"] = body
        arguments["timeout"] = Timeout(None, connect=connect_s)
        arguments["num_retries"] = arguments["max_retries"] = 0
        if self._endpoint.api_key is not None:
            arguments["api_key"] = self._endpoint.api_key
        if self._endpoint.base_url is not None:
            arguments["api_base"] = self._endpoint.base_url
        return arguments

    def _translated(self, error: Exception) -> AttemptFailed:
        message = str(getattr(error, "message", None) or error) or type(error).__name__
        stated = getattr(error, "status_code", None)
        headers = getattr(error, "litellm_response_headers", None) or {}
        failure = translate(
            stated if isinstance(stated, int) else None,
            {name.lower(): value for name, value in dict(headers).items()},
            _host_body(message) or to_json({"message": message, "code": getattr(error, "code", None)}),
            now=datetime.now(UTC),
            secret=self._endpoint.api_key,
        )
        kind = NAMED.get(type(error).__name__, failure.kind)
        if "LLM Provider NOT provided" in message:
            kind = FailureKind.CONFIGURATION
        return AttemptFailed(replace(failure, kind=kind))


class LitellmReply:
    """What litellm answers, turned back into the JSON that it came from."""

    __slots__ = ("_answer", "_translated", "notes", "simulated", "streamed")

    def __init__(self, answer: Any, wire: Wire, translated: Any) -> None:
        self._answer = answer
        self._translated = translated
        self.notes = wire.notes
        self.streamed = wire.stream
        self.simulated = False

    async def documents(self) -> AsyncIterator[bytes]:
        """Yield each document as it arrives."""
        if not self.streamed:
            yield _bytes(self._answer)
            return
        chunks = aiter(self._answer)
        while True:
            try:
                chunk = await anext(chunks, None)
            except Exception as error:
                raise self._translated(error) from error
            if chunk is None:
                return
            yield _bytes(chunk)

    async def aclose(self) -> None:
        """Give up the rest."""
        for stream in (self._answer, getattr(self._answer, "completion_stream", None)):
            close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
            if self.streamed and close is not None:
                with contextlib.suppress(Exception):  # it is given up: how it ends is nobody's business
                    closing = close()
                    if hasattr(closing, "__await__"):
                        await closing
                return


def _host_body(message: str) -> bytes | None:
    """Return the host's own JSON, which litellm puts behind words of its own."""
    body = message[message.find("{") :].encode() if "{" in message else b""
    try:
        return body if isinstance(from_json(body), dict) else None
    except ValueError:
        return None


def _bytes(part: Any) -> bytes:
    text: str = part.model_dump_json()
    return text.encode()


def _load() -> Any:
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # or it fetches prices at import
    litellm: Any = importlib.import_module("litellm")
    litellm.suppress_debug_info = True  # or it prints advertisements on every error
    return litellm
