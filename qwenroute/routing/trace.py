"""A decision as plain data, for programs: all that `explain` says in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, fields, is_dataclass

from qwenroute.domain.decision import Decision


def trace(decision: Decision) -> dict[str, object]:
    """Return a decision in what JSON knows; its steps by the ids of their deployments."""
    plan = decision.plan
    return {
        "route": decision.route,
        "rule": decision.rule,
        "pool": decision.pool,
        "objective": decision.objective,
        "deployment": plan.steps[0].deployment.id if plan.steps else None,
        "reason": decision.reason,
        "warnings": list(decision.warnings),
        "policy_hash": decision.policy_hash,
        "experiment": _plain(decision.assignment),
        "signals": _plain(decision.signals),
        "rules_tried": [asdict(one) for one in decision.rules_tried],
        "candidates": [_plain(candidate) for candidate in decision.candidates],
        "rejections": [asdict(rejection) for rejection in decision.rejections],
        "budgets": [
            {
                "budget": allowance.budget.name,
                "scope": allowance.scope,
                "used": allowance.used,
                "currency": allowance.currency,
                "resets_at": allowance.resets_at.isoformat(),
            }
            for allowance in decision.allowances
        ],
        "plan": {
            **{field.name: _plain(getattr(plan, field.name)) for field in fields(plan) if field.name != "steps"},
            "steps": [
                {
                    "deployment": step.deployment.id,
                    "model": step.deployment.model,
                    "wire_model": step.deployment.wire_model,
                    "pool": step.pool,
                    "role": step.role,
                    "thinking": step.thinking,
                    "worst_cost_usd": step.worst_cost_usd if plan.max_cost_usd is not None else None,
                }
                for step in plan.steps
            ],
        },
    }


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Set):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(inner) for inner in value]
    return value
