"""`--fail-if`: what change between two policies is too much.

    cost>+10%      the mean expected cost of a request rises by more than a tenth
    latency>0.5    the mean expected latency rises by more than half a second
    quality<-2%    the mean expected quality falls by more than 2 %
    moved>5%       more than 5 % of the requests go elsewhere; moved>100: more than so many
    refused>0      more requests are refused than before; refused>1%: by so many of a hundred requests

A metric, `>` or `<`, a number, and `%` or nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qwenroute.documents import nearest
from qwenroute.errors import ConfigurationError
from qwenroute.records.compare import Change, Part

_SHAPE = re.compile(r"\s*([A-Za-z_]+)\s*([<>])\s*([+-]?\s*\d+(?:\.\d+)?)\s*(%?)\s*")

Measured = Callable[[Part], tuple[float | None, float | None]]


def _of(change: Change) -> tuple[float | None, float | None]:
    return change.difference, change.relative


def _refused(part: Part) -> tuple[float | None, float | None]:
    more = part.new.refused - part.old.refused
    return float(more), more / part.requests if part.requests else 0.0


METRICS: Mapping[str, Measured] = {
    "cost": lambda part: _of(part.cost),
    "latency": lambda part: _of(part.latency),
    "quality": lambda part: _of(part.quality),
    "moved": lambda part: (float(part.moved), part.moved_share),
    "refused": _refused,
}
"""The change, absolute and as a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One `--fail-if`."""

    text: str
    metric: str
    above: bool
    value: float
    """A share, where `relative`."""
    relative: bool

    @classmethod
    def of(cls, text: str) -> Bound:
        """Read one.

        Raises:
            ConfigurationError: it is not written as it has to be.
        """
        match = _SHAPE.fullmatch(text)
        known = ", ".join(METRICS)
        if match is None:
            raise ConfigurationError(
                f"--fail-if: `{text}` is not a metric, `>` or `<`, a number, and `%` or nothing; "
                f"for example `cost>+10%`. Metrics: {known}"
            )
        metric, sign, number, percent = match.groups()
        if metric not in METRICS:
            close = nearest(metric, METRICS)
            hint = f"did you mean `{close}`?" if close else f"metrics: {known}"
            raise ConfigurationError(f"--fail-if: `{metric}` is no metric; {hint}")
        value = float(number.replace(" ", ""))
        return cls(
            text=text.strip(),
            metric=metric,
            above=sign == ">",
            value=value / 100 if percent else value,
            relative=bool(percent),
        )

    def crossed(self, part: Part) -> str | None:
        """Return what is too much, in words; None where nothing is."""
        found = METRICS[self.metric](part)[self.relative]
        if found is None or not (found > self.value if self.above else found < self.value):
            return None
        shown = f"{found:+.1%}" if self.relative else f"{found:+g}"
        return f"{self.text}: it is {shown}"
