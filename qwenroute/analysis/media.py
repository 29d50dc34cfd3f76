"""What an attachment's first bytes tell; the rest of it is neither decoded nor copied."""

from __future__ import annotations

import binascii
import io
import re
import struct
from dataclasses import dataclass

MAX_DATA_URI_BYTES = 10_485_760
"""DashScope refuses longer data URIs, on every model (facts sheet, section 10; source qc-errors)."""

HEAD_CHARS = 8 * 1024
"""Base64 characters that are decoded for a header."""
DEEP_HEAD_CHARS = 256 * 1024
"""As far as is looked for the size of a JPEG behind its camera metadata."""

_DATA_URI = re.compile(r"data:([^;,\s]*)((?:;[^;,\s]*)*),", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/\s]*={0,2}\s*\Z")
_IMAGE_STARTS = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8", b"GIF87a", b"GIF89a", b"BM", b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+",
    b"\x00\x00\x01\x00", b"\x00\x00\x00\x0cjP", b"\xffO\xffQ", b"\xff\x0a",
)  # fmt: skip
_TEXT_BYTES = bytes(range(0x20, 0x7F)) + b"\t\n\r\f\x08\x1b" + bytes(range(0x80, 0x100))


@dataclass(frozen=True, slots=True, kw_only=True)
class DataUri:
    """A data URI taken apart; the payload stays where it is, from `start` on."""

    mime: str
    base64: bool
    start: int


def data_uri(text: str) -> DataUri | None:
    """Take the front of a data URI apart, or return None where it is none."""
    found = _DATA_URI.match(text, 0, 300)
    if found is None:
        return None
    options = found[2].lower().split(";")
    return DataUri(mime=found[1].lower(), base64="base64" in options, start=found.end())


def head(text: str, start: int, chars: int = HEAD_CHARS) -> bytes | None:
    """Decode the first bytes of a base64 text, or return None if it is not base64."""
    piece = text[start : start + chars]
    if not _BASE64.match(piece):
        return None
    if len(text) > start + chars:
        piece = piece[: chars // 4 * 4]
    try:
        return binascii.a2b_base64(piece)
    except binascii.Error:
        # A wrong length is the end's matter; whole groups of four tell the header all the same.
        compact = "".join(piece.split()).rstrip("=")
        return binascii.a2b_base64(compact[: len(compact) // 4 * 4])


def looks_like_image(first: bytes) -> bool:
    """Whether the bytes begin as some image format does."""
    if first.startswith(_IMAGE_STARTS):
        return True
    return (first[:4] == b"RIFF" and first[8:12] == b"WEBP") or first[4:8] == b"ftyp"


def looks_like_text(first: bytes) -> bool:
    """Whether the bytes are printable text, in any encoding that keeps ASCII."""
    return bool(first) and not first.translate(None, _TEXT_BYTES)


def image_size(text: str, start: int) -> tuple[int, int] | None:
    """Return width and height from the header of a base64 image, or None where it does not tell."""
    import imagesize  # noqa: PLC0415 - only requests with inline images pay for it

    for chars in (HEAD_CHARS, DEEP_HEAD_CHARS):
        first = head(text, start, chars)
        if first is None or not looks_like_image(first):
            return None
        try:
            width, height = imagesize.get(io.BytesIO(first))
        except (ValueError, TypeError, ArithmeticError, LookupError, OSError, struct.error):
            width = height = -1
        if width > 0 and height > 0:
            return int(width), int(height)
        if first[:2] != b"\xff\xd8" or len(text) - start <= chars:
            return None
    return None


def wav_seconds(text: str, start: int) -> float | None:
    """Return the length of a base64 WAV from its header and its size, or None where it is no WAV."""
    first = head(text, start)
    if first is None or first[:4] != b"RIFF" or first[8:12] != b"WAVE":
        return None
    bytes_per_s = 0
    at = 12
    while at + 8 <= len(first):
        name, size = struct.unpack_from("<4sI", first, at)
        at += 8
        if name == b"fmt " and at + 12 <= len(first):
            (bytes_per_s,) = struct.unpack_from("<I", first, at + 8)
        if name == b"data":
            # Streamed files leave the size open; what is there decides.
            there = (len(text) - start) * 3 // 4 - at
            return min(size, there) / bytes_per_s if bytes_per_s > 0 and there >= 0 else None
        at += size + size % 2
    return None
