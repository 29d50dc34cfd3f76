"""What a request is about: the facts derived from it that policies and gates read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from qwenroute.domain.capability import Modality


class Task(StrEnum):
    """What is asked for."""

    MATH = "math"
    CODE = "code"
    REASONING = "reasoning"
    GENERAL = "general"
    VISION = "vision"
    VISION_REASONING = "vision_reasoning"
    AUDIO = "audio"


class Difficulty(StrEnum):
    """How hard it is, within its task."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """One attachment, as far as it can be known without fetching or decoding it.

    `encoded_bytes` is the length of the base64 text of a data URI; sizes and lengths are None
    where they are not known (an address, an unreadable header).
    """

    kind: Modality
    message: int
    """Index of the message that holds it."""
    part: int = 0
    """Index of the content part within the message."""
    inline: bool = False
    """Sent as data, not as an address."""
    encoded_bytes: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    seconds: float | None = None
    frames: int | None = None
    """For a video given as a list of frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """A request as routing sees it."""

    task: Task
    task_confidence: float
    difficulty: Difficulty
    difficulty_confidence: float
    language: str
    """ISO 639-1 code, or `und` where the text gives no basis."""

    input: frozenset[Modality]
    output: frozenset[Modality]
    media: tuple[Media, ...] = ()
    text_tokens: int
    """Tokens of the text (chat template and tool declarations included), media apart."""
    text_tokens_upper: int
    """An upper bound: the estimate and its stated error, or the exact count."""
    text_tokens_exact: bool = False
    max_output_tokens: int | None = None
    """The caller's own bound on the answer."""

    messages: int = 1
    user_turns: int = 1
    system_message: bool = False
    stream: bool = False
    tools: bool = False
    tool_choice: str | None = None
    """auto, none, required or named; None where the request says nothing."""
    response_format: str = "text"
    """text, json_object or json_schema."""
    thinking: bool | None = None
    """Whether the caller asked for thinking; None where nothing was said."""
    partial: bool = False
    """The last message is an assistant prefix to be continued."""
    fim: bool = False
    """A completion between a prefix and a suffix."""
    choices: int = 1
    voice: str | None = None
    sound: bool = False
    """A video whose sound matters."""
    code_fences: int = 0
    latex: bool = False
    high_resolution: bool = False
    taught: str | None = None
    """What of the policy's own teaching gave the task, in words; None: the application or the model."""
