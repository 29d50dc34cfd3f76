"""Where models are served, and sets of what is served there."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag

from qwenroute.domain.capability import Role
from qwenroute.policy.schema.values import (
    Currency,
    FromVariable,
    Number,
    Secret,
    Section,
    Value,
    Whole,
    Word,
    Words,
    listed,
)


class ServedPrice(Section):
    """A price per 1,000,000 tokens."""

    currency: Currency
    """The currency of both rates, three capitals (ISO 4217); `currency.rates` has to know it."""
    input: Number = Field(ge=0)
    """Price of 1,000,000 tokens of the prompt; 0 where it costs you nothing."""
    output: Number = Field(ge=0)
    """Price of 1,000,000 tokens of the answer, thinking included."""


class RateLimits(Section):
    """Requests and tokens per minute."""

    rpm: Whole | None = Field(default=None, gt=0)
    """Requests per minute that the account may send; more are not sent, they wait or go elsewhere."""
    tpm: Whole | None = Field(default=None, gt=0)
    """Tokens per minute, prompt and answer together, reserved before a call and settled after."""


class ServedModel(Section):
    """A model that an endpoint serves, with what is particular there."""

    model: Word
    """A registry id, an id of the API, or a Hugging Face id; `qwenroute models` lists them."""
    served_as: Word | None = None
    """The name to call it by, where the server has another for it."""
    context_tokens: Whole | None = Field(default=None, gt=0)
    """The window that the server was started with, in tokens, where it is not the model's own."""
    price: ServedPrice | None = None
    """What it costs here; without it, the published price, or none on a server of your own."""
    rate_limits: RateLimits = Field(default_factory=RateLimits)
    """What this model may be asked here per minute; goes before the endpoint's own."""


def _kind_of_served(value: object) -> str:
    return "details" if isinstance(value, dict) else "id"


def _kind_of_models(value: object) -> str:
    return "variable" if isinstance(value, dict) else "list"


Served = Annotated[Annotated[ServedModel, Tag("details")] | Annotated[Word, Tag("id")], Discriminator(_kind_of_served)]
Models = Annotated[
    Annotated[FromVariable, Tag("variable")] | Annotated[list[Served], Field(min_length=1), Tag("list")],
    Discriminator(_kind_of_models),
]


class Endpoint(Section):
    """Where models are served."""

    provider: Literal["dashscope", "openai_compatible", "litellm"]
    """How it is spoken to: `dashscope` knows the platform's ways, `openai_compatible` is vLLM, Ollama or any such
    server, `litellm` another host through the extra of that name."""
    region: Value | None = None
    """Where it stands. On DashScope a key works in its own region only; elsewhere it is what `limits.regions` compares.
    """
    workspace: Value | None = None
    """The DashScope workspace, for the host names that carry its id."""
    base_url: Value | None = None
    """The address, up to and including `/v1`. DashScope's follows from its region, unless a proxy stands before it."""
    api_key: Secret | None = None
    """Where the key is found: `{env: NAME}` or `{file: PATH}`. A key in this file is refused."""
    models: Models | None = None
    """What it serves: a list of ids, with details where they differ, or a variable that holds ids between commas
    (`id=served-name`). On DashScope it may be left out: every model that is alive there."""
    weight: Number = Field(default=1.0, gt=0)
    """Its share of the requests among equals, where `choice` is by weight: 2 gets twice what 1 gets."""
    rate_limits: RateLimits = Field(default_factory=RateLimits)
    """Requests and tokens per minute of each model here, where your account's differ from the published ones."""
    tags: Words | None = None
    """Words of your own for this place, such as `eu` or `spot`; pools can ask for them."""


class Pool(Section):
    """A named set of deployments."""

    roles: Annotated[list[Role], BeforeValidator(listed)] = Field(default_factory=list)
    """Deployments of models that serve any of these roles belong to it, whatever their ids. Of one role, those made
    for it come first; of several, the objective alone decides. Models that can think or not do as the roles ask."""
    models: Annotated[list[Word], BeforeValidator(listed)] = Field(default_factory=list)
    """And these models: an id, or `id@endpoint` for one place only."""
    endpoints: Words | None = None
    """Only what these endpoints serve; omitted: all."""
    providers: Annotated[list[Literal["dashscope", "openai_compatible", "litellm"]], BeforeValidator(listed)] | None = (
        None
    )
    """Only what is reached through these providers; omitted: all."""
    tags: Words | None = None
    """Only endpoints that have one of these tags."""
    except_: Words | None = Field(default=None, alias="except")
    """Models, or `model@endpoint`, that do not belong to the pool whatever else is said."""
