"""Which arm of an experiment a request is on."""

from __future__ import annotations

from hashlib import blake2b

from qwenroute.domain.experiment import Arm, Experiment, Sticky
from qwenroute.domain.request import Hints
from qwenroute.routing.choice import Chance

_WHOLE = 2**64


def arm_of(experiment: Experiment, hints: Hints, chance: Chance | None) -> Arm:
    """Return the arm: always the same for the same tenant, key or session, in every process.

    A request that does not name its own is drawn by itself; without chance it stays with the control.
    A growing share keeps those who are in it.
    """
    match experiment.sticky:
        case Sticky.TENANT:
            unit = hints.tenant
        case Sticky.KEY:
            unit = hints.key
        case Sticky.SESSION:
            unit = hints.session
        case Sticky.REQUEST:
            unit = None
    if unit is not None:
        told = f"{experiment.name}\0{unit}".encode(errors="backslashreplace")
        drawn = int.from_bytes(blake2b(told, digest_size=8).digest()) / _WHOLE
    else:
        drawn = 1.0 if chance is None else chance()
    return Arm.VARIANT if drawn < experiment.share else Arm.CONTROL
