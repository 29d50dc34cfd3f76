"""What a model can take, give and be asked: the facts that gates read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from qwenroute.domain.price import Price


class Modality(StrEnum):
    """A kind of content that goes in or comes out."""

    TEXT = "text"
    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"


class Role(StrEnum):
    """What a policy names instead of a model id: roles outlive ids."""

    GENERAL = "general"
    MAX = "max"
    CODER = "coder"
    MATH = "math"
    REASONING = "reasoning"
    VISION = "vision"
    VISION_REASONING = "vision_reasoning"
    OMNI = "omni"

    @property
    def thinks(self) -> bool:
        """Whether serving this role means that the model thinks before it answers."""
        return self in {Role.REASONING, Role.VISION_REASONING}


class Thinking(StrEnum):
    """Whether a model thinks before it answers, and who decides."""

    NONE = "none"
    HYBRID = "hybrid"
    ALWAYS = "always"


class SystemMessage(StrEnum):
    """What becomes of a system message that is sent to the model."""

    OK = "ok"
    DISCOURAGED = "discouraged"
    IGNORED = "ignored"


class Lifecycle(StrEnum):
    """Whether an id answers on a platform at a given date."""

    ACTIVE = "active"
    RETIRING = "retiring"
    RETIRED = "retired"
    SELF_HOST_ONLY = "self_host_only"
    NOT_OFFERED = "not_offered"
    UNKNOWN = "unknown"
    NOT_YET_RELEASED = "not_yet_released"

    @property
    def callable(self) -> bool:
        """Whether a call may be sent; an unknown state counts as callable, the call will tell."""
        return self in {Lifecycle.ACTIVE, Lifecycle.RETIRING, Lifecycle.UNKNOWN}


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """What a deployment accepts of images, video and audio, and what it counts for them.

    Bounds are inclusive; None means that no bound is known. Sizes in MB count 2**20 bytes
    (the platform's own message names 10,485,760 bytes).
    """

    image_max_mb: float | None = None
    image_data_uri_max_mb: float | None = None
    image_min_side_px: int | None = None
    image_max_aspect: float | None = None
    image_patch_px: int = 28
    image_max_tokens: int = 1280
    image_max_tokens_high_resolution: int | None = None
    video_min_s: float | None = None
    video_max_s: float | None = None
    video_min_frames: int | None = None
    video_max_frames: int | None = None
    video_max_mb: float | None = None
    audio_max_mb: float | None = None
    audio_tokens_per_s: float = 25.0
    audio_min_tokens: int = 25
    single_turn: bool = False
    one_kind_per_message: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Requests and tokens per minute of one model for one account in one region."""

    rpm: int | None = None
    tpm: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How good an answer to expect, in 0..1, how sure we are, and on what basis."""

    value: float
    uncertainty: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Seconds to the first token and tokens per second to expect, and on what basis."""

    ttft_s: float
    tokens_per_s: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One routable target: a model, served by a provider, at an endpoint, with a credential.

    Every field is a fact of this model on this platform and region at this date. None means
    "not published": gates treat what is not known as not offered and say so.
    """

    id: str
    """Written `model@endpoint`, for example `qwen-plus@intl`."""
    model: str
    """The registry's id of the model."""
    wire_model: str
    """The id that goes on the wire (a served name may differ from the registry's)."""
    endpoint: str
    provider: str
    region: str | None = None
    roles: tuple[Role, ...]
    licence: str
    lifecycle: Lifecycle = Lifecycle.ACTIVE
    retires_on: date | None = None

    input: frozenset[Modality]
    output: frozenset[Modality]
    context_tokens: int | None = None
    max_input_tokens: int | None = None
    max_output_tokens: int | None = None
    max_thinking_tokens: int | None = None
    media: MediaLimits = field(default_factory=MediaLimits)
    voices: tuple[str, ...] = ()

    tools: bool | None = None
    tool_choices: frozenset[str] | None = None
    """The kinds of `tool_choice` taken (auto, none, required, named); None: all."""
    json_object: bool | None = None
    json_schema: bool | None = None
    thinking: Thinking = Thinking.NONE
    thinking_default_on: bool = False
    reasoning_effort: bool = False
    """Whether the wire takes `reasoning_effort` (exclusive with `thinking_budget`)."""
    thinking_in_answer: bool = False
    """The chain of thought stands in the answer's text, not in `reasoning_content`."""
    stream_only: bool = False
    partial: bool | None = None
    fim: bool = False
    system_message: SystemMessage = SystemMessage.OK
    max_choices: int = 1
    """The largest `n`."""
    step_by_step: bool = False
    """Mathematics models answer best when asked for steps and a boxed answer."""
    sampling: Mapping[str, float] = field(default_factory=dict)
    """The vendor's advice, sent where the server does not apply it by itself (self-hosted)."""

    price: Price | None = None
    rate_limits: RateLimits = field(default_factory=RateLimits)
    speed: Speed
    quality: Mapping[str, Quality]
    """Keyed `task/difficulty`, for example `math/hard`."""
