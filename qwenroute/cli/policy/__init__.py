"""`qwenroute policy`: everything about policy files, one file per verb."""

from __future__ import annotations

import typer

from qwenroute.cli import exits
from qwenroute.cli.policy.check import check
from qwenroute.cli.policy.diff import diff
from qwenroute.cli.policy.explain import explain
from qwenroute.cli.policy.schema import schema
from qwenroute.cli.policy.show import show
from qwenroute.cli.policy.test import run_cases

app = typer.Typer(
    help="Check policy files, test them, and see what they say.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

app.command(epilog=exits.TABLE)(check)
app.command(epilog=exits.TABLE)(show)
app.command(epilog=exits.TABLE)(schema)
app.command(name="test", epilog=exits.TABLE)(run_cases)
app.command(epilog=exits.TABLE)(explain)
app.command(epilog=exits.TABLE)(diff)
