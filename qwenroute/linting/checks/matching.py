"""Rules and conditions that can never hold, or that always do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qwenroute.analysis.language import LANGUAGES
from qwenroute.documents import Trail, nearest
from qwenroute.domain.capability import Modality
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.linting.logic import Case, TooMuch, apart, cases
from qwenroute.linting.subject import Subject
from qwenroute.policy import schema

CODES = {
    "QR310": "a rule that can never match: its conditions contradict each other",
    "QR311": "a rule that can never match: those before it take everything that it would",
    "QR312": "a condition that always holds: text is among what every request brings and wants back",
    "QR313": "a confidence that every guess has, or hardly any",
    "QR314": "the sound of a video, where the rule is for requests that need not bring one",
    "QR315": "a language that is never found",
    "QR316": "a kind of answer that nothing gives",
}

MOST_COMPARED = 500_000
"""Cases against cases; a rule that takes more is not judged."""


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    for route, rules in subject.loaded.file.routes.items():
        yield from _order(subject, route, rules)
        for index, rule in enumerate(rules):
            for at, when in _nested(("routes", route, index, "when"), rule.when):
                yield from _odd(subject, at, when)


def _order(subject: Subject, route: str, rules: Sequence[schema.Rule]) -> Iterator[Diagnostic]:
    before: list[tuple[int, Case]] = []
    for index, rule in enumerate(rules):
        at: Trail = ("routes", route, index, "rule")
        try:
            found = cases(rule.when)
        except TooMuch:
            continue
        pieces = [one for case in found for one in apart(case)]
        if len(pieces) * len(before) > MOST_COMPARED:
            pieces = list(found)
        if len(pieces) * len(before) > MOST_COMPARED:
            continue
        takers = [_taker(one, before) for one in pieces]
        if not found:
            message = f"rule `{rule.rule}` can never match: its conditions contradict each other"
            yield subject.error(at, "QR310", message, "split it, or ask with `any` for one of several things")
        elif None not in takers and not _overruled(subject, route, index, takers):
            names = [f"`{rules[taker].rule}`" for taker in dict.fromkeys(takers) if taker is not None]
            who = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
            message = (
                f"rule `{rule.rule}` can never match: {who} before it take{'s' if len(names) == 1 else ''} all of it"
            )
            yield subject.error(at, "QR311", message, "put the narrower rule first")
        before += [(index, case) for case in found]


def _taker(case: Case, before: Sequence[tuple[int, Case]]) -> int | None:
    """Return the first rule that takes a case whole."""
    return next((index for index, earlier in before if case.within(earlier)), None)


def _overruled(subject: Subject, route: str, index: int, takers: Sequence[int | None]) -> bool:
    """Whether this is an inherited rule, before which the file puts one of its own on purpose."""
    level = subject.loaded.document.level
    own = level(("routes", route, index, "rule"))
    return any(level(("routes", route, taker, "rule")) < own for taker in takers if taker is not None)


def _nested(at: Trail, when: schema.When | None) -> Iterator[tuple[Trail, schema.When]]:
    if when is None:
        return
    yield at, when
    for key in ("any", "all"):
        for index, inner in enumerate(getattr(when, key) or ()):
            yield from _nested((*at, key, index), inner)
    yield from _nested((*at, "not"), when.not_)


def _odd(subject: Subject, at: Trail, when: schema.When) -> Iterator[Diagnostic]:
    for key in ("input", "output"):
        wanted = getattr(when, key) or ()
        if Modality.TEXT in wanted:
            message = f"`{key}: text` holds for every request: text is always there"
            hint = "for text alone, write `not: {input: [image, audio, video]}`" if key == "input" else None
            yield subject.warning((*at, key), "QR312", message, hint or "leave it out")
    for index, kind in enumerate(when.output or ()):
        if kind in {Modality.IMAGE, Modality.VIDEO}:
            message = f"no model here answers with {kind}"
            yield subject.warning((*at, "output", index), "QR316", message, "leave it out")
    if when.min_confidence in {0, 1}:
        said = "every guess has it" if when.min_confidence == 0 else "only hints and what is taught are that sure"
        yield subject.warning((*at, "min_confidence"), "QR313", f"`min_confidence: {when.min_confidence:g}`: {said}")
    if when.sound and when.input and Modality.VIDEO not in when.input:
        message = "`sound` is about a video, and this rule is for requests that need not bring one"
        yield subject.warning((*at, "sound"), "QR314", message, "add `input: video`")
    for index, language in enumerate(when.language or ()):
        if language not in LANGUAGES:
            close = nearest(language.lower(), LANGUAGES)
            hint = f"did you mean `{close}`?" if close else f"found are: {', '.join(sorted(LANGUAGES))}"
            yield subject.warning((*at, "language", index), "QR315", f"no request is found to be `{language}`", hint)
