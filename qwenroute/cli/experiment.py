"""`qwenroute experiment report`: what records say of canaries, splits and shadows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options, recorded
from qwenroute.domain.experiment import Arm
from qwenroute.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.table import Table

    from qwenroute.records.experiments import ArmRecords, Difference, ExperimentRecords

app = typer.Typer(no_args_is_help=True, help="What experiments have shown.")


@app.callback()
def _root() -> None:
    pass


@app.command(epilog=exits.TABLE)
def report(
    records: recorded.Records,
    scores: Annotated[
        Path | None,
        typer.Option(
            "--scores", metavar="FILE", help='JSONL of your own metric: {"id": a record\'s id, "score": a number}.'
        ),
    ] = None,
    strict: recorded.Strict = False,
    as_json: options.Json = False,
) -> None:
    """Hold each experiment's newcomer against its control, with 95 % intervals of the difference.

    Failed means that the arm's own pool did not answer at the first attempt, whoever saved it then. Latency is to the
    first token of a stream, or to the end of a whole answer. Of a shadow, the control is those
    requests that were copied.
    """
    from qwenroute.records.experiments import experiments  # noqa: PLC0415 - importing it takes a while

    known = None if scores is None else _scores(scores)
    with recorded.reading(records, "counting", copies=True) as reader:
        found = experiments(reader, known)
    recorded.tell(reader, strict=strict, copies=True)
    if as_json:
        typer.echo(json.dumps([one.as_dict() for one in found], ensure_ascii=False, indent=2))
    elif not found:
        typer.echo("none of these requests was in an experiment")
    else:
        from rich.console import Console  # noqa: PLC0415

        console = Console()
        for one in found:
            console.print(_table(one))


def _table(one: ExperimentRecords) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(title=f"{one.name} ({one.kind})", title_justify="left", title_style="bold")
    table.add_column()
    for name in ("control", "newcomer", "difference", "95 % interval"):
        table.add_column(name, justify="right")
    control, variant = one.arms[Arm.CONTROL], one.arms[Arm.VARIANT]
    told = one.differences()
    table.add_row("requests", f"{control.requests:,}", f"{variant.requests:,}", "", "")
    table.add_row("failed at first", _rate(control), _rate(variant), *_shown(told["failed"], 0.0, _points))
    for share in ("p50", "p95"):
        between = _shown(told["latency"], 1.0, _factor) if share == "p50" else ("", "")
        table.add_row(f"latency {share}", _latency(control, share), _latency(variant, share), *between)
    table.add_row("cost per request", _cost(control), _cost(variant), *_shown(told["cost"], 1.0, _factor))
    if control.scores.count or variant.scores.count:
        table.add_row("score", _score(control), _score(variant), *_shown(told["score"], 0.0, lambda v: f"{v:+.4g}"))
    return table


def _shown(one: Difference | None, nothing: float, show: object) -> tuple[str, str]:
    if one is None:
        return "–", "too few"
    assert callable(show)
    style = "[bold]" if one.clear(nothing) else "[dim]"
    return f"{style}{show(one.estimate)}[/]", f"{style}{show(one.low)} … {show(one.high)}[/]"


def _points(value: float) -> str:
    return f"{100 * value:+.2f} points"


def _factor(value: float) -> str:
    return f"×{value:.3g}"


def _rate(arm: ArmRecords) -> str:
    return f"{arm.failed / arm.requests:.2%}" if arm.requests else "–"


def _latency(arm: ArmRecords, share: str) -> str:
    from qwenroute.records.stats import percentiles  # noqa: PLC0415

    found = percentiles(arm.latencies)
    return "–" if found is None else f"{found[share]:.3g} s"


def _cost(arm: ArmRecords) -> str:
    return f"{arm.cost / arm.requests:.6f}" if arm.requests else "–"


def _score(arm: ArmRecords) -> str:
    return f"{arm.scores.mean:.4g}" if arm.scores.count else "–"


def _scores(path: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read `{path}`: {error}") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found[str(row["id"])] = float(row["score"])
        except (ValueError, TypeError, KeyError):
            raise ConfigurationError(
                f'{path}:{number}: has to be {{"id": "a record\'s id", "score": a number}}'
            ) from None
    return found
