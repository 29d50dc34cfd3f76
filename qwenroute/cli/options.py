"""Options that several verbs share."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.domain.record import Record

if TYPE_CHECKING:
    from qwenroute.registry import Registry

Policy = Annotated[str, typer.Option("--policy", metavar="NAME|FILE", help="A shipped policy, or a policy file.")]
Overlay = Annotated[
    list[Path] | None,
    typer.Option("--overlay", metavar="FILE", help="A file that adds models or overrides facts. May be repeated."),
]
On = Annotated[
    datetime | None,
    typer.Option(
        "--on", metavar="DATE", formats=["%Y-%m-%d"], help="Judge what is retired as of this day (YYYY-MM-DD)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for machines.")]


def day(on: datetime | None) -> date | None:
    """Return the day of an `--on` option."""
    return None if on is None else on.date()


def registry(overlay: list[Path] | None) -> Registry:
    """Load the facts, and say on stderr what the overlays override."""
    from qwenroute.registry import Registry  # noqa: PLC0415 - importing it takes a while, --help should not

    loaded = Registry.load(overlay or ())
    for override in loaded.overrides:
        typer.echo(f"override: {override}", err=True)
    return loaded


def cost_usd(record: Record) -> float | None:
    """Return what the call cost in US dollars, where a price and a rate are known."""
    return record.cost.amount if record.cost is not None and record.cost.currency == "USD" else None
