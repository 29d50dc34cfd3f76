"""`qwenroute models`: what is known of every model, and who says so."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qwenroute.cli.exits import TABLE
from qwenroute.cli.options import Json, On, Overlay, day, registry
from qwenroute.domain.capability import Lifecycle, Modality, Role
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import UnknownModel

if TYPE_CHECKING:
    from qwenroute.registry import Fact, LifecycleState, ModelCard, Registry

WIDE = 100
ELSEWHERE = ("self_hosted", "litellm")
PLATFORMS = ("dashscope", *ELSEWHERE)

app = typer.Typer(
    help="List the models that are known, or show every fact of one.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def models(
    context: typer.Context,
    role: Annotated[Role | None, typer.Option("--role", help="Only models that serve this role.")] = None,
    modality: Annotated[
        list[Modality] | None,
        typer.Option("--modality", help="Only models that take this as input. May be repeated: all of them."),
    ] = None,
    output: Annotated[Modality | None, typer.Option("--output", help="Only models that answer with this.")] = None,
    alive: Annotated[
        bool, typer.Option("--alive/--all", help="Only what can be called on that day, or all that is known.")
    ] = False,
    platform: Annotated[
        str, typer.Option("--platform", metavar="|".join(PLATFORMS), help="Where it is to be served.")
    ] = "dashscope",
    region: Annotated[str | None, typer.Option("--region", help="A region of DashScope.")] = None,
    on: On = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """List the models that are known."""
    if context.invoked_subcommand is not None:
        return
    known = registry(overlay)
    if platform not in PLATFORMS:
        raise typer.BadParameter(f"`{platform}` is none of {', '.join(PLATFORMS)}", param_hint="--platform")
    if region is not None:
        _check_region(known, region)
    today = day(on) or date.today()
    rows = []
    for card in known.cards.values():
        regions = _regions(known, card, platform, region)
        states = {place: _state(known, card, platform, place, today) for place in regions}
        if alive and not any(state.status.callable for state in states.values()):
            continue
        if role is not None and role not in card.roles_on(today):
            continue
        if not set(modality or ()) <= set(card.modalities.input) or (output and output not in card.modalities.output):
            continue
        if region is not None and not states:
            continue
        rows.append(_row(card, states, today))
    if as_json:
        typer.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    else:
        console = Console()
        console.print(_table(rows, platform, today, wide=console.width >= WIDE))


@app.command(epilog=TABLE)
def show(
    model: Annotated[str, typer.Argument(metavar="ID", help="A registry id, an id of the API, or a Hugging Face id.")],
    on: On = None,
    overlay: Overlay = None,
    as_json: Json = False,
) -> None:
    """Show every fact of a model with its source, how sure it is, and its lifecycle in each region."""
    known = registry(overlay)
    found = known.find(model)
    if found is None:
        close = known.suggest(model)
        hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
        raise UnknownModel(f"there is no model `{model}`; {hint}")
    today = day(on) or date.today()
    card = found.card
    states = {
        place: known.lifecycle(found.api_id, provider="dashscope", region=place, on=today)
        for place in _regions(known, card, "dashscope", None)
    }
    own = known.lifecycle(card.id, provider="openai_compatible", region=None, on=today)
    facts = known.facts(card.id)
    if as_json:
        shown = {
            "id": card.id,
            "asked_for": found.api_id,
            "api_ids": list(card.api_ids),
            "on": today.isoformat(),
            "roles": list(card.roles_on(today)),
            "lifecycle": {**{place: _plain(s) for place, s in states.items()}, "elsewhere": _plain(own)},
            "facts": [asdict(fact) for fact in facts],
            "overrides": [asdict(o) for o in known.overrides if o.model == card.id],
            "quality": {cell: asdict(q) for cell, q in known.quality(card.id).items()},
            "sources": {key: known.source(key) for key in dict.fromkeys(k for f in facts for k in f.sources)},
        }
        typer.echo(json.dumps(shown, ensure_ascii=False, indent=2, default=str))
        return
    console = Console()
    console.print(f"[bold]{escape(card.name)}[/] ({card.id}): {', '.join(card.roles_on(today)) or 'no role'}")
    if card.api_ids:
        console.print(f"[dim]ids on DashScope: {escape(', '.join(card.api_ids))}[/]")
    console.print(_lifecycles(states, own, today))
    _print_facts(console, facts)
    console.print(_priors(known, card.id))
    for key in dict.fromkeys(key for fact in facts for key in fact.sources):
        console.print(f"[dim]{escape(key)}: {escape(known.source(key))}[/]", soft_wrap=True)


def _check_region(known: Registry, region: str) -> None:
    if region not in known.regions:
        raise typer.BadParameter(
            f"there is no region `{region}`; known: {', '.join(sorted(known.regions))}", param_hint="--region"
        )


def _regions(known: Registry, card: ModelCard, platform: str, region: str | None) -> Iterable[str | None]:
    if platform in ELSEWHERE:
        hosted = any(host.model == card.id for host in known.hosts)
        return (None,) if card.open_weights and (platform == "self_hosted" or hosted) else ()
    if card.dashscope is None:
        return (None,) if region is None else ()
    return tuple(place for place in card.dashscope.regions if region in {None, place})


def _state(known: Registry, card: ModelCard, platform: str, region: str | None, on: date) -> LifecycleState:
    provider = "dashscope" if platform == "dashscope" else "openai_compatible"
    return known.lifecycle(card.id, provider=provider, region=region, on=on)


def _row(card: ModelCard, states: dict[str | None, LifecycleState], on: date) -> dict[str, object]:
    limits = card.dashscope.limits if card.dashscope is not None else None
    by_region = card.dashscope.regions.values() if card.dashscope is not None else ()
    windows = [limits.context_tokens] if limits is not None else []
    windows += [r.limits.context_tokens for r in by_region if r.limits is not None]
    windows += [card.self_host.context_default_tokens] if limits is None and card.self_host is not None else []
    return {
        "id": card.id,
        "roles": list(card.roles_on(on)),
        "input": [str(m) for m in card.modalities.input],
        "output": [str(m) for m in card.modalities.output],
        "context_tokens": max((w for w in windows if w), default=None),
        "thinking": str(card.features.thinking),
        "licence": card.licence,
        "open_weights": card.open_weights,
        "lifecycle": {place or "anywhere": _plain(state) for place, state in states.items()},
    }


def _plain(state: LifecycleState) -> dict[str, object]:
    return {
        "status": str(state.status),
        "retires_on": None if state.retires_on is None else state.retires_on.isoformat(),
        "replacements": list(state.replacements),
        "note": state.note,
        "sources": list(state.sources),
        "confidence": state.confidence,
    }


_COLOURS = {
    Lifecycle.ACTIVE: "green",
    Lifecycle.RETIRING: "yellow",
    Lifecycle.UNKNOWN: "yellow",
    Lifecycle.RETIRED: "red",
}


def _coloured(status: str) -> str:
    colour = _COLOURS.get(Lifecycle(status))
    word = status.replace("_", " ")
    return f"[{colour}]{word}[/]" if colour else word


def _table(rows: list[dict[str, object]], platform: str, on: date, *, wide: bool) -> Table:
    table = Table(box=None, pad_edge=False, caption="1 model" if len(rows) == 1 else f"{len(rows)} models")
    table.add_column("id", no_wrap=True)
    table.add_column("roles")
    table.add_column("takes", min_width=5)
    table.add_column("window", justify="right", no_wrap=True)
    if wide:
        table.add_column("thinks")
    table.add_column(f"on {platform}, {on}", overflow="fold", min_width=15)
    for row in rows:
        window = row["context_tokens"]
        lifecycle = row["lifecycle"]
        assert isinstance(lifecycle, dict)
        by_status: dict[str, list[str]] = {}
        for place, state in lifecycle.items():
            by_status.setdefault(state["status"], []).append(place)
        where = "; ".join(
            _coloured(status) + ("" if places == ["anywhere"] else f" [dim]{', '.join(places)}[/]")
            for status, places in by_status.items()
        )
        table.add_row(
            escape(str(row["id"])),
            _text(row["roles"]),
            _text(row["input"]) + (f" → {_text(row['output'])}" if row["output"] != ["text"] else ""),
            f"{window:,}" if isinstance(window, int) else "?",
            *((str(row["thinking"]),) if wide else ()),
            where or "[dim]not offered[/]",
        )
    return table


def _lifecycles(states: dict[str | None, LifecycleState], own: LifecycleState, on: date) -> Table:
    table = Table(f"on {on}", "", "instead", "why", "source", box=None, pad_edge=False)
    for place, state in (*states.items(), ("elsewhere", own)):
        table.add_row(
            place or "",
            _coloured(state.status),
            ", ".join(state.replacements) if not state.status.callable else "",
            escape(state.note or ""),
            escape(", ".join(state.sources)) + (f" ({state.confidence})" if state.confidence else ""),
        )
    return table


def _print_facts(console: Console, facts: Iterable[Fact]) -> None:
    """Print facts under what they belong to: its sources and confidence once, a fact's own beside it."""
    for group, members in groupby(facts, key=lambda fact: fact.group):
        rows = list(members)
        about = Counter((fact.sources, fact.confidence, fact.note) for fact in rows).most_common(1)[0][0]
        heading = f"\n[bold]{escape(group or 'model')}[/] [dim]{_whence(*about)}[/]"
        console.print(heading, soft_wrap=True)
        for fact in rows:
            own = (fact.sources, fact.confidence, fact.note)
            aside = "" if own == about else f"  [dim]{_whence(*own)}[/]"
            name = fact.path[len(group) + 1 :] if group else fact.path
            console.print(f"  {escape(name)}: {escape(_text(fact.value))}{aside}", soft_wrap=True)


def _whence(sources: tuple[str, ...], confidence: str | None, note: str | None) -> str:
    said = ", ".join(sources) + (f"; {confidence}" if confidence else "")
    return escape(f"[{said}]" + (f" {note}" if note else ""))


def _priors(known: Registry, model: str) -> Table:
    """Return what quality to expect, in 0 to 1; `--json` has the basis of each."""
    table = Table("expected quality", *Difficulty, box=None, pad_edge=False)
    cells = known.quality(model)
    for task in Task:
        row = [cells[f"{task}/{difficulty}"] for difficulty in Difficulty]
        if any(quality.value for quality in row):
            table.add_row(task, *(f"{q.value:.2f} ± {q.uncertainty:.2f}" for q in row))
    return table


def _text(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
