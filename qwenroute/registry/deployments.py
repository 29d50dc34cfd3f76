"""Cards and an endpoint become deployments: the flat facts that gates read.

What a server of one's own can do is not asked of it; facts are those that vLLM and Ollama share, so
that the same policy holds whichever listens:

- tools as the chat template of the weights has them; of `tool_choice` only auto and none, since
  Ollama ignores the rest (sources vllm-structured, ollama-openai);
- JSON mode and JSON schema for every model that does not think: both constrain decoding. Where a
  model thinks it depends on the server's reasoning parser, so it counts as not offered;
- one choice (`n`), no continuing of a prefix, no image or file limits but the model's own, no
  streaming forced, and no input cap beside the window;
- images up to the processor's 16,384 tokens, videos up to 768 frames (source repo-vl).

What holds for one's own server and is not here can be stated in an overlay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date

from qwenroute.domain.capability import (
    Deployment,
    Lifecycle,
    MediaLimits,
    Modality,
    Quality,
    RateLimits,
    SystemMessage,
    Thinking,
)
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.domain.price import Price, Tier
from qwenroute.registry import cards as facts
from qwenroute.registry import speed
from qwenroute.registry.cards import ModelCard
from qwenroute.registry.lifecycle import LifecycleState
from qwenroute.registry.platform import Host, Platform

SELF_HOST_IMAGE_MAX_TOKENS = 16_384
NEWER_IMAGE_MAX_TOKENS = 16_384
"""Where the platform's default limit of a newer model was not read, its largest known one stands in."""
SELF_HOST_VIDEO_MAX_FRAMES = 768

