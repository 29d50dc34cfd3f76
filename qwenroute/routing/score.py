"""What a deployment is worth for a request: quality less what it costs and how long it takes.

The score of one deployment never looks at another, so that adding one reorders nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from qwenroute.domain.capability import Deployment, Modality
from qwenroute.domain.decision import Candidate
from qwenroute.domain.health import Pace
from qwenroute.domain.price import Price, Tier, Usage
from qwenroute.domain.signals import Signals
from qwenroute.policy import Objective
from qwenroute.routing.expectation import SPEECH_TOKENS_PER_TOKEN, answer_tokens, thinking_tokens
from qwenroute.routing.needs import load

COST_FLOOR_USD = 1e-4
"""What a call counts at least. Below a hundredth of a cent it is quality that decides, so that a free
model, or one on hardware of one's own, is preferred where it is good and not because it is free."""
UNKNOWN_RATES = Price(currency="USD", tiers=(Tier(input=2.5, output=7.5),))
"""What a host that bills without saying how much counts as: the dearest that the facts sheet lists.
A server of one's own bills nobody, and counts the floor."""
LATENCY_FLOOR_S = 0.1
SLOWEST_TOKENS_PER_S = 0.1
"""A live figure that was rounded to nothing still is a speed."""
UNKNOWN_QUALITY = 0.3
"""Of a model at a task for which nothing is known of it."""
NOT_ENOUGH = 100.0
"""Taken off the quality of what is not good enough: it is nobody's equal but theirs."""
STEPS_PER_DOUBLING = 4
"""Sizes are rounded to a quarter of a doubling (9 % off at most) before anything is expected of
them: that is far finer than an answer's length can be foreseen, and lets equal choices be kept."""


def size_class(tokens: int) -> int:
    """Return the class of a size; sizes of one class are expected to cost the same."""
    return round(STEPS_PER_DOUBLING * math.log2(tokens)) if tokens > 1 else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What to expect of a request before anybody in particular answers it."""

    signals: Signals
    cell: str
    """The key of its quality prior."""
    text_tokens: int
    answer_tokens: int
    thinking_tokens: int
    """Of whoever thinks."""


def forecast(signals: Signals, longest: int | None = None) -> Forecast:
    """Return what to expect, from the request's size class, task and difficulty; answers are cut at `longest`."""
    answer = answer_tokens(signals.task, signals.difficulty)
    if longest is not None:
        answer = min(answer, longest)
    if signals.max_output_tokens is not None:
        answer = min(answer, _typical(signals.max_output_tokens))
    return Forecast(
        signals=signals,
        cell=f"{signals.task}/{signals.difficulty}",
        text_tokens=_typical(signals.text_tokens_upper),
        answer_tokens=answer,
        thinking_tokens=thinking_tokens(signals.difficulty),
    )


def expect(foreseen: Forecast, deployment: Deployment, *, thinks: bool) -> Usage:
    """Return what a call to a deployment is expected to use."""
    signals = foreseen.signals
    pictures = audio = 0
    if signals.media:
        weight = load(signals, deployment.media)
        pictures, audio = _typical(weight.pictures), _typical(weight.audio)
    answer = foreseen.answer_tokens
    if deployment.max_output_tokens is not None and deployment.max_output_tokens < answer:
        answer = deployment.max_output_tokens
    thought = 0
    if thinks:
        thought = foreseen.thinking_tokens
        if deployment.max_thinking_tokens is not None and deployment.max_thinking_tokens < thought:
            thought = deployment.max_thinking_tokens
    speech = answer * SPEECH_TOKENS_PER_TOKEN if Modality.AUDIO in signals.output else 0
    return Usage(
        prompt_tokens=foreseen.text_tokens + pictures + audio,
        completion_tokens=answer + thought + speech,
        image_tokens=pictures,
        audio_input_tokens=audio,
        reasoning_tokens=thought,
        audio_output_tokens=speech,
    )


def rate(
    foreseen: Forecast,
    deployment: Deployment,
    objective: Objective,
    usd_per: Mapping[str, float],
    *,
    pool: str,
    thinks: bool,
    pace: Pace | None = None,
) -> Candidate:
    """Return the deployment with its score and what the score is made of.

    What it has been like lately, where that is known, goes before the registry's speed, and its
    share of failures is quality that will not be had.
    """
    usage = expect(foreseen, deployment, thinks=thinks)
    prior = deployment.quality.get(foreseen.cell)
    quality = UNKNOWN_QUALITY if prior is None else prior.value
    if pace is not None:
        quality *= 1.0 - pace.error_rate
    cost: float | None = None
    if deployment.price is not None:
        cost = deployment.price.cost(usage, thought=thinks).amount * usd_per[deployment.price.currency]
        counted = cost
    elif deployment.provider == "openai_compatible":
        counted = COST_FLOOR_USD
    else:
        counted = UNKNOWN_RATES.cost(usage).amount
    speed = deployment.speed if pace is None else pace
    latency = speed.ttft_s + usage.completion_tokens / max(speed.tokens_per_s, SLOWEST_TOKENS_PER_S)
    score = (
        objective.quality * quality
        - objective.cost * math.log10(max(counted, COST_FLOOR_USD) / COST_FLOOR_USD)
        - objective.latency * math.log10(max(latency, LATENCY_FLOOR_S))
    )
    floor = objective.min_quality
    if quality < floor:
        score = quality - NOT_ENOUGH
    return Candidate(
        deployment=deployment.id,
        pool=pool,
        score=score,
        quality=quality,
        expected_cost_usd=cost,
        expected_latency_s=latency,
        pace=pace,
        short_of=floor if quality < floor else None,
    )


def _typical(tokens: int) -> int:
    """Return the size that stands for a size's class."""
    return round(2 ** (size_class(tokens) / STEPS_PER_DOUBLING)) if tokens > 0 else 0
