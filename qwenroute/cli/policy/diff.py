"""`qwenroute policy diff`: what is different between two policies, and what that does to recorded requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options, recorded

if TYPE_CHECKING:
    from rich.console import Console

    from qwenroute.records.changes import Difference
    from qwenroute.records.compare import Comparison

MOST_ROWS = 25
WIDE = 130
"""Columns of a terminal that have room for everything."""


def diff(
    old: Annotated[str, typer.Argument(metavar="OLD", help="A shipped policy, or a policy file.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="The one to compare with it.")],
    replay: Annotated[
        list[Path] | None,
        typer.Option("--replay", metavar="RECORDS", help="Decide these recorded requests under both. May be repeated."),
    ] = None,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="BOUND",
            help="End with 1 where this holds: cost, latency, quality, moved or refused, `>` or `<`, a number, `%` or "
            "nothing, as in cost>+10%. May be repeated.",
        ),
    ] = None,
    overlay: options.Overlay = None,
    on: options.On = None,
    html: recorded.Html = None,
    strict: recorded.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Say what is different between two policies; with `--replay`, what that does to recorded requests.

    Nothing is called and no key is needed. Each request is decided under both as of its own day and
    time, unless `--on` says another day; health and budgets are as if there were none. Costs,
    latencies and quality are what is expected of each first choice.
    """
    from qwenroute.policy import load_policy  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.records.bounds import Bound  # noqa: PLC0415
    from qwenroute.records.changes import changes  # noqa: PLC0415
    from qwenroute.records.parallel import Sides, compare_all  # noqa: PLC0415

    bounds = [Bound.of(text) for text in fail_if or ()]
    for given, name in ((bounds, "--fail-if"), (html, "--html"), (strict, "--strict")):
        if given and not replay:
            raise typer.BadParameter(f"`{name}` needs recorded requests: give `--replay RECORDS`, too")
    recorded.check_place(html)
    registry = options.registry(overlay)
    before, after = load_policy(old, registry), load_policy(new, registry)
    differences = changes(before, after)
    if not replay:
        if as_json:
            typer.echo(json.dumps({"changes": _rows(differences)}, ensure_ascii=False, indent=2))
        else:
            _print_changes(differences)
        return
    sides = Sides(
        old=old,
        new=new,
        environ=recorded.environ_for([before, after]),
        on=options.day(on),
        overlays=tuple(overlay or ()),
    )
    with recorded.reading(replay, "deciding") as reader:
        found = compare_all(reader, sides, sides.judges())
    recorded.tell(reader, strict=strict)
    crossed = [said for bound in bounds if (said := bound.crossed(found.total)) is not None]
    if as_json:
        row = {"changes": _rows(differences), **found.as_dict(), "failed": crossed}
        typer.echo(json.dumps(row, ensure_ascii=False, indent=2))
    else:
        _print_changes(differences)
        _print(found)
    if html is not None:
        from qwenroute.records.page import comparison_page  # noqa: PLC0415

        recorded.write(html, comparison_page(found, differences))
    for said in crossed:
        typer.echo(f"qwenroute: too much: {said}", err=True)
    if crossed:
        raise typer.Exit(exits.FAILED)


def _rows(differences: Sequence[Difference]) -> list[dict[str, str | None]]:
    return [{"where": d.where, "before": d.before, "after": d.after} for d in differences]


def _print_changes(differences: Sequence[Difference]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    if not differences:
        console.print("Both say the same.")
    for one in differences:
        sign, colour = ("+", "green") if one.before is None else ("-", "red") if one.after is None else ("~", "yellow")
        console.print(Text(f"{sign} {one}", style=colour), soft_wrap=True)


def _print(found: Comparison) -> None:
    from rich.console import Console  # noqa: PLC0415

    from qwenroute.records.words import EXPECTED, left_out, percent, quality, seconds, share, usd  # noqa: PLC0415

    console = Console(highlight=False)
    total = found.total
    console.print(
        f"\n[bold]{total.requests:,} requests[/], {total.moved:,} of them ({share(total.moved_share)}) go elsewhere"
    )
    for said in left_out(found):
        console.print(said)
    _print_routes(console, found)
    for name, change, show in (
        ("cost", total.cost, usd), ("latency", total.latency, seconds), ("quality", total.quality, quality)
    ):  # fmt: skip
        unit = {"cost": " USD", "latency": " s", "quality": ""}[name]
        console.print(
            f"expected {name} a request: {show(change.before)} → {show(change.after)}{unit} ({percent(change)})"
        )
    if total.paid:
        console.print(f"what they really cost when they were recorded: {usd(total.paid_usd)} USD")
    console.print(f"[dim]{EXPECTED}[/]")
    _print_moves(console, found)


def _print_routes(console: Console, found: Comparison) -> None:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from qwenroute.records.words import percent, quality, seconds, share, usd  # noqa: PLC0415

    wide = console.width >= WIDE
    table = Table(title="By route", title_justify="left")
    table.add_column("route", overflow="fold", min_width=10)
    for column in ("requests", "moved", "refused", "cost", "latency", "quality", *(("paid USD",) if wide else ())):
        table.add_column(column, justify="right", no_wrap=True)
    for name, part in [*sorted(found.routes.items()), ("all", found.total)]:
        table.add_row(
            escape(name),
            f"{part.requests:,}",
            share(part.moved_share),
            f"{part.old.refused:,} → {part.new.refused:,}",
            *(
                f"{show(change.before)} → {show(change.after)} ({percent(change)})" if wide else percent(change)
                for change, show in ((part.cost, usd), (part.latency, seconds), (part.quality, quality))
            ),
            *((usd(part.paid_usd if part.paid else None),) if wide else ()),
            style="bold" if part is found.total else None,
        )
    console.print(table)


def _print_moves(console: Console, found: Comparison) -> None:
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    moves = found.moves()
    if not moves:
        return
    table = Table(title="What moves where", title_justify="left")
    for column in ("route", "from", "to", "rule"):
        table.add_column(column, overflow="fold")
    table.add_column("requests", justify="right")
    for flow, count in moves[:MOST_ROWS]:
        rule = flow.old_rule if flow.old_rule == flow.new_rule else f"{flow.old_rule} → {flow.new_rule}"
        table.add_row(escape(flow.route), escape(flow.old), escape(flow.new), escape(rule), f"{count:,}")
    console.print(table)
    if len(moves) > MOST_ROWS:
        console.print(f"[dim]and {len(moves) - MOST_ROWS:,} more; --json has them all[/]")
