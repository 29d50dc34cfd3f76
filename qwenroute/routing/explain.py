"""A decision in words: what was seen, what matched, what was left out and why, and the plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

from qwenroute.domain.decision import Candidate, Decision, Plan, Resume, RuleTried, Step
from qwenroute.domain.experiment import Arm, Assignment
from qwenroute.domain.request import Hints
from qwenroute.domain.signals import Signals
from qwenroute.policy.condition import HEADERS


def explain(decision: Decision, hints: Hints | None = None) -> str:
    """Return the whole story of a decision, a line for each thing; with its hints also what they said of rules."""
    return "\n".join(_lines(decision, hints))


def tried(rule: RuleTried, signals: Signals, hints: Hints | None = None) -> str:
    """Say what became of a rule, and what the request has instead of what the rule wants."""
    if rule.failed is None:
        return "matched"
    key = rule.failed.partition(":")[0]
    seen = _SEEN.get(key)
    has = None if seen is None else seen(signals)
    if hints is not None and key.startswith(HEADERS):
        has = hints.headers.get(key.removeprefix(HEADERS), "not there")
    elif hints is not None and key in _HINTED:
        has = _HINTED[key](hints) or "not said"
    return f"no, wants {rule.failed}" + ("" if has is None else f"; here it is {has}")


def _lines(decision: Decision, hints: Hints | None) -> Iterator[str]:
    steps = decision.plan.steps
    if steps:
        yield f"{steps[0].deployment.id}: {decision.reason}"
    else:
        yield f"nothing can serve this request (route `{decision.route}`, rule `{decision.rule}`)"
    for warning in decision.warnings:
        yield f"warning: {warning}"
    yield ""
    yield "request"
    yield from (f"  {line}" for line in _signals(decision.signals))
    yield f"route `{decision.route}` of policy `{decision.policy}` ({decision.policy_hash})"
    for one in decision.rules_tried:
        yield f"  {one.rule}: {tried(one, decision.signals, hints)}"
    if not decision.rules_tried:
        yield f"  {decision.rule}"
    if decision.assignment is not None:
        yield f"experiment `{decision.assignment.experiment}`: {_part(decision.assignment)}"
    yield f"candidates, pool after pool, each by the objective `{decision.objective}`"
    for candidate in decision.candidates:
        usd = candidate.expected_cost_usd
        cost = "price unknown" if usd is None else f"about {usd:.6f} USD"
        yield (
            f"  {candidate.score:+.3f} {candidate.deployment} ({candidate.pool}): quality {candidate.quality:.2f}, "
            f"{cost}, about {candidate.expected_latency_s:.1f} s{_lately(candidate)}"
        )
        if candidate.missed is not None:
            yield f"    behind the others of its pool: it missed {candidate.missed}"
        if candidate.short_of is not None:
            yield f"    behind those that reach a quality of {candidate.short_of:.2f}"
    if not decision.candidates:
        yield "  none"
    if decision.rejections:
        yield "left out"
        for rejection in decision.rejections:
            yield f"  {rejection.deployment}: {rejection.reason} [{rejection.gate}]"
    if decision.allowances:
        yield "budgets"
    for allowance in decision.allowances:
        until = allowance.resets_at.isoformat(timespec="minutes")
        yield f"  {allowance.named}{allowance.whose}: {math.floor(100 * allowance.used)}% used, begins anew at {until}"
    if steps:
        plan = decision.plan
        yield f"plan: at most {plan.max_attempts} attempts in {plan.deadline_s:g} s{_allowance(plan)}"
        for number, step in enumerate(steps, start=1):
            yield f"  {number}. {_step(step)}"


def _part(assignment: Assignment) -> str:
    if assignment.arm is Arm.VARIANT:
        return "on the newcomer's side"
    return "copied to the newcomer, whose answer is discarded" if assignment.copied else "on the control's side"


def _lately(candidate: Candidate) -> str:
    pace = candidate.pace
    if pace is None:
        return ""
    failing = f", {pace.error_rate:.0%} of them failed" if pace.error_rate else ""
    return f"; lately {pace.ttft_s:.2g} s to the first token and {pace.tokens_per_s:.0f} tokens/s{failing}"


def _allowance(plan: Plan) -> str:
    text = "" if plan.max_cost_usd is None else f" for {plan.max_cost_usd:g} USD"
    if plan.hedge is not None:
        fixed = "" if plan.hedge.after_s is None else f", or {plan.hedge.after_s:g} s until that is known"
        text += f"; hedged where slower than {plan.hedge.percentile:g} % lately{fixed}"
    return text + ("; a broken stream is continued" if plan.resume is Resume.CONTINUE else "")


def _signals(signals: Signals) -> Iterator[str]:
    yield (
        f"task {signals.task} ({signals.task_confidence:.0%} sure), "
        f"{signals.difficulty} ({signals.difficulty_confidence:.0%} sure), language {signals.language}"
    )
    if signals.taught is not None:
        yield f"the task as taught by the policy: {signals.taught}"
    about = "" if signals.text_tokens_exact else "about "
    size = f"{about}{signals.text_tokens:,} tokens of text"
    if not signals.text_tokens_exact:
        size += f" ({signals.text_tokens_upper:,} at most)"
    if signals.max_output_tokens is not None:
        size += f", answer bounded to {signals.max_output_tokens:,}"
    yield size
    yield f"{_names(signals.input)} in, {_names(signals.output)} out"
    asked = [
        ("tools", signals.tools),
        (f"tool_choice {signals.tool_choice}", signals.tool_choice is not None),
        (f"response_format {signals.response_format}", signals.response_format != "text"),
        ("thinking", signals.thinking is True),
        ("no thinking", signals.thinking is False),
        ("a prefix to continue", signals.partial),
        ("filling in the middle", signals.fim),
        (f"{signals.choices} answers", signals.choices > 1),
        (f"voice {signals.voice}", signals.voice is not None),
        ("the sound of the video", signals.sound),
    ]
    wishes = [text for text, wanted in asked if wanted]
    if wishes:
        yield f"asks for {', '.join(wishes)}"


def _step(step: Step) -> str:
    text = f"{step.deployment.id} from {step.pool}"
    if step.deployment.wire_model != step.deployment.model:
        text += f", called `{step.deployment.wire_model}`"
    if step.thinking is not None:
        text += f", thinking {'on' if step.thinking else 'off'}"
    return text


def _names(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))


def _said(value: bool | None) -> str:
    return "not said" if value is None else "true" if value else "false"


_SEEN: Mapping[str, Callable[[Signals], str]] = {
    "task": lambda s: s.task,
    "difficulty": lambda s: s.difficulty,
    "min_confidence": lambda s: f"{s.task_confidence:.2f}",
    "input": lambda s: _names(s.input),
    "output": lambda s: _names(s.output),
    "language": lambda s: s.language,
    "response_format": lambda s: s.response_format,
    "thinking": lambda s: _said(s.thinking),
    "sound": lambda s: _said(s.sound),
    "tools": lambda s: _said(s.tools),
    "fim": lambda s: _said(s.fim),
    "prompt_tokens": lambda s: f"{s.text_tokens:,}",
}
"""What a request has of what a condition asks; its words are the caller's to look up."""

_HINTED: Mapping[str, Callable[[Hints], str]] = {
    "quality": lambda h: h.quality or "",
    "tenant": lambda h: h.tenant or "",
    "key": lambda h: h.key or "",
    "tags": lambda h: ", ".join(h.tags),
}
"""What its hints say."""
