"""What can be wrong in a file of cases whose shape is right: names that nobody knows, and what contradicts itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qwenroute import errors
from qwenroute.cases import schema
from qwenroute.cases.asked import SHORT
from qwenroute.cases.moment import day_of, moment_of
from qwenroute.cases.rehearsal import Rehearsal
from qwenroute.cases.scene import STATES
from qwenroute.documents import Document, Trail, nearest
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.routing.gates import ORDER
from qwenroute.routing.way import NAMED

GATES = (*ORDER, *sorted({obstacle.gate for obstacle in STATES.values()} - set(ORDER)))
REFUSALS = tuple(
    name
    for name, kind in vars(errors).items()
    if isinstance(kind, type) and issubclass(kind, errors.QwenRouteError) and not issubclass(kind, errors.CallFailed)
)
_OF_A_REFUSAL = frozenset({"refused", "route", "rule", "pool", "objective", "rejected"})
"""What can be expected beside a refusal; the rest is about a plan."""


def mistakes(file: schema.CasesFile, document: Document, rehearsal: Rehearsal) -> Iterator[Diagnostic]:
    """Find them."""
    yield from _keys_of_endpoints(file, document, rehearsal)
    if day_of(file.on) is None:
        yield _no_day(document, ("on",), file.on)
    if file.at is not None and moment_of(file.at) is None:
        yield _no_moment(document, ("at",), file.at)
    seen: dict[str, int] = {}
    for index, case in enumerate(file.cases):
        at: Trail = ("cases", index)
        line, _ = document.place((*at, "case"))
        if case.case in seen:
            message = f"there is a case `{case.case}` already (line {seen[case.case]})"
            yield document.diagnostic((*at, "case"), "QR401", message, "say what is different about this one")
        seen.setdefault(case.case, line)
        yield from _contradictions(case, document, at)
        if isinstance(case.environ, str) and case.environ not in file.environs:
            close = nearest(case.environ, file.environs)
            hint = f"did you mean `{close}`?" if close else f"known: {', '.join(file.environs) or 'none'}"
            message = f"`environs` has no `{case.environ}`"
            yield document.diagnostic((*at, "environ"), "QR403", message, hint)
        yield from _unknown_names(case, document, at, rehearsal)


def _keys_of_endpoints(file: schema.CasesFile, document: Document, rehearsal: Rehearsal) -> Iterator[Diagnostic]:
    keys = {e.api_key.env for e in rehearsal.policy.endpoints if e.api_key is not None}
    environs: list[tuple[Trail, schema.Environ]] = [(("environ",), file.environ)]
    environs += [(("environs", name), environ) for name, environ in file.environs.items()]
    for index, case in enumerate(file.cases):
        if isinstance(case.environ, dict):
            environs.append((("cases", index, "environ"), case.environ))
    for at, environ in environs:
        for name, value in environ.items():
            if name in keys and value not in (None, "set"):
                message = f"`{name}` holds a key, and a secret does not belong in this file"
                yield document.diagnostic((*at, name), "QR110", message, f"write `{name}: set`; nothing is called")


def _contradictions(case: schema.Case, document: Document, at: Trail) -> Iterator[Diagnostic]:
    if case.request is not None:
        beside = [key for key in SHORT if getattr(case, key) not in (None, False)]
        if beside:
            message = f"`request` says the whole request, and `{beside[0]}` stands beside it"
            yield document.diagnostic((*at, beside[0]), "QR402", message, "write it into `request`, or leave that out")
    if case.on is not None and day_of(case.on) is None:
        yield _no_day(document, (*at, "on"), case.on)
    if case.at is not None and moment_of(case.at) is None:
        yield _no_moment(document, (*at, "at"), case.at)
    expected = case.expect.model_fields_set
    if not expected:
        message = "this case expects nothing, so it cannot fail"
        yield document.diagnostic((*at, "expect"), "QR409", message, "name the `rule` at least")
    elif case.expect.refused is not None and (beside := sorted(expected - _OF_A_REFUSAL)):
        message = f"where the request is refused there is no plan, and so no `{beside[0]}`"
        yield document.diagnostic((*at, "expect", beside[0]), "QR409", message)


def _unknown_names(case: schema.Case, document: Document, at: Trail, rehearsal: Rehearsal) -> Iterator[Diagnostic]:
    policy, expect = rehearsal.policy, case.expect
    rules = dict.fromkeys(rule.name for route in policy.routes.values() for rule in route.rules)
    named = [NAMED] if case.model is None else [NAMED, f"the {case.model} pool"]
    within: Trail = (*at, "expect")

    def unknown(trail: Trail, what: str, name: str, known: Iterable[str], code: str = "QR403") -> Iterator[Diagnostic]:
        choices = list(known)
        if name not in choices:
            close = nearest(name, choices)
            hint = f"did you mean `{close}`?" if close else f"known: {', '.join(choices)}"
            yield document.diagnostic(trail, code, f"unknown {what} `{name}`", hint)

    if expect.route is not None and expect.route != case.model:
        yield from unknown((*within, "route"), "route", expect.route, policy.routes)
    if expect.rule is not None:
        yield from unknown((*within, "rule"), "rule", expect.rule, [*rules, *named])
    if expect.objective is not None:
        yield from unknown((*within, "objective"), "objective", expect.objective, policy.objectives)
    for key, pools in (("pool", [expect.pool]), ("pools", expect.pools or [])):
        for index, pool in enumerate(pools):
            # A model that is named outright is a pool of itself.
            if pool is not None and rehearsal.registry.find(pool.partition("@")[0]) is None:
                trail: Trail = (*within, key, index) if key == "pools" else (*within, key)
                yield from unknown(trail, "pool", pool, policy.pools)
    for index, text in enumerate(case.like or ()):
        yield from unknown((*at, "like", index), "example", text, policy.examples)
    for key in ("deployment", "model", "plan", "plan_starts", "never"):
        for index, name in enumerate(getattr(expect, key) or ()):
            yield from _unknown_place(name, document, (*within, key, index), rehearsal)
    for index, name in enumerate(expect.endpoint or ()):
        yield from unknown((*within, "endpoint", index), "endpoint", name, [e.name for e in policy.endpoints])
    for name, wanted in (expect.rejected or {}).items():
        yield from _unknown_place(name, document, (*within, "rejected", name), rehearsal)
        yield from unknown((*within, "rejected", name), "gate", wanted.partition(":")[0].strip(), GATES, "QR408")
    for name in case.health or {}:
        yield from _unknown_place(name, document, (*at, "health", name), rehearsal)
    for name in case.spent or {}:
        yield from unknown((*at, "spent", name), "budget", name, [budget.name for budget in policy.budgets])
    if case.arm is not None and not policy.experiments:
        message = "`arm` is a side of an experiment, and the policy has none"
        yield document.diagnostic((*at, "arm"), "QR409", message, "leave it out")
    if expect.refused is not None:
        kind = expect.refused.partition(":")[0].strip()
        yield from unknown((*within, "refused"), "error", kind, REFUSALS, "QR408")


def _unknown_place(name: str, document: Document, trail: Trail, rehearsal: Rehearsal) -> Iterator[Diagnostic]:
    model, at, endpoint = name.partition("@")
    endpoints = [e.name for e in rehearsal.policy.endpoints]
    if at and endpoint not in endpoints:
        close = nearest(endpoint, endpoints)
        hint = f"did you mean `{model}@{close}`?" if close else f"known: {', '.join(endpoints)}"
        yield document.diagnostic(trail, "QR404", f"unknown endpoint `{endpoint}`", hint)
    if model == "*" and at:
        return
    found = rehearsal.registry.find(model)
    if found is None:
        close = rehearsal.registry.suggest(model)
        hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
        yield document.diagnostic(trail, "QR404", f"unknown model `{model}`", hint)
    elif found.card.id != model:
        message = f"`{model}` is `{found.card.id}` by another name, and decisions name that"
        yield document.diagnostic(trail, "QR404", message, f"write `{found.card.id}{at}{endpoint}`")


def _no_day(document: Document, trail: Trail, text: str) -> Diagnostic:
    return document.diagnostic(trail, "QR405", f"`{text}` is no day", "write YYYY-MM-DD, such as 2026-11-24")


def _no_moment(document: Document, trail: Trail, text: str) -> Diagnostic:
    hint = "write the time of day, such as 03:00, or 2026-11-24T03:00"
    return document.diagnostic(trail, "QR405", f"`{text}` is no moment", hint)
