"""The loopback server of the benchmarks: canned answers, as fast as a single Python process can.

It must never be what is measured, so it understands just enough HTTP for keep-alive and answers
from bytes built beforehand. Run as `python -m benchmarks.server`; the first line printed is its URL.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys

from benchmarks.cores import pin

TEXT = "Paris has been the capital of France, with interruptions, since the tenth century."
CHUNKS = 200
"""Chunks with text in a streamed answer; role, finish and usage chunks come on top."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: keep-alive\r\n"
USAGE = {
    "prompt_tokens": 52,
    "completion_tokens": CHUNKS,
    "total_tokens": 52 + CHUNKS,
    "prompt_tokens_details": {"cached_tokens": 0},
}


def whole() -> bytes:
    """Return a complete answer, head included."""
    message = {"role": "assistant", "content": TEXT}
    body = json.dumps(
        {
            "id": "chatcmpl-1f6a7e2c-0b1d-9f6e-8f55-5d2b7c6a1e90",
            "object": "chat.completion",
            "created": 1_764_000_000,
            "model": "qwen-plus",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": USAGE,
            "system_fingerprint": None,
        }
    ).encode()
    return HEAD % b"application/json" + b"Content-Length: %d\r\n\r\n" % len(body) + body


def pieces() -> list[bytes]:
    """Return a streamed answer as the pieces that are written one by one."""
    words = TEXT.split(" ")

    def event(choices: list[object], usage: object = None) -> bytes:
        chunk = {
            "id": "chatcmpl-1f6a7e2c-0b1d-9f6e-8f55-5d2b7c6a1e90",
            "object": "chat.completion.chunk",
            "created": 1_764_000_000,
            "model": "qwen-plus",
            "choices": choices,
            "usage": usage,
            "system_fingerprint": None,
        }
        return framed(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def delta(content: dict[str, object], finish: str | None = None) -> bytes:
        return event([{"index": 0, "delta": content, "finish_reason": finish, "logprobs": None}])

    return [
        HEAD % b"text/event-stream" + b"Transfer-Encoding: chunked\r\n\r\n",
        delta({"role": "assistant", "content": ""}),
        *(delta({"content": words[i % len(words)] + " "}) for i in range(CHUNKS)),
        delta({"content": ""}, "stop"),
        event([], USAGE),
        framed(b"data: [DONE]\n\n") + b"0\r\n\r\n",
    ]


def framed(data: bytes) -> bytes:
    """Return data as one chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)


class Canned(asyncio.Protocol):
    """One connection: waits for a whole request, answers it, waits for the next."""

    WHOLE = whole()
    PIECES = pieces()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = bytearray()
        self.needed = 0
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self.received += data
        while len(self.received) >= (self.needed or 1):
            if not self.needed:
                end = self.received.find(b"\r\n\r\n")
                if end < 0:
                    return
                head = bytes(self.received[:end]).lower()
                _, _, rest = head.partition(b"content-length:")
                self.needed = end + 4 + int(rest.partition(b"\r\n")[0] or 0)
                continue
            request = self.received[: self.needed]
            del self.received[: self.needed]
            self.needed = 0
            if b'"stream":true' in request or b'"stream": true' in request:
                self.write_piece(0)
            else:
                self.transport.write(self.WHOLE)

    def write_piece(self, index: int) -> None:
        """Write one piece, the next in the next turn of the loop: tokens do not come in one packet."""
        if self.transport.is_closing():
            return
        self.transport.write(self.PIECES[index])
        if index + 1 < len(self.PIECES):
            asyncio.get_running_loop().call_soon(self.write_piece, index + 1)


async def serve() -> None:
    """Serve until standard input closes, which it does when the parent is gone."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", 0, backlog=512)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(f"http://127.0.0.1:{port}/v1\n")
    sys.stdout.flush()
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    pin("server")
    asyncio.run(serve())
