"""The requests that are measured. Every one differs, so that no cache can answer for the code."""

from __future__ import annotations

import base64
import random
import struct
import zlib
from functools import lru_cache

Messages = list[dict[str, object]]

SHORT = (
    "Number {n}: our office moves to Lyon in spring. Write two friendly sentences to the team that say when "
    "the boxes arrive, where the spare keys are kept, and whom to ask about parking for bicycles."
)
SENTENCES = (
    "The second shipment left the harbour on Tuesday and should reach the warehouse before the weekend.",
    "Please keep the old invoices for seven years, because the auditors may ask for any of them.",
    "Our customers in the north prefer the smaller box, although it costs a little more per kilogram.",
    "Nobody could say why the night shift counted four pallets more than the morning shift did.",
    "If the bridge stays closed in June, the lorries will have to take the long way around the lake.",
    "She wrote that the samples arrived dry and undamaged, and that the colour was exactly right.",
    "The new supplier promises an answer within two days and has kept that promise so far.",
    "We agreed to meet again in the autumn, once the figures of the third quarter are known.",
)
KINDS = ("small", "long", "image")


def messages(kind: str, n: int) -> Messages:
    """Return the n-th request of a kind."""
    if kind == "small":
        return [{"role": "user", "content": SHORT.format(n=n)}]
    if kind == "long":
        return _history(n)
    return [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": f"Number {n}: describe what this picture shows in one sentence."},
                {"type": "image_url", "image_url": {"url": _picture()}},
            ],
        }
    ]


def _history(n: int) -> Messages:
    """Return about 8,000 tokens in 20 messages, the last from the user."""
    random_ = random.Random(n)
    turns: Messages = [{"role": "system", "content": f"Conversation {n}. Answer briefly and in plain words."}]
    for turn in range(19):
        said = " ".join(random_.choice(SENTENCES) for _ in range(22))
        turns.append({"role": "user" if turn % 2 == 0 else "assistant", "content": said})
    return turns


@lru_cache(maxsize=1)
def _picture() -> str:
    """Return a PNG of 1 MB of noise as a data URI."""
    width, height = 640, 546
    noise = random.Random(7)
    rows = b"".join(b"\0" + noise.randbytes(width * 3) for _ in range(height))

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows, 0)) + part(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()
