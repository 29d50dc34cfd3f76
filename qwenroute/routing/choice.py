"""Pick one among deployments that are as good as each other.

Chance and the number of attempts under way are arguments; without them the order by score stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from math import log

from qwenroute.domain.decision import Step
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.resilience import ChoiceBy

Chance = Callable[[], float]
"""Draws from [0, 1)."""
InFlight = Callable[[str], int]

PREFIX_CHARACTERS = 1_000
"""How much of a prompt's beginning counts: enough to tell system messages apart, whatever follows them."""

SAID: Mapping[ChoiceBy, str] = {
    ChoiceBy.WEIGHT: "drawn by weight",
    ChoiceBy.LEAST_BUSY: "the least busy",
    ChoiceBy.POWER_OF_TWO: "the less busy of two drawn",
    ChoiceBy.STICKY: "the one of this session",
}
"""How it was picked, for people."""


def order(
    equals: tuple[Step, ...],
    by: ChoiceBy,
    request: Request,
    *,
    weights: Mapping[str, float],
    in_flight: InFlight | None,
    chance: Chance | None,
) -> tuple[Step, ...]:
    """Return equals, best first as they came, in the order in which they are to be tried.

    The very same tuple comes back where there was nothing to pick by.
    """
    match by:
        case ChoiceBy.WEIGHT if chance is not None:
            return _drawn(equals, weights, chance)
        case ChoiceBy.LEAST_BUSY if in_flight is not None:
            return tuple(sorted(equals, key=lambda step: in_flight(step.deployment.id)))
        case ChoiceBy.POWER_OF_TWO if chance is not None:
            return _less_busy_of_two(equals, in_flight, chance)
        case ChoiceBy.STICKY:
            return _by_affinity(equals, affinity(request))
        case _:
            return equals


def affinity(request: Request) -> bytes:
    """Return what requests that belong together share: a session, else a tenant, else how the prompt begins.

    Providers cache prompts by their beginning, so the same beginning is best sent to the same place.
    """
    hints = request.hints
    if hints.session is not None:
        text = f"session {hints.session}"
    elif hints.tenant is not None:
        text = f"tenant {hints.tenant}"
    else:
        text = f"prompt {_beginning(request)}"
    return blake2b(text.encode(errors="backslashreplace"), digest_size=32).digest()


def _beginning(request: Request) -> str:
    if request.kind is Kind.COMPLETION or not request.messages:
        return request.prompt[:PREFIX_CHARACTERS]
    content = request.messages[0].get("content")
    if isinstance(content, str):
        return content[:PREFIX_CHARACTERS]
    for part in content if isinstance(content, list | tuple) else ():
        text = part.get("text") if isinstance(part, Mapping) else None
        if isinstance(text, str):
            return text[:PREFIX_CHARACTERS]
    return ""


def _drawn(equals: tuple[Step, ...], weights: Mapping[str, float], chance: Chance) -> tuple[Step, ...]:
    """Draw without putting back, each time in proportion to the weights of what is left.

    Of independent waits that are exponential with these rates, the shortest is each one's with a
    probability in proportion to its rate.
    """
    waits = [(-log(1.0 - chance()) / weights.get(step.deployment.endpoint, 1.0), step) for step in equals]
    waits.sort(key=lambda item: item[0])
    return tuple(step for _, step in waits)


def _less_busy_of_two(equals: Sequence[Step], in_flight: InFlight | None, chance: Chance) -> tuple[Step, ...]:
    one, two = int(chance() * len(equals)), int(chance() * (len(equals) - 1))
    two += two >= one
    if in_flight is not None and in_flight(equals[two].deployment.id) < in_flight(equals[one].deployment.id):
        one, two = two, one
    return (equals[one], equals[two], *(step for i, step in enumerate(equals) if i not in (one, two)))


def _by_affinity(equals: tuple[Step, ...], key: bytes) -> tuple[Step, ...]:
    """Rank by a hash of both (rendezvous hashing): one that leaves moves nobody but its own."""

    def rank(step: Step) -> bytes:
        return blake2b(step.deployment.id.encode(), digest_size=8, key=key).digest()

    return tuple(sorted(equals, key=rank, reverse=True))
