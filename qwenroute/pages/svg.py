"""Drawing in SVG, in the colours of the page, so that it follows light and dark."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape


def svg(width: float, height: float, title: str, parts: Iterable[str]) -> str:
    """Return a drawing."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" role="img" aria-label="{escape(title)}">'
        f"{''.join(parts)}</svg>"
    )


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Return words at a place."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def _short(name: str, most: int = 38) -> str:
    return name if len(name) <= most else f"{name[: most - 1]}…"


def bars(rows: Sequence[tuple[str, Sequence[tuple[float, str]]]], title: str) -> str:
    """Return bars side by side for each name: the first faint (before), the last strong (after), with what they say."""
    left, width, thick = 270, 340, 13
    most = max((value for _, values in rows for value, _ in values), default=0.0) or 1.0
    step = thick * max((len(values) for _, values in rows), default=1) + 10
    parts = []
    for i, (name, values) in enumerate(rows):
        y = 6 + step * i
        parts.append(text(left - 8, y + thick * len(values) / 2 + 4, _short(name), "small", "end"))
        for j, (value, says) in enumerate(values):
            opacity = 1.0 if j == len(values) - 1 else 0.4
            length = max(0.0, width * value / most)
            parts.append(
                f'<rect class="hit" fill-opacity="{opacity}" x="{left}" y="{y + thick * j:.1f}" width="{length:.1f}" '
                f'height="{thick - 1}" rx="2"><title>{escape(name)}: {escape(says)}</title></rect>'
            )
            parts.append(text(left + length + 6, y + thick * j + thick - 1, says, "axis"))
    return svg(left + width + 150, 12 + step * len(rows), title, parts)


def columns(values: Sequence[tuple[float, float]], title: str, labels: tuple[str, str]) -> str:
    """Return columns over time: the whole, and the part of it that went wrong."""
    left, top, height = 50, 10, 140
    step = max(2.0, min(12.0, 760 / max(1, len(values))))
    most = max((value for value, _ in values), default=0.0) or 1.0
    foot, end = top + height, left + step * len(values)
    parts = [
        f'<line class="grid" x1="{left}" y1="{foot}" x2="{end:.1f}" y2="{foot}"/>',
        text(left - 6, top + 10, f"{most:,.0f}", "axis", "end"),
        text(left - 6, top + height, "0", "axis", "end"),
        text(left, top + height + 18, labels[0], "axis"),
        text(max(end, left + 240), top + height + 18, labels[1], "axis", "end"),
    ]
    for i, (value, wrong) in enumerate(values):
        for part, kind in ((value, "hit"), (wrong, "miss")):
            tall = height * part / most
            if part:
                parts.append(
                    f'<rect class="{kind}" x="{left + step * i:.1f}" y="{top + height - tall:.1f}" '
                    f'width="{step - 1:.1f}" height="{tall:.1f}">'
                    f"<title>{value:,.0f}, wrong: {wrong:,.0f}</title></rect>"
                )
    return svg(left + max(step * len(values), 240) + 20, top + height + 26, title, parts)


def grid(rows: Sequence[str], across: Sequence[str], counts: Sequence[Sequence[int]], title: str) -> str:
    """Return a grid of counts, before down and after across, shaded by the share of the row."""
    side, left, top = 78, 270, 130
    parts = [text(2, top - 8, "before ↓  after →", "axis")]
    for j, name in enumerate(across):
        x = left + side * (j + 0.5)
        parts.append(
            f'<text class="small" transform="rotate(-28 {x:.1f} {top - 10})" x="{x:.1f}" y="{top - 10}">'
            f"{escape(_short(name, 30))}</text>"
        )
    for i, name in enumerate(rows):
        y, whole = top + 34 * i, sum(counts[i]) or 1
        parts.append(text(left - 8, y + 21, _short(name), "small", "end"))
        for j, count in enumerate(counts[i]):
            share = count / whole
            kind = "hit" if name == across[j] else "miss"
            shade = f"{0.06 + 0.94 * share:.3f}" if count else "0.03"
            parts.append(
                f'<rect class="{kind}" x="{left + side * j + 1}" y="{y + 1}" width="{side - 2}" height="32" rx="3" '
                f'fill-opacity="{shade}"><title>{escape(name)} → {escape(across[j])}: {count:,}</title></rect>'
            )
            if count:
                number = "number on" if share > 0.5 else "number"
                parts.append(text(left + side * (j + 0.5), y + 21, f"{count:,}", number, "middle"))
    return svg(left + side * len(across) + 170, top + 34 * len(rows) + 6, title, parts)
