"""Deadlines, timeouts, attempts and hedges that do not fit together."""

from __future__ import annotations

from collections.abc import Iterator

from qwenroute.documents import Trail
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.domain.signals import Difficulty
from qwenroute.linting.limiting import plain
from qwenroute.linting.subject import Subject
from qwenroute.policy import Rule, schema
from qwenroute.routing.score import expect, forecast

CODES = {
    "QR350": "a timeout that the deadline comes before, so that what hangs is never tried elsewhere",
    "QR351": "attempts that are used up before a fallback, or a retry, is reached",
    "QR352": "a hedge that has nothing to call, or that the deadline comes before",
    "QR353": "a wait in the queue that the deadline comes before",
    "QR354": "a latency objective that cannot be missed, or that nothing is expected to meet",
    "QR355": "a limit of a rule that is no narrower than the policy's own",
    "QR356": "a deadline that comes before the quickest answer that can be expected",
}
ROUGHLY = 2
"""Expected speeds are that rough: only what is missed by more is told."""
_TIMEOUTS = ("connect_s", "first_token_s", "between_tokens_s", "answer_s")


def check(subject: Subject) -> Iterator[Diagnostic]:
    """Find them."""
    policy = subject.policy
    yield from _timeouts(subject)
    yield from _attempts(subject)
    if policy.limits.queue_s >= policy.limits.deadline_s:
        message = (
            f"`queue_s` is {policy.limits.queue_s:g} s, and the deadline of {policy.limits.deadline_s:g} s ends it"
        )
        yield subject.warning(("limits", "queue_s"), "QR353", message, "lower it")
    hedged: list[tuple[Trail, Rule]] = []
    for at, written, rule in subject.rules():
        yield from _narrower(subject, (*at, "limits"), written.limits)
        yield from _latency(subject, (*at, "latency"), rule)
        yield from _too_short(subject, at, written, rule)
        if rule.hedge is not None:
            hedged.append(((*at, "hedge") if written.hedge is not None else ("hedge",), rule))
    yield from _hedges(subject, hedged)


def _timeouts(subject: Subject) -> Iterator[Diagnostic]:
    policy = subject.policy
    deadline = policy.limits.deadline_s
    too_long = {
        key: limit for key in _TIMEOUTS if (limit := getattr(policy.timeouts, key)) is not None and limit >= deadline
    }
    if too_long:
        said = " and ".join(f"`{key}` ({limit:g} s)" for key, limit in too_long.items())
        written = [key for key in too_long if key in subject.loaded.file.timeouts.model_fields_set]
        trail = ("timeouts", written[0]) if written else ("limits", "deadline_s")
        message = f"the deadline of {deadline:g} s comes before {said}: what hangs is never tried elsewhere"
        yield subject.warning(trail, "QR350", message, "lower the timeout, or raise `limits.deadline_s`")


def _attempts(subject: Subject) -> Iterator[Diagnostic]:
    policy, file = subject.policy, subject.loaded.file
    most, per_step = policy.limits.max_attempts, policy.retries.per_step
    falls_back = any(rule.fallback for rules in file.routes.values() for rule in rules)
    if per_step >= most and "per_step" in file.retries.model_fields_set:
        message = f"`retries.per_step` is {per_step}, and one request has {_counted(most, 'attempt')} in all"
        yield subject.warning(("retries", "per_step"), "QR351", message, "lower it, or raise `limits.max_attempts`")
    elif falls_back and per_step + 1 >= most:
        message = (
            f"the first deployment uses up all of {_counted(most, 'attempt')}: no fallback is called after a failure"
        )
        yield subject.warning(("limits", "max_attempts"), "QR351", message, "raise it, or lower `retries.per_step`")


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def _hedges(subject: Subject, hedged: list[tuple[Trail, Rule]]) -> Iterator[Diagnostic]:
    deadline = subject.policy.limits.deadline_s
    told: set[Trail] = set()
    for at, rule in hedged:
        if rule.hedge is None or at in told:
            continue
        if rule.hedge.after_s is not None and rule.hedge.after_s >= (rule.limits or subject.policy.limits).deadline_s:
            told.add(at)
            message = f"the hedge starts after {rule.hedge.after_s:g} s, and the deadline is {deadline:g} s"
            yield subject.warning((*at, "after_s"), "QR352", message, "lower it")
        elif at != ("hedge",):
            members = {d.id for s in subject.possible.chain(rule.pool, *rule.fallback).stages for d in s.deployments}
            if len(members) == 1:
                message = f"rule `{rule.name}` has one deployment, `{next(iter(members))}`: a hedge has nothing to call"
                yield subject.warning(at, "QR352", message, "add a pool to `fallback`, or leave the hedge out")


