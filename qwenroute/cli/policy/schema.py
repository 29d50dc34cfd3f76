"""`qwenroute policy schema`: what may stand in a policy file, for editors and for readers."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the page with every key, code and recipe.")
    ] = False,
) -> None:
    """Print the JSON Schema of policy files: completion, hover and mistakes in editors that know YAML."""
    from qwenroute.linting import codes  # noqa: PLC0415 - importing it takes a while, --help should not
    from qwenroute.reference import json_schema, page  # noqa: PLC0415
    from qwenroute.registry import Registry  # noqa: PLC0415

    known = Registry.load()
    if markdown:
        typer.echo(page(known, codes()), nl=False)
    else:
        typer.echo(json.dumps(json_schema(known), ensure_ascii=False, indent=2))
