"""What keys of a policy file can hold: words, numbers, switches, variables, secrets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Strict, StringConstraints, Tag


class Section(BaseModel):
    """A mapping of a policy file. Unknown keys are refused; the sentence below a key documents it for operators."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def listed(value: object) -> object:
    """Take one thing for a list of one."""
    return value if isinstance(value, list) else [value]


def kind_of_switch(value: object) -> str:
    """Tell rules from a word such as `off`."""
    return "rules" if isinstance(value, dict) else "switch"


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Switch = Annotated[bool, Strict()]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200)]
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
"""A time of day."""
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Words = Annotated[list[Word], BeforeValidator(listed), Field(min_length=1)]


class FromVariable(Section):
    """A value from the environment."""

    env: Word
    """The name of the environment variable."""
    default: Word | None = None
    """What counts where the variable is not set or empty."""
    optional: Switch = False
    """Whether the endpoint can be used without it; else it is left out where the variable is not set."""


class FromFile(Section):
    """A secret from a file of its own."""

    file: Word
    """A path, relative to this policy file; what the file holds is the secret."""


def _is_mapping(value: object) -> str:
    return "variable" if isinstance(value, dict) else "text"


def _is_file(value: object) -> str:
    return "in a file" if isinstance(value, dict) and "file" in value else "variable"  # no key has such a name


Value = Annotated[Annotated[FromVariable, Tag("variable")] | Annotated[Word, Tag("text")], Discriminator(_is_mapping)]
Secret = Annotated[
    Annotated[FromVariable, Tag("variable")] | Annotated[FromFile, Tag("in a file")], Discriminator(_is_file)
]

Off = Annotated[Literal["off"], Tag("switch")]
