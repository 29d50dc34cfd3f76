"""A picture goes to a model that sees; a puzzle over a picture to one that reasons about it."""

import base64
import struct
import zlib

from qwenroute import Router


def red_square(side: int = 64) -> str:
    """Return a PNG as a data URI; your own picture is read from a file, or given by its address."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + b"\xff\x00\x00" * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(png).decode()


with Router() as router:
    for question in (
        "What colour is this?",
        "How many such squares are needed to tile a rectangle of 256 by 192 pixels? Reason step by step.",
    ):
        picture = {"type": "image_url", "image_url": {"url": red_square()}}
        answer = router.chat.completions.create(
            messages=[{"role": "user", "content": [picture, {"type": "text", "text": question}]}],
        )
        print(f"{question}\n  {answer.route.decision.signals.task} → {answer.route.deployment}")
