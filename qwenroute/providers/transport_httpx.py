"""A transport over an application's own httpx client: its proxies, certificates, tests with respx."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import httpx

from qwenroute.domain.failure import FailureKind
from qwenroute.domain.protocols import HttpRequest
from qwenroute.errors import AttemptFailed
from qwenroute.providers.failures import unreachable


class HttpxTransport:
    """Sends through a client that the application opened and closes."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def send(self, request: HttpRequest) -> HttpxResponse:
        """Send, wait for the head."""
        client = self._client
        try:
            outgoing = client.build_request(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                timeout=httpx.Timeout(None, connect=request.connect_s),
            )
            response = await client.send(outgoing, stream=True, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _translate(request, error) from error
        return HttpxResponse(response, request.url)

    async def aclose(self) -> None:
        """Leave the client open: it is the application's."""


class HttpxResponse:
    """An answer whose head has arrived."""

    __slots__ = ("_response", "_url", "headers", "status")

    def __init__(self, response: httpx.Response, url: str) -> None:
        self._response = response
        self._url = url
        self.status = response.status_code
        self.headers = dict(response.headers)

    async def read(self) -> bytes:
        """Return the whole body."""
        try:
            return await self._response.aread()
        except httpx.HTTPError as error:
            raise unreachable(self._url, f"the connection broke within the answer ({_words(error)})") from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives."""
        try:
            async for piece in self._response.aiter_bytes():
                yield piece
        except httpx.HTTPError as error:
            reason = f"the connection broke within the stream ({_words(error)})"
            raise unreachable(self._url, reason, kind=FailureKind.STREAM_CUT) from error

    async def aclose(self) -> None:
        """Release the connection; httpx closes it if the body was not read to its end."""
        await self._response.aclose()


def _translate(request: HttpRequest, error: Exception) -> AttemptFailed:
    match error:
        case httpx.ConnectTimeout():
            return unreachable(request.url, f"no connection within {request.connect_s:g} s", kind=FailureKind.TIMEOUT)
        case httpx.TimeoutException():
            return unreachable(request.url, "timed out", kind=FailureKind.TIMEOUT)
        case httpx.UnsupportedProtocol() | httpx.InvalidURL():
            return unreachable(request.url, "not an address that can be called", kind=FailureKind.CONFIGURATION)
        case httpx.ProxyError():
            return unreachable(request.url, f"the proxy refuses ({_words(error)})")
        case httpx.ConnectError():
            return unreachable(request.url, f"{_cause(error)} ({_words(error)})")
        case httpx.RemoteProtocolError() | httpx.ReadError() | httpx.WriteError():
            return unreachable(request.url, "the server closed the connection before it answered")
    return unreachable(request.url, f"the connection failed ({_words(error)})")


def _cause(error: BaseException) -> str:
    """Tell name resolution and TLS from the rest by what httpx wrapped."""
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, ssl.SSLCertVerificationError):
            return "the TLS certificate is not trusted"
        if isinstance(inner, ssl.SSLError):
            return "TLS failed"
        if type(inner).__name__ == "gaierror":
            return "the name does not resolve"
        inner = inner.__cause__ or inner.__context__
    return "cannot connect"


def _words(error: BaseException) -> str:
    return str(error) or type(error).__name__
