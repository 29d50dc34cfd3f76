"""Both transports: over real HTTP on loopback, and over an application's own client."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import respx
from aiohttp import web

from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.failure import FailureKind as K
from qwenroute.domain.protocols import HttpRequest
from qwenroute.errors import AttemptFailed
from qwenroute.providers import AiohttpTransport, HttpxTransport, build_provider

CHUNK = b'data: {"choices":[{"index":0,"delta":{"content":"hi"},"finish_reason":null}]}\n\n'
WHOLE = {"object": "chat.completion", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}}]}


class Server:
    """A tiny host: it remembers what arrived and does as the path says."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.peers: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        self.headers.append({k.lower(): v for k, v in request.headers.items()})
        assert request.transport is not None
        self.peers.append(request.transport.get_extra_info("peername"))
        match request.path:
            case "/reset":
                request.transport.abort()
            case "/redirect":
                return web.Response(status=302, headers={"location": "/whole"})
            case "/cookie":
                return web.json_response(WHOLE, headers={"set-cookie": "a=b"})
            case "/cut" | "/cut-whole" | "/stream/chat/completions":
                response = web.StreamResponse(headers={"content-type": "text/event-stream"})
                if request.path == "/cut-whole":
                    response.content_length = 10_000
                await response.prepare(request)
                await response.write(CHUNK)
                if request.path.startswith("/cut"):
                    request.transport.abort()
                else:
                    await response.write(b"data: [DONE]\n\n")
                return response
        return web.json_response(WHOLE)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    found = Server()
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/{tail:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


Transport = AiohttpTransport | HttpxTransport


@pytest.fixture(params=["aiohttp", "httpx"])
async def transport(request: pytest.FixtureRequest) -> AsyncIterator[Transport]:
    if request.param == "aiohttp":
        made = AiohttpTransport()
        yield made
        await made.aclose()
        return
    async with httpx.AsyncClient() as client:
        yield HttpxTransport(client)


def post(url: str, body: bytes = b"{}", connect_s: float | None = 5.0) -> HttpRequest:
    return HttpRequest(method="POST", url=url, headers={"X-Name": "value"}, body=body, connect_s=connect_s)


async def fetch(transport: Transport, request: HttpRequest) -> bytes:
    response = await transport.send(request)
    try:
        return await response.read()
    finally:
        await response.aclose()


async def failure_of(transport: Transport, request: HttpRequest) -> Any:
    with pytest.raises(AttemptFailed) as caught:
        await fetch(transport, request)
    return caught.value.failure


async def test_a_request_arrives_as_it_was_made(server, transport):
    """Body and headers arrive byte for byte; header names of the answer are in lower case."""
    response = await transport.send(post(f"{server.url}/whole", b'{"a": "\xe4\xbd\xa0"}'))
    assert response.status == 200
    assert response.headers["content-type"].startswith("application/json")
    assert json.loads(await response.read()) == WHOLE
    await response.aclose()
    assert server.bodies == [b'{"a": "\xe4\xbd\xa0"}']
    assert server.headers[0]["x-name"] == "value"


async def test_megabytes_arrive_whole(server, transport):
    """A large image goes out in slices and arrives in one piece, without a warning."""
    body = bytes(range(256)) * 12_345
    response = await transport.send(post(f"{server.url}/whole", body))
    await response.read()
    await response.aclose()
    assert server.bodies == [body]


async def test_a_connection_serves_the_next_call(server, transport):
    """Read to its end, a connection is kept; left early, it is closed."""
    for path in ("whole", "whole", "stream/chat/completions"):
        response = await transport.send(post(f"{server.url}/{path}"))
        await response.read()
        await response.aclose()
        await response.aclose()
    assert len(set(server.peers)) == 1
    response = await transport.send(post(f"{server.url}/stream/chat/completions"))
    await anext(response.chunks())
    await response.aclose()


async def test_cookies_are_not_kept():
    """One host's cookie is nobody's business on the next call (ours; an application's client may keep them)."""
    transport, found = AiohttpTransport(), Server()
    app = web.Application()
    app.router.add_post("/{tail:.*}", found.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/cookie"
    for _ in range(2):
        response = await transport.send(post(url))
        await response.read()
        await response.aclose()
    await transport.aclose()
    await runner.cleanup()
    assert ["cookie" in h for h in found.headers] == [False, False]


async def test_redirects_are_not_followed(server, transport):
    """A key is not carried to where a host points."""
    response = await transport.send(post(f"{server.url}/redirect"))
    assert response.status == 302
    await response.aclose()
    assert len(server.bodies) == 1


async def test_a_refused_connection(transport):
    """Nothing listens: a connection failure that names the host."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    failure = await failure_of(transport, post(f"http://127.0.0.1:{port}/v1?key=sk-secret12"))
    assert failure.kind is K.CONNECTION
    assert failure.message.startswith(f"127.0.0.1:{port}: cannot connect")
    assert "secret" not in failure.message


async def test_an_unknown_name(transport):
    """A name that does not resolve is told as that."""
    failure = await failure_of(transport, post("http://nowhere.invalid/v1"))
    assert failure.kind is K.CONNECTION
    assert failure.message.startswith("nowhere.invalid: the name does not resolve")


async def test_a_reset_before_the_answer(server, transport):
    """The server hangs up on the request."""
    failure = await failure_of(transport, post(f"{server.url}/reset"))
    assert failure.kind is K.CONNECTION
    assert "closed the connection before it answered" in failure.message


async def test_a_whole_answer_that_breaks_off(server, transport):
    """Less than was promised is a failed connection."""
    failure = await failure_of(transport, post(f"{server.url}/cut-whole"))
    assert failure.kind is K.CONNECTION
    assert "within the answer" in failure.message


async def test_a_stream_that_breaks_off(server, transport):
    """What arrived before the break is handed on, then the stream is cut."""
    response = await transport.send(post(f"{server.url}/cut"))
    chunks = response.chunks()
    assert await anext(chunks) == CHUNK
    with pytest.raises(AttemptFailed) as caught:
        await anext(chunks)
    await response.aclose()
    assert caught.value.failure.kind is K.STREAM_CUT


async def test_not_a_tls_server(server, transport):
    """Calling https where http is spoken fails as a connection, and says TLS."""
    failure = await failure_of(transport, post(server.url.replace("http:", "https:")))
    assert failure.kind is K.CONNECTION
    assert "TLS" in failure.message


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "nonsense", "http://"])
async def test_an_address_that_cannot_be_called(transport, url):
    """A wrong base URL is the operator's to mend."""
    assert (await failure_of(transport, post(url))).kind is K.CONFIGURATION


async def test_a_connection_that_takes_too_long(monkeypatch):
    """Connecting has a limit of its own, and passing it is a timeout."""
    transport = AiohttpTransport()

    async def never(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("aiohttp.TCPConnector._create_connection", never)
    failure = await failure_of(transport, post("http://127.0.0.1:9/v1", connect_s=0.01))
    await transport.aclose()
    assert failure.kind is K.TIMEOUT
    assert failure.message == "127.0.0.1:9: no connection within 0.01 s"


def test_each_loop_has_its_own_session():
    """One transport serves loop after loop, and closing it leaves nothing open."""
    transport = AiohttpTransport()

    async def once() -> int:
        found = Server()
        app = web.Application()
        app.router.add_post("/{tail:.*}", found.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        response = await transport.send(post(f"http://127.0.0.1:{runner.addresses[0][1]}/whole"))
        await response.read()
        await response.aclose()
        await transport.aclose()
        await transport.aclose()
        await runner.cleanup()
        return response.status

    assert [asyncio.run(once()) for _ in range(2)] == [200, 200]


async def test_the_environments_proxy_is_used_except_where_it_says_no(server, monkeypatch):
    """`http_proxy` and `no_proxy` are honoured."""
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    transport = AiohttpTransport()
    for url in ("http://far-away.test/v1", f"{server.url}/near"):
        response = await transport.send(post(url))
        await response.read()
        await response.aclose()
    await transport.aclose()
    assert [h["host"] for h in server.headers] == ["far-away.test", server.url.removeprefix("http://")]


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (httpx.ConnectTimeout("slow"), K.TIMEOUT, "no connection within 5 s"),
        (httpx.PoolTimeout("full"), K.TIMEOUT, "timed out"),
        (httpx.ConnectError("refused"), K.CONNECTION, "cannot connect"),
        (httpx.ProxyError("403"), K.CONNECTION, "the proxy refuses"),
        (httpx.RemoteProtocolError("gone"), K.CONNECTION, "closed the connection"),
        (httpx.UnsupportedProtocol("ftp"), K.CONFIGURATION, "not an address"),
        (httpx.LocalProtocolError("bad"), K.CONNECTION, "the connection failed"),
    ],
)
async def test_every_error_of_an_applications_client_is_translated(error, kind, words):
    """Nothing of httpx reaches the rooms above."""
    async with httpx.AsyncClient() as client:
        with respx.mock:
            respx.post("http://host.test/v1").mock(side_effect=error)
            failure = await failure_of(HttpxTransport(client), post("http://host.test/v1"))
    assert failure.kind is kind
    assert words in failure.message


async def test_an_applications_client_stays_open():
    """Who opened it closes it."""
    async with httpx.AsyncClient() as client:
        await HttpxTransport(client).aclose()
        assert not client.is_closed


@pytest.mark.parametrize("provider", ["dashscope", "openai_compatible"])
async def test_a_provider_calls_its_host(server, transport, make_step, make_request, provider):
    """Key, path and body arrive; the reply streams to a caller of a stream-only model."""
    endpoint = Endpoint(name="here", provider=provider, base_url=f"{server.url}/stream/", api_key="sk-test-0123")
    caller = build_provider(endpoint, transport)
    step = make_step(provider=provider, stream_only=True)
    reply = await caller.call(make_request(), step, connect_s=5.0)
    documents = [json.loads(d) async for d in reply.documents()]
    await reply.aclose()
    await caller.aclose()
    assert reply.streamed
    assert documents[0]["choices"][0]["delta"]["content"] == "hi"
    assert server.headers[0]["authorization"] == "Bearer sk-test-0123"
    assert server.headers[0]["content-type"] == "application/json"
    assert json.loads(server.bodies[0])["stream_options"] == {"include_usage": True}
    assert "sk-test" not in repr(caller)


async def test_respx_sees_what_an_applications_client_sends(make_step, make_request):
    """The seam for users' own tests: respx under the httpx transport."""
    endpoint = Endpoint(name="vllm", provider="openai_compatible", base_url="http://host.test/v1")
    with respx.mock:
        route = respx.post("http://host.test/v1/chat/completions").respond(json=WHOLE)
        async with httpx.AsyncClient() as client:
            caller = build_provider(endpoint, HttpxTransport(client))
            reply = await caller.call(make_request(), make_step(provider="openai_compatible"), connect_s=None)
            assert [json.loads(d) async for d in reply.documents()] == [WHOLE]
            await reply.aclose()
    sent = route.calls.last.request
    assert "authorization" not in sent.headers
    assert json.loads(sent.content)["model"] == "some-model-2025"
