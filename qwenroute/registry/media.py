"""How many tokens attachments count: exact where their size is known, else the most they can be."""

from __future__ import annotations

from math import ceil, floor, sqrt

from qwenroute.domain.capability import MediaLimits, Modality
from qwenroute.domain.signals import Media

IMAGE_MIN_TOKENS = 4
IMAGE_BOUNDARY_TOKENS = 2
"""Two tokens mark where an image begins and ends (unverified on the platform, part of the chat format)."""

VIDEO_FRAMES_PER_S = 2.0
VIDEO_MIN_FRAMES = 4
VIDEO_MAX_FRAMES = 768
FRAME_MAX_TOKENS = 768
FRAME_MIN_TOKENS = 128
VIDEO_MAX_TOKENS = 24_576
"""What the vendor recommends to stay under; frames are made smaller until they fit."""

AUDIO_BYTES_PER_S = 8_000
"""Where only the size of a sound is known: 64 kbit/s, about the least that MP3 is made at."""
AUDIO_UNKNOWN_S = 180.0
"""Where nothing is known of a sound: an assumption. Its file limit would allow more than an Omni
model can read, and then no sound could be sent by its address; `media_seconds` says better."""


def media_tokens(media: tuple[Media, ...], limits: MediaLimits, *, high_resolution: bool = False) -> int:
    """Return what attachments count under these limits, an upper bound where a size is not known."""
    total = 0
    for item in media:
        if item.kind is Modality.IMAGE:
            total += image_tokens(item.width_px, item.height_px, limits, high_resolution=high_resolution)
        elif item.kind is Modality.AUDIO:
            total += _audio(item, limits)
        elif item.kind is Modality.VIDEO:
            total += _video(item, limits)
    return total


def image_tokens(
    width_px: int | None, height_px: int | None, limits: MediaLimits, *, high_resolution: bool = False
) -> int:
    """Return what one image counts; one whose size is not known counts the limit.

    Sides are rounded to multiples of the patch; an image of too many patches shrinks, one of too
    few grows, keeping its proportions.
    """
    most = limits.image_max_tokens
    if high_resolution and limits.image_max_tokens_high_resolution is not None:
        most = limits.image_max_tokens_high_resolution
    if not width_px or not height_px:
        return most + IMAGE_BOUNDARY_TOKENS
    patch = limits.image_patch_px
    across = max(1, round(width_px / patch))
    down = max(1, round(height_px / patch))
    if across * down > most:
        scale = sqrt(width_px * height_px / (most * patch * patch))
        across = max(1, floor(width_px / scale / patch))
        down = max(1, floor(height_px / scale / patch))
    elif across * down < IMAGE_MIN_TOKENS:
        scale = sqrt(IMAGE_MIN_TOKENS * patch * patch / (width_px * height_px))
        across = max(1, ceil(width_px * scale / patch))
        down = max(1, ceil(height_px * scale / patch))
    # A very narrow image cannot shrink below one patch across, so its length is cut to the limit.
    return min(across * down, most) + IMAGE_BOUNDARY_TOKENS


def _audio(item: Media, limits: MediaLimits) -> int:
    seconds = item.seconds
    if seconds is None:
        encoded = item.encoded_bytes
        seconds = AUDIO_UNKNOWN_S if encoded is None else encoded * 3 / 4 / AUDIO_BYTES_PER_S
    return max(limits.audio_min_tokens, ceil(seconds * limits.audio_tokens_per_s))


def _video(item: Media, limits: MediaLimits) -> int:
    """Count a video: frames at two per second, two frames sharing one grid, all under the total."""
    frames = item.frames
    if frames is None:
        if item.seconds is None:
            return VIDEO_MAX_TOKENS
        frames = ceil(item.seconds * VIDEO_FRAMES_PER_S)
    most = VIDEO_MAX_FRAMES if limits.video_max_frames is None else min(VIDEO_MAX_FRAMES, limits.video_max_frames)
    pairs = (min(max(frames, VIDEO_MIN_FRAMES), most) + 1) // 2
    per_pair = FRAME_MAX_TOKENS
    if item.width_px and item.height_px:
        patch = limits.image_patch_px
        patches = max(1, round(item.width_px / patch)) * max(1, round(item.height_px / patch))
        per_pair = min(max(patches, FRAME_MIN_TOKENS), FRAME_MAX_TOKENS)
    return min(pairs * per_pair, VIDEO_MAX_TOKENS)