def _latency(subject: Subject, at: Trail, rule: Rule) -> Iterator[Diagnostic]:
    if rule.latency is None:
        return
    within, of = rule.latency.within_s, str(rule.latency.of)
    deadline = (rule.limits or subject.policy.limits).deadline_s
    timeout = subject.policy.timeouts.first_token_s if of == "first_token" else subject.policy.timeouts.answer_s
    end = min(deadline, timeout or deadline)
    if within >= end:
        message = f"within {within:g} s cannot be missed by a call that {end:g} s end"
        yield subject.warning((*at, "within_s"), "QR354", message, "lower it")
        return
    quickest = _quickest(subject, rule, whole=of == "answer")
    if quickest is not None and within < quickest[0] / ROUGHLY:
        message = f"nothing is expected within {within:g} s: the quickest, `{quickest[1]}`, takes {quickest[0]:.1f} s"
        yield subject.warning((*at, "within_s"), "QR354", message, "raise it, or add quicker deployments")


def _quickest(subject: Subject, rule: Rule, *, whole: bool) -> tuple[float, str] | None:
    """Return how soon a short answer, or its first token, is expected at the earliest, and from whom."""
    found = []
    foreseen = forecast(plain(difficulty=Difficulty.EASY))
    for stage in subject.usual.chain(rule.pool, *rule.fallback).stages:
        for deployment in stage.deployments:
            usage = expect(foreseen, deployment, thinks=False)
            rest = usage.completion_tokens / deployment.speed.tokens_per_s if whole else 0.0
            found.append((deployment.speed.ttft_s + rest, deployment.id))
    return min(found, default=None)


def _too_short(subject: Subject, at: Trail, written: schema.Rule, rule: Rule) -> Iterator[Diagnostic]:
    deadline = (rule.limits or subject.policy.limits).deadline_s
    quickest = _quickest(subject, rule, whole=True)
    if quickest is not None and deadline < quickest[0] / ROUGHLY:
        own = written.limits is not None and written.limits.deadline_s == deadline
        place: Trail = (*at, "limits", "deadline_s") if own else ("limits", "deadline_s")
        message = (
            f"an easy answer takes {quickest[0]:.1f} s at the quickest of rule `{rule.name}`, `{quickest[1]}`, "
            f"and the deadline is {deadline:g} s"
        )
        yield subject.warning(place, "QR356", message, "raise it, or route to what is quicker")


def _narrower(subject: Subject, at: Trail, own: schema.RuleLimits | None) -> Iterator[Diagnostic]:
    """Find limits of a rule that change nothing."""
    if own is None:
        return
    policy = subject.loaded.file.limits
    for key in own.model_fields_set:
        mine, all_ = getattr(own, key), getattr(policy, key)
        if mine is None or all_ is None:
            continue
        wider = set(mine) >= set(all_) if isinstance(mine, list) else mine >= all_
        if wider:
            message = f"`{key}` here is no narrower than the policy's own, which counts"
            yield subject.warning((*at, key), "QR355", message, "leave it out, or narrow it")
