"""What can be wrong with the conditions of rules, each looked at where it stands, however deep."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qwenroute.documents import Document, Trail, quoted
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.headers import carries_secret

MOST_LEVELS = 5
"""Of `any`, `all` and `not` inside each other: more than that nobody reads."""


def whens(document: Document) -> Iterator[tuple[Trail, Mapping[str, object]]]:
    """Yield every `when`, and every mapping of conditions nested in one, with its place."""
    top = document.value if isinstance(document.value, Mapping) else {}
    routes = top.get("routes")
    for name, rules in routes.items() if isinstance(routes, Mapping) else ():
        for index, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, Mapping):
                yield from nested(("routes", name, index, "when"), rule.get("when"))


def nested(at: Trail, when: object) -> Iterator[tuple[Trail, Mapping[str, object]]]:
    """Yield a mapping of conditions and those inside it."""
    if not isinstance(when, Mapping):
        return
    yield at, when
    for key in ("any", "all"):
        groups = when.get(key)
        for index, inner in enumerate(groups if isinstance(groups, list) else ()):
            yield from nested((*at, key, index), inner)
    yield from nested((*at, "not"), when.get("not"))


def when_mistakes(document: Document) -> Iterator[Diagnostic]:
    """Find them, on the raw value."""
    for at, when in whens(document):
        levels = sum(part in {"any", "all", "not"} for part in at[4:])
        if levels > MOST_LEVELS:
            message = f"conditions inside conditions, more than {MOST_LEVELS} levels of them"
            yield document.diagnostic(at, "QR222", message, "split this into rules that follow each other")
            continue
        if not when:
            told = "`not` nothing can never hold" if at[-1] == "not" else "a condition that says nothing always holds"
            hint = (
                "leave `when` out where the rule is for every request" if at[-1] == "when" else "say what has to hold"
            )
            yield document.diagnostic(at, "QR219", told, hint)
        for key, value in when.items():
            if value is None:
                message = f"{quoted(key)} says nothing, so it would always hold"
                yield document.diagnostic(
                    (*at, key), "QR219", message, "write what it has to be, or leave the line out"
                )
        if isinstance(hours := when.get("time"), Mapping):
            yield from _hours(document, (*at, "time"), hours)
        if isinstance(headers := when.get("headers"), Mapping):
            yield from _headers(document, (*at, "headers"), headers)
        if isinstance(tokens := when.get("prompt_tokens"), Mapping):
            yield from _tokens(document, (*at, "prompt_tokens"), tokens)


def _hours(document: Document, at: Trail, hours: Mapping[str, object]) -> Iterator[Diagnostic]:
    if not any(hours.get(key) is not None for key in ("days", "from", "to")):
        hint = "write `days`, `from` and `to`, or some of them"
        yield document.diagnostic(at, "QR220", "`time` says neither days nor hours", hint)
    elif isinstance(begin := hours.get("from"), str) and begin == hours.get("to"):
        hint = "leave both out for the whole day"
        yield document.diagnostic((*at, "to"), "QR220", f"from {begin} to {begin} is no time at all", hint)


def _headers(document: Document, at: Trail, headers: Mapping[str, object]) -> Iterator[Diagnostic]:
    seen: dict[str, str] = {}
    for name in headers:
        if carries_secret(name):
            message = f"the header {quoted(name)} carries secrets, so it is never read"
            hint = "let the application pass a name instead: the hints `tenant` and `key` are for that"
            yield document.diagnostic((*at, name), "QR221", message, hint)
        elif (before := seen.setdefault(name.lower(), name)) != name:
            message = f"{quoted(name)} and {quoted(before)} are one header: case makes no difference"
            yield document.diagnostic((*at, name), "QR221", message, "write its values in one list")


def _tokens(document: Document, at: Trail, tokens: Mapping[str, object]) -> Iterator[Diagnostic]:
    low, high = tokens.get("at_least"), tokens.get("at_most")
    if low is None and high is None:
        message = "`prompt_tokens` has no bound"
        yield document.diagnostic(at, "QR219", message, "write `at_least`, `at_most`, or both")
    elif isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        message = f"no prompt has at least {low:g} and at most {high:g} tokens"
        yield document.diagnostic((*at, "at_most"), "QR219", message, "exchange them")
