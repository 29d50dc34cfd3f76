"""What a request is asked, and where it goes then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from qwenroute.domain.capability import Modality
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy.schema.patience import HedgeOrOff
from qwenroute.policy.schema.values import Number, Secret, Section, Switch, Value, Whole, Word, Words, listed


class Objective(Section):
    """How much each thing weighs."""

    quality: Number = Field(default=1.0, ge=0)
    cost: Number = Field(default=0.0, ge=0)
    latency: Number = Field(default=0.0, ge=0)


class PromptTokens(Section):
    """Bounds on the size of the prompt, inclusive."""

    at_least: Whole | None = Field(default=None, ge=0)
    at_most: Whole | None = Field(default=None, ge=0)


Example = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Examples = Annotated[list[Example], BeforeValidator(listed), Field(min_length=1)]


class Teach(Section):
    """Requests whose words show this are of this task. One of the three."""

    task: Task
    keywords: Words | None = None
    pattern: Words | None = None
    examples: Examples | None = None


class Embedding(Section):
    """Any OpenAI-compatible `/embeddings`."""

    endpoint: Word | None = None
    base_url: Value | None = None
    api_key: Secret | None = None
    model: Word
    min_similarity: Number = Field(gt=0, le=1)
    timeout_ms: Whole = Field(default=200, ge=1, le=10_000)


class When(Section):
    """Conditions, all of which have to hold."""

    task: Annotated[list[Task], BeforeValidator(listed), Field(min_length=1)] | None = None
    difficulty: Annotated[list[Difficulty], BeforeValidator(listed), Field(min_length=1)] | None = None
    input: Annotated[list[Modality], BeforeValidator(listed), Field(min_length=1)] | None = None
    output: Annotated[list[Modality], BeforeValidator(listed), Field(min_length=1)] | None = None
    language: Words | None = None
    response_format: (
        Annotated[list[Literal["text", "json_object", "json_schema"]], BeforeValidator(listed), Field(min_length=1)]
        | None
    ) = None
    quality: Annotated[list[Literal["top"]], BeforeValidator(listed), Field(min_length=1)] | None = None
    tenant: Words | None = None
    tags: Words | None = None
    thinking: Switch | None = None
    sound: Switch | None = None
    tools: Switch | None = None
    fim: Switch | None = None
    prompt_tokens: PromptTokens | None = None
    min_confidence: Number | None = Field(default=None, ge=0, le=1)
    keywords: Words | None = None
    pattern: Words | None = None
    examples: Examples | None = None


class Rule(Section):
    """One rule of a route."""

    rule: Word
    when: When | None = None
    pool: Word
    fallback: Annotated[list[Word], BeforeValidator(listed)] = Field(default_factory=list)
    objective: Word | None = None
    hedge: HedgeOrOff | None = None
