"""Fit the model on what lies in this folder: `make train`. Needs no network; equal inputs give equal bytes.

Writes `qwenroute/analysis/weights.json`. The temperatures are those under which whole datasets left out are judged with
the right confidence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from qwenroute.analysis import weights
from training.evaluate import held_out
from training.fit import DIFFICULTY, TEXT, VISUAL, fit, pairs
from training.rows import is_bare, to_learn

FOLDS = 4
"""Enough for a temperature, which is one number; `training.evaluate` takes more."""


def written(tables: Mapping[str, weights.Table]) -> str:
    """Return tables as JSON, a row on each line."""
    return "{" + ",".join(f"\n{_json(name)}: {_fields(table)}" for name, table in tables.items()) + "\n}\n"


def _fields(table: weights.Table) -> str:
    fields = [f" {_json(name)}: {_json(getattr(table, name))}" for name in ("classes", "temperature")]
    for name in ("cues", "words"):
        rows = ",".join(f"\n  {_json(key)}: {_json(row)}" for key, row in getattr(table, name).items())
        fields.append(f" {_json(name)}: {{{rows}\n }}")
    return "{\n" + ",\n".join(fields) + "\n}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Fit, calibrate, write."""
    learned = to_learn()
    judged = [row for row in learned if not is_bare(row)]
    tables: dict[str, weights.Table] = {}
    for name, settings in (("text", TEXT), ("visual", VISUAL), ("difficulty", DIFFICULTY)):
        rows = fit(pairs(learned, settings), settings)
        _, temperature = held_out(learned, judged, settings, FOLDS)
        tables[name] = weights.Table(
            classes=[str(one) for one in settings.names],
            temperature=temperature,
            cues={key: row for key, row in rows.items() if key[:1] != "="},
            words={key[1:]: row for key, row in rows.items() if key[:1] == "="},
        )
    weights.PATH.write_text(written(tables), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
