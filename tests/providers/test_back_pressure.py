"""A slow reader slows the host down; it does not make memory grow."""

from __future__ import annotations

import asyncio

from aiohttp import web

from qwenroute.domain.protocols import HttpRequest
from qwenroute.providers import AiohttpTransport

PIECE = b"x" * 65_536
MOST = 8 * 2**20
"""Far more than our buffer and the kernel's take together, far less than what the host would send."""


async def test_a_host_is_held_up_while_nobody_reads() -> None:
    """Of an endless answer only as much leaves the host as buffers hold."""
    sent = 0
    beyond = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(PIECE)
            sent += len(PIECE)
            if sent > MOST:
                beyond.set()

    app = web.Application()
    app.router.add_post("/", endless)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    transport = AiohttpTransport()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        response = await transport.send(HttpRequest(method="POST", url=url, headers={}, body=b""))
        chunks = response.chunks()
        await anext(chunks)
        try:
            await asyncio.wait_for(beyond.wait(), 0.5)
        except TimeoutError:
            held = sent
        else:
            raise AssertionError("the host went on sending to a reader who does not read")
        while not beyond.is_set():  # it goes on as soon as somebody reads
            await anext(chunks)
        assert held <= MOST < sent
        await chunks.aclose()  # type: ignore[attr-defined]
        await response.aclose()
    finally:
        await transport.aclose()
        await runner.cleanup()
