"""`qwenroute budgets`: what the policy's budgets have left."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
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
        Console().print(_table(standings))
    elif not loaded.budgets:
        typer.echo(f"the policy `{loaded.name}` has no budgets")


def _table(standings: tuple[BudgetStanding, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("budget", "for", "window"):
        table.add_column(heading)
    for heading in ("amount", "spent", "reserved", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("begins anew")
    for one in standings:
        whose = "all" if one.per is Per.TOTAL else f"{one.per.value} {one.scope or '(none named)'}"
        amounts = (one.amount, one.spent, one.reserved, one.left)
        cells = (one.budget, whose, one.window.value, *(f"{amount:,.6f}" for amount in amounts), one.resets_at)
        table.add_row(*map(escape, cells))
    table.caption = f"in {standings[0].currency}"
    return table
