"""Attachments as the platform looks at them: what they are, and whether they are taken."""

from __future__ import annotations

import base64
import binascii
import io
import struct
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import imagesize

from qwenroute.domain.capability import Deployment, Modality
from qwenroute.domain.signals import Media
from qwenroute.simulator.error_table import Refused

DATA_URI_MAX_BYTES = 10_485_760
HEAD_CHARS = 16_384
UNKNOWN_S = 10.0
"""Nothing is fetched or decoded, so a sound or film of unknown length is taken to last so long."""
UNKNOWN_SIDE_PX = 1024
"""And an image of unknown size to be a square of such sides."""
AUDIO_BYTES_PER_S = 16_000

KINDS: Mapping[str, Modality] = {
    "image_url": Modality.IMAGE,
    "video": Modality.VIDEO,
    "video_url": Modality.VIDEO,
    "input_audio": Modality.AUDIO,
}


def read_media(messages: Sequence[Mapping[str, object]], deployment: Deployment) -> tuple[Media, ...]:
    """Return every attachment of the messages.

    Raises:
        Refused: the deployment does not take one of them.
    """
    found: list[Media] = []
    for index, message in enumerate(messages):
        content = message.get("content")
        if not isinstance(content, list):
            continue
        kinds: set[Modality] = set()
        for position, part in enumerate(content):
            if not isinstance(part, Mapping):
                raise Refused("malformed-request", f"messages.{index}.content.{position} is not an object")
            kind = str(part.get("type"))
            if kind == "text":
                continue
            if kind not in KINDS:
                raise Refused("malformed-request", f"messages.{index}.content.{position}: unknown type '{kind}'")
            if KINDS[kind] not in deployment.input:
                raise Refused(
                    "feature-unsupported", f"the model does not take {KINDS[kind]} input: messages.{index}.content"
                )
            kinds.add(KINDS[kind])
            found.append(_read_part(part, kind, deployment, message=index, position=position))
        if deployment.media.one_kind_per_message and message.get("role") == "user" and len(kinds) > 1:
            raise Refused("feature-unsupported", "one user message may hold only one modality besides text")
    if deployment.media.single_turn and found and sum(1 for m in messages if m.get("role") == "user") > 1:
        raise Refused("feature-unsupported", "the model takes images in a single turn only")
    return tuple(found)


def _read_part(part: Mapping[str, object], kind: str, deployment: Deployment, *, message: int, position: int) -> Media:
    limits = deployment.media
    strict = deployment.provider == "dashscope"
    if kind == "video":
        frames = part.get("video")
        if not isinstance(frames, list) or not frames:
            raise Refused("video-frames", "video must be a list of frames")
        low, high = limits.video_min_frames, limits.video_max_frames
        if (low is not None and len(frames) < low) or (high is not None and len(frames) > high):
            raise Refused("video-frames", f"the number of video frames must be in {low}-{high}, and is {len(frames)}")
        for frame in frames:
            _payload(frame, strict=strict)
        return Media(kind=Modality.VIDEO, message=message, part=position, frames=len(frames))
    holder = part.get(kind)
    key = "data" if kind == "input_audio" else "url"
    address = holder.get(key) if isinstance(holder, Mapping) else holder if kind == "image_url" else None
    payload = _payload(address, strict=strict)
    if payload is None:
        if kind == "image_url":
            side = UNKNOWN_SIDE_PX
            return Media(kind=Modality.IMAGE, message=message, part=position, width_px=side, height_px=side)
        return Media(kind=KINDS[kind], message=message, part=position, seconds=UNKNOWN_S)
    if kind == "image_url":
        width, height = _image_size(payload)
        short, long = sorted((width, height))
        smallest, aspect = limits.image_min_side_px, limits.image_max_aspect
        if smallest is not None and short < smallest:
            raise Refused("image-unreadable", f"image width and height must be at least {smallest}: {width}x{height}")
        if aspect is not None and long > aspect * short:
            raise Refused("image-unreadable", f"image aspect ratio must be at most {aspect:g}:1: {width}x{height}")
        return Media(
            kind=Modality.IMAGE,
            message=message,
            part=position,
            inline=True,
            encoded_bytes=len(payload),
            width_px=width,
            height_px=height,
        )
    seconds = _audio_seconds(payload) if kind == "input_audio" else UNKNOWN_S
    return Media(
        kind=KINDS[kind],
        message=message,
        part=position,
        inline=True,
        encoded_bytes=len(payload),
        seconds=seconds,
    )


def _payload(address: object, *, strict: bool) -> str | None:
    """Return the base64 text of a data URI, None for an address elsewhere."""
    if not isinstance(address, str) or not address:
        raise Refused("url-error")
    if address.startswith("data:"):
        payload = address[address.find(",") + 1 :]
        if strict and len(payload) > DATA_URI_MAX_BYTES:
            raise Refused("data-uri")
        return payload
    parts = urlsplit(address[:2048])
    if parts.scheme in {"http", "https", "oss"}:
        # Nothing is fetched; a host that cannot exist stands for one that cannot be reached.
        if (parts.hostname or "").endswith(".invalid"):
            raise Refused("invalid-url-refused" if strict else "url-error")
        return None
    if strict:
        raise Refused("url-error")
    return address


def _image_size(payload: str) -> tuple[int, int]:
    for head in (payload[:HEAD_CHARS], payload):
        try:
            width, height = imagesize.get(io.BytesIO(base64.b64decode(head)))
        except (binascii.Error, ValueError, struct.error):
            continue
        if width > 0 and height > 0:
            return int(width), int(height)
    raise Refused("image-unreadable")


def _audio_seconds(payload: str) -> float:
    """Return the length that a WAV header states; else guess from the size."""
    size = len(payload) * 3 // 4
    try:
        head = base64.b64decode(payload[:64])
    except binascii.Error:
        raise Refused("url-error", "the audio is not valid base64") from None
    if head[:4] == b"RIFF" and len(head) >= 32:
        rate = int.from_bytes(head[28:32], "little")
        if rate:
            return max(0.0, (size - 44) / rate)
    return size / AUDIO_BYTES_PER_S
