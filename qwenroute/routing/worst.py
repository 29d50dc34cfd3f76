"""The most that a call can use, and cost: what it is held to before it is made."""

from __future__ import annotations

from qwenroute.domain.capability import Deployment, Modality
from qwenroute.domain.decision import Plan, Step
from qwenroute.domain.price import Money, Usage
from qwenroute.domain.signals import Signals
from qwenroute.routing.needs import Load, load, thinks


def largest(signals: Signals, prompt: Load, deployment: Deployment, *, longest: int | None, thinks: bool) -> Usage:
    """Return the most that a call can use, where answers are cut at `longest` tokens."""
    room = max(0, (deployment.context_tokens or 0) - prompt.total)
    answer = longest_answer(signals, deployment, longest)
    if answer is None:
        answer = room
    speech = answer if Modality.AUDIO in signals.output else 0
    if thinks:
        # Not everywhere does the bound on the answer bound the thinking too.
        answer += deployment.max_thinking_tokens or max(0, room - answer)
    choices = max(1, signals.choices)
    return Usage(
        prompt_tokens=prompt.total,
        completion_tokens=answer * choices,
        image_tokens=prompt.pictures,
        audio_input_tokens=prompt.audio,
        audio_output_tokens=speech * choices,
    )


def longest_answer(signals: Signals, deployment: Deployment, longest: int | None) -> int | None:
    """Return what bounds an answer: the caller, the policy or the model; None where none of them does."""
    bounds = (signals.max_output_tokens, longest, deployment.max_output_tokens)
    return min((bound for bound in bounds if bound is not None), default=None)


def worst_case(step: Step, signals: Signals, plan: Plan, *, said_tokens: int = 0) -> Money | None:
    """Return the most that an attempt can cost; None where no price is known.

    `said_tokens`: what the caller already has of an answer that broke, sent along to be continued.
    """
    deployment = step.deployment
    if deployment.price is None:
        return None
    prompt = load(signals, deployment.media)
    if said_tokens:
        prompt = Load(text=prompt.text + said_tokens, pictures=prompt.pictures, audio=prompt.audio)
    on = thinks(deployment, step.thinking)
    usage = largest(signals, prompt, deployment, longest=plan.max_output_tokens, thinks=on)
    return deployment.price.cost(usage, thought=on)