_MEDIA_FIELDS = tuple(f.name for f in fields(MediaLimits) if f.name in facts.Media.model_fields)
_LIMITS = (
    "context_tokens",
    "max_input_tokens",
    "max_input_thinking_tokens",
    "max_output_tokens",
    "max_thinking_tokens",
)
_NO_PICTURES = frozenset({Modality.TEXT, Modality.AUDIO})
_CHOICES_EVERYWHERE = frozenset({"auto", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a card is to be served, and under which id."""

    endpoint: Endpoint
    id: str
    wire_model: str
    served: Served | None
    state: LifecycleState
    on: date


def on_dashscope(card: ModelCard, place: Place, platform: Platform, quality: Mapping[str, Quality]) -> Deployment:
    """Return a card as DashScope serves it in the endpoint's region."""
    region = place.endpoint.region
    offer = card.dashscope
    here = offer.regions.get(region) if offer is not None and region is not None else None
    limits = _limits(offer, here)
    features = card.features
    snapshot = None if offer is None else offer.snapshots.get(place.wire_model)
    rates = (snapshot.rate_limits.get(region or "") if snapshot else None) or (here.rate_limits if here else None)
    return replace(
        _common(card, place, quality),
        output=_modalities(card.modalities.output),
        context_tokens=limits.get("context_tokens"),
        max_input_tokens=limits.get("max_input_tokens"),
        max_output_tokens=limits.get("max_output_tokens"),
        max_thinking_tokens=limits.get("max_thinking_tokens"),
        media=_media(card),
        voices=(card.speech.voices_dashscope or ()) if card.speech else (),
        tools=features.tools,
        tool_choices=_tool_choices(features),
        json_object=features.json_object,
        json_schema=features.json_schema,
        stream_only=features.stream_only is not False,
        partial=features.partial if here is None or here.partial is None else here.partial,
        fim=bool(features.fim),
        max_choices=features.max_choices or 1,
        reasoning_effort=bool(features.reasoning_effort),
        price=_served_price(place) or (None if here is None else _price(here, features, platform)),
        rate_limits=_rate_limits(place, RateLimits() if rates is None else RateLimits(rpm=rates.rpm, tpm=rates.tpm)),
    )


def on_a_server(card: ModelCard, place: Place, host: Host | None, quality: Mapping[str, Quality]) -> Deployment:
    """Return a card as a server of one's own or a third-party host serves the weights."""
    own = card.self_host
    thinks = card.features.thinking is not Thinking.NONE
    window = place.served.context_tokens if place.served is not None else None
    if window is None and host is not None:
        window = host.context_tokens
    if window is None and own is not None:
        window = own.context_default_tokens
    longest = None if own is None or not own.max_generation_tokens else own.max_generation_tokens
    if host is not None and host.max_output_tokens is not None:
        longest = host.max_output_tokens
    if longest is not None and window is not None:
        longest = min(longest, window)
    # vLLM continues a final message, Ollama does by itself; of other hosts nobody says (docs.vllm.ai).
    partial = card.features.partial if host is None and place.endpoint.provider == "openai_compatible" else None
    tools = None if own is None else own.tools
    json_mode = None if thinks else True
    if host is not None:
        tools, json_mode = host.tools, host.json_schema
    output = card.modalities.output if own is None or own.output is None else own.output
    return replace(
        _common(card, place, quality),
        output=_modalities(output),
        context_tokens=window,
        max_output_tokens=longest,
        media=_own_media(card),
        voices=(card.speech.voices_self_host or ()) if card.speech and Modality.AUDIO in output else (),
        partial=partial,
        tools=tools,
        tool_choices=_CHOICES_EVERYWHERE,
        json_object=json_mode,
        json_schema=json_mode,
        fim=bool(card.features.fim) and host is None,
        sampling=_sampling(card),
        price=_served_price(place) or (None if host is None else _host_price(host)),
        rate_limits=_rate_limits(place, RateLimits()),
    )


def _common(card: ModelCard, place: Place, quality: Mapping[str, Quality]) -> Deployment:
    features = card.features
    return Deployment(
        id=place.id,
        model=card.id,
        wire_model=place.wire_model,
        endpoint=place.endpoint.name,
        provider=place.endpoint.provider,
        region=place.endpoint.region,
        roles=card.roles_on(place.on),
        licence=card.licence,
        lifecycle=place.state.status,
        retires_on=place.state.retires_on,
        input=_modalities(card.modalities.input),
        output=frozenset(),
        thinking=features.thinking,
        thinking_default_on=features.thinking is Thinking.ALWAYS or bool(features.thinking_default_on),
        thinking_in_answer=bool(features.thinking_in_answer),
        system_message=features.system_message if features.system_message else SystemMessage.OK,
        step_by_step=bool(features.step_by_step),
        speed=speed.expected(card),
        quality=quality,
    )


def _limits(offer: facts.DashScope | None, here: facts.RegionFacts | None) -> dict[str, int]:
    found: dict[str, int] = {}
    for group in (offer.limits if offer is not None else None, here.limits if here is not None else None):
        if group is not None:
            found |= {name: value for name in _LIMITS if (value := getattr(group, name)) is not None}
    shorter = found.pop("max_input_thinking_tokens", None)
    if shorter is not None:
        # Whether it will think is not known yet, so the prompt has to fit if it does.
        found["max_input_tokens"] = min(shorter, found.get("max_input_tokens", shorter))
    return found


def _modalities(named: tuple[str, ...]) -> frozenset[Modality]:
    return frozenset(Modality(name) for name in named if name != "score")


def _media(card: ModelCard) -> MediaLimits:
    group = card.media
    if group is None:
        return (
            MediaLimits()
            if Modality.IMAGE not in card.modalities.input
            else MediaLimits(image_max_tokens=NEWER_IMAGE_MAX_TOKENS)
        )
    stated = {name: value for name in _MEDIA_FIELDS if (value := getattr(group, name)) is not None}
    if "image_max_tokens" not in stated:
        stated["image_max_tokens"] = stated.get("image_max_tokens_high_resolution", NEWER_IMAGE_MAX_TOKENS)
    return MediaLimits(**stated)


def _own_media(card: ModelCard) -> MediaLimits:
    if not (frozenset(card.modalities.input) - _NO_PICTURES):
        return MediaLimits()
    stated = card.media
    return MediaLimits(
        image_patch_px=(stated.image_patch_px if stated else None) or 28,
        image_max_tokens=SELF_HOST_IMAGE_MAX_TOKENS,
        image_max_tokens_high_resolution=SELF_HOST_IMAGE_MAX_TOKENS,
        video_max_frames=SELF_HOST_VIDEO_MAX_FRAMES,
        audio_tokens_per_s=(stated.audio_tokens_per_s if stated else None) or 25.0,
        audio_min_tokens=(stated.audio_min_tokens if stated else None) or 25,
        single_turn=bool(stated and stated.single_turn),
    )


def _tool_choices(features: facts.Features) -> frozenset[str] | None:
    if features.tool_choices is not None:
        return frozenset(features.tool_choices)
    # The platform takes auto, none and one named function; `required` is not among them (qc-guides).
    return frozenset({"auto", "none", "named"})


def _sampling(card: ModelCard) -> Mapping[str, float]:
    if card.sampling is None:
        return {}
    names = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty", "presence_penalty")
    return {name: value for name in names if (value := getattr(card.sampling, name)) is not None}


def _served_price(place: Place) -> Price | None:
    return None if place.served is None else place.served.price


def _rate_limits(place: Place, listed: RateLimits) -> RateLimits:
    """Return what is stated of the model, else of its endpoint, else listed, each limit by itself."""
    stated = [place.endpoint.rate_limits, listed]
    if place.served is not None:
        stated.insert(0, place.served.rate_limits)
    rpm = next((limits.rpm for limits in stated if limits.rpm is not None), None)
    tpm = next((limits.tpm for limits in stated if limits.tpm is not None), None)
    return RateLimits(rpm=rpm, tpm=tpm)


def _price(here: facts.RegionFacts, features: facts.Features, platform: Platform) -> Price | None:
    listed = here.price
    if listed is None:
        return None
    share = platform.pricing.implicit_cache_share if features.implicit_cache else None
    return Price(
        currency=listed.currency,
        tiers=tuple(_tier(tier, share) for tier in listed.tiers),
        batch_share=platform.pricing.batch_share if here.batch else None,
    )


def _tier(tier: facts.Tier, cache_share: float | None) -> Tier:
    cached = tier.cache_read_per_mtok
    if cached is None and cache_share is not None:
        cached = round(tier.input_per_mtok * cache_share, 9)
    return Tier(
        up_to_input_tokens=tier.up_to_input_tokens,
        input=tier.input_per_mtok,
        output=tier.output_per_mtok,
        output_thinking=tier.output_thinking_per_mtok,
        cache_read=cached,
        input_audio=tier.input_audio_per_mtok,
        input_image_video=tier.input_image_video_per_mtok,
        output_audio=tier.output_audio_per_mtok,
        output_text_with_media_input=tier.output_text_with_media_per_mtok,
    )


def _host_price(host: Host) -> Price:
    tier = Tier(input=host.input_per_mtok, output=host.output_per_mtok)
    return Price(currency=host.currency, tiers=(tier,))


def hosted_state(state: LifecycleState, host: Host | None, on: date) -> LifecycleState:
    """Return the state at a third-party host, which may have ended before the weights did."""
    if host is None or host.ended_on is None or not state.status.callable:
        return state
    if on < host.ended_on:
        return replace(state, retires_on=host.ended_on)
    return replace(
        state,
        status=Lifecycle.RETIRED,
        retires_on=host.ended_on,
        note=f"{host.host} ended it on {host.ended_on}",
        sources=host.sources or (),
        confidence=host.confidence,
    )
