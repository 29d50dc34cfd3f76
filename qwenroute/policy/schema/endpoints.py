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
    input: Number = Field(ge=0)
    output: Number = Field(ge=0)


class RateLimits(Section):
    """Requests and tokens per minute."""

    rpm: Whole | None = Field(default=None, gt=0)
    tpm: Whole | None = Field(default=None, gt=0)


class ServedModel(Section):
    """A model that an endpoint serves, with what is particular there."""

    model: Word
    served_as: Word | None = None
    context_tokens: Whole | None = Field(default=None, gt=0)
    price: ServedPrice | None = None
    rate_limits: RateLimits = Field(default_factory=RateLimits)


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
    region: Value | None = None
    workspace: Value | None = None
    base_url: Value | None = None
    api_key: Secret | None = None
    models: Models | None = None
    weight: Number = Field(default=1.0, gt=0)
    rate_limits: RateLimits = Field(default_factory=RateLimits)


class Pool(Section):
    """A named set of deployments."""

    roles: Annotated[list[Role], BeforeValidator(listed)] = Field(default_factory=list)
    models: Annotated[list[Word], BeforeValidator(listed)] = Field(default_factory=list)
    endpoints: Words | None = None
    providers: Annotated[list[Literal["dashscope", "openai_compatible", "litellm"]], BeforeValidator(listed)] | None = (
        None
    )
