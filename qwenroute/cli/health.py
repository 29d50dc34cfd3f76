"""`qwenroute health`: what a policy can call from here, and (when asked) whether it answers."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from qwenroute.cli import exits, options
from qwenroute.domain.capability import Deployment, Modality, Role, Thinking
from qwenroute.errors import CallFailed, QwenRouteError

if TYPE_CHECKING:
    from qwenroute.client import AsyncRouter

PROBE_TOKENS = 16
AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Probe:
    """What a deployment did with one small request."""

    answered: bool
    latency_s: float | None
    cost_usd: float | None
    error: str | None


def health(
    policy: options.Policy = "default",
    overlay: options.Overlay = None,
    on: options.On = None,
    probe: Annotated[
        bool,
        typer.Option("--probe", help="Send one small request to each deployment. It costs money: a few tokens each."),
    ] = False,
    timeout: Annotated[float, typer.Option("--timeout", min=0.1, help="Seconds that a probe may take.")] = 30.0,
    as_json: options.Json = False,
) -> None:
    """Show every deployment that the policy can call with this environment, and whether each role has one.

    Nothing is called unless `--probe` is given. What a running process knows of its deployments
    (open breakers, cooldowns, latencies) only that process can tell: there it is `Router.health()`.
    Exit code 1 if a role that the policy's routes name has no available deployment.
    """
    from qwenroute.client import AsyncRouter  # noqa: PLC0415 - importing it takes a while, --help should not

    router = AsyncRouter(policy, registry=options.registry(overlay), on=options.day(on))
    deployments = router.fleet.deployments
    if probe:
        typer.echo(f"probing {len(deployments)} deployments; each answers up to {PROBE_TOKENS} tokens", err=True)
    probes = asyncio.run(_probe_all(router, timeout)) if probe else {}
    available = {d.id: d.lifecycle.callable and (not probe or probes[d.id].answered) for d in deployments}
    roles = {role: [d.id for d in deployments if role in d.roles and available[d.id]] for role in _roles(router)}
    rows = [_row(d, available[d.id], probes.get(d.id)) for d in deployments]
    if as_json:
        told = {"policy": router.policy.name, "probed": probe, "roles": roles, "deployments": rows}
        typer.echo(json.dumps(told, ensure_ascii=False, indent=2))
    else:
        Console().print(_table(deployments, available, probes))
        for id_, probed in probes.items():
            if probed.error is not None:
                typer.echo(f"{id_}: {probed.error}")
        for role, ids in roles.items():
            if not ids:
                typer.echo(f"no available deployment for the role {role}")
    if not all(roles.values()):
        raise typer.Exit(exits.FAILED)


def _roles(router: AsyncRouter) -> list[Role]:
    """Return the roles that the routes send requests to."""
    policy = router.policy
    rules = [rule for route in policy.routes.values() for rule in route.rules]
    named = {role for rule in rules for pool in (rule.pool, *rule.fallback) for role in policy.pools[pool].roles}
    return [role for role in Role if role in named]


async def _probe_all(router: AsyncRouter, timeout_s: float) -> dict[str, Probe]:
    logging.getLogger("qwenroute").setLevel(logging.CRITICAL)  # what fails is in the table
    room = asyncio.Semaphore(AT_ONCE)

    async def one(deployment: Deployment) -> tuple[str, Probe]:
        async with room:
            return deployment.id, await _probe(router, deployment, timeout_s)

    async with router:
        return dict(await asyncio.gather(*(one(d) for d in router.fleet.deployments)))


async def _probe(router: AsyncRouter, deployment: Deployment, timeout_s: float) -> Probe:
    if not deployment.lifecycle.callable:  # a successor would answer in its place
        return Probe(False, None, None, f"not called: {deployment.lifecycle.value.replace('_', ' ')}")
    try:
        answer = await router.chat.completions.create(
            model=deployment.id,
            messages=[{"role": "user", "content": "Say hi."}],
            max_tokens=PROBE_TOKENS,
            qwenroute={"thinking": False} if deployment.thinking is Thinking.HYBRID else None,  # it has no such bound
            timeout=timeout_s,
        )
    except CallFailed as error:
        failures = [a.failure for a in error.attempts if a.failure is not None]
        said = f"{failures[-1].kind}: {failures[-1].message}" if failures else str(error)
        return Probe(False, error.record.latency_s, options.cost_usd(error.record), said)
    except QwenRouteError as error:
        return Probe(False, None, None, str(error))
    return Probe(True, answer.route.latency_s, options.cost_usd(answer.route), None)


def _row(deployment: Deployment, available: bool, probe: Probe | None) -> dict[str, object]:
    limits = deployment.rate_limits
    row: dict[str, object] = {
        "id": deployment.id,
        "available": available,
        "lifecycle": deployment.lifecycle.value,
        "retires_on": None if deployment.retires_on is None else deployment.retires_on.isoformat(),
        "roles": list(deployment.roles),
        "input": [m.value for m in Modality if m in deployment.input],
        "output": [m.value for m in Modality if m in deployment.output],
        "context_tokens": deployment.context_tokens,
        "rpm": limits.rpm,
        "tpm": limits.tpm,
    }
    if probe is not None:
        row["probe"] = {
            "answered": probe.answered,
            "latency_s": probe.latency_s,
            "cost_usd": probe.cost_usd,
            "error": probe.error,
        }
    return row


def _table(deployments: tuple[Deployment, ...], available: dict[str, bool], probes: dict[str, Probe]) -> Table:
    table = Table(box=None, pad_edge=False, caption=f"{sum(available.values())} of {len(deployments)} available")
    for heading in ("deployment", "state", "roles"):
        table.add_column(heading, no_wrap=heading == "deployment", min_width=None if heading == "deployment" else 7)
    limits = ("window",) if probes else ("window", "rpm", "tpm")  # whoever probes wants to see the answers
    for heading in limits:
        table.add_column(heading, justify="right", no_wrap=True)
    if probes:
        table.add_column("latency", justify="right", no_wrap=True)
    for d in deployments:
        state = d.lifecycle.value.replace("_", " ") + (f" until {d.retires_on}" if d.retires_on else "")
        cells = [escape(d.id), _state(state, available[d.id], probes.get(d.id)), ", ".join(d.roles)]
        figures = {"window": d.context_tokens, "rpm": d.rate_limits.rpm, "tpm": d.rate_limits.tpm}
        cells += [_number(figures[heading]) for heading in limits]
        if (probe := probes.get(d.id)) is not None:
            cells.append("" if probe.latency_s is None else f"{probe.latency_s:.2f} s")
        table.add_row(*cells)
    return table


def _state(lifecycle: str, available: bool, probe: Probe | None) -> str:
    if probe is None:
        return f"[green]{lifecycle}[/]" if available else f"[red]{lifecycle}[/]"
    return "[green]answers[/]" if probe.answered else "[red]fails[/]"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"
