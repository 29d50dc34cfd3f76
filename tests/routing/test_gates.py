"""Gates: who is turned away, by which gate, and in which words."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import pytest

from qwenroute.domain.capability import Lifecycle, MediaLimits, Modality, Role, Thinking
from qwenroute.domain.price import Price, Tier
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.signals import Media, Task
from qwenroute.errors import BudgetExceeded, NoDeployment
from qwenroute.policy import Limits
from qwenroute.routing import decide, gates, refusal
from tests.routing.fleets import ALL, DAILY, SIGHT, Purse, deployment, fleet, policy, request, rule, signals

IMAGE = frozenset({Modality.TEXT, Modality.IMAGE})
VIDEO = frozenset({Modality.TEXT, Modality.VIDEO})
AUDIO = frozenset({Modality.TEXT, Modality.AUDIO})
HYBRID = {"thinking": Thinking.HYBRID, "thinking_default_on": True}


@dataclass(frozen=True)
class Case:
    """A request and a deployment, and the gate that keeps them apart (None: they go together)."""

    name: str
    asks: dict[str, object]
    has: dict[str, object]
    gate: str | None
    words: str = ""
    params: dict[str, object] = field(default_factory=dict)
    role: Role = Role.GENERAL
    limits: Limits = field(default_factory=Limits)
    hints: Hints = field(default_factory=Hints)
    kind: Kind = Kind.CHAT
    left_usd: float | None = None
    """What is left of a budget of 1 USD, where there is one."""


def image(**facts: object) -> tuple[Media, ...]:
    """One image in the first message."""
    return (Media(**({"kind": Modality.IMAGE, "message": 0, "width_px": 280, "height_px": 280} | facts)),)  # type: ignore[arg-type]


def video(**facts: object) -> tuple[Media, ...]:
    """One video in the first message."""
    return (Media(**({"kind": Modality.VIDEO, "message": 0} | facts)),)  # type: ignore[arg-type]


def audio(**facts: object) -> tuple[Media, ...]:
    """One sound in the first message."""
    return (Media(**({"kind": Modality.AUDIO, "message": 0, "seconds": 2.0} | facts)),)  # type: ignore[arg-type]


def sees(**limits: object) -> dict[str, object]:
    """A model that sees, within these limits."""
    return {"input": SIGHT, "media": MediaLimits(**limits)}  # type: ignore[arg-type]


def hears(**limits: object) -> dict[str, object]:
    """A model that takes and gives everything, within these limits."""
    return {"input": ALL, "output": AUDIO, "media": MediaLimits(**limits)}  # type: ignore[arg-type]


INTERNAL = re.compile(r"None|True|False|frozenset|<|Modality\.|Thinking\.")
"""What has no place in a sentence for people."""
LOOKS = {"input": IMAGE, "task": Task.VISION}
WATCHES = {"input": VIDEO, "task": Task.VISION}
LISTENS = {"input": AUDIO, "task": Task.AUDIO}
CN = Price(currency="CNY", tiers=(Tier(input=10.0, output=100.0),))

CASES = [
    Case("text to a text model", {}, {}, None),
    # lifecycle, region, licence
    Case("retired", {}, {"lifecycle": Lifecycle.RETIRED}, "lifecycle", "it is retired here"),
    Case("self-host only", {}, {"lifecycle": Lifecycle.SELF_HOST_ONLY}, "lifecycle", "self host only"),
    Case("retiring still answers", {}, {"lifecycle": Lifecycle.RETIRING}, None),
    Case("unknown state is tried", {}, {"lifecycle": Lifecycle.UNKNOWN}, None),
    Case(
        "region not allowed", {}, {}, "region", "allows cn-beijing, this is intl-singapore",
        limits=Limits(regions=frozenset({"cn-beijing"})),
    ),
    Case(
        "no stated region", {}, {"region": None}, "region", "in no stated region",
        limits=Limits(regions=frozenset({"cn-beijing"})),
    ),
    Case("region allowed", {}, {}, None, limits=Limits(regions=frozenset({"intl-singapore"}))),
    Case(
        "licence not allowed", {}, {"licence": "qwen-research"}, "licence", "apache-2.0, this is qwen-research",
        limits=Limits(licences=frozenset({"apache-2.0"})),
    ),
    Case(
        "kind of endpoint not allowed", {}, {}, "provider", "allows openai_compatible, this is dashscope",
        limits=Limits(providers=frozenset({"openai_compatible"})),
    ),
    Case("kind of endpoint allowed", {}, {}, None, limits=Limits(providers=frozenset({"dashscope"}))),
    Case("model not allowed", {}, {}, "model", "list of models", limits=Limits(models=frozenset({"qwen-b"}))),
    Case("model allowed", {}, {}, None, limits=Limits(models=frozenset({"qwen-a"}))),
    Case("model allowed there", {}, {}, None, limits=Limits(models=frozenset({"qwen-a@dashscope"}))),
    Case(
        "model allowed elsewhere", {}, {}, "model", "list of models",
        limits=Limits(models=frozenset({"qwen-a@other"})),
    ),
    Case(
        "prompt longer than allowed", {"text_tokens": 101}, {}, "max_prompt", "allows prompts of 100 tokens",
        limits=Limits(max_prompt_tokens=100),
    ),
    Case("prompt as long as allowed", {"text_tokens": 100}, {}, None, limits=Limits(max_prompt_tokens=100)),
    Case(
        "answer asked for longer than the policy's bound", {"max_output_tokens": 9_000}, {}, None,
        limits=Limits(max_output_tokens=8_000),
    ),
    Case(
        "budget nearly spent", {"max_output_tokens": 1_000}, {}, "budget", "0.002060 USD, more than the budget",
        left_usd=0.002,
    ),
    Case("budget with room", {"max_output_tokens": 1_000}, {}, None, left_usd=0.003),
    Case("nothing left, and no price", {}, {"price": None}, None, left_usd=0.0),
    # modalities
    Case("image to a text model", LOOKS, {}, "modality_in", "takes text, not image"),
    Case("image to a model that sees", LOOKS, sees(), None),
    Case("audio to a model that sees", LISTENS, sees(), "modality_in", "takes image, text and video, not audio"),
    Case("speech from a text model", {"output": AUDIO}, {}, "modality_out", "answers with text, not audio"),
    Case("speech from an omni model", {"output": AUDIO}, hears(), None),
    Case("video with sound to eyes only", {**WATCHES, "sound": True}, sees(), "sound", "does not hear"),
    Case("video with sound to eyes and ears", {**WATCHES, "sound": True}, hears(), None),
    # completions
    Case("fim without fim", {"fim": True}, {}, "completions", "fill in the middle", kind=Kind.COMPLETION),
    Case("fim with fim", {"fim": True}, {"fim": True}, None, kind=Kind.COMPLETION),
    Case("completion on DashScope", {}, {}, "completions", "/completions", kind=Kind.COMPLETION),
    Case("completion elsewhere", {}, {"provider": "openai_compatible"}, None, kind=Kind.COMPLETION),
    # tools
    Case("tools refused", {"tools": True}, {"tools": False}, "tools", "function calling is not offered"),
    Case("tools unknown", {"tools": True}, {"tools": None}, "tools", "not known to be offered"),
    Case("no tools wanted", {}, {"tools": False}, None),
    Case(
        "tool_choice not taken", {"tools": True, "tool_choice": "required"},
        {"tool_choices": frozenset({"auto", "none"})}, "tool_choice", "takes tool_choice auto and none, not required",
    ),
    Case("tool_choice without a list", {"tools": True, "tool_choice": "required"}, {}, None),
    Case(
        "tool_choice forced while thinking", {"tools": True, "tool_choice": "named"},
        {"thinking": Thinking.ALWAYS}, "tool_choice", "while thinking it takes tool_choice auto or none",
    ),
    Case(
        "tool_choice forced, thinking off in this role", {"tools": True, "tool_choice": "named"}, HYBRID, None,
    ),
    Case("tool_choice without tools says nothing", {"tool_choice": "required"}, {"thinking": Thinking.ALWAYS}, None),
    # structured output
    Case(
        "JSON unknown", {"response_format": "json_object"}, {"json_object": None},
        "response_format", "json_object is not known to be offered",
    ),
    Case(
        "schema refused", {"response_format": "json_schema"}, {"json_schema": False},
        "response_format", "json_schema is not offered",
    ),
    Case(
        "JSON while always thinking", {"response_format": "json_object"}, {"thinking": Thinking.ALWAYS},
        "response_format", "excludes thinking",
    ),
    Case("JSON from a hybrid in a role that does not think", {"response_format": "json_object"}, HYBRID, None),
    Case(
        "JSON from a hybrid in a role that thinks", {"response_format": "json_object"},
        {**HYBRID, "roles": (Role.REASONING,)}, "response_format", "excludes thinking", role=Role.REASONING,
    ),
    # thinking
    Case("thinking from one that cannot", {"thinking": True}, {}, "thinking", "does not think"),
    Case("thinking from a hybrid", {"thinking": True}, HYBRID, None),
    Case("no thinking from one that must", {"thinking": False}, {"thinking": Thinking.ALWAYS}, "thinking", "without"),
    Case("no thinking from a hybrid", {"thinking": False}, HYBRID, None),
    # partial, choices, voice
    Case("prefix refused", {"partial": True}, {"partial": False}, "partial", "continuing a prefix is not offered"),
    Case("prefix unknown", {"partial": True}, {"partial": None}, "partial", "not known"),
    Case("several answers", {"choices": 3}, {}, "choices", "gives 1 answer at once, not 3"),
    Case("several answers offered", {"choices": 3}, {"max_choices": 4}, None),
    Case("several answers with tools", {"choices": 2, "tools": True}, {"max_choices": 4}, "choices", "with tools"),
    Case(
        "several answers while thinking", {"choices": 2, "thinking": True}, {**HYBRID, "max_choices": 4},
        "choices", "while thinking",
    ),
    Case("voice not there", {"output": AUDIO, "voice": "Chloe"}, hears() | {"voices": ("Cherry", "Ethan")},
         "voice", "speaks as Cherry and Ethan, not Chloe"),
    Case("voice there, in other case", {"output": AUDIO, "voice": "cherry"}, hears() | {"voices": ("Cherry",)}, None),
    Case("voices unknown", {"output": AUDIO, "voice": "Cherry"}, hears(), "voice", "not known"),
    # attachments
    Case("second turn", {**LOOKS, "media": image(), "user_turns": 2}, sees(single_turn=True), "turns", "single turn"),
    Case("first turn", {**LOOKS, "media": image()}, sees(single_turn=True), None),
    Case("second turn without attachments", {"user_turns": 2}, sees(single_turn=True), None),
    Case(
        "two kinds together", {"input": ALL, "media": (*image(), *audio())}, hears(one_kind_per_message=True),
        "turns", "not audio and image together",
    ),
    Case(
        "two kinds apart", {"input": ALL, "media": (*image(), *audio(message=2))}, hears(one_kind_per_message=True),
        None,
    ),
    Case("narrow image", {**LOOKS, "media": image(width_px=2010, height_px=10)}, sees(image_max_aspect=200.0),
         "media", "up to 200:1, not 2010x10"),
    Case("just not too narrow", {**LOOKS, "media": image(width_px=2000, height_px=10)}, sees(image_max_aspect=200.0),
         None),
    Case("tiny image", {**LOOKS, "media": image(width_px=10, height_px=10)}, sees(image_min_side_px=11),
         "media", "at least 11 px a side, not 10x10"),
    Case("image of unknown size", {**LOOKS, "media": image(width_px=None, height_px=None)},
         sees(image_min_side_px=11, image_max_aspect=200.0), None),
    Case(
        "12 MB data URI", {**LOOKS, "media": image(inline=True, encoded_bytes=12 * 2**20)},
        sees(image_data_uri_max_mb=10.0), "media", "10,485,760 bytes of base64 per attachment, not 12,582,912",
    ),
    Case("10 MB data URI", {**LOOKS, "media": image(inline=True, encoded_bytes=10_485_760)},
         sees(image_data_uri_max_mb=10.0), None),
    Case("long video", {**WATCHES, "media": video(seconds=601.0)}, sees(video_min_s=2, video_max_s=600),
         "media", "2 to 600 seconds, not 601"),
    Case("video of unknown length", {**WATCHES, "media": video()}, sees(video_min_s=2, video_max_s=600), None),
    Case("few frames", {**WATCHES, "media": video(frames=3)}, sees(video_min_frames=4, video_max_frames=512),
         "media", "4 to 512 frames, not 3"),
    Case("512 frames", {**WATCHES, "media": video(frames=512)}, sees(video_min_frames=4, video_max_frames=512), None),
    Case("much sound", {**LISTENS, "media": audio(encoded_bytes=11 * 2**20, inline=True)}, hears(audio_max_mb=10.0),
         "media", "bytes of audio"),
    # sizes
    Case("answer too long", {"max_output_tokens": 8_193}, {}, "max_output", "8,192 tokens at most, not 8,193"),
    Case("answer just fits", {"max_output_tokens": 8_192}, {"context_tokens": 10_000, "max_input_tokens": None}, None),
    Case("prompt too long", {"text_tokens": 129_025}, {}, "max_input", "129,024 tokens, this one has up to 129,025"),
    Case("prompt just fits", {"text_tokens": 129_024}, {}, None),
    Case(
        "no room for the answer", {"text_tokens": 3_000, "max_output_tokens": 1_097},
        {"context_tokens": 4_096, "max_input_tokens": 3_072, "max_output_tokens": 3_072},
        "context_window", "holds 4,096 tokens, the prompt has up to 3,000 and the answer needs 1,097",
    ),
    Case(
        "room for the answer", {"text_tokens": 3_000, "max_output_tokens": 1_096},
        {"context_tokens": 4_096, "max_input_tokens": 3_072, "max_output_tokens": 3_072}, None,
    ),
    Case("window unknown", {}, {"context_tokens": None}, "context_window", "not known"),
    Case(
        "images fill the window", {**LOOKS, "media": image(width_px=2_800, height_px=2_800)},
        sees() | {"context_tokens": 1_000, "max_input_tokens": None}, "context_window", "1,000 tokens",
    ),
    # cost
    Case("too dear", {"max_output_tokens": 1_000}, {"price": CN}, "cost_ceiling", "could cost 0.014426 USD",
         hints=Hints(max_cost_usd=0.01)),
    Case("cheap enough", {"max_output_tokens": 1_000}, {"price": CN}, None, hints=Hints(max_cost_usd=0.02)),
    Case("dear by the policy", {}, {"price": CN}, "cost_ceiling", "ceiling is 0.01", limits=Limits(max_cost_usd=0.01)),
    Case("the lower ceiling counts", {"max_output_tokens": 1_000}, {"price": CN}, "cost_ceiling", "is 0.01",
         limits=Limits(max_cost_usd=0.01), hints=Hints(max_cost_usd=5.0)),
    Case("price unknown", {}, {"price": None}, "cost_ceiling", "not known", hints=Hints(max_cost_usd=1.0)),
    Case("price unknown, no ceiling", {}, {"price": None}, None),
    # parameters
    Case("temperature 2", {}, {}, "parameter", "`temperature` has to lie in [0, 2), not 2", params={"temperature": 2}),
    Case("temperature 1.99", {}, {}, None, params={"temperature": 1.99}),
    Case("temperature 2 elsewhere", {}, {"provider": "openai_compatible"}, None, params={"temperature": 2}),
    Case("top_p 0", {}, {}, "parameter", "(0, 1], not 0", params={"top_p": 0}),
    Case("top_p 1", {}, {}, None, params={"top_p": 1}),
    Case("top_k -1", {}, {}, "parameter", "`top_k`", params={"top_k": -1}),
    Case("presence_penalty", {}, {}, "parameter", "[-2, 2], not 2.5", params={"presence_penalty": 2.5}),
    Case("repetition_penalty", {}, {}, "parameter", "(0, ∞), not 0", params={"repetition_penalty": 0}),
    Case("seed", {}, {}, "parameter", "2147483647], not 2147483648", params={"seed": 2**31}),
    Case("largest seed", {}, {}, None, params={"seed": 2**31 - 1}),
    Case(
        "a tool named search", {"tools": True}, {}, "parameter", "may not be named `search`",
        params={"tools": [{"type": "function", "function": {"name": "search"}}]},
    ),
    Case(
        "a tool named find", {"tools": True}, {}, None,
        params={"tools": [{"type": "function", "function": {"name": "find"}}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_gate(case: Case) -> None:
    """Each gate lets through what fits, and says in words why the rest does not."""
    facts = {"roles": (case.role,)} | case.has
    rules = policy({"auto": (rule("only", str(case.role)),)}, limits=case.limits)
    funds = None
    if case.left_usd is not None:
        rules = replace(rules, budgets=(DAILY,))
        funds = Purse(DAILY, left_usd=case.left_usd)
    asked = Request(kind=case.kind, messages=({"role": "user", "content": "…"},), params=case.params, hints=case.hints)
    try:
        decision = decide(asked, signals(**case.asks), rules, fleet(deployment(**facts), of=rules), funds=funds)
    except (NoDeployment, BudgetExceeded) as error:
        decision = error.decision
    found = {r.gate: r.reason for r in decision.rejections}
    if case.gate is None:
        assert found == {}
        assert [step.deployment.model for step in decision.plan.steps] == ["qwen-a"]
    else:
        assert list(found) == [case.gate]
        assert case.words in found[case.gate]
        assert not INTERNAL.search(found[case.gate])
        assert decision.plan.steps == ()


def test_every_gate_has_a_case_and_an_advice() -> None:
    """No gate goes untested, and none leaves the reader without a way on."""
    assert {case.gate for case in CASES} - {None} == set(gates.ORDER)
    assert set(refusal.ADVICE) == set(gates.ORDER)


def test_input_is_matched_as_a_whole() -> None:
    """A model has to take every kind of input, not one of them."""
    both = frozenset({Modality.TEXT, Modality.IMAGE, Modality.AUDIO})
    with pytest.raises(NoDeployment, match="takes image, text and video, not audio"):
        decide(request(), signals(input=both), policy(), fleet(deployment(input=SIGHT)))
