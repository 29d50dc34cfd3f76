"""Tokens of images, sounds and videos."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.capability import MediaLimits, Modality
from qwenroute.domain.signals import Media
from qwenroute.registry import media_tokens
from qwenroute.registry.media import IMAGE_BOUNDARY_TOKENS, VIDEO_MAX_TOKENS

VL = MediaLimits(image_max_tokens=1280, image_max_tokens_high_resolution=16384)


def image(width: int | None = None, height: int | None = None) -> Media:
    return Media(kind=Modality.IMAGE, message=0, width_px=width, height_px=height)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (28, 28, 4),
        (56, 56, 4),
        (280, 280, 100),
        (290, 290, 100),
        (1000, 1000, 1225),
        (1001, 28, 36),
        (28, 28_000, 1000),
    ],
)
def test_an_image_counts_its_patches(width: int, height: int, tokens: int) -> None:
    """Sides are rounded to multiples of 28 pixels, at least four patches, and two tokens mark its ends."""
    assert media_tokens((image(width, height),), VL) == tokens + IMAGE_BOUNDARY_TOKENS


def test_a_large_image_shrinks_to_the_limit() -> None:
    """It never counts more than the limit, and close to it; high resolution lifts the limit."""
    usual = media_tokens((image(4000, 3000),), VL) - IMAGE_BOUNDARY_TOKENS
    assert 1200 <= usual <= 1280
    assert media_tokens((image(4000, 3000),), VL, high_resolution=True) - IMAGE_BOUNDARY_TOKENS == 143 * 107


def test_an_image_of_unknown_size_counts_the_limit() -> None:
    """An address may hold anything, so it counts the most that an image can."""
    assert media_tokens((image(),), VL) == 1280 + IMAGE_BOUNDARY_TOKENS
    assert media_tokens((image(),), VL, high_resolution=True) == 16384 + IMAGE_BOUNDARY_TOKENS


def test_the_patch_is_the_deployments() -> None:
    """Qwen3-VL cuts into squares of 32 pixels."""
    assert media_tokens((image(320, 320),), MediaLimits(image_patch_px=32)) == 100 + IMAGE_BOUNDARY_TOKENS


@given(st.integers(1, 20_000), st.integers(1, 20_000), st.sampled_from([28, 32]), st.booleans())
def test_no_image_leaves_the_bounds(width: int, height: int, patch: int, high: bool) -> None:
    """Whatever the proportions, an image counts from four tokens to the limit."""
    limits = MediaLimits(image_patch_px=patch, image_max_tokens=1280, image_max_tokens_high_resolution=16384)
    tokens = media_tokens((image(width, height),), limits, high_resolution=high) - IMAGE_BOUNDARY_TOKENS
    assert 4 <= tokens <= (16384 if high else 1280)


@pytest.mark.parametrize(
    ("media", "tokens"),
    [
        (Media(kind=Modality.AUDIO, message=0, seconds=10.0), 250),
        (Media(kind=Modality.AUDIO, message=0, seconds=0.2), 25),
        (Media(kind=Modality.AUDIO, message=0, seconds=1.01), 26),
        (Media(kind=Modality.AUDIO, message=0), 4500),
        (Media(kind=Modality.AUDIO, message=0, inline=True, encoded_bytes=64_000), 150),
    ],
)
def test_a_sound_counts_by_the_second(media: Media, tokens: int) -> None:
    """25 tokens a second and 25 at least; an unknown length is taken from the size, or assumed."""
    assert media_tokens((media,), VL) == tokens


def test_a_video_counts_pairs_of_frames() -> None:
    """Two frames share one grid, two frames a second, and the total stays under the recommended one."""

    def video(**known: float) -> Media:
        return Media(kind=Modality.VIDEO, message=0, **known)  # type: ignore[arg-type]

    assert media_tokens((video(seconds=10, width_px=280, height_px=280),), VL) == 10 * 128
    assert media_tokens((video(frames=8, width_px=560, height_px=560),), VL) == 4 * 400
    assert media_tokens((video(frames=5),), VL) == 3 * 768
    assert media_tokens((video(seconds=600),), VL) == VIDEO_MAX_TOKENS
    assert media_tokens((video(),), VL) == VIDEO_MAX_TOKENS


def test_attachments_add_up() -> None:
    """The whole is the sum of its parts, and nothing counts nothing."""
    both = (image(280, 280), Media(kind=Modality.AUDIO, message=0, seconds=2.0))
    assert media_tokens(both, VL) == 102 + 50
    assert media_tokens((), VL) == 0
