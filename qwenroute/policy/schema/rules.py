"""What a request is asked, and where it goes then."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from qwenroute.domain.capability import Modality
from qwenroute.domain.health import Timed
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy.schema.patience import HedgeOrOff, RuleLimits
from qwenroute.policy.schema.values import (
    CLOCK,
    Number,
    Secret,
    Section,
    Switch,
    Value,
    Whole,
    Word,
    Words,
    listed,
)


class Objective(Section):
    """How much each thing weighs."""

    quality: Number = Field(default=1.0, ge=0)
    """What the expected quality of the answer (0 to 1) weighs."""
    cost: Number = Field(default=0.0, ge=0)
    """Quality that one gives up to pay a tenth: 0.1 means that ten times the cost has to bring 0.1 more quality."""
    latency: Number = Field(default=0.0, ge=0)
    """Quality that one gives up to wait a tenth of the time."""
    min_quality: Number = Field(default=0.0, ge=0, le=1)
    """The quality that is good enough (0 to 1). What is not expected to reach it stands behind the others of its pool,
    the best first."""


class PromptTokens(Section):
    """Bounds on the size of the prompt, inclusive."""

    at_least: Whole | None = Field(default=None, ge=0)
    """Tokens that the prompt has at least."""
    at_most: Whole | None = Field(default=None, ge=0)
    """Tokens that the prompt has at most."""


Example = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Examples = Annotated[list[Example], BeforeValidator(listed), Field(min_length=1)]


class Teach(Section):
    """Requests whose words show this are of this task. One of the three."""

    task: Task
    """The task that such requests are."""
    keywords: Words | None = None
    """Whole words, whatever their case; parts of the text in scripts that write without blanks, and in Korean."""
    pattern: Words | None = None
    """Regular expressions (Python's `re`, whatever the case); those that a hostile prompt could stall are refused."""
    examples: Examples | None = None
    """Requests that an encoder finds alike; needs `embedding`."""


class Embedding(Section):
    """Any OpenAI-compatible `/embeddings`."""

    endpoint: Word | None = None
    """One of the endpoints above, whose address and key are used. Either this or `base_url`."""
    base_url: Value | None = None
    """The address of any server with an OpenAI-compatible `/embeddings`, up to and including `/v1`."""
    api_key: Secret | None = None
    """Where its key is found: `{env: NAME}` or `{file: PATH}`."""
    model: Word
    """The encoder's name on that server."""
    min_similarity: Number = Field(gt=0, le=1)
    """Cosine from which a request counts as like an example; every encoder has a scale of its own."""
    timeout_ms: Whole = Field(default=200, ge=1, le=10_000)
    """Milliseconds that the encoder may take; after that the request goes on without it."""


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Clock = Annotated[str, StringConstraints(pattern=CLOCK)]


class Hours(Section):
    """Days of the week and hours of the day, in the policy's `timezone`. At least one of the keys."""

    days: Annotated[list[Day], BeforeValidator(listed), Field(min_length=1)] | None = None
    """`mon` to `sun`; all where nothing is said. Hours over midnight belong to the day on which they begin."""
    from_: Clock | None = Field(default=None, alias="from")
    """First minute, such as `"08:00"`; the day's first where nothing is said."""
    to: Clock | None = None
    """The minute at which it is over; before `from`, that of the next day. Midnight where nothing is said."""


def _kind_of_header(value: object) -> str:
    return "any" if value == "present" else "values"


Header = Annotated[
    Annotated[Literal["present"], Tag("any")] | Annotated[Words, Tag("values")], Discriminator(_kind_of_header)
]


class When(Section):
    """Conditions, all of which have to hold."""

    task: Annotated[list[Task], BeforeValidator(listed), Field(min_length=1)] | None = None
    """What is asked for, as the application says, as `teach` says, or as the model guesses; one of those listed."""
    difficulty: Annotated[list[Difficulty], BeforeValidator(listed), Field(min_length=1)] | None = None
    """How hard it is within its task."""
    input: Annotated[list[Modality], BeforeValidator(listed), Field(min_length=1)] | None = None
    """The request brings one of these; text is always among what it brings."""
    output: Annotated[list[Modality], BeforeValidator(listed), Field(min_length=1)] | None = None
    """The caller wants one of these back; text is always among it."""
    language: Words | None = None
    """The language of the question, two letters (ISO 639-1), or `und` where the text gives no basis."""
    response_format: (
        Annotated[list[Literal["text", "json_object", "json_schema"]], BeforeValidator(listed), Field(min_length=1)]
        | None
    ) = None
    """The form of the answer that the caller asked for."""
    quality: Annotated[list[Literal["top"]], BeforeValidator(listed), Field(min_length=1)] | None = None
    """`top`: the caller's hint asks for the best model there is."""
    tenant: Words | None = None
    """The hint `tenant` is one of these."""
    tags: Words | None = None
    """The hint `tags` has one of these."""
    key: Words | None = None
    """The hint `key`: which API key, user or job of the application asks."""
    headers: Annotated[dict[Word, Header], Field(min_length=1)] | None = None
    """The hint `headers`: for each name, whatever its case, one of these texts, or `present`. All have to hold."""
    time: Hours | None = None
    """Days and hours at which the request comes in."""
    thinking: Switch | None = None
    """true: the caller asked for thinking; false: the caller declined it."""
    sound: Switch | None = None
    """Whether the caller's hint says that the sound of the video matters."""
    tools: Switch | None = None
    """Whether the request declares functions to call."""
    fim: Switch | None = None
    """Whether it is code to be filled in between a prefix and a suffix."""
    prompt_tokens: PromptTokens | None = None
    """The size of the text, in tokens, within bounds."""
    min_confidence: Number | None = Field(default=None, ge=0, le=1)
    """How sure the task has to be, 0 to 1. Hints and `teach` are certain (1)."""
    keywords: Words | None = None
    """One of these words stands in the last user turn."""
    pattern: Words | None = None
    """One of these regular expressions matches in the last user turn."""
    examples: Examples | None = None
    """The last user turn is like one of these; needs `embedding`."""
    any: Annotated[list[When], Field(min_length=1)] | None = None
    """Conditions one of which has to hold, beside the other keys."""
    all: Annotated[list[When], Field(min_length=1)] | None = None
    """Conditions all of which have to hold, each of them a `when` of its own."""
    not_: When | None = Field(default=None, alias="not")
    """Conditions that must not hold, all of them together."""


class Latency(Section):
    """How fast a rule's requests should be answered. What missed it lately stands behind what met it."""

    of: Timed
    """What is measured: up to the first token, or the whole answer."""
    percentile: Number = Field(default=95.0, gt=0, lt=100)
    """Of how many per cent of a deployment's latest answers it has to hold."""
    within_s: Number = Field(gt=0)
    """Seconds."""


class Rule(Section):
    """One rule of a route."""

    rule: Word
    """Its name, in decisions, records and messages; once per route."""
    when: When | None = None
    """What has to hold, all of it; omitted: always. The last rule of a route has none."""
    pool: Word
    """Where the request goes: a pool of this file, or a role."""
    fallback: Annotated[list[Word], BeforeValidator(listed)] = Field(default_factory=list)
    """Pools that follow, in order, when the first has nothing left to call."""
    objective: Word | None = None
    """What to prefer here; omitted: the policy's own."""
    hedge: HedgeOrOff | None = None
    """A hedge of its own, or `off`; omitted: the policy's own."""
    limits: RuleLimits | None = None
    """Limits of this rule's requests, within those of the policy."""
    experiment: Word | None = None
    """The experiment that these requests take part in, by its name under `experiments`."""
    latency: Latency | None = None
    """An objective for this rule's requests, judged by live figures; without figures nothing changes."""
