"""The verbs, put together."""

from __future__ import annotations

from typing import Annotated

import typer

import qwenroute
from qwenroute.cli import exits
from qwenroute.cli.ask import ask
from qwenroute.cli.budgets import budgets
from qwenroute.cli.demo import demo
from qwenroute.cli.eval import evaluate
from qwenroute.cli.experiment import app as experiment
from qwenroute.cli.health import health
from qwenroute.cli.models import app as models
from qwenroute.cli.policy import app as policy
from qwenroute.cli.replay import replay
from qwenroute.cli.route import route
from qwenroute.cli.simulate import simulate
from qwenroute.cli.stats import stats

app = typer.Typer(
    name="qwenroute",
    help="Pick the right Qwen model for each request, call it, and say why.",
    epilog=exits.TABLE,
    no_args_is_help=True,
    rich_markup_mode="markdown",  # a paragraph is one, whatever the width it was written in
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qwenroute {qwenroute.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


app.command(epilog=exits.TABLE)(demo)
app.command(epilog=exits.TABLE)(ask)
app.command(epilog=exits.TABLE)(route)
app.command(name="eval", epilog=exits.TABLE)(evaluate)
app.command(epilog=exits.TABLE)(health)
app.command(epilog=exits.TABLE)(stats)
app.command(epilog=exits.TABLE)(replay)
app.command(epilog=exits.TABLE)(budgets)
app.add_typer(experiment, name="experiment", epilog=exits.TABLE)
app.add_typer(models, name="models", epilog=exits.TABLE)
app.add_typer(policy, name="policy", epilog=exits.TABLE)
app.command(epilog=exits.TABLE)(simulate)
