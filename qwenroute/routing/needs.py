"""What a request demands of whoever serves it: all that gates may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from qwenroute.domain.budget import Allowance, units
from qwenroute.domain.capability import Deployment, MediaLimits, Modality, Thinking
from qwenroute.domain.price import Exchange, Money
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Media, Signals
from qwenroute.policy import Limits
from qwenroute.registry import media_tokens
from qwenroute.routing.expectation import answer_tokens, thinking_tokens

UNKNOWN_AUDIO_S = 60.0
"""Assumed of a sound behind an address, where the caller gives no `media_seconds`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Tokens of a prompt at one deployment, by what they stand for."""

    text: int
    pictures: int = 0
    audio: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.text + self.pictures + self.audio


@dataclass(frozen=True, slots=True, kw_only=True)
class Spare:
    """What the budget that is shortest has left."""

    allowance: Allowance
    exchange: Exchange

    def lacks(self, worst: Money) -> bool:
        """Whether that could cost more than is left."""
        return units(self.exchange.convert(worst).amount) > self.allowance.unspent

    @property
    def refusal(self) -> str:
        """What to tell whoever is refused because of it."""
        return self.allowance.refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What gates need of a request beyond its signals, taken out once; the request itself may be huge."""

    completion: bool = False
    """Sent to /completions."""
    out_of_range: str | None = None
    """Why DashScope refuses a parameter, whatever the model."""
    max_cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """Signals, parameters and the policy's limits together."""

    signals: Signals
    parameters: Parameters
    limits: Limits
    usd_per: Mapping[str, float]
    """What one unit of each currency costs."""
    spare: Spare | None = None
    """What a budget has left; None where none is short."""
    shapes: Shapes = field(init=False)
    plain: Load | None = field(init=False)
    """The tokens of the prompt where there is nothing but text."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", shapes(self.signals))
        plain = None if self.signals.media else Load(text=self.signals.text_tokens_upper)
        object.__setattr__(self, "plain", plain)

    def load(self, limits: MediaLimits) -> Load:
        """Return the tokens of the prompt where attachments are counted by these rules."""
        return self.plain or load(self.signals, limits)

    def room(self, deployment: Deployment, *, thinks: bool) -> int:
        """Return the tokens to keep free for the answer."""
        return room(self.signals, deployment, thinks=thinks)

    @property
    def max_cost_usd(self) -> float | None:
        """The lower of the caller's ceiling and the policy's."""
        return ceiling(self.parameters, self.limits)


def ceiling(parameters: Parameters, limits: Limits) -> float | None:
    """Return the lower of the caller's ceiling on the cost and the policy's, in USD."""
    caller, policy = parameters.max_cost_usd, limits.max_cost_usd
    return policy if caller is None else caller if policy is None else min(caller, policy)


@dataclass(frozen=True, slots=True)
class Shapes:
    """How attachments stand in the conversation, as far as a model may object."""

    several_turns: bool = False
    """There are attachments, and more than one user turn."""
    mixed: tuple[str, ...] = ()
    """The kinds that stand together in one message, where more than one does."""


_NO_SHAPES = Shapes()


def shapes(signals: Signals) -> Shapes:
    """Return how the attachments stand in the conversation."""
    if not signals.media:
        return _NO_SHAPES
    kinds: dict[int, set[Modality]] = {}
    for item in signals.media:
        kinds.setdefault(item.message, set()).add(item.kind)
    mixed = next((tuple(sorted(k)) for k in kinds.values() if len(k) > 1), ())
    return Shapes(signals.user_turns > 1, mixed)


def load(signals: Signals, limits: MediaLimits) -> Load:
    """Return the tokens of a prompt where attachments are counted by these rules, at their upper bound."""
    pictures = audio = 0
    for item in signals.media:
        tokens = _tokens(item, limits, high_resolution=signals.high_resolution)
        if item.kind is Modality.AUDIO:
            audio += tokens
        else:
            pictures += tokens
    return Load(text=signals.text_tokens_upper, pictures=pictures, audio=audio)


def _tokens(item: Media, limits: MediaLimits, *, high_resolution: bool) -> int:
    if item.kind is Modality.AUDIO and item.seconds is None and item.encoded_bytes is None:
        # The most it can be would overflow every small window; should it, a wider one follows in the plan.
        item = replace(item, seconds=UNKNOWN_AUDIO_S)
    return media_tokens((item,), limits, high_resolution=high_resolution)


def room(signals: Signals, deployment: Deployment, *, thinks: bool) -> int:
    """Return the tokens to keep free: the caller's bound, or what such an answer is expected to take."""
    if signals.max_output_tokens is not None:
        return signals.max_output_tokens
    answer = answer_tokens(signals.task, signals.difficulty)
    if deployment.max_output_tokens is not None:
        answer = min(answer, deployment.max_output_tokens)
    if not thinks:
        return answer
    thought = thinking_tokens(signals.difficulty)
    if deployment.max_thinking_tokens is not None:
        thought = min(thought, deployment.max_thinking_tokens)
    return answer + thought


def thinks(deployment: Deployment, switch: bool | None) -> bool:
    """Whether a deployment thinks with its switch on, off, or (None) left alone."""
    if deployment.thinking is Thinking.HYBRID:
        return deployment.thinking_default_on if switch is None else switch
    return deployment.thinking is Thinking.ALWAYS


def parameters(request: Request) -> Parameters:
    """Take out of a request what gates need."""
    params = request.params
    hints = request.hints
    out_of_range = None
    for name in params:
        check = _CHECKS.get(name)
        if check is not None and out_of_range is None:
            out_of_range = check(params[name])
    completion = request.kind is Kind.COMPLETION
    if out_of_range is None and hints.max_cost_usd is None and not completion:
        return _USUAL
    return Parameters(completion=completion, out_of_range=out_of_range, max_cost_usd=hints.max_cost_usd)


_USUAL = Parameters()


_INFINITY = float("inf")


def _within(
    name: str, text: str, low: float, high: float, *, low_open: bool = False, high_open: bool = False
) -> Callable[[object], str | None]:
    """Return a check of a parameter against the values that DashScope takes."""

    def check(value: object) -> str | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            above = low < value if low_open else low <= value
            below = value < high if high_open else value <= high
            if above and below:
                return None
        return f"`{name}` has to lie in {text}, not {value!r:.40}"

    return check


def _reserved_tool(tools: object) -> str | None:
    for tool in tools if isinstance(tools, list | tuple) else ():
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and function.get("name") == "search":
            return "a tool may not be named `search` there"
    return None


# Facts sheet, platform.parameters (sources qc-guides, ms-openai, qc-errors).
_CHECKS: Mapping[str, Callable[[object], str | None]] = {
    "temperature": _within("temperature", "[0, 2)", 0, 2, high_open=True),
    "top_p": _within("top_p", "(0, 1]", 0, 1, low_open=True),
    "top_k": _within("top_k", "[0, ∞)", 0, _INFINITY),
    "presence_penalty": _within("presence_penalty", "[-2, 2]", -2, 2),
    "repetition_penalty": _within("repetition_penalty", "(0, ∞)", 0, _INFINITY, low_open=True),
    "seed": _within("seed", "[0, 2147483647]", 0, 2**31 - 1),
    "tools": _reserved_tool,
}
CHECKED = frozenset(_CHECKS)
"""The parameters that gates look at."""


def reserves_tool(params: Mapping[str, object]) -> bool:
    """Whether a tool has a name that DashScope keeps for itself."""
    return _reserved_tool(params.get("tools")) is not None
