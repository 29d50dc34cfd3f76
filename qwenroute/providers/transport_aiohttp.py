"""The default transport: aiohttp, the cheapest HTTP client per call that was measured."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import AbstractStreamWriter
from aiohttp.payload import Payload
from yarl import URL

from qwenroute.domain.failure import FailureKind
from qwenroute.domain.protocols import HttpRequest
from qwenroute.errors import AttemptFailed
from qwenroute.providers.failures import unreachable

LIMIT = 1024
KEEPALIVE_S = 30.0
READ_BUFFER = 256 * 1024
LARGE = 256 * 1024

_left_behind: list[aiohttp.ClientSession] = []
"""Sessions that a fork copied: closing or freeing one here would reach into the parent's event loop."""


class AiohttpTransport:
    """One session per running loop, opened when it is first needed."""

    def __init__(self) -> None:
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()
        self._targets: dict[str, tuple[URL, URL | None]] = {}
        self._process = os.getpid()

    async def send(self, request: HttpRequest) -> AiohttpResponse:
        """Send, wait for the head."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            self._leave_behind()
            session = self._sessions[loop] = _open()
        body = request.body
        try:
            url, proxy = self._targets.get(request.url) or self._target(request.url)
            response = await session.request(
                request.method,
                url,
                data=body if len(body) <= LARGE else _LargeBody(body),
                headers=request.headers,
                proxy=proxy,
                timeout=_timeout(request.connect_s),
                allow_redirects=False,
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translate(request, error) from error
        return AiohttpResponse(response, request.url)

    async def aclose(self) -> None:
        """Close the sessions of every loop that still runs. Idempotent."""
        self._leave_behind()
        here = asyncio.get_running_loop()
        for loop, session in list(self._sessions.items()):
            if loop is here:
                await session.close()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(session.close(), loop))
            else:
                session.detach()  # its connections went with the loop
        self._sessions.clear()

    def _leave_behind(self) -> None:
        """After a fork, let go of the parent's sessions: their loops only seem to run here."""
        if self._process != os.getpid():
            _left_behind.extend(self._sessions.values())
            self._sessions.clear()
            self._process = os.getpid()

    def _target(self, url: str) -> tuple[URL, URL | None]:
        """Return the parsed address and the proxy that the environment names for it.

        aiohttp's own `trust_env` asks the environment and .netrc anew in a thread on every call.
        """
        parsed = URL(url)
        proxy = getproxies().get(parsed.scheme)
        through = None if proxy is None or (parsed.host and proxy_bypass(parsed.host)) else URL(proxy)
        self._targets[url] = (parsed, through)
        return parsed, through


class AiohttpResponse:
    """An answer whose head has arrived."""

    __slots__ = ("_response", "_url", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, url: str) -> None:
        self._response = response
        self._url = url
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.headers.items()}

    async def read(self) -> bytes:
        """Return the whole body."""
        try:
            return await self._response.read()
        except (aiohttp.ClientError, OSError) as error:
            raise unreachable(self._url, f"the connection broke within the answer ({_words(error)})") from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        read = self._response.content.readany
        try:
            while piece := await read():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            reason = f"the connection broke within the stream ({_words(error)})"
            raise unreachable(self._url, reason, kind=FailureKind.STREAM_CUT) from error

    async def aclose(self) -> None:
        """Release the connection; close it if the body was not read to its end."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class _LargeBody(Payload):
    """Bytes sent in slices, so that the loop breathes while megabytes of image go out."""

    def __init__(self, value: bytes) -> None:
        super().__init__(value, content_type="application/json")
        self._size = len(value)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        view = memoryview(self._value)
        for start in range(0, len(view), LARGE):
            await writer.write(view[start : start + LARGE])

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        assert content_length in {None, self._size}, "bodies are sent whole"
        await self.write(writer)


def _open() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=LIMIT, keepalive_timeout=KEEPALIVE_S),
        cookie_jar=aiohttp.DummyCookieJar(),
        read_bufsize=READ_BUFFER,
        auto_decompress=True,
    )


@lru_cache(maxsize=64)
def _timeout(connect_s: float | None) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s, sock_connect=None, sock_read=None)


def _translate(request: HttpRequest, error: Exception) -> AttemptFailed:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return unreachable(request.url, f"no connection within {request.connect_s:g} s", kind=FailureKind.TIMEOUT)
        case aiohttp.ClientConnectorDNSError():
            return unreachable(request.url, f"the name does not resolve ({_words(error.os_error)})")
        case aiohttp.ClientConnectorCertificateError():
            return unreachable(request.url, f"the TLS certificate is not trusted ({error.certificate_error})")
        case aiohttp.ClientConnectorSSLError():
            return unreachable(request.url, f"TLS failed ({_words(error.os_error)})")
        case aiohttp.ClientProxyConnectionError():
            return unreachable(request.url, f"the proxy cannot be reached ({_words(error.os_error)})")
        case aiohttp.ClientConnectorError():
            return unreachable(request.url, f"cannot connect ({_words(error.os_error)})")
        case aiohttp.ServerDisconnectedError() | ConnectionResetError():
            return unreachable(request.url, "the server closed the connection before it answered")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            return unreachable(request.url, "not an address that can be called", kind=FailureKind.CONFIGURATION)
        case TimeoutError():
            return unreachable(request.url, "timed out", kind=FailureKind.TIMEOUT)
    return unreachable(request.url, f"the connection failed ({_words(error)})")


def _words(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text or type(error).__name__
