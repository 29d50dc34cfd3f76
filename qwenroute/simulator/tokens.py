"""What a request weighs: cheap and steady for the bill, exact where a window is near."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qwenroute.domain.capability import Deployment, MediaLimits
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Media
from qwenroute.registry.media import media_tokens
from qwenroute.simulator.error_table import Refused

BYTES_PER_TOKEN = 4
MESSAGE_TOKENS = 5
FRAME_TOKENS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptTokens:
    """Tokens of a prompt by what they stand for, and the most that its text can be."""

    text: int
    image: int = 0
    video: int = 0
    audio: int = 0
    text_ceiling: int
    """A byte-level vocabulary makes no more tokens than there are bytes."""

    @property
    def total(self) -> int:
        """All of them, with the text as it is billed here."""
        return self.text + self.media

    @property
    def media(self) -> int:
        """Those of the attachments."""
        return self.image + self.video + self.audio


def count(
    messages: Sequence[Mapping[str, object]],
    tools: Sequence[Mapping[str, object]],
    media: Sequence[Media],
    limits: MediaLimits,
    *,
    high_resolution: bool = False,
) -> PromptTokens:
    """Count a prompt: four bytes to the token, attachments by the platform's rules."""
    size = 0
    for message in messages:
        content = message.get("content")
        if isinstance(content, str):
            size += _bytes(content)
        elif isinstance(content, list):
            size += sum(_bytes(str(p.get("text", ""))) for p in content if isinstance(p, Mapping))
        calls = message.get("tool_calls")
        if calls:
            size += _bytes(json.dumps(calls))
    if tools:
        size += _bytes(json.dumps(tools))
    frame = MESSAGE_TOKENS * len(messages) + FRAME_TOKENS
    weights = {"image": 0, "video": 0, "audio": 0}
    for item in media:
        weights[item.kind.value] += media_tokens((item,), limits, high_resolution=high_resolution)
    return PromptTokens(text=-(-size // BYTES_PER_TOKEN) + frame, text_ceiling=size + frame, **weights)


def check_window(
    body: Mapping[str, object], tokens: PromptTokens, deployment: Deployment, max_tokens: int | None
) -> None:
    """Refuse what does not fit.

    `max_tokens` counts only where prompt and answer share the window (self-hosted servers).

    Raises:
        Refused: the prompt is too long.
    """
    hosted = deployment.provider != "dashscope"
    limits = [n for n in (deployment.context_tokens, None if hosted else deployment.max_input_tokens) if n is not None]
    if not limits:
        return
    limit = min(limits)
    asked = max_tokens or (1 if hosted else 0)
    if tokens.text_ceiling + tokens.media + asked <= limit:
        return
    prompt = _exact_text(body) + tokens.media
    if prompt + asked <= limit:
        return
    if hosted:
        raise Refused(
            "context-overflow",
            f"This model's maximum context length is {limit} tokens. However, you requested {prompt + asked} tokens "
            f"({prompt} in the messages, {asked} in the completion). Please reduce the length of the messages "
            "or completion.",
        )
    raise Refused("context-overflow", f"Range of input length should be [1, {limit}]")


def _exact_text(body: Mapping[str, object]) -> int:
    """Count with the model's own vocabulary where it is installed, else by the library's estimate."""
    from qwenroute.analysis.tokens import estimate_request  # noqa: PLC0415 - rarely needed
    from qwenroute.analysis.vocabulary import count_exactly  # noqa: PLC0415

    messages, prompt, tools = body.get("messages"), body.get("prompt"), body.get("tools")
    request = Request(
        kind=Kind.CHAT if messages else Kind.COMPLETION,
        messages=tuple(messages) if isinstance(messages, list) else (),
        prompt=prompt if isinstance(prompt, str) else "",
        params={"tools": tools} if tools else {},
    )
    exact = count_exactly(request)
    return estimate_request(request)[0] if exact is None else exact


def _bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))
