"""Say on the wire whether a model should think, in the words that its host takes."""

from __future__ import annotations

from typing import Any

from qwenroute.domain.capability import Deployment, Thinking

EFFORT_OFF = ("none", "off")
EFFORT_ON = "medium"


def thinks(body: dict[str, Any], deployment: Deployment, wanted: bool | None, notes: list[str]) -> bool:
    """Write the thinking switches into a body, and return whether the model will think.

    `wanted` is the plan's word, which stands above the caller's own parameters.
    """
    template = body.get("chat_template_kwargs")
    effort, budget = body.pop("reasoning_effort", None), body.pop("thinking_budget", None)
    asked: Any = body.pop("enable_thinking", None)
    if isinstance(template, dict) and "enable_thinking" in template:
        asked = template["enable_thinking"] if asked is None else asked
        body["chat_template_kwargs"] = template = {k: v for k, v in template.items() if k != "enable_thinking"}
        if not template:
            del body["chat_template_kwargs"]
    if asked is None and effort is not None:
        asked = effort not in EFFORT_OFF

    if deployment.thinking is not Thinking.HYBRID:
        always = deployment.thinking is Thinking.ALWAYS
        if asked is not None or budget is not None:
            notes.append(f"thinking switches left out: this model {'always' if always else 'never'} thinks")
        return always

    if wanted is None:
        wanted = asked
    reason = _excludes_thinking(body)
    if reason is not None and (wanted or (wanted is None and deployment.thinking_default_on)):
        wanted = False
        notes.append(f"thinking off: {reason}")
    will = deployment.thinking_default_on if wanted is None else wanted
    if deployment.reasoning_effort:
        _as_effort(body, deployment, wanted, effort, budget, notes)
    elif deployment.provider == "dashscope":
        _as_flag(body, deployment, wanted, effort, budget if will else None, notes)
    else:
        if wanted is not None:
            body["chat_template_kwargs"] = {**body.get("chat_template_kwargs", {}), "enable_thinking": wanted}
        if effort is not None or budget is not None:
            notes.append("thinking effort or budget left out: this host takes on and off only")
    return will


def _excludes_thinking(body: dict[str, Any]) -> str | None:
    """Return what in the request cannot be had together with thinking (ms-json, qc-guides)."""
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") in ("json_object", "json_schema"):
        return "structured output excludes it"
    if body.get("tool_choice") not in (None, "auto", "none"):
        return "a forced tool call excludes it"
    return None


def _as_effort(
    body: dict[str, Any], deployment: Deployment, wanted: bool | None, effort: Any, budget: Any, notes: list[str]
) -> None:
    """`reasoning_effort`; it excludes `thinking_budget` (ms-qwen4-max)."""
    if wanted is False:
        if deployment.thinking_default_on or effort is not None:
            body["reasoning_effort"] = effort if effort in EFFORT_OFF else "none"
        return
    if effort in EFFORT_OFF and wanted:
        effort = None  # the plan's word stands above the caller's
    if effort is None and budget is not None:
        body["thinking_budget"] = budget
    elif effort is not None:
        body["reasoning_effort"] = effort
        if budget is not None:
            notes.append("`thinking_budget` left out: `reasoning_effort` excludes it")
    elif wanted and not deployment.thinking_default_on:
        body["reasoning_effort"] = EFFORT_ON


def _as_flag(
    body: dict[str, Any], deployment: Deployment, wanted: bool | None, effort: Any, budget: Any, notes: list[str]
) -> None:
    """`enable_thinking` and `thinking_budget`, whose bound is the model's own (400 above it)."""
    if wanted is not None:
        body["enable_thinking"] = wanted
    if effort is not None:
        notes.append(f"`reasoning_effort` sent as `enable_thinking: {str(bool(wanted)).lower()}`")
    if budget is None:
        return
    most = deployment.max_thinking_tokens
    if most is not None and isinstance(budget, int) and budget > most:
        notes.append(f"`thinking_budget` lowered to the model's {most}")
        budget = most
    body["thinking_budget"] = budget
