"""A small server of `/embeddings`: bags of words as vectors, and whatever goes wrong with such servers."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import blake2b

from aiohttp import web

DIMENSIONS = 64


def vector(text: str) -> list[float]:
    """Words counted into a few places by their hash; alike texts come out alike."""
    places = Counter(blake2b(w.encode(), digest_size=1).digest()[0] % DIMENSIONS for w in text.lower().split())
    return [float(places[n]) or 1e-6 for n in range(DIMENSIONS)]


class FakeEncoder:
    """What it was asked, and how it is to behave."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.keys: list[str | None] = []
        self.answer: object | None = None
        """In place of the vectors."""
        self.status = 200
        self.held: asyncio.Event | None = None
        """No answer before it is set."""
        self.url = ""

    async def embeddings(self, request: web.Request) -> web.Response:
        """Answer in an order of its own, as the format allows."""
        body = await request.json()
        self.asked.append(body["input"])
        self.keys.append(request.headers.get("authorization"))
        if self.held is not None:
            await self.held.wait()
        if self.status != 200:
            return web.json_response({"error": {"message": "no"}}, status=self.status)
        if self.answer is not None:
            return web.json_response(self.answer)
        data = [{"index": n, "embedding": vector(text)} for n, text in enumerate(body["input"])]
        return web.json_response({"model": body["model"], "data": data[::-1]})


@asynccontextmanager
async def fake_encoder() -> AsyncIterator[FakeEncoder]:
    """Serve one on loopback."""
    fake = FakeEncoder()
    app = web.Application()
    app.router.add_post("/v1/embeddings", fake.embeddings)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield fake
    finally:
        if fake.held is not None:
            fake.held.set()
        await runner.cleanup()


def cosine(one: str, other: str) -> float:
    """How near two texts are by this encoder."""
    a, b = vector(one), vector(other)
    return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b)
