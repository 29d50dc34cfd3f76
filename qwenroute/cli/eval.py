"""`qwenroute eval`: how well a policy routes labelled requests, without calling anything."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from qwenroute.cli import options
from qwenroute.errors import ConfigurationError, MissingCredentials

if TYPE_CHECKING:
    from qwenroute.evaluation import Report
    from qwenroute.evaluation.metrics import Confusion
    from qwenroute.evaluation.outcomes import Part
    from qwenroute.evaluation.report import GroupScore
    from qwenroute.evaluation.worth import Curve, Value
    from qwenroute.policy import Policy
    from qwenroute.registry import Registry
    from qwenroute.routing import Fleet

UNSET_URL = "http://127.0.0.1:8000/v1"
"""Stands for a server of one's own that is only thought of; nothing is sent to it."""


def evaluate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE…", help="JSONL of labelled requests.")],
    policy: options.Policy = "default",
    overlay: options.Overlay = None,
    on: options.On = None,
    self_hosted: Annotated[
        str | None,
        typer.Option(
            "--self-hosted", metavar="IDS", help="Evaluate as if a server of your own served these, between commas."
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many rows of each file.")] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="OUT.html", help="Also write a page with plots, in one file.")
    ] = None,
    with_text: Annotated[
        bool, typer.Option("--with-text", help="Show the beginnings of prompts that were told wrongly, too.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Measure a policy on labelled requests: tasks, difficulty, calibration, quality and cost.

    A line is an object with `messages` and `task` (math, code, reasoning, general, vision,
    vision_reasoning or audio); it may have `id` (dataset, slash, key), `lang`, `difficulty`
    (easy, medium, hard or null), and `outcomes` (model to the score of its answer, 0 to 1) with
    `output_chars`. Nothing is called and no key is needed: where none is set, it is decided as if
    DASHSCOPE_API_KEY were.
    """
    from qwenroute import evaluation  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.policy import load_policy  # noqa: PLC0415

    if html is not None and not html.parent.is_dir():
        raise ConfigurationError(f"cannot write `{html}`: there is no folder `{html.parent}`")
    rows = evaluation.read_rows(files, limit=limit)
    registry = options.registry(overlay)
    loaded = load_policy(policy)
    if loaded.examples:
        typer.echo("note: the policy's examples are not consulted: nothing is sent to its encoder", err=True)
    fleet = _fleet(loaded, registry, self_hosted, options.day(on) or date.today())
    with _progress() as progress:
        task = progress.add_task("evaluating", total=len(rows))
        report = evaluation.evaluate(
            rows,
            policy=loaded,
            fleet=fleet,
            registry=registry,
            with_text=with_text,
            progress=lambda: progress.advance(task),
        )
    if html is not None:
        _write(html, report)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), ensure_ascii=False, indent=2))
    else:
        _print(Console(), report)
    if html is not None:
        typer.echo(f"wrote {html}", err=True)


def _fleet(policy: Policy, registry: Registry, self_hosted: str | None, on: date) -> Fleet:
    from qwenroute.routing import Fleet  # noqa: PLC0415

    environ = dict(os.environ)
    if self_hosted is not None:
        environ |= _own_server(policy, self_hosted, environ)
    try:
        return Fleet.build(policy, registry, environ, on)
    except MissingCredentials:
        typer.echo("note: no key is set; deciding as if DASHSCOPE_API_KEY were", err=True)
        return Fleet.build(policy, registry, {**environ, "DASHSCOPE_API_KEY": "not-set"}, on)


def _own_server(policy: Policy, ids: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return the variables under which the policy's own server serves these models."""
    from qwenroute.policy.endpoints import Setting  # noqa: PLC0415

    for endpoint in policy.endpoints:
        models, url = endpoint.models, endpoint.base_url
        if endpoint.provider != "openai_compatible" or not isinstance(models, Setting) or models.env is None:
            continue
        needed = {models.env: ids}
        if url is not None and url.env is not None and not environ.get(url.env):
            needed[url.env] = UNSET_URL
        return needed
    raise ConfigurationError(
        f"--self-hosted: no endpoint of the policy `{policy.name}` has `provider: openai_compatible` and "
        "`models: {env: …}`; write the models into the policy instead"
    )


def _write(path: Path, report: Report) -> None:
    from qwenroute.evaluation.page import page  # noqa: PLC0415

    try:
        path.write_text(page(report), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write `{path}`: {error.strerror or error}") from None


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )


# For people


def _print(console: Console, report: Report) -> None:
    unread = f", {report.unread:,} of them could not be analysed" if report.unread else ""
    unread += f", {report.taught:,} by what the policy teaches" if report.taught else ""
    console.print(
        f"[bold]{report.rows:,} rows[/]{unread}; policy `{escape(report.policy)}` on {report.on}, "
        f"endpoints: {escape(', '.join(report.endpoints))}"
    )
    for row in report.unread_examples[:3]:
        console.print(f"[dim]  {escape(row.place)}: {escape(row.reason)}[/]", soft_wrap=True)
    console.print(_tasks(report))
    console.print(_confusion("Task: told (columns) against true (rows)", report.confusion))
    console.print(_groups("By language", report.languages))
    console.print(_groups("By source", report.sources))
    if report.difficulty.rows:
        console.print(_confusion("Difficulty: told (columns) against true (rows)", report.difficulty.confusion))
        shown = ", ".join(f"{task} {_share(value)}" for task, value in report.difficulty.by_task.items())
        console.print(
            f"difficulty: accuracy {_share(report.difficulty.accuracy)}, macro-F1 "
            f"{_share(report.difficulty.macro_f1)} over {report.difficulty.rows:,} rows that have one ({shown})"
        )
    errors = ", ".join(
        f"{name} {_share(found.error)}" for name, found in report.calibration.items() if found.error is not None
    )
    console.print(f"expected calibration error (10 bins): {errors or 'none'}\n")
    console.print(_value(report.value))
    for s in report.value.strategies:
        console.print(f"[dim]{escape(f'{s.name}: {_strategy_note(s.what, s.unserved, s.unpriced)}')}[/]")
    console.print()
    _print_curve(console, report.value.curve)
    for part in report.outcomes:
        console.print(_part(part))
        for chooser in part.choosers:
            chosen = ", ".join(f"{model} {count:,}" for model, count in chooser.chosen.items())
            if chosen:
                console.print(f"[dim]{escape(f'{chooser.name} chose {chosen}')}[/]")
        if part.curve is not None:
            _print_curve(console, part.curve)
    for mistake in report.mistakes:
        if mistake.text is not None:
            console.print(
                f"{escape(mistake.id)}: {mistake.task} told as {mistake.told} ({mistake.confidence:.2f}): "
                f"[dim]{escape(repr(mistake.text))}[/]",
                soft_wrap=True,
            )


def _tasks(report: Report) -> Table:
    table = _table("Task", ("", "rows", "accuracy", "precision", "recall", "F1"))
    for name, score in (("text tasks", report.text), ("visual tasks", report.visual), ("all", report.all)):
        if score.rows:
            f1 = f"{_share(score.macro_f1)} macro"
            table.add_row(f"[bold]{name}[/]", f"{score.rows:,}", _share(score.accuracy), "", "", f1)
    for name, task in report.tasks.items():
        table.add_row(name, f"{task.rows:,}", "", _share(task.precision), _share(task.recall), _share(task.f1))
    return table


def _confusion(title: str, confusion: Confusion) -> Table:
    there = [label for label in confusion.labels if confusion.support(label) or confusion.given(label)]
    table = _table(title, ("", *there))
    for label, counts in zip(confusion.labels, confusion.counts, strict=True):
        if confusion.support(label):
            given = dict(zip(confusion.labels, counts, strict=True))
            cells = (f"[bold]{given[other]:,}[/]" if other == label else f"{given[other]:,}" for other in there)
            table.add_row(label, *cells)
    return table


def _groups(title: str, groups: Mapping[str, GroupScore]) -> Table:
    table = _table(title, ("", "rows", "accuracy", "text F1", "visual F1", "difficulty", "language"))
    for name, score in groups.items():
        table.add_row(
            escape(name),
            f"{score.rows:,}",
            *map(
                _share,
                (
                    score.accuracy,
                    score.text_macro_f1,
                    score.visual_macro_f1,
                    score.difficulty_accuracy,
                    score.language_accuracy,
                ),
            ),
        )
    return table


def _value(value: Value) -> Table:
    table = _table(
        "Expected quality and cost of a request, by published scores and list prices",
        ("", "served", "quality", "USD", "common quality", "common USD"),
    )
    table.caption = f"common: over the {value.common_rows:,} rows that every one of these can serve"
    if value.list_prices_of is not None:
        table.caption += f";\nown hardware counts at the list prices of {value.list_prices_of}"
    for s in value.strategies:
        table.add_row(
            escape(s.name),
            f"{s.served:,}",
            _share(s.quality),
            _usd(s.cost_usd),
            _share(s.quality_common),
            _usd(s.cost_common_usd),
        )
    return table


def _strategy_note(what: str, unserved: Mapping[str, int], unpriced: int) -> str:
    notes = [what]
    if unserved:
        notes.append("cannot serve " + ", ".join(f"{count:,} {task}" for task, count in unserved.items()))
    if unpriced:
        notes.append(f"{unpriced:,} at no known price")
    return "; ".join(notes)


def _part(part: Part) -> Table:
    prices = f"list prices of {part.region}" if part.region else "no prices"
    table = _table(
        f"Real outcomes: {escape(part.name)}, {part.rows:,} rows", ("", "rows", "score", "prior", "USD, " + prices)
    )
    for single in part.singles:
        name = escape(single.name) + ("" if single.model is not None else " [dim](not in the registry)[/]")
        table.add_row(name, f"{single.rows:,}", _share(single.score), _share(single.prior), _usd(single.cost_usd))
    if part.choosers:
        table.add_section()
    for chooser in part.choosers:
        table.add_row(escape(chooser.name), f"{part.choice_rows:,}", _share(chooser.score), "", _usd(chooser.cost_usd))
    if not part.choosers:
        table.caption = "no row has two known models to choose from"
    return table


def _print_curve(console: Console, curve: Curve) -> None:
    if curve.area_router is None:
        return
    console.print(
        f"cost–quality curve from {_usd(curve.low_usd)} to {_usd(curve.high_usd)} USD: mean quality "
        f"{_share(curve.area_router)} along the policy's objectives, {_share(curve.area_single_models)} along "
        "mixtures of the single models\n"
    )


def _table(title: str, columns: Iterable[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", caption_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}"
