"""Hard yes or no: each gate says why a deployment cannot serve a request, or nothing.

What is not known counts as not offered. `CAPABILITY` gates look at what is asked for, `SIZE` gates
at how much of it; the former give the same result for every request of the same shape, so routing
keeps it. The order is from coarse to fine: a reason from further down is the more telling one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from qwenroute.domain.capability import Deployment, MediaLimits, Modality, Thinking
from qwenroute.domain.price import Money, Price
from qwenroute.domain.signals import Media
from qwenroute.routing.needs import Needs
from qwenroute.routing.worst import largest

Gate = Callable[[Needs, Deployment, bool], str | None]
"""Takes the needs, the deployment, and whether it would be thinking."""

MB = 2**20
_FORCED = frozenset({"required", "named"})


def lifecycle(_: Needs, deployment: Deployment, __: bool) -> str | None:
    """Return why the model cannot be called at all."""
    if deployment.lifecycle.callable:
        return None
    return f"it is {deployment.lifecycle.replace('_', ' ')} here"


def region(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the policy does not allow the place."""
    allowed = needs.limits.regions
    if allowed is None or deployment.region in allowed:
        return None
    return f"the policy allows {_names(allowed)}, this is {deployment.region or 'in no stated region'}"


def licence(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the policy does not allow the licence."""
    allowed = needs.limits.licences
    if allowed is None or deployment.licence in allowed:
        return None
    return f"the policy allows {_names(allowed)}, this is {deployment.licence}"


def provider(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the policy does not allow the kind of endpoint."""
    allowed = needs.limits.providers
    if allowed is None or deployment.provider in allowed:
        return None
    return f"the policy allows {_names(allowed)}, this is {deployment.provider}"


def model(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the policy does not allow the model."""
    allowed = needs.limits.models
    if allowed is None or deployment.model in allowed or deployment.id in allowed:
        return None
    return "the policy's list of models does not have it"


def modality_in(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return which kind of input is not taken."""
    lacking = needs.signals.input - deployment.input
    if not lacking:
        return None
    return f"takes {_names(deployment.input)}, not {_names(lacking)}"


def modality_out(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return which kind of output is not given."""
    lacking = needs.signals.output - deployment.output
    if not lacking:
        return None
    return f"answers with {_names(deployment.output)}, not {_names(lacking)}"


def sound(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the sound of a video would be lost."""
    if not needs.signals.sound or Modality.AUDIO in deployment.input:
        return None
    return "sees the video but does not hear it"


def completions(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why /completions, or filling in the middle, is not there."""
    if deployment.fim or not needs.parameters.completion:
        return None
    if needs.signals.fim:
        return "does not fill in the middle"
    if deployment.provider == "dashscope":
        return "is not offered at /completions"
    return None


def tools(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why functions cannot be called."""
    if not needs.signals.tools or deployment.tools:
        return None
    return _missing("function calling", deployment.tools)


def tool_choice(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why the choice among tools cannot be made so."""
    choice = needs.signals.tool_choice
    if choice is None or not needs.signals.tools:
        return None
    if deployment.tool_choices is not None and choice not in deployment.tool_choices:
        return f"takes tool_choice {_names(deployment.tool_choices)}, not {choice}"
    if thinks and choice in _FORCED:
        return f"while thinking it takes tool_choice auto or none, not {choice}"
    return None


def response_format(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why the answer cannot have the form asked for."""
    wanted = needs.signals.response_format
    if wanted == "text":
        return None
    offered = deployment.json_object if wanted == "json_object" else deployment.json_schema
    if not offered:
        return _missing(f"response_format {wanted}", offered)
    return "JSON output excludes thinking" if thinks else None


def thinking(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why it cannot think, or not stop thinking, as asked."""
    wanted = needs.signals.thinking
    if wanted is True and deployment.thinking is Thinking.NONE:
        return "does not think before it answers"
    if wanted is False and deployment.thinking is Thinking.ALWAYS:
        return "cannot answer without thinking"
    return None


def partial(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why a prefix cannot be continued."""
    if not needs.signals.partial or deployment.partial:
        return None
    return _missing("continuing a prefix", deployment.partial)


def choices(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why that many answers cannot be given at once."""
    wanted = needs.signals.choices
    if wanted <= 1:
        return None
    if wanted > deployment.max_choices:
        return f"gives {deployment.max_choices} answer{'s' if deployment.max_choices > 1 else ''} at once, not {wanted}"
    if deployment.provider == "dashscope" and (thinks or needs.signals.tools):
        return f"gives one answer at once {'while thinking' if thinks else 'with tools'}, not {wanted}"
    return None


def voice(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the voice is not there."""
    wanted = needs.signals.voice
    if wanted is None or Modality.AUDIO not in needs.signals.output:
        return None
    if wanted.lower() in map(str.lower, deployment.voices):
        return None
    if not deployment.voices:
        return "its voices are not known"
    return f"speaks as {_names(deployment.voices)}, not {wanted}"


def parameter(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return which parameter the platform refuses."""
    return needs.parameters.out_of_range if deployment.provider == "dashscope" else None


def turns(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the attachments stand wrong in the conversation."""
    if deployment.media.single_turn and needs.shapes.several_turns:
        return f"takes images in a single turn, this is turn {needs.signals.user_turns}"
    if deployment.media.one_kind_per_message and needs.shapes.mixed:
        return f"takes one kind of attachment per message, not {_names(needs.shapes.mixed)} together"
    return None


def media(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return which attachment is too large, too small, too long or too narrow."""
    for item in needs.signals.media:
        reason = attachment(item, deployment.media)
        if reason is not None:
            return reason
    return None


def max_output(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the answer may not be that long."""
    asked, most = needs.signals.max_output_tokens, deployment.max_output_tokens
    if asked is None or most is None or asked <= most:
        return None
    return f"answers with {most:,} tokens at most, not {asked:,}"


def max_prompt(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the policy does not allow so long a prompt."""
    most = needs.limits.max_prompt_tokens
    if most is None:
        return None
    total = needs.load(deployment.media).total
    if total <= most:
        return None
    return f"the policy allows prompts of {most:,} tokens, this one has {_about(needs, total)}"


def max_input(needs: Needs, deployment: Deployment, _: bool) -> str | None:
    """Return why the prompt is too long."""
    if deployment.max_input_tokens is None:
        return None
    total = needs.load(deployment.media).total
    if total <= deployment.max_input_tokens:
        return None
    return f"takes prompts of {deployment.max_input_tokens:,} tokens, this one has {_about(needs, total)}"


def context_window(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why prompt and answer do not fit together."""
    if deployment.context_tokens is None:
        return "its context window is not known"
    total = needs.load(deployment.media).total
    room = needs.room(deployment, thinks=thinks)
    if total + room <= deployment.context_tokens:
        return None
    return (
        f"its window holds {deployment.context_tokens:,} tokens, "
        f"the prompt has {_about(needs, total)} and the answer needs {room:,}"
    )


def cost_ceiling(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why the call could cost too much."""
    ceiling = needs.max_cost_usd
    if ceiling is None:
        return None
    if deployment.price is None:
        return (
            f"its price is not known, and the ceiling is {ceiling:g} USD (state one at its endpoint; 0 if it is yours)"
        )
    worst = worst_cost_usd(needs, deployment, deployment.price, thinks=thinks)
    if worst <= ceiling:
        return None
    return f"could cost {worst:.6f} USD, the ceiling is {ceiling:g}"


def budget(needs: Needs, deployment: Deployment, thinks: bool) -> str | None:
    """Return why the call could cost more than a budget has left; what has no price costs nothing."""
    spare, price = needs.spare, deployment.price
    if spare is None or price is None:
        return None
    worst = _worst_cost(needs, deployment, price, thinks=thinks)
    if not spare.lacks(worst):
        return None
    return f"could cost {spare.exchange.convert(worst)}, more than the budget {spare.allowance.named} has left"


def worst_cost_usd(needs: Needs, deployment: Deployment, price: Price, *, thinks: bool) -> float:
    """Return the most that a call could cost."""
    return _worst_cost(needs, deployment, price, thinks=thinks).amount * needs.usd_per[price.currency]


def _worst_cost(needs: Needs, deployment: Deployment, price: Price, *, thinks: bool) -> Money:
    usage = largest(
        needs.signals, needs.load(deployment.media), deployment, longest=needs.limits.max_output_tokens, thinks=thinks
    )
    return price.cost(usage, thought=thinks)


CAPABILITY: tuple[tuple[str, Gate], ...] = (
    ("lifecycle", lifecycle),
    ("region", region),
    ("licence", licence),
    ("provider", provider),
    ("model", model),
    ("modality_in", modality_in),
    ("modality_out", modality_out),
    ("sound", sound),
    ("completions", completions),
    ("tools", tools),
    ("response_format", response_format),
    ("thinking", thinking),
    ("partial", partial),
    ("tool_choice", tool_choice),
    ("voice", voice),
    ("choices", choices),
    ("turns", turns),
    ("parameter", parameter),
)

SIZE: tuple[tuple[str, Gate], ...] = (
    ("media", media),
    ("max_output", max_output),
    ("max_prompt", max_prompt),
    ("max_input", max_input),
    ("context_window", context_window),
    ("cost_ceiling", cost_ceiling),
    ("budget", budget),
)

ORDER = {name: index for index, (name, _) in enumerate((*CAPABILITY, *SIZE))}


def attachment(item: Media, limits: MediaLimits) -> str | None:
    """Return why one attachment is refused, or None: sizes that are not known pass."""
    data_uri = item.encoded_bytes if item.inline else None
    if data_uri is not None and limits.image_data_uri_max_mb is not None:
        most = limits.image_data_uri_max_mb * MB
        if data_uri > most:
            return f"takes {most:,.0f} bytes of base64 per attachment, not {data_uri:,}"
    if item.kind is Modality.IMAGE:
        return _image(item, limits)
    if item.kind is Modality.AUDIO:
        if item.encoded_bytes is not None and limits.audio_max_mb is not None:
            most = limits.audio_max_mb * MB
            if item.encoded_bytes > most:
                return f"takes {most:,.0f} bytes of audio, not {item.encoded_bytes:,}"
        return None
    return _video(item, limits)


def _image(item: Media, limits: MediaLimits) -> str | None:
    if item.encoded_bytes is not None and limits.image_max_mb is not None:
        most, size = limits.image_max_mb * MB, item.encoded_bytes * 3 // 4
        if size > most:
            return f"takes images of {most:,.0f} bytes, not {size:,}"
    if item.width_px is None or item.height_px is None:
        return None
    short, long = sorted((item.width_px, item.height_px))
    if limits.image_min_side_px is not None and short < limits.image_min_side_px:
        return f"takes images of at least {limits.image_min_side_px} px a side, not {item.width_px}x{item.height_px}"
    if limits.image_max_aspect is not None and long > limits.image_max_aspect * short:
        return f"takes images up to {limits.image_max_aspect:g}:1, not {item.width_px}x{item.height_px}"
    return None


def _video(item: Media, limits: MediaLimits) -> str | None:
    if item.encoded_bytes is not None and limits.video_max_mb is not None:
        most, size = limits.video_max_mb * MB, item.encoded_bytes * 3 // 4
        if size > most:
            return f"takes videos of {most:,.0f} bytes, not {size:,}"
    if item.frames is not None:
        return _bounded(item.frames, limits.video_min_frames, limits.video_max_frames, "frames")
    if item.seconds is not None:
        return _bounded(item.seconds, limits.video_min_s, limits.video_max_s, "seconds")
    return None


def _bounded(value: float, low: float | None, high: float | None, unit: str) -> str | None:
    if (low is None or value >= low) and (high is None or value <= high):
        return None
    bounds = f"{low or 0:g} to {high:g}" if high is not None else f"at least {low:g}"
    return f"takes videos of {bounds} {unit}, not {value:g}"


def _missing(what: str, offered: bool | None) -> str:
    return f"{what} is not {'offered' if offered is False else 'known to be offered'}"


def _names(values: Collection[str]) -> str:
    names = sorted(values) if isinstance(values, frozenset) else list(values)
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else "".join(names) or "nothing"


def _about(needs: Needs, total: int) -> str:
    return f"{total:,}" if needs.signals.text_tokens_exact else f"up to {total:,}"
