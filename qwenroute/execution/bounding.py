"""Bound an answer on the wire as the policy says, where its caller would have it longer, or does not say."""

from __future__ import annotations

from dataclasses import replace

from qwenroute.domain.capability import Deployment
from qwenroute.domain.request import Request

NAMES = ("max_completion_tokens", "max_tokens")


def bounded(request: Request, deployment: Deployment, longest: int, prompt_tokens: int) -> tuple[Request, str | None]:
    """Return the request with its answer bounded, and a note where that changed it."""
    params = request.params
    asked = {name: value for name in NAMES if isinstance(value := params.get(name), int)}
    over = {name: longest for name, value in asked.items() if value > longest}
    if over:
        note = f"`{next(iter(over))}` lowered from {max(asked.values())} to {longest}, the policy's limit"
        return replace(request, params={**params, **over}), note
    own = deployment.max_output_tokens
    if asked or (own is not None and own <= longest):
        return request, None
    if deployment.context_tokens is not None:
        # Some hosts refuse a bound that the window cannot hold beside the prompt.
        longest = max(1, min(longest, deployment.context_tokens - prompt_tokens))
    return replace(request, params={**params, "max_tokens": longest}), f"`max_tokens` {longest}, the policy's limit"
