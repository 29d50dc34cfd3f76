"""Numbers with their unit in the name, and refusals of the units that people mistake for them."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

SMALLEST_WINDOW_TOKENS = 512
"""No model here has a smaller one; what is smaller was meant in thousands."""
SMALLEST_RATE = 0.001
"""Per 1,000,000 tokens, in any currency; what is smaller was meant per token or per thousand."""


def _not_in_thousands(value: int) -> int:
    if value < SMALLEST_WINDOW_TOKENS:
        raise PydanticCustomError(
            "in_thousands",
            "{value} looks like thousands of tokens; write the number of tokens, for example {meant}",
            {"value": value, "meant": value * 1024},
        )
    return value


def _not_per_token(value: float) -> float:
    if 0 < value < SMALLEST_RATE:
        raise PydanticCustomError(
            "per_token",
            "{value} looks like a price per token; write it per 1,000,000 tokens, for example {meant}",
            {"value": f"{value:g}", "meant": f"{value * 1_000_000:g}"},
        )
    return value


Count = Annotated[int, Field(strict=True, ge=0)]
Tokens = Annotated[int, Field(strict=True, gt=0, le=100_000_000), AfterValidator(_not_in_thousands)]
Rate = Annotated[float, Field(ge=0, le=100_000), AfterValidator(_not_per_token)]
Share = Annotated[float, Field(gt=0, le=2)]
Amount = Annotated[float, Field(ge=0)]
Flag = Annotated[bool, Field(strict=True)]
