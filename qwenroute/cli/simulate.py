"""`qwenroute simulate`: a local DashScope, until interrupted."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits
from qwenroute.cli.demo import SELF_HOSTED

if TYPE_CHECKING:
    from qwenroute.simulator import Simulator


def simulate(
    host: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 8791,
    seed: Annotated[int, typer.Option(help="What the answers follow from.")] = 0,
    time_scale: Annotated[
        float, typer.Option(min=0.0, help="1 waits as long as the model is expected to take, 0 not at all.")
    ] = 1.0,
    region: Annotated[
        str, typer.Option(help="Region below /compatible-mode/v1; the others answer below /REGION/compatible-mode/v1.")
    ] = "intl-singapore",
    on: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Date that decides which models are alive (today).")
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=FAULT", help="Make a model (`*`: any) fail; repeatable. See --list-faults."),
    ] = None,
    rpm: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=N", help="Requests per minute of a model (`*`: any); repeatable.")
    ] = None,
    tpm: Annotated[
        list[str] | None, typer.Option(metavar="MODEL=N", help="Tokens per minute of a model (`*`: any); repeatable.")
    ] = None,
    rate_limits: Annotated[bool, typer.Option(help="Hold the platform's own limits.")] = True,
    list_faults: Annotated[bool, typer.Option("--list-faults", help="Print the names of the faults and stop.")] = False,
) -> None:
    """Run a local DashScope on loopback: no key, no cost, every answer says that it is simulated.

    Prints the environment variables that make qwenroute, or another OpenAI client, use it.
    They can be read by a shell: `qwenroute simulate > simulated.env &`, then `. ./simulated.env`.
    """
    from qwenroute.simulator.faults import named_faults  # noqa: PLC0415 - `--help` stays quick

    if list_faults:
        for name in named_faults():
            print(name)
        return
    from qwenroute.registry import Registry  # noqa: PLC0415
    from qwenroute.simulator import Simulator  # noqa: PLC0415

    regions = Registry.load().regions
    if region not in regions:
        raise typer.BadParameter(f"unknown region `{region}`; known: {', '.join(regions)}", param_hint="--region")
    simulator = Simulator(
        host=host,
        port=port,
        region=region,
        on=None if on is None else on.date(),
        seed=seed,
        time_scale=time_scale,
        rate_limits=rate_limits,
        rpm=_numbers(rpm, "--rpm"),
        tpm=_numbers(tpm, "--tpm"),
    )
    for model, name in _pairs(fault, "--fault"):
        try:
            simulator.fail(model, name)
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--fault") from None
    try:
        asyncio.run(_serve(simulator))
    except OSError as error:
        advice = "choose another --port or --host"
        print(f"cannot listen on {host}:{port}: {error.strerror or error}; {advice}", file=sys.stderr)
        raise typer.Exit(exits.USAGE) from None


async def _serve(simulator: Simulator) -> None:
    from qwenroute.testing import SimulatorHandle  # noqa: PLC0415

    interrupted = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted.set)
    async with simulator as running:
        print(f"# simulating DashScope {running.region} as of {running.on} at {running.url}; Ctrl-C stops it")
        handle = SimulatorHandle(running)
        dashscope = handle.environ()
        for name, value in dashscope.items():
            print(f"export {name}={value}")
        print("# a self-hosted server of every open-weight model is there too; name the models you want of it:")
        for name, value in handle.environ(dashscope=False, self_hosted=SELF_HOSTED).items():
            print(f"export {name}={value}")
        print("# any other OpenAI client:")
        print(f"# export OPENAI_BASE_URL={dashscope['DASHSCOPE_BASE_URL']}")
        print(f"# export OPENAI_API_KEY={dashscope['DASHSCOPE_API_KEY']}", flush=True)
        await interrupted.wait()
    print("# stopped", flush=True)


def _pairs(given: list[str] | None, option: str) -> list[tuple[str, str]]:
    pairs = []
    for text in given or ():
        model, equals, value = text.partition("=")
        if not (model and equals and value):
            raise typer.BadParameter(f"`{text}` is not MODEL=VALUE", param_hint=option)
        pairs.append((model, value))
    return pairs


def _numbers(given: list[str] | None, option: str) -> dict[str, int]:
    numbers = {}
    for model, value in _pairs(given, option):
        if not value.isdigit():
            raise typer.BadParameter(f"`{value}` is not a whole number", param_hint=option)
        numbers[model] = int(value)
    return numbers
