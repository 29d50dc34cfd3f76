"""Read a file of cases, and tell every mistake at once."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import Path
from types import MappingProxyType

from qwenroute.cases import schema
from qwenroute.cases.asked import request_of, statement_of
from qwenroute.cases.case import Case, Suite
from qwenroute.cases.mistakes import mistakes
from qwenroute.cases.moment import day_of, moment_of
from qwenroute.cases.rehearsal import Rehearsal
from qwenroute.cases.scene import Lately, Scene
from qwenroute.documents import Document, Trail, read, validate
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.request import Request
from qwenroute.errors import ConfigurationError, DocumentError, InvalidRequest
from qwenroute.policy import Alike
from qwenroute.policy.secrets import secrets

NOON = time(12)


def load_cases(path: Path, rehearsal: Rehearsal) -> Suite:
    """Return the cases of a file.

    Raises:
        DocumentError: it cannot be read, or has mistakes; names are checked against the policy.
    """
    document = read(path)
    findings = list(secrets(document))
    try:
        file = validate(document, schema.CasesFile)
    except DocumentError as error:
        raise _every([*findings, *error.diagnostics]) from None
    findings += mistakes(file, document, rehearsal)
    cases: list[Case] = []
    told: set[tuple[date, frozenset[tuple[str, str]]]] = set()
    for index, entry in enumerate(file.cases):
        at: Trail = ("cases", index)
        scene = _scene(file, entry)
        if scene is None:
            continue  # the mistakes have it
        asked = _request(entry, document, at, findings)
        if asked is None:
            continue
        where = (scene.on, frozenset(scene.environ.items()))
        try:
            rehearsal.fleet(scene.environ, scene.on)
        except ConfigurationError as error:
            if where not in told:
                trail: Trail = (*at, "environ") if entry.environ is not None else ("environ",)
                findings.append(document.diagnostic(trail, "QR406", *_unusable(error)))
            told.add(where)
            continue
        similar = dict.fromkeys(entry.like or (), 1.0)
        cases.append(
            Case(
                name=entry.case,
                line=document.place((*at, "case"))[0],
                request=asked,
                statement=statement_of(entry),
                scene=scene,
                expect=entry.expect,
                alike=Alike(MappingProxyType(similar)) if rehearsal.policy.examples else None,
            )
        )
    if findings:
        raise _every(findings)
    return Suite(file=str(path), cases=tuple(cases))


def _scene(file: schema.CasesFile, entry: schema.Case) -> Scene | None:
    moment = moment_of(entry.at or file.at)
    day = day_of(entry.on)
    if day is None:
        day = moment.date() if isinstance(moment, datetime) else day_of(file.on)
    if day is None:
        return None
    if not isinstance(moment, datetime):
        moment = datetime.combine(day, moment or NOON)
    own = file.environs.get(entry.environ, {}) if isinstance(entry.environ, str) else entry.environ or {}
    environ = {name: value for name, value in {**file.environ, **own}.items() if value is not None}
    health: Mapping[str, str | Lately] = {
        name: Lately(**stated.model_dump()) if isinstance(stated, schema.Figures) else stated
        for name, stated in (entry.health or {}).items()
    }
    return Scene(environ=environ, on=day, at=moment, health=health, spent=entry.spent or {}, arm=entry.arm)


def _request(
    entry: schema.Case, document: Document, at: Trail, findings: list[Diagnostic]
) -> Request | InvalidRequest | None:
    try:
        return request_of(entry)
    except InvalidRequest as error:
        if (entry.expect.refused or "").startswith("InvalidRequest"):
            return error
        key = "request" if entry.request is not None else "hints" if entry.hints is not None else "case"
        hint = "if that is what the case is about: `expect: {refused: InvalidRequest}`"
        findings.append(document.diagnostic((*at, key), "QR407", f"a caller could not send this: {error}", hint))
        return None


def _unusable(error: ConfigurationError) -> tuple[str, str | None]:
    """Return message and help of an `environ` with which the policy cannot be used."""
    said, *more = str(error).splitlines()
    needed = [line.strip() for line in more if line.startswith(" ")]
    hint = f"write the variables of one of them into `environ`: {'; '.join(needed)}" if needed else None
    return f"with this `environ`: {said.removesuffix('; set one of')}", hint


def _every(findings: list[Diagnostic]) -> DocumentError:
    places = {(d.line, d.column): d for d in reversed(findings)}
    return DocumentError(sorted(places.values(), key=lambda d: (d.line, d.column)))
