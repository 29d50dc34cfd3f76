"""`qwenroute demo`: real prompts through the default policy, over real HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options
from qwenroute.cli.route import row
from qwenroute.domain.capability import Role
from qwenroute.errors import MissingCredentials, NoDeployment, QwenRouteError

if TYPE_CHECKING:
    from qwenroute.client import AsyncRouter
    from qwenroute.domain.record import Record

CONCURRENCY = 4
NARROWEST = 120
SELF_HOSTED = (
    "qwen2.5-7b-instruct",
    "qwen2.5-72b-instruct",
    "qwen2.5-coder-32b-instruct",
    "qwen2.5-math-7b-instruct",
    "qwen2.5-vl-7b-instruct",
    "qwen2.5-vl-72b-instruct",
    "qwq-32b",
    "qvq-72b-preview",
)
"""What the simulated self-hosted server serves, in the demo and in what `qwenroute simulate` prints."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt of the demo, as it lies in demo_prompts.jsonl."""

    id: str
    label: str
    text: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a prompt."""

    prompt: Prompt
    record: Record | None
    error: QwenRouteError | None
    max_cost_usd: float | None
    """What the same tokens cost at Max; None where Max cannot serve the request."""


def demo(
    live: Annotated[
        bool,
        typer.Option("--live", help="Call DashScope with DASHSCOPE_API_KEY instead of the simulator. Costs money."),
    ] = False,
    policy: options.Policy = "default",
    seed: Annotated[int, typer.Option(help="Seed of the simulator.")] = 7,
    time_scale: Annotated[
        float, typer.Option(min=0, help="How fast the simulator answers: 1 as measured by the vendor, 0 at once.")
    ] = 0.02,
    as_json: options.Json = False,
) -> None:
    """Route prompts of every kind and show what was chosen, why, and at what cost.

    Starts the simulator, makes one first choice fail, throttles one model and asks for one
    retired id, so that retries, fallbacks and replacements show.
    """
    if live and "DASHSCOPE_API_KEY" not in os.environ:
        raise MissingCredentials(
            "`--live` needs DASHSCOPE_API_KEY in the environment; without it, `qwenroute demo` uses the simulator"
        )
    logging.getLogger("qwenroute").setLevel(logging.ERROR)  # the table tells of every failure
    prompts = load_prompts()
    if live:
        outcomes = asyncio.run(_run(prompts, policy, dict(os.environ), as_json=as_json))
    else:
        outcomes = _simulated(prompts, policy, seed, time_scale, as_json=as_json)
    if as_json:
        for outcome in outcomes:
            print(json.dumps(_fields(outcome), ensure_ascii=False))
    else:
        _print(outcomes, live=live)
    if any(o.error is not None for o in outcomes):
        raise typer.Exit(exits.FAILED)


def load_prompts() -> list[Prompt]:
    """Read the prompts that are shipped with the package."""
    text = (files("qwenroute.cli") / "demo_prompts.jsonl").read_text(encoding="utf-8")
    prompts = []
    for line in text.splitlines():
        item = json.loads(line)
        body = {"messages": item["messages"], **item.get("request", {})}
        prompts.append(Prompt(item["id"], item["task"], _last_text(item["messages"]), body))
    return prompts


def _simulated(prompts: Sequence[Prompt], policy: str, seed: int, time_scale: float, *, as_json: bool) -> list[Outcome]:
    from qwenroute import testing  # noqa: PLC0415

    with testing.simulator(seed=seed, time_scale=time_scale) as simulator:
        environ = simulator.environ(self_hosted=SELF_HOSTED)
        simulator.fail("qwen2.5-coder-32b-instruct", "ModelUnavailable", times=2)
        simulator.fail("qwen2.5-vl-72b-instruct", "Throttling.RateQuota", times=2)
        retired = Prompt("retired id", "general", "(asks for qwen-max, which is retired)", {
            "model": "qwen-max",
            "messages": [{"role": "user", "content": "Name three rivers that cross a border."}],
        })  # fmt: skip
        return asyncio.run(_run([*prompts, retired], policy, environ, as_json=as_json))


async def _run(prompts: Sequence[Prompt], policy: str, environ: Mapping[str, str], *, as_json: bool) -> list[Outcome]:
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import Progress  # noqa: PLC0415

    from qwenroute.client import AsyncRouter  # noqa: PLC0415

    slots = asyncio.Semaphore(CONCURRENCY)
    async with AsyncRouter(policy, environ=environ) as router:
        with Progress(console=Console(stderr=True), disable=as_json) as progress:
            bar = progress.add_task("routing", total=len(prompts))

            async def one(prompt: Prompt) -> Outcome:
                async with slots:
                    outcome = await _ask(router, prompt)
                progress.advance(bar)
                return outcome

            return list(await asyncio.gather(*(one(p) for p in prompts)))


async def _ask(router: AsyncRouter, prompt: Prompt) -> Outcome:
    try:
        answer = await router.chat.completions.create(**prompt.body)  # type: ignore[call-overload]
    except QwenRouteError as error:
        return Outcome(prompt, getattr(error, "record", None), error, None)
    record: Record = answer.route
    return Outcome(prompt, record, None, _at_max(router, prompt, record))


def _at_max(router: AsyncRouter, prompt: Prompt, record: Record) -> float | None:
    """Return what this usage would have cost at Max, if Max can serve the request at all."""
    try:
        step = router.route(**{**prompt.body, "model": Role.MAX.value}).first  # type: ignore[arg-type]
    except NoDeployment:
        return None
    price = step.deployment.price
    if step.role is not Role.MAX or price is None or record.usage is None:
        return None
    return router.policy.exchange.convert(price.cost(record.usage)).amount


def _fields(outcome: Outcome) -> dict[str, object]:
    record = outcome.record
    if record is None:
        return {"id": outcome.prompt.id, "error": str(outcome.error)}
    fields: dict[str, object] = {
        "id": outcome.prompt.id,
        **row(record.decision),
        "answered_by": record.deployment,
        "attempts": len(record.attempts),
        "tokens": record.usage.total_tokens if record.usage else None,
        "cost_usd": options.cost_usd(record),
        "latency_ms": round(record.latency_s * 1000, 1),
        "simulated": record.simulated,
    }
    if outcome.error is not None:
        fields["error"] = str(outcome.error)
    return fields


def _print(outcomes: Sequence[Outcome], *, live: bool) -> None:
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    console = Console()
    if console.width < NARROWEST:  # a pipe counts as 80 columns; the table does not fit
        console = Console(width=NARROWEST)
    table = Table(title="DashScope" if live else "simulated answers, real HTTP", expand=True)
    wide = console.width >= 150
    table.add_column("prompt", ratio=1, no_wrap=True, overflow="ellipsis")
    table.add_column("task, difficulty", width=24 if wide else 17)
    table.add_column("deployment", width=39 if wide else 26)
    table.add_column("why", width=32 if wide else 22)
    for name in ("tries", "tokens", "USD", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for outcome in outcomes:
        record = outcome.record
        prompt = outcome.prompt.text[:80]
        if record is None:
            table.add_row(prompt, "", "[red]none[/red]", str(outcome.error), "", "", "", "")
            continue
        decision = record.decision
        cost = options.cost_usd(record)
        table.add_row(
            prompt,
            f"{decision.signals.task}, {decision.signals.difficulty}",
            (record.deployment or "[red]failed[/red]").replace("@", " @"),
            _why(record),
            str(len(record.attempts)),
            str(record.usage.total_tokens) if record.usage else "–",
            "–" if cost is None else f"{cost:.6f}",
            f"{record.latency_s * 1000:.0f}",
        )
    console.print(table)
    for line in _totals(outcomes):
        console.print(line, highlight=False)


def _why(record: Record) -> str:
    failed = [f"{a.failure.kind} at {a.model}" for a in record.attempts if a.failure is not None]
    return "; ".join([*record.decision.warnings, *failed, record.decision.rule])


def _totals(outcomes: Sequence[Outcome]) -> list[str]:
    answered = [o for o in outcomes if o.error is None and o.record is not None]
    priced = [(options.cost_usd(o.record) or 0.0, o.max_cost_usd) for o in answered if o.record is not None]
    cost = sum(c for c, _ in priced)
    comparable = [(c, m) for c, m in priced if m is not None]
    ours, at_max = sum(c for c, _ in comparable), sum(m for _, m in comparable)
    again = sum(1 for o in answered if o.record is not None and len(o.record.attempts) > 1)
    unpriced = sum(1 for o in answered if o.record is not None and o.record.cost is None)
    lines = [
        f"{len(answered)} of {len(outcomes)} answered, {again} of them after a failure; {cost:.6f} USD in all"
        + (f" ({unpriced} at deployments without a price, counted as nothing: your own hardware)" if unpriced else "")
    ]
    if at_max > 0:
        lines.append(
            f"everything to Max: {at_max:.6f} USD for the {len(comparable)} that Max can serve, which cost "
            f"{ours:.6f} USD here; the other {len(answered) - len(comparable)} it cannot serve"
        )
    return lines


def _last_text(messages: Sequence[Mapping[str, object]]) -> str:
    content = messages[-1].get("content")
    if isinstance(content, list):
        content = " ".join(p["text"] for p in content if isinstance(p, dict) and p.get("type") == "text")
    return " ".join(str(content).split())
