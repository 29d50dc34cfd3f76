"""`qwenroute policy show`: what a policy does today, on this machine, in words."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qwenroute.cli import options

if TYPE_CHECKING:
    from qwenroute.linting import Overview

MOST_NAMES = 6
"""Of a pool's deployments at one endpoint, and of those left out; `--json` has all."""


def show(
    policy: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A shipped policy, or a policy file.")] = "default",
    on: options.On = None,
    overlay: options.Overlay = None,
    as_json: options.Json = False,
) -> None:
    """Show what a policy does: rules in words, what serves them on a day, and within which bounds.

    What it extends is merged in. Variables are read here, and those that are missing are named.
    """
    from qwenroute.linting import Subject, overview  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.policy import load  # noqa: PLC0415

    known = options.registry(overlay)
    today = options.day(on) or date.today()
    seen = overview(Subject(loaded=load(policy, known), registry=known, on=today, environ=dict(os.environ)))
    if as_json:
        typer.echo(json.dumps(asdict(seen), ensure_ascii=False, indent=2))
        return
    console = Console(highlight=False)
    base = f", on top of {' and '.join(Path(name).stem for name in seen.extends)}" if seen.extends else ""
    console.print(
        f"[bold]{escape(seen.policy)}[/] {seen.hash}{escape(base)} [dim]({escape(seen.file)})[/], on {seen.on}"
    )
    console.print(_endpoints(seen), "")
    if not seen.usable:
        console.print("[yellow]No endpoint has what it needs here; the rest is shown as if all had.[/]")
    console.print(_routes(seen), "")
    console.print(_pools(seen), "")
    console.print(_bounds(seen))


def _grid() -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def _endpoints(seen: Overview) -> Table:
    table = _grid()
    for one in seen.endpoints:
        where = f"{one.provider}{', ' + ' or '.join(one.regions) if one.regions else ''}"
        if one.fault is not None:
            state = f"[red]cannot be used: {escape(one.fault)}[/]"
        elif one.lacks:
            state = f"[yellow]not used here: set {escape(' and '.join(one.lacks))}[/]"
        else:
            state = f"[green]{_counted(one.deployments, 'deployment')}[/]"
        table.add_row(f"  {escape(one.name)}", f"[dim]{escape(where)}[/] {state}")
    return table


def _routes(seen: Overview) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("route", "rule", "when", "goes to"):
        table.add_column(heading)
    for route, rules in seen.routes.items():
        for index, rule in enumerate(rules):
            pool, *then = rule.pools
            goes = escape(pool) + (f" [dim]then {escape(', '.join(then))}[/]" if then else "")
            goes += f"\n[dim]{escape('; '.join(rule.says))}[/]" if rule.says else ""
            table.add_row(escape(route) if index == 0 else "", escape(rule.rule), escape(rule.when), goes)
    return table


def _pools(seen: Overview) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("pool", no_wrap=True)
    table.add_column("what serves it")
    for pool in seen.pools:
        lines = [_names(ids, endpoint) for endpoint, ids in _by_endpoint(pool.living)]
        for reason, ids in groupby(sorted(pool.left_out, key=pool.left_out.__getitem__), pool.left_out.__getitem__):
            lines.append(f"[dim]left out: {_few(list(ids))}: {escape(reason)}[/]")
        if not pool.living:
            lines.insert(0, "[red]nothing[/]")
        if not pool.used:
            lines.append("[yellow]no rule uses it[/]")
        table.add_row(escape(pool.pool), "\n".join(lines))
    return table


def _bounds(seen: Overview) -> Table:
    table = _grid()
    for name, said in seen.bounds.items():
        joint = "\n" if name in {"budgets", "experiments"} else "; "
        table.add_row(f"[bold]{escape(name)}[/]", escape(joint.join(said)))
    return table


def _by_endpoint(ids: Iterable[str]) -> list[tuple[str, list[str]]]:
    found: dict[str, list[str]] = {}
    for id_ in ids:
        model, _, endpoint = id_.rpartition("@")
        found.setdefault(endpoint, []).append(model)
    return list(found.items())


def _names(models: list[str], endpoint: str) -> str:
    return f"{_few(models)} [dim]@{escape(endpoint)}[/]"


def _few(names: list[str]) -> str:
    rest = len(names) - MOST_NAMES
    return escape(", ".join(names[:MOST_NAMES])) + (f" and {rest} more" if rest > 0 else "")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
