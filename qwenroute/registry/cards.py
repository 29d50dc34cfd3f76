"""The shape of a capability card: what is known of a model, group by group, with who says so.

Every group names its sources and how sure they make us; `doubts` marks single facts of a group
that are weaker than the rest. None means that no source states the fact.
"""

from __future__ import annotations

import itertools
from datetime import date
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from qwenroute.domain.capability import Modality, Role, SystemMessage, Thinking
from qwenroute.domain.signals import Task
from qwenroute.registry.units import Amount, Count, Flag, Rate, Share, Tokens

Confidence = Literal["A", "B", "C"]
"""A: read with the vendor; B: read in a catalogue or repository; C: inferred, weak or recalled."""

Access = Literal["open_weights", "api_only"]
CommercialUse = Literal["allowed", "conditional", "non_commercial", "api_terms"]
Status = Literal["active", "likely_retired", "retired", "unknown", "self_host_only"]
ToolChoice = Literal["auto", "none", "required", "named"]


class Group(BaseModel):
    """Facts that are known from the same place. Without sources of its own: those of the card."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    sources: tuple[str, ...] | None = None
    confidence: Confidence | None = None
    note: str | None = None
    doubts: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _doubts_name_facts(self) -> Self:
        known = type(self).model_fields.keys()
        for name in self.doubts:
            if name not in known:
                raise ValueError(f"`doubts` names `{name}`, which is no fact of this group")
        return self


class Released(Group):
    """When the model came out, or the earliest day that it can have."""

    day: date | None = None
    not_before: date | None = None


class Weights(Group):
    """What the model is made of, and where the weights are."""

    hugging_face: str | None = None
    total_b: Amount | None = None
    active_b: Amount | None = None
    non_embedding_b: Amount | None = None
    layers: Count | None = None
    heads_q_kv: str | None = None
    architecture: str | None = None


class Terms(Group):
    """Under which licence it may be used."""

    licence: str
    commercial_use: CommercialUse


class Modalities(Group):
    """What goes in and what comes out; a reward model answers with a score."""

    input: tuple[Modality, ...]
    output: tuple[Modality | Literal["score"], ...]


class Languages(Group):
    """What it reads and writes, in words, and the scripts that it reads in images."""

    text: str | None = None
    ocr: tuple[str, ...] | None = None


class Media(Group):
    """Limits of attachments and what they count; bounds are inclusive, MB are 2**20 bytes."""

    image_max_mb: Amount | None = None
    image_data_uri_max_mb: Amount | None = None
    image_min_side_px: Count | None = None
    image_max_aspect: Amount | None = None
    images_per_request: str | None = None
    image_patch_px: Literal[28, 32] | None = None
    image_max_tokens: Count | None = None
    image_max_tokens_high_resolution: Count | None = None
    video_min_s: Amount | None = None
    video_max_s: Amount | None = None
    video_min_frames: Count | None = None
    video_max_frames: Count | None = None
    video_max_mb: Amount | None = None
    audio_max_mb: Amount | None = None
    audio_tokens_per_s: Amount | None = None
    audio_min_tokens: Count | None = None
    single_turn: Flag | None = None
    one_kind_per_message: Flag | None = None


class Speech(Group):
    """Voices, and the form of the sound."""

    voices_dashscope: tuple[str, ...] | None = None
    voices_self_host: tuple[str, ...] | None = None
    input_pcm: str | None = None
    output_pcm: str | None = None


class Features(Group):
    """What the model can be asked on DashScope, where no region says otherwise."""

    tools: Flag | None = None
    tools_note: str | None = None
    parallel_tools: Flag | None = None
    tool_choices: tuple[ToolChoice, ...] | None = None
    json_object: Flag | None = None
    json_schema: Flag | None = None
    partial: Flag | None = None
    partial_note: str | None = None
    fim: Flag | None = None
    fim_endpoint: str | None = None
    stream_only: Flag | None = None
    audio_requires_stream: Flag | None = None
    thinking: Thinking
    thinking_note: str | None = None
    thinking_default_on: Flag | None = None
    thinking_in_answer: Flag | None = None
    reasoning_effort: Flag | None = None
    reasoning_efforts: tuple[str, ...] | None = None
    max_tokens_bounds_thinking: Flag | None = None
    system_message: SystemMessage = SystemMessage.OK
    implicit_cache: Flag | None = None
    explicit_cache: Flag | None = None
    web_search: Flag | None = None
    ignored_parameters: tuple[str, ...] | None = None
    step_by_step: Flag | None = None
    answer_format: str | None = None
    tool_integrated_reasoning: Flag | None = None
    max_choices: Annotated[int, Field(strict=True, ge=1)] | None = None
    transport: str | None = None
    apis: str | None = None


class Limits(Group):
    """Lengths in tokens. The output does not include thinking for QwQ and QVQ."""

    context_tokens: Tokens | None = None
    max_input_tokens: Tokens | None = None
    max_input_thinking_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    max_thinking_tokens: Tokens | None = None


class Tier(BaseModel):
    """Rates per 1,000,000 tokens for requests of up to so many input tokens."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    up_to_input_tokens: Tokens | None = None
    input_per_mtok: Rate
    output_per_mtok: Rate
    output_thinking_per_mtok: Rate | None = None
    cache_read_per_mtok: Rate | None = None
    cache_write_per_mtok: Rate | None = None
    input_audio_per_mtok: Rate | None = None
    input_image_video_per_mtok: Rate | None = None
    output_audio_per_mtok: Rate | None = None
    output_text_with_media_per_mtok: Rate | None = None


