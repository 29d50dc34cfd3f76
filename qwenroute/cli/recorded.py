"""What the verbs that read records share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.errors import ConfigurationError

if TYPE_CHECKING:
    from qwenroute.policy import Policy
    from qwenroute.records.reader import Reader

PLACEHOLDER = "not-set"

Records = Annotated[
    list[Path],
    typer.Argument(metavar="RECORDS…", help="Files that a policy's `records` wrote, JSONL or SQLite, or their folder."),
]
Strict = Annotated[bool, typer.Option("--strict", help="Fail if any line cannot be read.")]
Html = Annotated[
    Path | None, typer.Option("--html", metavar="OUT.html", help="Also write a page with plots, in one file.")
]


def environ_for(policies: Sequence[Policy]) -> Mapping[str, str]:
    """Return the environment, with keys that are not set taken to be: nothing is called."""
    environ = dict(os.environ)
    lacking = {
        key.env
        for policy in policies
        for template in policy.endpoints
        if (key := template.api_key) is not None
        and not key.optional
        and key.env is not None
        and not environ.get(key.env)
    }
    if lacking:
        typer.echo(f"note: not set, taken to be: {', '.join(sorted(lacking))}", err=True)
    return {**environ, **dict.fromkeys(lacking, PLACEHOLDER)}


@contextmanager
def reading(
    paths: Sequence[Path],
    doing: str,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    copies: bool = False,
) -> Iterator[Reader]:
    """Give a reader, with a bar of how far it is on a terminal."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    from qwenroute.records.reader import Reader  # noqa: PLC0415 - importing it takes a while, --help should not

    console = Console(stderr=True)
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task(doing)
        reader = Reader(
            paths, since=since, until=until, progress=lambda done: progress.advance(task, done), copies=copies
        )
        progress.update(task, total=reader.size)
        yield reader


def tell(reader: Reader, *, strict: bool, copies: bool = False) -> None:
    """Say on stderr what could not be read.

    Raises:
        ConfigurationError: nothing could, or, if strict, not everything.
    """
    for one in reader.told:
        typer.echo(f"unreadable: {one}", err=True)
    if reader.broken > len(reader.told):
        typer.echo(f"unreadable: and {reader.broken - len(reader.told):,} more", err=True)
    if reader.torn:
        typer.echo(f"note: {reader.torn} last line(s) were broken off, and passed over", err=True)
    if reader.copies and not copies:
        typer.echo(f"note: {reader.copies:,} copies for shadows are not counted among the requests", err=True)
    if reader.lost:
        typer.echo(f"note: {reader.lost:,} record(s) could not be written at the time", err=True)
    reader.check(strict=strict)
    if not reader.read:
        names = ", ".join(f"`{file}`" for file in reader.files)
        raise ConfigurationError(f"there are no records in {names}, or none of that time")


def check_place(html: Path | None) -> None:
    """Raise ConfigurationError where a page could not be written, before the work is done."""
    if html is not None and not html.parent.is_dir():
        raise ConfigurationError(f"cannot write `{html}`: there is no folder `{html.parent}`")


def write(html: Path, page: str) -> None:
    """Write a page.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        html.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write `{html}`: {error.strerror or error}") from None
    typer.echo(f"wrote {html}", err=True)
