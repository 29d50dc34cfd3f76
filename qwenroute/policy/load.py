"""Read a policy file, tell every mistake at once, and compile what is left."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qwenroute.documents import MOST_FINDINGS, Document, nearest, validate
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import ConfigurationError, DocumentError
from qwenroute.policy import schema
from qwenroute.policy.compile import compile_policy
from qwenroute.policy.extends import is_name, merged, read_policy, shipped
from qwenroute.policy.policy import Policy
from qwenroute.policy.references import references
from qwenroute.policy.secrets import secrets
from qwenroute.policy.teaching_mistakes import teaching_mistakes
from qwenroute.policy.when_mistakes import when_mistakes
from qwenroute.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loaded:
    """A policy, and the file that says it, for whoever has to name places in it."""

    policy: Policy
    file: schema.PolicyFile
    document: Document


_OF_KEYS = ("QR101", "QR102")


def load_policy(source: str | Path, registry: Registry | None = None) -> Policy:
    """Return the policy of a shipped name (`default`) or of a path.

    Raises:
        As `load` does.
    """
    return load(source, registry).policy


def load(source: str | Path, registry: Registry | None = None) -> Loaded:
    """Return a policy with the file that it was read from.

    Model ids in the file are checked against `registry`, by default the shipped one.

    Raises:
        ConfigurationError: there is no shipped policy of this name.
        DocumentError: the file cannot be read or has mistakes; all of them, with their places.
    """
    path = _shipped(source) if isinstance(source, str) and is_name(source) else Path(source)
    layers = read_policy(path)
    document, findings = merged(layers)
    known = registry or Registry.load()
    checks = (
        *map(secrets, layers), references(document, known), when_mistakes(document), teaching_mistakes(document)
    )  # fmt: skip
    for check in checks:
        findings += islice(check, MOST_FINDINGS)
    try:
        file = validate(document, schema.PolicyFile)
    except DocumentError as error:
        findings += error.diagnostics
    if findings:
        # A value that is wrong twice over is told once, by the check that knows more; keys that lack have one place.
        told: dict[tuple[object, ...], Diagnostic] = {}
        for d in findings:
            told.setdefault((d.file, d.line, d.column, d.message if d.code in _OF_KEYS else ""), d)
        order = [layer.name for layer in layers]
        raise DocumentError(sorted(told.values(), key=lambda d: (order.index(d.file), d.line, d.column)))
    return Loaded(policy=compile_policy(file, document, path, known), file=file, document=document)


def _shipped(name: str) -> Path:
    known = shipped()
    if name in known:
        return known[name]
    close = nearest(name, known)
    hint = f"did you mean `{close}`?" if close else f"shipped: {', '.join(known)}"
    raise ConfigurationError(
        f"no policy named `{name}` is shipped; {hint}. A file is given by its path, `./{name}.yaml`"
    )
