"""Plots as inline SVG. Colours are the page's variables, so that they follow light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

from qwenroute.evaluation.metrics import Calibration, Confusion, Point, hull
from qwenroute.evaluation.report import GroupScore
from qwenroute.pages.svg import svg, text

NEAR_PX = 13
"""Points closer than this share one mark."""


def confusion_plot(confusion: Confusion, title: str) -> str:
    """Return a grid: true labels down, told ones across, shaded by the share of the true label's rows."""
    rows = [label for label in confusion.labels if confusion.support(label)]
    columns = [label for label in confusion.labels if confusion.support(label) or confusion.given(label)]
    side, left, top = 64, 128, 66
    parts = [text(left + side * len(columns) / 2, 14, "told", "axis", "middle"), text(2, top - 8, "true", "axis")]
    for j, label in enumerate(columns):
        x = left + side * (j + 0.5)
        parts.append(text(x, top - 8 if j % 2 else top - 24, _short(label), "small", "middle"))
    for i, label in enumerate(rows):
        y = top + side * i * 0.7
        support = confusion.support(label)
        counts = dict(zip(confusion.labels, confusion.counts[confusion.labels.index(label)], strict=True))
        parts.append(text(left - 8, y + side * 0.35 + 4, label, "small", "end"))
        for j, told in enumerate(columns):
            count = counts[told]
            share = count / support
            x = left + side * j
            kind = "hit" if told == label else "miss"
            shade = f"{0.06 + 0.94 * share:.3f}" if count else "0.03"
            parts.append(
                f'<rect class="{kind}" x="{x + 1}" y="{y + 1:.1f}" width="{side - 2}" height="{side * 0.7 - 2:.1f}" '
                f'rx="3" fill-opacity="{shade}"><title>{escape(label)} told as {escape(told)}: '
                f"{count:,} of {support:,}</title></rect>"
            )
            if count:
                number = "number on" if share > 0.5 else "number"
                parts.append(text(x + side / 2, y + side * 0.35 + 4, f"{count:,}", number, "middle"))
    return svg(left + side * len(columns) + 4, top + side * 0.7 * len(rows) + 4, title, parts)


def reliability_plot(found: Calibration, title: str) -> str:
    """Return how often what was said with a confidence was right; on the diagonal the two agree."""
    left, top, side = 44, 10, 260
    parts = _square(left, top, side)
    parts.append(
        f'<line class="guide" x1="{left}" y1="{top + side}" x2="{left + side}" y2="{top}" stroke-dasharray="4 4"/>'
    )
    most = max((b.count for b in found.bins), default=0)
    for b in found.bins:
        if b.accuracy is None or b.confidence is None:
            continue
        x, width = left + side * b.low, side * (b.high - b.low)
        height = side * b.accuracy
        parts.append(
            f'<rect class="hit" fill-opacity="{0.2 + 0.7 * math.sqrt(b.count / most):.3f}" x="{x + 1:.1f}" '
            f'y="{top + side - height:.1f}" width="{width - 2:.1f}" height="{height:.1f}"><title>'
            f"said {b.confidence:.2f}, right {b.accuracy:.2f}, {b.count:,} rows</title></rect>"
            f'<circle class="dot" cx="{left + side * b.confidence:.1f}" cy="{top + side - height:.1f}" r="3.5"/>'
        )
    parts.append(text(left + side / 2, top + side + 34, "confidence", "axis", "middle"))
    return svg(left + side + 20, top + side + 42, title, parts)


