"""Where the cases of a policy lie."""

from __future__ import annotations

from pathlib import Path

CASES = ".cases.yaml"


def cases_beside(policy: Path) -> Path:
    """Return where the cases of a policy file belong: `x.cases.yaml` beside `x.yaml`."""
    return policy.with_name(policy.name.removesuffix(policy.suffix) + CASES)
