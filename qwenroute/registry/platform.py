"""DashScope itself and the third-party hosts: regions, prices' rules, notice periods, hosts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from qwenroute.registry.cards import Group
from qwenroute.registry.units import Count, Flag, Rate, Share, Tokens


class Region(BaseModel):
    """A region of DashScope: its hosts, and the currency that it bills in."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    mode: str
    base_url: str | None = None
    """None: only hosts of a workspace."""
    workspace_base_url: str | None = None
    """With `{workspace_id}` in it."""
    native_base_url: str | None = None
    realtime_url: str | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    id_suffix: str = ""
    """What model ids end in here."""
    unverified: tuple[str, ...] = ()


class Pricing(Group):
    """Shares of the listed rates, and how bills are made up."""

    unit: str
    tiering: str
    tier_boundaries: str
    reasoning: str
    audio_output: str
    batch_share: Share
    batch: str
    implicit_cache_share: Share
    implicit_cache: str
    explicit_cache_write_share: Share
    explicit_cache_hit_share: Share
    explicit_cache: str
    failed_calls: str


class Retirement(Group):
    """How long before an id leaves its notice comes."""

    snapshot_notice_days: Count
    mainline_notice_months: Count
    effect: str


class Range(BaseModel):
    """What a parameter may be."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    min: float | None = None
    min_exclusive: Flag = False
    max: float | None = None
    max_exclusive: Flag = False
    integer: Flag = False
    note: str | None = None


class Platform(BaseModel):
    """The platform's own facts."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    regions: dict[str, Region]
    regions_sources: tuple[str, ...]
    pricing: Pricing
    retirement: Retirement
    parameters: dict[str, Range]
    parameters_sources: tuple[str, ...]
    rules: Mapping[str, JsonValue] = Field(default_factory=dict)
    """For people: headers, caches, batches, media and token rules, tokenizer, prompts, self-hosting."""


class Host(Group):
    """One model at a third-party host, as litellm addresses and lists it."""

    model: str
    host: str
    litellm_model: str
    currency: str
    input_per_mtok: Rate
    output_per_mtok: Rate
    context_tokens: Tokens | None = None
    max_output_tokens: Tokens | None = None
    tools: Flag | None = None
    json_schema: Flag | None = None
    ended_on: date | None = None
