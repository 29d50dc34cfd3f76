"""Fit the model on what lies in this folder: `make train`. Needs no network; equal inputs give equal bytes.

Writes `qwenroute/analysis/weights.py`. The temperatures are those under which whole datasets left out are judged with
the right confidence.
"""

from __future__ import annotations

import json
from pathlib import Path

import qwenroute.analysis
from training.evaluate import held_out
from training.fit import DIFFICULTY, TEXT, VISUAL, Table, fit, pairs
from training.rows import PROMPTS, look, read, to_learn

WEIGHTS = Path(qwenroute.analysis.__file__).parent / "weights.py"


def lines_of(title: str, table: Table, classes: str) -> list[str]:
    """Return a table as Python."""
    lines = [f"{title}: Mapping[str, tuple[int, ...]] = {{", f"    # {classes}"]
    for name, row in table.items():
        quoted = f"'{name}'" if '"' in name and "'" not in name else json.dumps(name, ensure_ascii=False)
        lines.append(f"    {quoted}: {row},")
    return [*lines, "}", ""]


def main() -> None:
    """Fit, calibrate, write."""
    shipped = list(map(look, read([PROMPTS])))
    learned = to_learn()
    lines = [
        '"""What each cue and word says, in hundredths, as addends of a softmax; written by `make train`."""',
        "", "from __future__ import annotations", "", "from collections.abc import Mapping", "",
    ]  # fmt: skip
    for title, settings in (("TASK", TEXT), ("VISUAL", VISUAL), ("DIFFICULTY", DIFFICULTY)):
        table = fit(pairs(learned, settings), settings)
        _, temperature = held_out(learned, shipped, settings)
        classes = ", ".join(map(str, settings.names))
        lines.append(f"{title}_TEMPERATURE = {temperature}")
        lines += lines_of(title, {name: row for name, row in table.items() if name[:1] != "="}, classes)
        lines += lines_of(
            f"{title}_WORDS", {name[1:]: row for name, row in table.items() if name[:1] == "="}, classes
        )  # fmt: skip
    WEIGHTS.write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
