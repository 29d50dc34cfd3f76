"""From sums to probabilities that hold: a temperature, likeliest on whole datasets left out."""

from __future__ import annotations

import math
from collections.abc import Sequence

Calibration = float


def confidence(total: Sequence[float], temperature: Calibration) -> float:
    """Return the probability of the likeliest class."""
    top = max(total)
    return 1 / sum(math.exp((one - top) / temperature) for one in total)


def calibrate(totals: Sequence[Sequence[float]], labels: Sequence[int]) -> Calibration:
    """Return the temperature under which the labels are likeliest, to a tenth."""

    def loss(value: float) -> float:
        lost = 0.0
        for total, label in zip(totals, labels, strict=True):
            top = max(total)
            lost += (top - total[label]) / value + math.log(sum(math.exp((one - top) / value) for one in total))
        return lost

    return min((step / 10 for step in range(4, 61)), key=loss)
