"""Pages of results as one HTML file that needs nothing beside itself: no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_STYLE = """
:root { color-scheme: light dark; --back: #ffffff; --ink: #1d2330; --faint: #667085; --line: #dde1e8; --hit: #2f6fde;
        --miss: #d4572a; --on: #ffffff; --track: #eef1f5; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171d; --ink: #e6e9ef; --faint: #98a2b3; --line: #333a46; --hit: #6ea0ff; --miss: #ff8a5c;
          --on: #0d1117; --track: #222833; }
}
body { background: var(--back); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
       max-width: 64rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } p, figcaption { color: var(--faint); }
figure { margin: 1rem 0; overflow-x: auto; } figcaption { font-size: .9rem; margin-bottom: .4rem; }
svg { max-width: none; display: block; } .pair { display: flex; flex-wrap: wrap; gap: 2rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .9rem; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .7rem; text-align: right; vertical-align: top; }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
td small { color: var(--faint); display: block; }
text { fill: var(--ink); font: 13px system-ui, sans-serif; } text.small { font-size: 12px; }
text.axis { fill: var(--faint); font-size: 12px; } text.mark { font-size: 12px; font-weight: 600; paint-order: stroke;
            stroke: var(--back); stroke-width: 4px; }
text.on { fill: var(--on); } .hit { fill: var(--hit); } .miss { fill: var(--miss); } .track { fill: var(--track); }
.dot { fill: var(--ink); stroke: var(--back); } .frame { fill: none; stroke: var(--line); }
.grid { stroke: var(--line); } .guide { stroke: var(--faint); } .line { fill: none; stroke-width: 2; }
.line.router { stroke: var(--hit); } .line.single { stroke: var(--miss); stroke-dasharray: 5 4; }
"""


def document(title: str, parts: Iterable[str]) -> str:
    """Return the page."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def figure(name: str, svg: str, caption: str) -> str:
    """Return a plot with what is to be said of it."""
    return f'<figure id="{escape(name)}"><figcaption>{escape(caption)}</figcaption>{svg}</figure>'


def paragraph(text: str) -> str:
    """Return a paragraph."""
    return f"<p>{escape(text)}</p>"


def table(head: Iterable[str], rows: Iterable[Sequence[str]], notes: Sequence[str] = (), *, words: bool = False) -> str:
    """Return a table, of words or of figures; a note stands below the first cell of its row."""
    lines = []
    for i, row in enumerate(rows):
        note = f"<small>{escape(notes[i])}</small>" if notes and notes[i] else ""
        first, *rest = row
        cells = "".join(f"<td>{escape(cell)}</td>" for cell in rest)
        lines.append(f"<tr><td>{escape(first)}{note}</td>{cells}</tr>")
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    kind = ' class="words"' if words else ""
    inner = f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table{kind}>{inner}</table></div>'
