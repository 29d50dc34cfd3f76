"""The shape of a `*.cases.yaml`. Unknown keys are refused; what the policy knows is checked later."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, StringConstraints, Tag

from qwenroute.domain.capability import Role
from qwenroute.domain.experiment import Arm
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.policy.schema.patience import HedgeOrOff
from qwenroute.policy.schema.values import Number, Section, Switch, Whole, Word, Words, listed

Text = Annotated[str, StringConstraints(min_length=1)]
Size = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,5}x[1-9][0-9]{0,5}$")]
Seconds = Annotated[Number, Field(gt=0)]
Variable = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
Environ = dict[Word, Variable | None]


def _kind_of_environ(value: object) -> str:
    return "variables" if isinstance(value, dict) else "name"


EnvironOrName = Annotated[
    Annotated[Environ, Tag("variables")] | Annotated[Word, Tag("name")], Discriminator(_kind_of_environ)
]
State = Literal["open", "ejected", "cooldown", "burst", "busy", "quota"]


class Figures(Section):
    """What a deployment has been like lately; what is not stated is as the registry has it."""

    first_token_s: Number | None = Field(default=None, gt=0)
    """Seconds to the first token."""
    answer_s: Number | None = Field(default=None, gt=0)
    """Seconds to the whole answer; looked at by a rule's `latency` only."""
    tokens_per_s: Number | None = Field(default=None, gt=0)
    """Tokens per second after that."""
    error_rate: Number = Field(default=0.0, ge=0, le=1)
    """Share of its attempts that failed."""


def _kind_of_health(value: object) -> str:
    return "figures" if isinstance(value, dict) else "state"


Health = Annotated[Annotated[Figures, Tag("figures")] | Annotated[State, Tag("state")], Discriminator(_kind_of_health)]


class Stated(Section):
    """Signals as the case states them, instead of what the analysis would find in the text."""

    task: Task | None = None
    """What is asked for: math, code, reasoning, general, vision, vision_reasoning or audio."""
    confidence: Number | None = Field(default=None, ge=0, le=1)
    """How sure of the task; 1 where a task is stated and this is not."""
    difficulty: Difficulty | None = None
    """easy, medium or hard."""
    language: Word | None = None
    """ISO 639-1 code, such as en or zh."""
    prompt_tokens: Whole | None = Field(default=None, ge=1)
    """Exact size of the text, in tokens: a long prompt need not be written out."""


class Expect(Section):
    """What has to become of it. What is not mentioned is not looked at."""

    route: Word | None = None
    """The route that takes it."""
    rule: Word | None = None
    """The rule that takes it."""
    pool: Word | None = None
    """The first pool of that rule."""
    objective: Word | None = None
    """What the choice is made by."""
    deployment: Words | None = None
    """The first choice, written model@endpoint; of several, any."""
    model: Words | None = None
    """The model of the first choice; of several, any."""
    endpoint: Words | None = None
    """The endpoint of the first choice; of several, any."""
    role: Role | None = None
    """What the first choice is asked for."""
    thinking: Switch | None = None
    """Whether the first choice is told to think."""
    plan: Annotated[list[Word], BeforeValidator(listed), Field(min_length=1)] | None = None
    """All that would be called, in order: models, or model@endpoint."""
    plan_starts: Annotated[list[Word], BeforeValidator(listed), Field(min_length=1)] | None = None
    """What would be called first, in order."""
    pools: Words | None = None
    """The pools that the plan takes from, in order: the rule's, then those of its `fallback` that can serve."""
    never: Words | None = None
    """Must not be in the plan: models, model@endpoint, or *@endpoint."""
    rejected: Annotated[dict[Word, Word], Field(min_length=1)] | None = None
    """Model, model@endpoint or *@endpoint, to the gate that leaves it out; `gate: words` also asks for the reason."""
    refused: Word | None = None
    """The error instead of a choice, such as NoDeployment; `error: words` also asks for the message."""
    warnings: Annotated[list[Word], BeforeValidator(listed)] | None = None
    """Words of warnings that have to be there; [] for none at all."""
    reason: Word | None = None
    """Words of the reason for the choice."""
    max_cost_usd: Number | None = Field(default=None, gt=0)
    """The ceiling on what all its attempts may cost together."""
    deadline_s: Number | None = Field(default=None, gt=0)
    """The deadline of the whole request."""
    max_attempts: Whole | None = Field(default=None, ge=1)
    """How many attempts it may take."""
    max_output_tokens: Whole | None = Field(default=None, ge=1)
    """What the policy bounds each answer to."""
    hedge: HedgeOrOff | None = None
    """off, or when a second attempt is made beside a slow first."""
    cost_at_most_usd: Number | None = Field(default=None, ge=0)
    """A bound on what the first choice is expected to cost."""
    latency_at_most_s: Number | None = Field(default=None, gt=0)
    """A bound on how long the first choice is expected to take."""
    quality_at_least: Number | None = Field(default=None, ge=0, le=1)
    """A bound on the quality that is expected of the first choice."""


class Case(Section):
    """A request, a situation, and what has to become of it."""

    case: Word
    """What the case shows, in words; unique in the file."""
    ask: Text | None = None
    """The question. Without one, and without `signals`, it is a general question of medium difficulty."""
    model: Word | None = None
    """What the caller names: a route, a role, a model; `auto` unless given."""
    tools: Switch = False
    """The caller brings functions that may be called."""
    image: Size | None = None
    """A picture of so many pixels, width x height: 1024x768."""
    audio: Seconds | None = None
    """A recording of so many seconds."""
    video: Seconds | None = None
    """A film of so many seconds."""
    speak: Switch = False
    """The answer is to be spoken."""
    hints: dict[Word, Any] | None = None
    """What the application says in qwenroute={…}: quality, tenant, tags, deadline_s, …"""
    request: dict[Word, Any] | None = None
    """The whole request in the shape of the OpenAI API, where the words above do not suffice."""
    signals: Stated | None = None
    """What the request is about, stated outright: then the case does not hang on the analysis."""
    like: Words | None = None
    """Examples of the policy that its encoder would find the request to be like."""
    on: Word | None = None
    """The day (YYYY-MM-DD) at which models are alive or retired."""
    at: Word | None = None
    """The moment, in the policy's time zone: 03:00, or 2026-11-24T03:00."""
    environ: EnvironOrName | None = None
    """Variables that differ from those of the file, or the name of one of its `environs`; null: not set."""
    health: dict[Word, Health] | None = None
    """Deployments (model@endpoint), models or whole endpoints (*@endpoint): open, ejected, cooldown, …"""
    spent: dict[Word, Annotated[Number, Field(ge=0)]] | None = None
    """Budgets, by name, and what of each is spent for whoever asks, in the currency of reports; 0 otherwise."""
    arm: Arm | None = None
    """control or variant: the side of its rule's experiment. Without it, it is drawn as it would be."""
    expect: Expect
    """What has to become of it."""


class CasesFile(Section):
    """The whole file."""

    version: Literal[1]
    """Of this format: 1."""
    on: Word
    """The day (YYYY-MM-DD) of all cases that state none."""
    at: Word | None = None
    """The moment of all cases that state none; noon otherwise."""
    environ: Environ = Field(default_factory=dict)
    """The environment of all cases: nothing else is set. For keys the word `set`, never a key."""
    environs: dict[Word, Environ] = Field(default_factory=dict)
    """Others, by name, for cases that differ in more than a word: what they say goes before `environ`."""
    cases: list[Case] = Field(min_length=1)
    """The cases."""
