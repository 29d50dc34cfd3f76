"""How long an answer to expect, before it is written.

Rough medians by task and difficulty, meant for comparing costs and waits, not for billing. They
are our assumptions (no source gives them); what the answer really took is settled afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping

from qwenroute.domain.signals import Difficulty, Task

ANSWER_TOKENS: Mapping[Task, Mapping[Difficulty, int]] = {
    Task.GENERAL: {Difficulty.EASY: 150, Difficulty.MEDIUM: 350, Difficulty.HARD: 700},
    Task.MATH: {Difficulty.EASY: 250, Difficulty.MEDIUM: 500, Difficulty.HARD: 900},
    Task.CODE: {Difficulty.EASY: 200, Difficulty.MEDIUM: 450, Difficulty.HARD: 900},
    Task.REASONING: {Difficulty.EASY: 200, Difficulty.MEDIUM: 400, Difficulty.HARD: 700},
    Task.VISION: {Difficulty.EASY: 100, Difficulty.MEDIUM: 250, Difficulty.HARD: 500},
    Task.VISION_REASONING: {Difficulty.EASY: 200, Difficulty.MEDIUM: 450, Difficulty.HARD: 800},
    Task.AUDIO: {Difficulty.EASY: 80, Difficulty.MEDIUM: 200, Difficulty.HARD: 400},
}

THINKING_TOKENS: Mapping[Difficulty, int] = {Difficulty.EASY: 600, Difficulty.MEDIUM: 2_000, Difficulty.HARD: 6_000}
"""Chains of thought, on top of the answer, where a model thinks."""

SPEECH_TOKENS_PER_TOKEN = 10
"""Audio tokens for a token of spoken text: three of these a second, against 25 to 50 of those."""


def answer_tokens(task: Task, difficulty: Difficulty) -> int:
    """Return the expected length of the visible answer."""
    return ANSWER_TOKENS[task][difficulty]


def thinking_tokens(difficulty: Difficulty) -> int:
    """Return the expected length of the chain of thought."""
    return THINKING_TOKENS[difficulty]
