"""Hold a decision against what a case expects of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qwenroute.cases import why
from qwenroute.cases.mismatch import Mismatch
from qwenroute.cases.scene import names
from qwenroute.cases.schema import Expect
from qwenroute.domain.capability import Deployment
from qwenroute.domain.decision import Candidate, Decision, HedgeRules
from qwenroute.domain.request import Hints
from qwenroute.errors import QwenRouteError
from qwenroute.policy import Policy
from qwenroute.policy.schema import Hedge
from qwenroute.routing import Fleet


def check(expect: Expect, decision: Decision, hints: Hints, policy: Policy, fleet: Fleet) -> Iterator[Mismatch]:
    """Yield what differs from a choice that was made."""
    if expect.refused is not None:
        got = f"{decision.first.deployment.id} was chosen"
        yield Mismatch(key="refused", expected=expect.refused, got=got, because=(decision.reason,))
        return
    yield from _way(expect, decision, hints, policy)
    yield from _plan(expect, decision, policy, fleet)
    yield from rejections(expect, decision, fleet)
    yield from _allowance(expect, decision)
    for words in expect.warnings or ():
        if not any(words in warning for warning in decision.warnings):
            yield Mismatch(key="warnings", expected=words, got="; ".join(decision.warnings) or "none")
    if expect.warnings == [] and decision.warnings:
        yield Mismatch(key="warnings", expected="none", got="; ".join(decision.warnings))
    if expect.reason is not None and expect.reason not in decision.reason:
        yield Mismatch(key="reason", expected=expect.reason, got=decision.reason)


def check_refusal(
    expect: Expect,
    error: QwenRouteError,
    decision: Decision | None,
    hints: Hints,
    policy: Policy,
    fleet: Fleet | None,
) -> Iterator[Mismatch]:
    """Yield what differs from an error."""
    got = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if expect.refused is None:
        yield Mismatch(key="plan", expected="a choice", got=got, because=tuple(str(error).splitlines()[1:]))
    else:
        kind, _, words = (part.strip() for part in expect.refused.partition(":"))
        if kind not in {base.__name__ for base in type(error).__mro__} or words not in str(error):
            because = tuple(str(error).splitlines()[1:])
            yield Mismatch(key="refused", expected=expect.refused, got=got, because=because)
    if decision is not None and fleet is not None:
        yield from _way(expect, decision, hints, policy)
        yield from rejections(expect, decision, fleet)


def _way(expect: Expect, decision: Decision, hints: Hints, policy: Policy) -> Iterator[Mismatch]:
    if expect.route not in (None, decision.route):
        yield Mismatch(key="route", expected=str(expect.route), got=decision.route)
    if expect.rule not in (None, decision.rule):
        because = tuple(why.rule(str(expect.rule), decision, hints, policy))
        yield Mismatch(key="rule", expected=str(expect.rule), got=decision.rule, because=because)
    if expect.pool not in (None, decision.pool):
        because = why.taken(decision, hints) if expect.rule is None else ()
        yield Mismatch(key="pool", expected=str(expect.pool), got=decision.pool, because=because)
    if expect.objective not in (None, decision.objective):
        yield Mismatch(key="objective", expected=str(expect.objective), got=decision.objective)


def _plan(expect: Expect, decision: Decision, policy: Policy, fleet: Fleet) -> Iterator[Mismatch]:
    steps = decision.plan.steps
    first = steps[0]
    deployments = [step.deployment for step in steps]
    for key, wanted, got in (
        ("deployment", expect.deployment, first.deployment.id),
        ("model", expect.model, first.deployment.model),
        ("endpoint", expect.endpoint, first.deployment.endpoint),
    ):
        if wanted is not None and got not in wanted:
            because = () if key == "endpoint" else tuple(why.not_first(wanted, decision, fleet))
            yield Mismatch(key=key, expected=" or ".join(wanted), got=got, because=because)
    if expect.role not in (None, first.role):
        yield Mismatch(key="role", expected=str(expect.role), got=str(first.role or "none"))
    if expect.thinking not in (None, first.thinking):
        yield Mismatch(key="thinking", expected=_switch(expect.thinking), got=_switch(first.thinking))
    for key, chain, whole in (("plan", expect.plan, True), ("plan_starts", expect.plan_starts, False)):
        if chain is not None and not _is_chain(chain, deployments, whole=whole):
            missing = [name for name in chain if not any(name in names(d) for d in deployments)]
            shown = [deployment.id for deployment in deployments]
            because = tuple(why.not_first(missing, decision, fleet)) if missing else ()
            yield Mismatch(key=key, expected=", ".join(chain), got=", ".join(shown), because=because)
    pools = list(dict.fromkeys(step.pool for step in steps))
    if expect.pools is not None and pools != expect.pools:
        yield Mismatch(
            key="pools",
            expected=", ".join(expect.pools),
            got=", ".join(pools),
            because=tuple(
                line for pool in expect.pools if pool not in pools for line in why.unused(pool, decision, policy, fleet)
            ),
        )
    for name in expect.never or ():
        found = next((d for d in deployments if name in names(d)), None)
        if found is not None:
            place = deployments.index(found) + 1
            yield Mismatch(key="never", expected=f"no {name}", got=f"{found.id} as number {place} of the plan")


def rejections(expect: Expect, decision: Decision, fleet: Fleet) -> Iterator[Mismatch]:
    """Yield where others are left out than expected, or for other reasons."""
    for name, wanted in (expect.rejected or {}).items():
        gate, _, words = (part.strip() for part in wanted.partition(":"))
        found = [r for r in decision.rejections if name in _names_of(r.deployment, fleet)]
        passed = [c.deployment for c in decision.candidates if name in _names_of(c.deployment, fleet)]
        if not found or (name.startswith("*@") and passed):
            got = f"{', '.join(passed)} passed every gate" if passed else "it was not considered"
            because = () if passed else tuple(why.not_considered(name, decision, fleet))
            yield Mismatch(key="rejected", expected=f"{name}: {wanted}", got=got, because=because)
        elif not any(r.gate == gate and words in r.reason for r in found):
            shown = dict.fromkeys(f"{r.gate}: {r.reason}" for r in found)
            yield Mismatch(key="rejected", expected=f"{name}: {wanted}", got="; ".join(shown))


def _names_of(id_: str, fleet: Fleet) -> tuple[str, ...]:
    deployment = fleet.by_id.get(id_)
    if deployment is not None:
        return names(deployment)
    model, _, endpoint = id_.partition("@")
    return id_, model, f"*@{endpoint}"


def _allowance(expect: Expect, decision: Decision) -> Iterator[Mismatch]:
    plan = decision.plan
    for key, wanted, got in (
        ("max_cost_usd", expect.max_cost_usd, plan.max_cost_usd),
        ("deadline_s", expect.deadline_s, plan.deadline_s),
        ("max_attempts", expect.max_attempts, plan.max_attempts),
        ("max_output_tokens", expect.max_output_tokens, plan.max_output_tokens),
    ):
        if wanted is not None and wanted != got:
            yield Mismatch(key=key, expected=f"{wanted:g}", got="none" if got is None else f"{got:g}")
    if expect.hedge is not None:
        rules = HedgeRules(**expect.hedge.model_dump()) if isinstance(expect.hedge, Hedge) else None
        if rules != plan.hedge:
            yield Mismatch(key="hedge", expected=_hedge(rules), got=_hedge(plan.hedge))
    chosen = next(c for c in decision.candidates if c.deployment == decision.first.deployment.id)
    yield from _bounds(expect, chosen)


def _bounds(expect: Expect, chosen: Candidate) -> Iterator[Mismatch]:
    cost = chosen.expected_cost_usd
    if expect.cost_at_most_usd is not None and (cost is None or cost > expect.cost_at_most_usd):
        got = "its price is not known" if cost is None else f"about {cost:.6f}"
        yield Mismatch(
            key="cost_at_most_usd", expected=f"{expect.cost_at_most_usd:g}", got=f"{got} ({chosen.deployment})"
        )
    if expect.latency_at_most_s is not None and chosen.expected_latency_s > expect.latency_at_most_s:
        got = f"about {chosen.expected_latency_s:.1f} ({chosen.deployment})"
        yield Mismatch(key="latency_at_most_s", expected=f"{expect.latency_at_most_s:g}", got=got)
    if expect.quality_at_least is not None and chosen.quality < expect.quality_at_least:
        got = f"{chosen.quality:.2f} ({chosen.deployment})"
        yield Mismatch(key="quality_at_least", expected=f"{expect.quality_at_least:g}", got=got)


def _is_chain(wanted: Sequence[str], deployments: Sequence[Deployment], *, whole: bool) -> bool:
    if len(wanted) > len(deployments) or (whole and len(wanted) != len(deployments)):
        return False
    return all(name in names(deployment) for name, deployment in zip(wanted, deployments, strict=False))


def _switch(value: bool | None) -> str:
    return "as the model does by itself" if value is None else "on" if value else "off"


def _hedge(rules: HedgeRules | None) -> str:
    if rules is None:
        return "off"
    after = "" if rules.after_s is None else f", after {rules.after_s:g} s until that is known"
    return f"slower than {rules.percentile:g} % lately{after}"
