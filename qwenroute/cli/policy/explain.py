"""`qwenroute policy explain`: what a policy does with one request, and why."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options
from qwenroute.documents import nearest
from qwenroute.errors import BudgetExceeded, InvalidRequest, NoDeployment

if TYPE_CHECKING:
    from qwenroute.cases import Case, Rehearsal, Scene
    from qwenroute.domain.decision import Decision
    from qwenroute.domain.request import Request
    from qwenroute.policy import Policy
    from qwenroute.routing import Fleet

PLACEHOLDER = "not-set"
"""Stands for a key that is not set; nothing is called."""


def explain(
    policy: Annotated[str, typer.Argument(metavar="FILE|NAME", help="A policy file, or a shipped policy.")],
    request: Annotated[
        str | None,
        typer.Argument(
            metavar="[REQUEST.json|-]", help="A request as the OpenAI API has it; `-` reads standard input."
        ),
    ] = None,
    ask: Annotated[str | None, typer.Option("--ask", metavar="TEXT", help="A question instead of a file.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="A route or role, a model id, or model@endpoint; `auto` unless given.")
    ] = None,
    case: Annotated[
        str | None, typer.Option("--case", metavar="NAME", help="A golden case of the policy, in its own situation.")
    ] = None,
    on: options.On = None,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="TIME", help="The moment: 03:00, or 2026-11-24T03:00. Now unless given."),
    ] = None,
    health: Annotated[
        list[str] | None,
        typer.Option(
            "--health",
            metavar="WHO=STATE",
            help="model@endpoint, model or *@endpoint, to open, ejected, cooldown, burst, busy or quota.",
        ),
    ] = None,
    spent: Annotated[
        list[str] | None,
        typer.Option("--spent", metavar="BUDGET=AMOUNT", help="What of a budget is spent. May be repeated."),
    ] = None,
    variable: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A variable that is to be set. May be repeated."),
    ] = None,
    overlay: options.Overlay = None,
    as_json: options.Json = False,
) -> None:
    """Explain one request: signals, rules tried, candidates with scores, what is left out and why, the plan.

    Nothing is called. Keys that are not set are taken to be.
    """
    from qwenroute.cases import Rehearsal  # noqa: PLC0415
    from qwenroute.cases.case import Statement  # noqa: PLC0415
    from qwenroute.policy import load  # noqa: PLC0415

    given = [name for name, value in (("REQUEST", request), ("--ask", ask), ("--case", case)) if value is not None]
    if len(given) != 1:
        many = f"{' and '.join(given)} are" if given else "nothing is"
        raise InvalidRequest(f"{many} given; name a file with a request (or `-`), or `--ask TEXT`, or `--case NAME`")
    known = options.registry(overlay)
    loaded = load(policy, known)
    rehearsal = Rehearsal(loaded.policy, known)
    if case is not None:
        beside = {"--on": on, "--at": at, "--health": health, "--spent": spent, "--set": variable, "--model": model}
        for option, value in beside.items():
            if value is not None:
                raise InvalidRequest(f"a case has a situation of its own; leave `{option}` out")
        chosen = _case(case, Path(loaded.document.name), rehearsal)
        asked, scene, statement, alike = chosen.request, chosen.scene, chosen.statement, chosen.alike
    else:
        body = _read(request) if ask is None else _question(ask)
        asked = _request(body if model is None else {**body, "model": model})
        scene = _scene(loaded.policy, options.day(on), at, health or (), spent or (), variable or ())
        statement, alike = Statement(), None
        _known_here(scene.health, rehearsal.fleet(scene.environ, scene.on))
    if isinstance(asked, InvalidRequest):
        raise asked
    try:
        decision = rehearsal.decide(asked, scene, statement, alike)
    except (BudgetExceeded, NoDeployment) as error:
        _print(error.decision, asked, as_json=as_json)
        if not as_json:
            typer.echo(f"qwenroute: {error}", err=True)
        raise typer.Exit(exits.exit_code_for(error)) from None
    _print(decision, asked, as_json=as_json)


def _print(decision: Decision, request: Request, *, as_json: bool) -> None:
    from qwenroute.routing import explain as in_words  # noqa: PLC0415
    from qwenroute.routing import trace  # noqa: PLC0415

    if as_json:
        print(json.dumps(trace(decision), ensure_ascii=False, indent=2))
    else:
        print(in_words(decision, request.hints))


def _case(name: str, policy: Path, rehearsal: Rehearsal) -> Case:
    from qwenroute.cases import cases_beside, load_cases  # noqa: PLC0415

    suite = load_cases(cases_beside(policy), rehearsal)
    for one in suite.cases:
        if one.name == name:
            return one
    close = nearest(name, [one.name for one in suite.cases])
    hint = f"did you mean `{close}`?" if close else f"`{suite.file}` has the names"
    raise InvalidRequest(f"there is no case `{name}`; {hint}")


def _question(text: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text}]}


def _read(source: str | None) -> dict[str, object]:
    source = source or "-"
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        body = json.loads(text)
    except OSError as error:
        raise InvalidRequest(f"cannot read `{source}`: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidRequest(f"`{source}` is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise InvalidRequest(f"`{source}` is not one request: a JSON object with `messages`")
    return body


def _request(body: Mapping[str, object]) -> Request:
    from qwenroute.analysis import read_request  # noqa: PLC0415
    from qwenroute.domain.request import Kind  # noqa: PLC0415

    kind = Kind.COMPLETION if "prompt" in body and "messages" not in body else Kind.CHAT
    return read_request({"model": "auto", **body}, kind=kind)


def _scene(
    policy: Policy,
    on: date | None,
    at: str | None,
    health: Sequence[str],
    spent: Sequence[str],
    variables: Sequence[str],
) -> Scene:
    from qwenroute.cases import STATES, Scene  # noqa: PLC0415
    from qwenroute.cases.moment import moment_of  # noqa: PLC0415

    moment = moment_of(at)
    if at is not None and moment is None:
        raise InvalidRequest(f"`--at {at}`: write the time of day, such as 03:00, or 2026-11-24T03:00")
    day = on or (moment.date() if isinstance(moment, datetime) else date.today())
    if not isinstance(moment, datetime):
        moment = datetime.now().astimezone() if moment is None else datetime.combine(day, moment)
    environ = {e.api_key.env: PLACEHOLDER for e in policy.endpoints if e.api_key is not None and e.api_key.env}
    environ |= os.environ
    states = _pairs(health, "--health", "model@endpoint=open")
    for state in states.values():
        if state not in STATES:
            close = nearest(state, STATES)
            hint = f"did you mean `{close}`?" if close else f"known: {', '.join(STATES)}"
            raise InvalidRequest(f"`--health`: unknown state `{state}`; {hint}")
    environ |= _pairs(variables, "--set", "NAME=VALUE")
    return Scene(environ=environ, on=day, at=moment, health=dict(states), spent=_amounts(policy, spent))


def _amounts(policy: Policy, texts: Sequence[str]) -> Mapping[str, float]:
    amounts = {}
    budgets = [budget.name for budget in policy.budgets]
    for name, amount in _pairs(texts, "--spent", "BUDGET=AMOUNT").items():
        if name not in budgets:
            close = nearest(name, budgets)
            hint = f"did you mean `{close}`?" if close else f"the policy has {', '.join(budgets) or 'none'}"
            raise InvalidRequest(f"`--spent`: unknown budget `{name}`; {hint}")
        try:
            amounts[name] = float(amount)
        except ValueError:
            amounts[name] = math.nan
        if not 0 <= amounts[name] < math.inf:
            raise InvalidRequest(f"`--spent {name}={amount}`: write an amount, such as {name}=9.99")
    return amounts


def _known_here(who: Iterable[str], fleet: Fleet) -> None:
    """Refuse what would change nothing.

    Raises:
        InvalidRequest: nothing that the policy reaches has this name.
    """
    from qwenroute.cases.scene import names  # noqa: PLC0415

    there = {name for deployment in fleet.deployments for name in names(deployment)}
    for name in who:
        if name not in there:
            close = nearest(name, there)
            hint = f"did you mean `{close}`?" if close else "`qwenroute policy show` lists what is served"
            raise InvalidRequest(f"`--health`: nothing here is called `{name}`; {hint}")


def _pairs(texts: Sequence[str], option: str, shape: str) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise InvalidRequest(f"`{option} {text}`: write {shape}")
        pairs[name] = value
    return pairs
