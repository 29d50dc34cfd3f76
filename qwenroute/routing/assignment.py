"""Which arm of an experiment a request is on."""

from __future__ import annotations

from collections.abc import Set
from hashlib import blake2b

from qwenroute.domain.experiment import Arm, Assignment, Experiment, ExperimentKind, Sticky
from qwenroute.domain.request import Hints
from qwenroute.routing.choice import Chance

_WHOLE = 2**64


def assign(experiment: Experiment, hints: Hints, halted: Set[str], chance: Chance | None) -> Assignment | None:
    """Return a request's part in an experiment; None where it has been taken back.

    It is always the same for the same tenant, key or session, in every process. A request that does
    not name its own is drawn by itself; without chance it stays with the control. A share that
    grows keeps those who are in it.
    """
    if experiment.name in halted:
        return None
    unit = _UNITS[experiment.sticky](hints)
    if unit is not None:
        told = f"{experiment.name}\0{unit}".encode(errors="backslashreplace")
        drawn = int.from_bytes(blake2b(told, digest_size=8).digest()) / _WHOLE
    else:
        drawn = 1.0 if chance is None else chance()
    taken = drawn < experiment.share
    shadow = experiment.kind is ExperimentKind.SHADOW
    return Assignment(
        experiment=experiment.name,
        kind=experiment.kind,
        arm=Arm.VARIANT if taken and not shadow else Arm.CONTROL,
        copied=taken and shadow,
    )


_UNITS = {
    Sticky.TENANT: lambda hints: hints.tenant,
    Sticky.KEY: lambda hints: hints.key,
    Sticky.SESSION: lambda hints: hints.session,
    Sticky.REQUEST: lambda _: None,
}
