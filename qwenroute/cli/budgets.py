"""`qwenroute budgets`: what the policy's budgets have left."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qwenroute.cli import options
from qwenroute.domain.budget import Per

if TYPE_CHECKING:
    from qwenroute.domain.budget import BudgetStanding


def budgets(policy: options.Policy = "default", as_json: options.Json = False) -> None:
    """Show what is spent and left of each budget in its current window, from the policy's SQLite ledger.

    Of budgets that are counted per tenant, key or route there is a line for everyone who spent
    anything. Where a policy names no ledger, only the process that spends can tell: there it is
    `Router.budgets()`.
    """
    from qwenroute.policy import load_policy  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.state import Budgets  # noqa: PLC0415

    loaded = load_policy(policy)
    path = loaded.ledger.path
    standings: tuple[BudgetStanding, ...] = ()
    if path is None:
        if loaded.budgets:
            typer.echo(
                "the policy names no `ledger`: only the process that spends knows (`Router.budgets()`)", err=True
            )
    elif loaded.budgets and Path(path).exists():
        kept = Budgets(loaded.budgets, loaded.ledger, exchange=loaded.exchange, zone=loaded.timezone, clock=time.time)
        standings = kept.standings()
        kept.close()
    elif loaded.budgets:
        typer.echo(f"nothing was spent yet: there is no `{path}`", err=True)
    if as_json:
        told = {"policy": loaded.name, "ledger": path, "budgets": [asdict(standing) for standing in standings]}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    elif standings:
        console = Console(highlight=False)
        for _, group in groupby(standings, key=lambda one: one.budget):
            scopes = list(group)
            console.print(_title(scopes[0]), _table(scopes), "", sep="\n")
    elif not loaded.budgets:
        typer.echo(f"the policy `{loaded.name}` has no budgets")


def _title(first: BudgetStanding) -> str:
    """Return what is true of a budget whoever asks."""
    each = "" if first.per is Per.TOTAL else f" for each {first.per.value}"
    until = datetime.fromisoformat(first.resets_at).isoformat(" ", "minutes")
    said = f"{first.amount:,g} {first.currency} a {first.window.value}{each}, until {until}"
    return f"[bold]{escape(first.budget)}[/]: {escape(said)}"


def _table(standings: list[BudgetStanding]) -> Table:
    """Return who has spent what of one budget, the most first."""
    first = standings[0]
    table = Table(box=None, pad_edge=False)
    table.add_column("" if first.per is Per.TOTAL else first.per.value, overflow="fold")
    for heading in ("spent", "reserved", "left", "used"):
        table.add_column(heading, justify="right", no_wrap=True)
    for one in sorted(standings, key=lambda one: -one.spent):
        whose = "all" if one.per is Per.TOTAL else one.scope or "(none named)"
        amounts = (f"{amount:,.6f}" for amount in (one.spent, one.reserved, one.left))
        table.add_row(escape(whose), *amounts, f"{math.floor(100 * one.spent / one.amount)}%")
    return table
