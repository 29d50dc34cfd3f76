"""Prices, and what a usage costs under them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call, as the answer reports them.

    `prompt_tokens` and `completion_tokens` are totals; the others are parts of them.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    image_tokens: int = 0
    video_tokens: int = 0
    audio_input_tokens: int = 0
    audio_output_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in self.__slots__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An amount in a currency (ISO 4217)."""

    amount: float
    currency: str

    def __str__(self) -> str:
        return f"{self.amount:.6f} {self.currency}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Rates per 1,000,000 tokens, for requests of at most `up_to_input_tokens` (None: any).

    A rate of None is not published: text rates stand in for cached and media input, and the
    output rate for thinking and audio.
    """

    up_to_input_tokens: int | None = None
    input: float
    output: float
    output_thinking: float | None = None
    cache_read: float | None = None
    input_audio: float | None = None
    input_image_video: float | None = None
    output_audio: float | None = None
    output_text_with_media_input: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The tiers of a price, smallest first, and what batch use costs of it.

    Tiers are all or nothing: the input tokens of the request pick one tier for all of its
    tokens (facts sheet, `pricing_rules.tiering`, sources ms-billing and litellm).
    """

    currency: str
    tiers: tuple[Tier, ...]
    batch_share: float | None = None

    def tier(self, input_tokens: int) -> Tier:
        """Return the tier that a request of this size is billed under; the last one if none fits."""
        for tier in self.tiers:
            if tier.up_to_input_tokens is None or input_tokens <= tier.up_to_input_tokens:
                return tier
        return self.tiers[-1]

    def cost(self, usage: Usage, *, thought: bool = False) -> Money:
        """Return what a usage costs.

        `thought` says that the model was thinking, which some hybrids bill at a rate of its own
        for the whole output. Thinking tokens are output; when audio is produced only the audio
        part of the output is billed (facts sheet, `pricing_rules`).
        """
        tier = self.tier(usage.prompt_tokens)
        cached = tier.input if tier.cache_read is None else tier.cache_read
        audio_in = tier.input if tier.input_audio is None else tier.input_audio
        picture_in = tier.input if tier.input_image_video is None else tier.input_image_video
        pictures = usage.image_tokens + usage.video_tokens
        media = pictures + usage.audio_input_tokens
        plain = max(0, usage.prompt_tokens - usage.cached_tokens - media)
        total = (
            plain * tier.input
            + usage.cached_tokens * cached
            + usage.audio_input_tokens * audio_in
            + pictures * picture_in
        )
        if usage.audio_output_tokens and tier.output_audio is not None:
            total += usage.audio_output_tokens * tier.output_audio
        else:
            rate = tier.output
            if thought and tier.output_thinking is not None:
                rate = tier.output_thinking
            elif media and tier.output_text_with_media_input is not None:
                rate = tier.output_text_with_media_input
            total += usage.completion_tokens * rate
        return Money(amount=total / MILLION, currency=self.currency)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """Rates into the currency that a policy reports in: one unit of the key costs the value."""

    report: str
    rates: Mapping[str, float]

    def convert(self, money: Money) -> Money:
        """Return the amount in the reporting currency.

        Raises:
            KeyError: the policy names no rate for the currency.
        """
        if money.currency == self.report:
            return money
        return Money(amount=money.amount * self.rates[money.currency], currency=self.report)

    def usd(self, money: Money) -> float:
        """Return the amount in US dollars.

        Raises:
            KeyError: the policy names no rate for the currency, or none for the dollar.
        """
        if money.currency == "USD":
            return money.amount
        dollar = 1.0 if self.report == "USD" else self.rates["USD"]
        return self.convert(money).amount / dollar
