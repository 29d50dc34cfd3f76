"""`qwenroute policy check`: what is wrong with policy files, before anything is sent."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options
from qwenroute.domain.diagnostic import Diagnostic, Severity
from qwenroute.errors import DocumentError

if TYPE_CHECKING:
    from qwenroute.registry import Registry

_COLOURS = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def check(
    policies: Annotated[list[str], typer.Argument(metavar="NAME|FILE...", help="Shipped policies, or policy files.")],
    on: options.On = None,
    overlay: options.Overlay = None,
    as_json: options.Json = False,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on warnings too.")] = False,
) -> None:
    """Find every mistake of policy files, and what is likely to be one; needs no key and calls nothing.

    Endpoints are judged as if all of their variables were set. A file of cases (x.cases.yaml) is held against the
    policy beside it. Ends with 2 where there is an error.
    """
    known = options.registry(overlay)
    today = options.day(on) or date.today()
    found = {name: _findings(name, known, today) for name in policies}
    every = [one for findings in found.values() for one in findings]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in every], ensure_ascii=False, indent=2))
    else:
        _print(found)
    if any(strict or one.severity is Severity.ERROR for one in every):
        raise typer.Exit(exits.USAGE)


def _findings(source: str, known: Registry, today: date) -> Sequence[Diagnostic]:
    from qwenroute.cases import CASES, Rehearsal, load_cases  # noqa: PLC0415 - importing takes a while, --help should not
    from qwenroute.linting import lint  # noqa: PLC0415
    from qwenroute.policy import load  # noqa: PLC0415

    try:
        if source.endswith(CASES):
            policy = load(Path(source.removesuffix(CASES) + ".yaml"), known).policy
            load_cases(Path(source), Rehearsal(policy, known))
            return ()
        return lint(load(source, known), known, today)
    except DocumentError as error:
        return error.diagnostics


def _print(found: dict[str, Sequence[Diagnostic]]) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.markup import escape  # noqa: PLC0415

    console = Console(highlight=False)
    for name, findings in found.items():
        for one in findings:
            colour = _COLOURS[one.severity]
            console.print(
                f"{escape(one.file)}:{one.line}:{one.column}: [{colour}]{one.severity} {one.code}[/] "
                f"{escape(one.message)}",
                soft_wrap=True,
            )
            if one.help is not None:
                console.print(f"  [dim]help: {escape(one.help)}[/]", soft_wrap=True)
        console.print(f"{escape(name)}: {_summary(findings)}", soft_wrap=True)


def _summary(findings: Iterable[Diagnostic]) -> str:
    counted = Counter(one.severity for one in findings)
    parts = [f"{count} {kind}{'s' if count > 1 else ''}" for kind in Severity if (count := counted[kind])]
    return ", ".join(parts) or "[green]nothing to say[/]"
