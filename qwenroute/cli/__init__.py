"""The command line: one file per verb."""

from __future__ import annotations

import logging
import sys


def main() -> None:
    """Run the command line; every error of ours becomes one message and an exit code."""
    from qwenroute.cli.app import app  # noqa: PLC0415 - keeps the package importable without a terminal
    from qwenroute.cli.exits import exit_code_for  # noqa: PLC0415
    from qwenroute.errors import QwenRouteError  # noqa: PLC0415

    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    try:
        app()
    except QwenRouteError as error:
        sys.stdout.flush()
        print(f"qwenroute: {error}", file=sys.stderr)
        sys.exit(exit_code_for(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
