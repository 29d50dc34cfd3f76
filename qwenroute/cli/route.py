"""`qwenroute route`: decide for many requests, without calling anything."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qwenroute.cli import exits, options
from qwenroute.domain.decision import Decision
from qwenroute.errors import InvalidRequest, MissingCredentials, QwenRouteError

if TYPE_CHECKING:
    from qwenroute.client import Router


def route(
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="JSONL of OpenAI-shaped requests; `-` reads standard input.")
    ] = "-",
    policy: options.Policy = "default",
    overlay: options.Overlay = None,
    on: options.On = None,
    explain: Annotated[bool, typer.Option("--explain", help="Print each decision in words instead of JSON.")] = False,
) -> None:
    """Decide for each request of a JSONL file; one JSON decision per line comes out.

    Nothing is called and no key is needed: where none is set, it is decided as if
    DASHSCOPE_API_KEY were. A line that cannot be decided comes out with an `error`.
    """
    from qwenroute.routing import explain as in_words  # noqa: PLC0415

    router = _router(policy, overlay, options.day(on))
    failed = 0
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        name: object = number
        try:
            body = _parse(line)
            name = body.pop("id", number)
            decision = router.route(**body)
        except QwenRouteError as error:
            failed += 1
            print(json.dumps({"id": name, "error": str(error)}, ensure_ascii=False))
            continue
        print(in_words(decision) + "\n" if explain else json.dumps({"id": name, **row(decision)}, ensure_ascii=False))
    if failed:
        typer.echo(f"qwenroute: {failed} line(s) could not be decided; see their `error`", err=True)
        raise typer.Exit(exits.FAILED)


def row(decision: Decision) -> dict[str, object]:
    """Return the fields that a decision is printed with."""
    from qwenroute.registry import media_tokens  # noqa: PLC0415

    signals, step = decision.signals, decision.first
    deployment = step.deployment
    chosen = next(c for c in decision.candidates if c.deployment == deployment.id)
    media = media_tokens(signals.media, deployment.media, high_resolution=signals.high_resolution)
    return {
        "task": signals.task,
        "task_confidence": round(signals.task_confidence, 3),
        "difficulty": signals.difficulty,
        "difficulty_confidence": round(signals.difficulty_confidence, 3),
        "language": signals.language,
        "prompt_tokens": signals.text_tokens + media,
        "role": step.role,
        "deployment": deployment.id,
        "model": deployment.model,
        "rule": decision.rule,
        "reason": decision.reason,
        "estimated_cost_usd": chosen.expected_cost_usd,
        "plan": [s.deployment.id for s in decision.plan.steps],
        "warnings": list(decision.warnings),
        "rejected": dict(decision.rejected),
    }


def _router(policy: str, overlay: list[Path] | None, on: date | None) -> Router:
    from qwenroute.client import Router  # noqa: PLC0415 - importing it takes a while, --help should not

    registry = options.registry(overlay)
    try:
        return Router(policy, registry=registry, on=on)
    except MissingCredentials:
        typer.echo("note: no key is set; deciding as if DASHSCOPE_API_KEY were", err=True)
        return Router(policy, registry=registry, on=on, environ={**os.environ, "DASHSCOPE_API_KEY": "not-set"})


def _parse(line: str) -> dict[str, Any]:
    try:
        body = json.loads(line)
    except ValueError as error:
        raise InvalidRequest(f"the line is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest("the line is not a JSON object")
    return body


def _lines(file: str) -> Iterator[str]:
    try:
        with nullcontext(sys.stdin) if file == "-" else Path(file).open(encoding="utf-8") as source:
            yield from source
    except OSError as error:
        raise InvalidRequest(f"cannot read `{file}`: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidRequest(f"cannot read `{file}`: it is not UTF-8 text") from None
