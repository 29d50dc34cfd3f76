"""What requests may cost at worst, in USD."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from qwenroute.domain.capability import Deployment
from qwenroute.linting.limiting import plain, standing_reason
from qwenroute.linting.subject import Subject
from qwenroute.policy import Limits
from qwenroute.routing import gates
from qwenroute.routing.needs import Needs, Parameters, thinks
from qwenroute.routing.target import Stage, switch_for

SHORT_TOKENS = 100


def short_requests(
    subject: Subject, pools: tuple[str, ...], limits: Limits, *, thinks: bool | None = None
) -> list[float]:
    """Return what a short request costs at worst at each deployment of some pools that has a price.

    `thinks` is as `Fleet.chain` takes it.
    """
    callable_ = _callable(subject, pools, limits, thinks)
    return [_worst(subject, d, stage, limits, tokens=SHORT_TOKENS) for d, stage in callable_]


def longest_requests(subject: Subject, pools: tuple[str, ...], limits: Limits) -> list[tuple[float, str]]:
    """Return what the longest request that each deployment takes costs at worst, within the ceiling, and its id."""
    found = []
    for deployment, stage in _callable(subject, pools, limits):
        longest = [deployment.max_input_tokens, deployment.context_tokens, limits.max_prompt_tokens]
        tokens = min((n for n in longest if n is not None), default=SHORT_TOKENS)
        worst = _worst(subject, deployment, stage, limits, tokens=tokens)
        found.append((worst if limits.max_cost_usd is None else min(worst, limits.max_cost_usd), deployment.id))
    return found


def _callable(
    subject: Subject, pools: tuple[str, ...], limits: Limits, thinks: bool | None = None
) -> Iterator[tuple[Deployment, Stage]]:
    for stage in subject.usual.chain(*pools, thinks=thinks).stages:
        for deployment in stage.deployments:
            if deployment.price is not None and standing_reason(deployment, limits) is None:
                yield deployment, stage


def _worst(subject: Subject, deployment: Deployment, stage: Stage, limits: Limits, *, tokens: int) -> float:
    assert deployment.price is not None  # as those who call it have seen
    signals = replace(plain(), text_tokens=tokens, text_tokens_upper=tokens)
    needs = Needs(signals=signals, parameters=Parameters(), limits=limits, usd_per=subject.usual.usd_per)
    thinking = thinks(deployment, switch_for(deployment, stage.thinks, signals))
    return gates.worst_cost_usd(needs, deployment, deployment.price, thinks=thinking)
