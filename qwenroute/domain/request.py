"""A request as the caller made it, checked for shape and otherwise untouched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from qwenroute.domain.capability import Role
from qwenroute.domain.signals import Difficulty, Task

Message = Mapping[str, object]


class Kind(StrEnum):
    """Which endpoint the request is for."""

    CHAT = "chat"
    COMPLETION = "completion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What an application may tell the router, all of it optional.

    They travel in one `qwenroute={…}` argument, or in `extra_body` from any OpenAI client.
    """

    task: Task | None = None
    difficulty: Difficulty | None = None
    role: Role | None = None
    objective: str | None = None
    """Name of one of the policy's objectives."""
    quality: str | None = None
    """`top` asks for the best model there is."""
    thinking: bool | None = None
    sound: bool = False
    """The sound of the video matters."""
    deadline_s: float | None = None
    max_cost_usd: float | None = None
    tenant: str | None = None
    tags: tuple[str, ...] = ()
    key: str | None = None
    """Which API key, user or job of the application asks: a name, never the secret."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Of the application's own request, names in lower case; those that carry secrets are left out."""
    hedge: bool = True
    """False forbids repeating the request beside a slow attempt, whatever the policy says."""
    session: str | None = None
    """Requests of one session go to the same deployment where the policy's choice is sticky."""
    media_seconds: float | None = None
    """Length of the audio or video, where the address does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A checked request. `params` holds every field but model, messages, prompt, suffix and stream."""

    kind: Kind = Kind.CHAT
    model: str = "auto"
    messages: tuple[Message, ...] = ()
    prompt: str = ""
    suffix: str | None = None
    params: Mapping[str, object] = field(default_factory=dict)
    stream: bool = False
    hints: Hints = field(default_factory=Hints)
