"""`qwenroute replay`: decide recorded requests again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import options, recorded
from qwenroute.errors import ConfigurationError

if TYPE_CHECKING:
    from qwenroute.records.replay import Replay

MOST_ROWS = 30


def replay(
    records: recorded.Records,
    policy: Annotated[
        str | None,
        typer.Option("--policy", metavar="NAME|FILE", help="A policy. Default: theirs, where that is a shipped one."),
    ] = None,
    overlay: options.Overlay = None,
    on: options.On = None,
    strict: recorded.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Decide recorded requests again, and tell what would go elsewhere now, and why.

    Nothing is called and no key is needed. Each request is decided as of its own day and time, unless
    `--on` says another day. Health and budgets are as if there were none; endpoints are those whose
    variables are set here.
    """
    from qwenroute.policy import load_policy  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.records.judge import Judge  # noqa: PLC0415
    from qwenroute.records.replay import replay as replay_all  # noqa: PLC0415

    registry = options.registry(overlay)
    loaded = load_policy(_theirs(records) if policy is None else policy, registry)
    judge = Judge(loaded, registry, recorded.environ_for([loaded]), options.day(on))
    with recorded.reading(records, "replaying") as reader:
        found = replay_all(reader, judge)
    recorded.tell(reader, strict=strict)
    if as_json:
        typer.echo(json.dumps(found.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(found)


def _theirs(records: list[Path]) -> str:
    """Return the shipped policy that the first record was decided by.

    Raises:
        ConfigurationError: it was another one, whose file only the caller knows.
    """
    from qwenroute.policy.extends import shipped  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.records.reader import Reader  # noqa: PLC0415

    first = next(iter(Reader(records)), None)
    name = "default" if first is None else str(first.get("policy", "default"))  # what is wrong with it is told later
    if name not in shipped():
        raise ConfigurationError(f"these are records of the policy `{name}`: say where its file is, with `--policy`")
    return name


def _print(found: Replay) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console(highlight=False)
    console.print(
        f"[bold]{found.requests:,} requests[/] under the policy `{escape(found.policy)}`: "
        f"{found.same:,} go where they went, {found.moved:,} go elsewhere"
    )
    if found.needs_text:
        console.print(
            f"{found.needs_text:,} more cannot be judged: a rule asks for words in them that the records do not tell"
        )
    if found.unread:
        console.print(f"{found.unread:,} more were refused for their shape, whatever the policy")
    if found.other_hash:
        console.print(f"{found.other_hash:,} were recorded under another policy than this one as it is now")
    if not found.reasons:
        return
    table = Table(title="What goes elsewhere", title_justify="left")
    for column in ("from", "to", "why"):
        table.add_column(column, overflow="fold")
    table.add_column("requests", justify="right")
    for (old, new, why), count in found.reasons.most_common(MOST_ROWS):
        table.add_row(escape(old), escape(new), escape(why), f"{count:,}")
    console.print(table)
    if len(found.reasons) > MOST_ROWS:
        console.print(f"[dim]and {len(found.reasons) - MOST_ROWS:,} more kinds; --json has them all[/]")
