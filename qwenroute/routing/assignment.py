"""Which arm of an experiment a request is on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from hashlib import blake2b

from qwenroute.domain.experiment import Arm, Assignment, Experiment, ExperimentKind, Sticky
from qwenroute.domain.request import Hints
from qwenroute.routing.choice import Chance

_WHOLE = 2**64
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Drawn:
    """Each request by its tenant, key or session: always the same, in every process; else by chance.

    Without chance, one that does not name its own stays with the control. A share that grows keeps
    those who are in it. Experiments that are `halted` have been taken back.
    """

    chance: Chance | None = None
    halted: Set[str] = _NONE

    def __call__(self, experiment: Experiment, hints: Hints) -> Assignment | None:
        """Return a request's part; None where the experiment has been taken back."""
        if experiment.name in self.halted:
            return None
        unit = _UNITS[experiment.sticky](hints)
        if unit is not None:
            told = f"{experiment.name}\0{unit}".encode(errors="backslashreplace")
            drawn = int.from_bytes(blake2b(told, digest_size=8).digest()) / _WHOLE
        else:
            drawn = 1.0 if self.chance is None else self.chance()
        taken = drawn < experiment.share
        shadow = experiment.kind is ExperimentKind.SHADOW
        return Assignment(
            experiment=experiment.name,
            kind=experiment.kind,
            arm=Arm.VARIANT if taken and not shadow else Arm.CONTROL,
            copied=taken and shadow,
        )


@dataclass(frozen=True, slots=True)
class Placed:
    """Each request on one side, whatever would be drawn. On the newcomer's side of a shadow there are copies alone."""

    arm: Arm

    def __call__(self, experiment: Experiment, _: Hints) -> Assignment:
        """Return a request's part."""
        copied = self.arm is Arm.VARIANT and experiment.kind is ExperimentKind.SHADOW
        return Assignment(experiment=experiment.name, kind=experiment.kind, arm=self.arm, copied=copied)


AS_COPY = Placed(Arm.VARIANT)


_UNITS: Mapping[Sticky, Callable[[Hints], str | None]] = {
    Sticky.TENANT: lambda hints: hints.tenant,
    Sticky.KEY: lambda hints: hints.key,
    Sticky.SESSION: lambda hints: hints.session,
    Sticky.REQUEST: lambda _: None,
}
