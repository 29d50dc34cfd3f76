"""`qwenroute stats`: what records say of the traffic."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import options, recorded

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from qwenroute.records.stats import Group, Stats

MOST_ROWS = 25
WIDE = 130
"""Columns of a terminal that have room for everything."""
_SPARKS = "▁▂▃▄▅▆▇█"
_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


class By(StrEnum):
    """What requests are counted by."""

    ROUTE = "route"
    RULE = "rule"
    MODEL = "model"
    DEPLOYMENT = "deployment"
    TENANT = "tenant"
    KEY = "key"
    TAGS = "tags"
    TASK = "task"
    POLICY = "policy"
    DAY = "day"
    EXPERIMENT = "experiment"
    ERROR = "error"


def stats(
    records: recorded.Records,
    since: Annotated[
        datetime | None, typer.Option("--since", metavar="TIME", formats=_TIMES, help="From this day or time on, UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option("--until", metavar="TIME", formats=_TIMES, help="Up to this day or time, UTC.")
    ] = None,
    by: Annotated[
        list[By] | None, typer.Option("--by", help="Count by this; may be repeated. Route and model unless given.")
    ] = None,
    html: recorded.Html = None,
    strict: recorded.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Count recorded requests: shares, cost, latency, time to the first token, fallbacks, errors, cached.

    Percentiles are exact, by nearest rank, of the requests that a model answered; the time to the
    first token is of streamed answers.
    """
    from qwenroute.records.stats import count  # noqa: PLC0415 - importing it takes a while, --help should not

    recorded.check_place(html)
    wanted = [str(one) for one in by or (By.ROUTE, By.MODEL)]
    end = None if until is None else _end(until)
    with recorded.reading(records, "counting", since=_utc(since), until=end) as reader:
        found = count(reader, wanted)
    recorded.tell(reader, strict=strict)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)
    if html is not None:
        from qwenroute.records.page import stats_page  # noqa: PLC0415

        recorded.write(html, stats_page(found))


def _utc(time: datetime | None) -> datetime | None:
    return None if time is None else time.replace(tzinfo=UTC)


def _end(until: datetime) -> datetime:
    """Return where `--until` ends: a day is meant whole."""
    whole = until.hour == until.minute == until.second == 0
    return until.replace(tzinfo=UTC) + (timedelta(days=1) if whole else timedelta())


def _print(found: Stats) -> None:
    from rich.console import Console  # noqa: PLC0415

    from qwenroute.records.words import money  # noqa: PLC0415

    console = Console(highlight=False)
    total = found.total
    console.print(
        f"[bold]{total.requests:,} requests[/] from {found.first} to {found.last}: {money(total.cost)}; "
        f"{total.answered:,} answered, {total.cached:,} from the cache, {total.fallbacks:,} by a fallback, "
        f"{total.refused:,} refused, {total.failed:,} failed, {total.left:,} left by their callers"
    )
    _plot(console, found)
    for by, groups in found.groups.items():
        console.print(_table(by, groups, total, wide=console.width >= WIDE))
    if total.failures:
        shown = ", ".join(f"{kind} {n:,}" for kind, n in total.failures.most_common(8))
        console.print(f"Failed attempts: {shown}")


def _plot(console: Console, found: Stats) -> None:
    step, slots = found.curve(max(20, min(100, console.width - 24)))
    if len(slots) < 2:
        return
    hours = step / 3600
    length = f"{step // 60} min" if hours < 1 else f"{hours:g} h"
    for name, values in (
        ("requests", [float(slot.requests) for slot in slots]),
        ("errors", [float(slot.errors) for slot in slots]),
        ("cost", [slot.cost for slot in slots]),
    ):
        most = max(values)
        if most > 0:
            console.print(f"{name:>9} {_spark(values, most)} [dim]up to {most:,.4g} in {length}[/]", soft_wrap=True)


def _spark(values: list[float], most: float) -> str:
    return "".join(" " if not v else _SPARKS[min(7, int(8 * v / most))] for v in values)


def _table(by: str, groups: dict[str, Group], total: Group, *, wide: bool) -> Table:
    from rich import box  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    from qwenroute.records.stats import ordered, percentiles  # noqa: PLC0415
    from qwenroute.records.words import money, seconds, share  # noqa: PLC0415

    table = Table(title=f"By {by}", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column(by, overflow="fold", min_width=12)
    columns = ["share", "requests", "cost", "p95 s", "fallbacks", "errors"]
    if wide:
        columns = [
            "share",
            "requests",
            "cost",
            "p50 s",
            "p95 s",
            "p99 s",
            "TTFT p50 s",
            "fallbacks",
            "errors",
            "cached",
        ]
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    rows = ordered(groups)
    for name, group in rows[:MOST_ROWS]:
        part = group.requests / total.requests
        latency, ttft = percentiles(group.latencies), percentiles(group.ttfts)
        figures = {
            "share": f"[blue]{'█' * round(12 * part)}[/] {share(part):>6}" if wide else share(part),
            "requests": f"{group.requests:,}",
            "cost": money(group.cost),
            "TTFT p50 s": seconds(None if ttft is None else ttft["p50"]),
            "fallbacks": f"{group.fallbacks:,}",
            "errors": f"{group.errors:,}",
            "cached": f"{group.cached:,}",
            **{f"{p} s": seconds(None if latency is None else latency[p]) for p in ("p50", "p95", "p99")},
        }
        table.add_row(escape(name), *(figures[column] for column in columns))
    if len(rows) > MOST_ROWS:
        table.caption = f"and {len(rows) - MOST_ROWS:,} more; --json has them all"
    return table
