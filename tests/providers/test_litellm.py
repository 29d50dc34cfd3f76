"""Other hosts through litellm, over respx."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import respx

from qwenroute.domain.capability import Thinking
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.failure import FailureKind as K
from qwenroute.domain.request import Kind, Request
from qwenroute.errors import AttemptFailed
from qwenroute.providers import AiohttpTransport, build_provider, litellm_host
from qwenroute.providers.answers import decode_chunk, decode_completion, is_useful, usage_of

URL = "http://far.test/v1/chat/completions"
ENDPOINT = Endpoint(name="far", provider="litellm", base_url="http://far.test/v1", api_key="sk-far-012345")
USAGE = {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}
HEAD = {"id": "c", "created": 1, "model": "m"}
WHOLE = {
    **HEAD,
    "object": "chat.completion",
    "usage": USAGE,
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}],
}

pytestmark = [
    pytest.mark.slow,  # importing litellm takes seconds
    pytest.mark.filterwarnings("ignore"),  # its own deprecations are not ours
]


@pytest.fixture(autouse=True)
def _over_httpx() -> Iterator[None]:
    """Make litellm use httpx, which respx sees."""
    litellm = litellm_host._load()
    litellm.disable_aiohttp_transport = True
    litellm.in_memory_llm_clients_cache.flush_cache()
    yield
    litellm.disable_aiohttp_transport = False
    litellm.in_memory_llm_clients_cache.flush_cache()


@pytest.fixture
def call(make_step):
    """Return a caller: a request and facts in, a reply out."""

    async def made(request: Request, **facts: Any) -> Any:
        step = make_step(**{"provider": "litellm", "wire_model": "hosted_vllm/Qwen/Qwen2.5-7B-Instruct", **facts})
        return await build_provider(ENDPOINT, AiohttpTransport()).call(request, step, connect_s=5.0)

    return made


async def test_a_whole_answer(call, make_request):
    """One call goes out with the key, and the answer decodes with its usage."""
    with respx.mock:
        route = respx.post(URL).respond(json=WHOLE)
        reply = await call(make_request(temperature=0.5, made_up=3))
        (document,) = [d async for d in reply.documents()]
        await reply.aclose()
    answer = decode_completion(document)
    assert answer.choices[0].message.content == "hi"
    usage = usage_of(answer)
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (3, 1)
    sent = json.loads(route.calls.last.request.content)
    assert sent["model"] == "Qwen/Qwen2.5-7B-Instruct"
    assert (sent["temperature"], sent["made_up"]) == (0.5, 3)
    assert route.calls.last.request.headers["authorization"] == "Bearer sk-far-012345"


async def test_a_stream(call, make_request):
    """Chunks arrive as documents, and the usage at the end."""
    events = [
        {"choices": [{"index": 0, "delta": {"role": "assistant", "content": "h"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {"content": "i"}, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": USAGE},
    ]
    lines = [f"data: {json.dumps({**HEAD, 'object': 'chat.completion.chunk', **e})}\n\n" for e in events]
    with respx.mock:
        respx.post(URL).respond(
            content="".join([*lines, "data: [DONE]\n\n"]).encode(), headers={"content-type": "text/event-stream"}
        )
        reply = await call(make_request(stream=True))
        assert reply.streamed
        chunks = [decode_chunk(d) async for d in reply.documents()]
        await reply.aclose()
    text = "".join(c.delta.content or "" for chunk in chunks for c in chunk.choices)
    assert text == "hi"
    assert is_useful(chunks[0])
    found = [usage for chunk in chunks if (usage := usage_of(chunk)) is not None]
    assert found[-1].prompt_tokens == 3


async def test_a_request_cannot_turn_the_call_elsewhere(call, make_request):
    """What litellm would take for an address or a key travels as a field of the body."""
    with respx.mock:
        route = respx.post(URL).respond(json=WHOLE)
        await call(make_request(api_base="http://evil.test/v1", mock_response="fake"))
    assert route.called
    assert json.loads(route.calls.last.request.content)["api_base"] == "http://evil.test/v1"


async def test_hybrids_are_switched_by_the_template(call, make_request):
    """Thinking is switched as on any self-hosted server."""
    with respx.mock:
        route = respx.post(URL).respond(json=WHOLE)
        await call(make_request(), thinking=Thinking.HYBRID, think=False)
    assert json.loads(route.calls.last.request.content)["chat_template_kwargs"] == {"enable_thinking": False}


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": "Incorrect API key provided: sk-far-012345", "code": "invalid_api_key"}, K.AUTHENTICATION),
        (429, {"message": "slow down", "code": "rate_limit_exceeded"}, K.RATE_LIMITED),
        (404, {"message": "The model `x` does not exist", "code": "model_not_found"}, K.MODEL_GONE),
        (400, {"message": "This model's maximum context length is 4096 tokens"}, K.CONTEXT_OVERFLOW),
        (400, {"message": "n is too large"}, K.INVALID_REQUEST),
        (500, {"message": "oops"}, K.SERVER_ERROR),
        (503, {"message": "busy"}, K.OVERLOADED),
    ],
)
async def test_refusals_are_translated(call, make_request, status, error, kind):
    """One call is made, and its refusal has the one kind that it would have anywhere."""
    with respx.mock:
        route = respx.post(URL).respond(status, json={"error": error}, headers={"retry-after": "4"})
        with pytest.raises(AttemptFailed) as caught:
            await call(make_request())
    failure = caught.value.failure
    assert failure.kind is kind
    assert route.call_count == 1, "retries are not litellm's"
    assert "sk-far" not in failure.message
    assert (failure.status, failure.retry_after_s) == (status, 4.0)
    assert failure.message == error["message"].replace("sk-far-012345", "[key]")


async def test_an_unknown_host_is_the_operators_to_mend(call, make_request):
    """A served name without litellm's prefix says what is missing."""
    with pytest.raises(AttemptFailed) as caught:
        await call(make_request(), wire_model="no-such-host-or-model")
    assert caught.value.failure.kind is K.CONFIGURATION


async def test_fill_in_the_middle(call):
    """Completions go through litellm's text completion."""
    body = {**HEAD, "object": "text_completion", "choices": [{"index": 0, "text": "x", "finish_reason": "stop"}]}
    with respx.mock:
        route = respx.post("http://far.test/v1/completions").respond(json={**body, "usage": USAGE})
        reply = await call(Request(kind=Kind.COMPLETION, prompt="a", suffix="b"), fim=True)
        (document,) = [d async for d in reply.documents()]
    assert json.loads(document)["choices"][0]["text"] == "x"
    assert json.loads(route.calls.last.request.content)["prompt"] == "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>"


def test_nothing_is_imported_before_the_first_call():
    """Building the provider costs nothing: litellm is not in memory."""
    program = (
        "import sys; from qwenroute.providers import *; from qwenroute.domain.endpoint import Endpoint;"
        "build_provider(Endpoint(name='x', provider='litellm'), AiohttpTransport());"
        "sys.exit('litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
