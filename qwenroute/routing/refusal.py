"""Say why nothing can serve a request, the most telling reason first, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from qwenroute.routing.gates import ORDER

if TYPE_CHECKING:
    from qwenroute.domain.decision import Decision, Rejection
    from qwenroute.routing.target import Target

MAX_GROUPS = 4

ADVICE: Mapping[str, str] = {
    "lifecycle": "name a living model, or serve it yourself (QWENROUTE_SELF_HOSTED_URL)",
    "region": "widen `limits.regions` in the policy, or add an endpoint in an allowed region",
    "licence": "widen `limits.licences` in the policy",
    "provider": "widen `limits.providers` in the policy, or add an endpoint of an allowed kind",
    "model": "widen `limits.models` in the policy",
    "max_prompt": "shorten the prompt, or raise `limits.max_prompt_tokens` in the policy",
    "modality_in": "add an endpoint whose models take this input, or let `auto` choose",
    "modality_out": "add an endpoint whose models give this output, or let `auto` choose",
    "sound": "let `auto` choose a model that hears, or drop the hint `sound`",
    "completions": "use chat.completions, or add an endpoint with a coder that fills in the middle",
    "tools": "leave out `tools`, or add an endpoint whose models call functions",
    "response_format": "ask for the format in words, or turn thinking off",
    "thinking": "leave thinking to the router",
    "partial": "leave out `partial`, or add a model that continues a prefix",
    "tool_choice": "use tool_choice auto, or turn thinking off",
    "voice": "leave out the voice, or name one of those listed",
    "choices": "ask for one answer at a time",
    "turns": "send the attachment in a conversation of its own",
    "parameter": "change the parameter",
    "media": "send a smaller, shorter or less narrow attachment",
    "max_output": "lower max_tokens, or leave it out",
    "max_input": "shorten the prompt, or add a deployment with a wider window",
    "context_window": "shorten the prompt, lower max_tokens, or add a deployment with a wider window",
    "budget": "raise the budget, or wait until it begins anew",
    "cost_ceiling": "raise the ceiling, shorten the prompt, or lower max_tokens",
}


def refusal(decision: Decision, target: Target) -> str:
    """Return the message for a decision without a plan."""
    where = f"route `{decision.route}`, rule `{decision.rule}`" if decision.rules_tried else f"`{decision.route}`"
    groups: dict[tuple[str, str], list[Rejection]] = {}
    for rejection in decision.rejections:
        groups.setdefault((rejection.gate, rejection.reason), []).append(rejection)
    if not groups:
        pools = ", ".join(f"`{stage.pool}`" for stage in target.stages)
        return (
            f"nothing can serve this request ({where}): no endpoint offers a model for {pools}. "
            "Add an endpoint that does, or another pool to the rule's `fallback`"
        )
    # A deployment that got as far as the later gates was the nearer one.
    ordered = sorted(groups.items(), key=lambda item: (-ORDER[item[0][0]], -len(item[1])))
    lines = [f"  {gate}: {reason} ({_who(found)})" for (gate, reason), found in ordered[:MAX_GROUPS]]
    if len(ordered) > MAX_GROUPS:
        rest = sum(len(found) for _, found in ordered[MAX_GROUPS:])
        lines.append(f"  and {rest} more for other reasons (`.decision.rejections` lists all)")
    advice = ADVICE[ordered[0][0][0]]
    return f"nothing can serve this request ({where}):\n" + "\n".join(lines) + f"\n{advice[:1].upper()}{advice[1:]}"


def _who(found: list[Rejection]) -> str:
    names = [r.deployment for r in found]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