class Price(Group):
    """What a model costs in a region: tiers, smallest first."""

    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    tiers: Annotated[tuple[Tier, ...], Field(min_length=1)]
    batch_input_per_mtok: Rate | None = None
    batch_output_per_mtok: Rate | None = None

    @model_validator(mode="after")
    def _tiers_rise(self) -> Self:
        bounds = [tier.up_to_input_tokens for tier in self.tiers]
        if None in bounds[:-1] or any(a >= b for a, b in itertools.pairwise(bounds) if a and b):
            raise ValueError("tiers have to rise by `up_to_input_tokens`; only the last may leave it out")
        return self


class RateLimits(Group):
    """Requests and tokens per minute of one account."""

    rpm: Count | None = None
    tpm: Count | None = None
    as_of: str | None = None


class Lifecycle(Group):
    """Whether an id answers on DashScope, until when, and what takes its place."""

    status: Status | None = None
    offline_on: date | None = None
    offline_note: str | None = None
    retired_between: tuple[date, date] | None = None
    """The id left on an unknown day between these."""
    known_active_until: date | None = None
    """The last day that a source saw it answer or listed."""
    replacement: str | None = None
    """In the words of the source."""
    replacements: tuple[str, ...] = ()
    """Registry ids, best first."""
    replacements_basis: str | None = None


class Snapshot(Lifecycle):
    """Another id of the same card, with what is its own; the rest is the card's."""

    released: date | None = None
    rate_limits: dict[str, RateLimits] = Field(default_factory=dict)
    """By region."""


class RegionFacts(Group):
    """What holds in one region, over what holds for the platform."""

    basis: str | None = None
    """Why the model is taken to be offered here, where nobody says so in as many words."""
    basis_sources: tuple[str, ...] | None = None
    limits: Limits | None = None
    price: Price | None = None
    rate_limits: RateLimits | None = None
    lifecycle: Lifecycle | None = None
    partial: Flag | None = None
    batch: Flag | None = None
    web_search: Flag | None = None


class DashScope(Group):
    """The model on DashScope. The card's id is the id to call."""

    since: date | None = None
    """Where the id is older than the model behind it."""
    since_note: str | None = None
    limits: Limits
    regions: dict[str, RegionFacts]
    snapshots: dict[str, Snapshot] = Field(default_factory=dict)
    lifecycle: Lifecycle


class SelfHost(Group):
    """The weights on a server of one's own."""

    context_default_tokens: Tokens | None = None
    context_max_tokens: Tokens | None = None
    trained_context_tokens: Tokens | None = None
    long_context: str | None = None
    max_generation_tokens: Count | None = None
    tools: Flag | None = None
    output: tuple[Modality | Literal["score"], ...] | None = None
    """Where a server gives less than the model can."""
    output_note: str | None = None


class Sampling(Group):
    """The vendor's advice; `advice` holds what is not a number."""

    temperature: Amount | None = None
    top_p: Amount | None = None
    top_k: Count | None = None
    min_p: Amount | None = None
    repetition_penalty: Amount | None = None
    presence_penalty: float | None = None
    advice: dict[str, str] = Field(default_factory=dict)


class Benchmarks(Group):
    """Published scores by benchmark."""

    scores: dict[str, float] = Field(default_factory=dict)
    unverified_scores: dict[str, float] = Field(default_factory=dict)


class SpeedRow(BaseModel):
    """One measurement."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    input_tokens: Count | None = None
    precision: str | None = None
    gpus: Count | None = None
    tokens_per_s: Amount | None = None
    ttft_s: Amount | None = None
    video_seconds: Amount | None = None
    gpu_memory_gb: Amount | None = None


class MeasuredSpeed(Group):
    """The vendor's measurements."""

    unit: str
    rows: tuple[SpeedRow, ...]


class QualityLike(BaseModel):
    """Where a model has no scores of its own: another's, scaled or moved towards a perfect score."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    model: str
    tasks: tuple[Task, ...] | None = None
    """None: all."""
    share: Share = 1.0
    """Of the other's score."""
    closes: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the gap between the other's score and 1 that this model closes."""
    basis: str


class LaterRoles(BaseModel):
    """Roles that an alias serves only since it points to another model."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    since: date
    roles: tuple[Role, ...]
    note: str


class ModelCard(BaseModel):
    """Everything that is known of one model."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    name: str
    family: str
    generation: str
    access: Access
    roles: tuple[Role, ...]
    later_roles: LaterRoles | None = None
    tags: tuple[str, ...] = ()
    unverified: tuple[str, ...] = ()
    sources: tuple[str, ...]
    released: Released
    weights: Weights | None = None
    terms: Terms
    modalities: Modalities
    languages: Languages | None = None
    media: Media | None = None
    speech: Speech | None = None
    features: Features
    dashscope: DashScope | None = None
    self_host: SelfHost | None = None
    sampling: Sampling | None = None
    benchmarks: Benchmarks | None = None
    speed: MeasuredSpeed | None = None
    quality_like: tuple[QualityLike, ...] = ()

    @property
    def licence(self) -> str:
        """The licence's id; `proprietary` where the model is only sold as a service."""
        return self.terms.licence

    @property
    def api_ids(self) -> tuple[str, ...]:
        """The ids that it has or had on DashScope, the one to call first."""
        return () if self.dashscope is None else (self.id, *self.dashscope.snapshots)

    @property
    def open_weights(self) -> bool:
        """Whether the weights can be downloaded."""
        return self.access == "open_weights"

    def roles_on(self, on: date) -> tuple[Role, ...]:
        """Return the roles that the model serves at a date."""
        if self.later_roles is None or on < self.later_roles.since:
            return self.roles
        return (*self.roles, *self.later_roles.roles)