def curve_plot(
    points: Sequence[tuple[str, Point]], curves: Mapping[str, Sequence[Point]], title: str, what: str
) -> str:
    """Return marked points on the cost–quality plane (cost by factors), and the hulls of some of them."""
    left, top, width, height = 52, 12, 420, 280
    costs = [max(cost, 1e-7) for _, (cost, _) in points]
    qualities = [quality for _, (_, quality) in points]
    low, high = math.log10(min(costs)) - 0.15, math.log10(max(costs)) + 0.15
    floor, roof = _range(qualities)

    def place(point: Point) -> Point:
        x = left + width * (math.log10(max(point[0], 1e-7)) - low) / (high - low)
        return x, top + height * (1 - (point[1] - floor) / (roof - floor))

    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{width}" height="{height}"/>']
    for cost in _decades(low, high):
        x, _ = place((cost, floor))
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{top + height}"/>')
        parts.append(text(x, top + height + 15, f"{cost:.6f}".rstrip("0"), "small", "middle"))
    for tick in _ticks(floor, roof):
        _, y = place((1.0, tick))
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + width}" y2="{y:.1f}"/>')
        parts.append(text(left - 6, y + 4, f"{tick:.2f}", "small", "end"))
    for kind, of in curves.items():
        # Mixing is a straight line in dollars, so it bends where dollars are drawn by factors.
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, _between(hull(of))))
        parts.append(f'<polyline class="line {kind}" points="{path}"/>')
    for numbers, (x, y) in _marks([place(point) for _, point in points]):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')
        label = ", ".join(str(number + 1) for number in numbers)
        parts.append(text(x + 6, y - 6, label, "mark"))
    for number, (name, (cost, quality)) in enumerate(points):
        line = f"{number + 1}  {name}: {quality:.3f} at {cost:.6f}"
        parts.append(text(left + width + 18, top + 12 + 18 * number, line, "small"))
    parts.append(text(left + width / 2, top + height + 34, f"USD a request, by factors; up: {what}", "axis", "middle"))
    return svg(left + width + 330, max(top + height + 42, top + 18 * len(points) + 8), title, parts)


def language_plot(groups: Mapping[str, GroupScore], title: str) -> str:
    """Return a bar for each language: the share of rows whose task was told."""
    left, width, step = 64, 360, 22
    parts = []
    for i, (name, score) in enumerate(groups.items()):
        y = 6 + step * i
        accuracy = score.accuracy or 0.0
        parts.append(text(left - 8, y + 13, name[:12], "small", "end"))
        parts.append(f'<rect class="track" x="{left}" y="{y + 2}" width="{width}" height="{step - 6}" rx="3"/>')
        parts.append(
            f'<rect class="hit" x="{left}" y="{y + 2}" width="{width * accuracy:.1f}" height="{step - 6}" rx="3"/>'
        )
        parts.append(text(left + width + 8, y + 13, f"{accuracy:.3f} of {score.rows:,}", "small"))
    return svg(left + width + 120, 12 + step * len(groups), title, parts)


def _square(left: float, top: float, side: float) -> list[str]:
    parts = [f'<rect class="frame" x="{left}" y="{top}" width="{side}" height="{side}"/>']
    for tick in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        x, y = left + side * tick, top + side * (1 - tick)
        parts.append(f'<line class="grid" x1="{left}" y1="{y:.1f}" x2="{left + side}" y2="{y:.1f}"/>')
        parts.append(text(left - 6, y + 4, f"{tick:.1f}", "small", "end"))
        parts.append(text(x, top + side + 15, f"{tick:.1f}", "small", "middle"))
    return parts


def _short(label: str) -> str:
    return label.replace("vision_reasoning", "v. reasoning")


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    spare = max(0.02, (high - low) * 0.12)
    return max(0.0, low - spare), min(1.05, high + spare)


def _ticks(low: float, high: float) -> list[float]:
    step = next(s for s in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / s <= 7)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def _decades(low: float, high: float) -> list[float]:
    factors = (1, 2, 5) if high - low < 2.2 else (1,)
    found = [f * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for f in factors]
    return [cost for cost in found if low <= math.log10(cost) <= high]


def _between(chain: Sequence[Point]) -> list[Point]:
    """Put points between the corners of a chain."""
    found = list(chain[:1])
    for (a, p), (b, q) in pairwise(chain):
        found += [(a + (b - a) * i / 24, p + (q - p) * i / 24) for i in range(1, 25)]
    return found


def _marks(places: Sequence[Point]) -> list[tuple[list[int], Point]]:
    """Put together what would lie on top of each other."""
    found: list[tuple[list[int], Point]] = []
    for number, (x, y) in enumerate(places):
        for numbers, (other_x, other_y) in found:
            if abs(x - other_x) < NEAR_PX and abs(y - other_y) < NEAR_PX:
                numbers.append(number)
                break
        else:
            found.append(([number], (x, y)))
    return found
