"""The shipped facts: all there, none lost, each with its source."""

from __future__ import annotations

from datetime import date

import pytest

from qwenroute.domain.capability import Modality, Role, SystemMessage, Thinking
from qwenroute.registry import Registry

GENERATION_2_5 = [
    "qwen2.5-0.5b-instruct", "qwen2.5-1.5b-instruct", "qwen2.5-3b-instruct", "qwen2.5-7b-instruct",
    "qwen2.5-14b-instruct", "qwen2.5-32b-instruct", "qwen2.5-72b-instruct", "qwen2.5-7b-instruct-1m",
    "qwen2.5-14b-instruct-1m", "qwen2.5-coder-0.5b-instruct", "qwen2.5-coder-1.5b-instruct",
    "qwen2.5-coder-3b-instruct", "qwen2.5-coder-7b-instruct", "qwen2.5-coder-14b-instruct",
    "qwen2.5-coder-32b-instruct", "qwen-coder-plus", "qwen-coder-turbo", "qwen2.5-math-1.5b-instruct",
    "qwen2.5-math-7b-instruct", "qwen2.5-math-72b-instruct", "qwen2.5-math-rm-72b", "qwen-math-plus",
    "qwen-math-turbo", "qwen2.5-vl-3b-instruct", "qwen2.5-vl-7b-instruct", "qwen2.5-vl-32b-instruct",
    "qwen2.5-vl-72b-instruct", "qwen-vl-max", "qwen-vl-plus", "qwen2.5-omni-7b", "qwen2.5-omni-3b", "qwen-omni-turbo",
    "qwen-omni-turbo-realtime", "qwq-32b", "qwq-32b-preview", "qwq-plus", "qvq-72b-preview", "qvq-max", "qvq-plus",
    "qwen-max", "qwen-plus-2025-01-25", "qwen-plus", "qwen-turbo-2024-11-01", "qwen-turbo",
]  # fmt: skip

NEWER = [
    "qwen4-max", "qwen3.8-max", "qwen3.8-flash", "qwen3.8-omni-flash", "qwen3.7-max", "qwen3.7-plus", "qwen3.6-plus",
    "qwen3.6-flash", "qwen3.5-plus", "qwen3.5-omni-plus", "qwen3.5-omni-flash", "qwen3.5-flash", "qwen-flash",
    "qwen-plus", "qwen3-max", "qwen3-coder-plus", "qwen3-coder-flash", "qwen3-vl-plus", "qwen3-vl-235b-a22b-instruct",
    "qwen3-next-80b-a3b-instruct", "qwen3-omni-flash",
]  # fmt: skip

SPOT_CHECKS = [
    ("qwen-max", "dashscope.regions.cn-beijing.limits.context_tokens", 131072),
    ("qwen-max", "dashscope.regions.intl-singapore.limits.context_tokens", 32768),
    ("qwen-max", "dashscope.regions.cn-beijing.price.tiers.0.cache_read_per_mtok", 0.48),
    ("qwen-max", "dashscope.regions.intl-singapore.price.batch_output_per_mtok", 3.2),
    ("qwen-max", "benchmarks.unverified_scores.gpqa_diamond", 60.1),
    ("qwen-max", "benchmarks.scores.chatbot_arena_elo_2025_03", 1336),
    ("qwen-plus", "dashscope.regions.cn-beijing.price.tiers.2.output_thinking_per_mtok", 64),
    ("qwen-plus", "dashscope.limits.max_thinking_tokens", 81920),
    ("qwen-turbo", "dashscope.regions.cn-beijing.partial", False),
    ("qwen-turbo", "dashscope.regions.intl-singapore.partial", True),
    ("qwen-turbo", "dashscope.regions.cn-beijing.rate_limits.rpm", 1200),
    ("qwen-turbo-2024-11-01", "speed.rows.0.ttft_s", 68),
    ("qwen2.5-0.5b-instruct", "dashscope.regions.cn-beijing.price.tiers.0.input_per_mtok", 0),
    ("qwen2.5-7b-instruct-1m", "self_host.trained_context_tokens", 262144),
    ("qwen2.5-72b-instruct", "weights.heads_q_kv", "64/8"),
    ("qwen2.5-72b-instruct", "benchmarks.scores.arena_hard_v01_style_control", 63.3),
    ("qwen2.5-72b-instruct", "speed.rows.1.gpus", 4),
    ("qwen2.5-math-7b-instruct", "dashscope.limits.context_tokens", 4096),
    ("qwen2.5-math-7b-instruct", "features.tool_integrated_reasoning", True),
    ("qwen2.5-math-rm-72b", "benchmarks.scores.rm_at_8_math_tir_of_72b", 92.9),
    ("qwen2.5-math-rm-72b", "modalities.output", ("score",)),
    ("qwen2.5-coder-32b-instruct", "features.fim", True),
    ("qwen2.5-coder-32b-instruct", "benchmarks.scores.aider_polyglot", 16.4),
    ("qwen2.5-vl-72b-instruct", "media.video_max_frames", 512),
    ("qwen-vl-max", "media.video_max_mb", 2048),
    ("qwen2.5-omni-7b", "speech.voices_self_host", ("Chelsie", "Ethan")),
    ("qwen2.5-omni-7b", "dashscope.regions.cn-beijing.price.tiers.0.output_text_with_media_per_mtok", 6),
    ("qwen-omni-turbo", "dashscope.regions.cn-beijing.price.tiers.0.output_audio_per_mtok", 50),
    ("qwen-omni-turbo-realtime", "features.transport", "WebSocket"),
    ("qwq-32b", "dashscope.limits.max_thinking_tokens", 32768),
    ("qwq-32b", "sampling.advice.avoid", "greedy decoding"),
    ("qwq-32b", "features.ignored_parameters",
     ("temperature", "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs")),
    ("qvq-72b-preview", "media.single_turn", True),
    ("qvq-max", "dashscope.limits.max_input_tokens", 106496),
    ("qwen4-max", "features.reasoning_efforts",
     ("none", "off", "minimal", "low", "medium", "high", "xhigh", "max")),
    ("qwen3.7-max", "dashscope.regions.intl-singapore.price.tiers.0.cache_write_per_mtok", 3.125),
    ("qwen3.5-omni-plus", "dashscope.regions.cn-beijing.price.tiers.1.input_audio_per_mtok", 4.96),
    ("qwen3-omni-flash", "dashscope.regions.intl-singapore.price.tiers.0.output_audio_per_mtok", 15.11),
    ("qwen-flash", "dashscope.regions.cn-beijing.rate_limits.rpm", 15000),
]  # fmt: skip


def test_every_model_of_both_lists_has_a_card() -> None:
    """The 44 of the 2.5 generation and the 21 newer ones are there; one stands in both lists."""
    assert len(GENERATION_2_5) == 44
    assert len(NEWER) == 21
    assert set(Registry.load().cards) == {*GENERATION_2_5, *NEWER}


@pytest.mark.parametrize(("model", "path", "value"), SPOT_CHECKS)
def test_facts_are_what_was_read(model: str, path: str, value: object) -> None:
    """A sample over every group of facts holds the values that the sources state."""
    facts = {fact.path: fact.value for fact in Registry.load().facts(model)}
    assert facts[path] == value


def test_every_fact_names_a_source_that_resolves() -> None:
    """No fact stands without a source, and every source key says what it stands for."""
    registry = Registry.load()
    for model in registry.cards:
        for fact in registry.facts(model):
            assert fact.sources, f"{model}: {fact.path}"
            for key in fact.sources:
                assert registry.source(key) != key, f"{model}: {fact.path} names the unknown source {key}"
    for host in registry.hosts:
        assert host.sources
        assert all(registry.source(key) != key for key in host.sources)


def test_a_weak_fact_is_marked_among_strong_ones() -> None:
    """A doubt lowers the confidence of one fact of a group and says why."""
    facts = {fact.path: fact for fact in Registry.load().facts("qvq-max")}
    assert facts["dashscope.limits.max_input_tokens"].confidence == "C"
    assert "re-read" in (facts["dashscope.limits.max_input_tokens"].note or "")
    assert facts["dashscope.limits.max_output_tokens"].confidence == "B"


@pytest.mark.parametrize(
    ("name", "model", "api_id"),
    [
        ("qwen-max", "qwen-max", "qwen-max"),
        ("qwen-max-latest", "qwen-max", "qwen-max-latest"),
        ("qwen-max-2025-01-25", "qwen-max", "qwen-max-2025-01-25"),
        ("qwen-max-0919", "qwen-max", "qwen-max-0919"),
        ("qwen-turbo-1101", "qwen-turbo-2024-11-01", "qwen-turbo-1101"),
        ("qwen-plus-2025-01-25", "qwen-plus-2025-01-25", "qwen-plus-2025-01-25"),
        ("Qwen/QwQ-32B", "qwq-32b", "qwq-32b"),
        ("qwen/qwq-32b", "qwq-32b", "qwq-32b"),
        ("Qwen-Max", "qwen-max", "qwen-max"),
    ],
)
def test_a_model_is_found_by_every_name(name: str, model: str, api_id: str) -> None:
    """Registry ids, aliases, dated ids and Hugging Face ids lead to the card and keep the id asked for."""
    found = Registry.load().find(name)
    assert found is not None
    assert (found.card.id, found.api_id) == (model, api_id)


def test_an_unknown_name_gets_the_nearest_known_one() -> None:
    """What is not known is None, and `suggest` comes close or stays silent."""
    registry = Registry.load()
    assert registry.find("qwen2.5-codr-32b-instruct") is None
    assert registry.suggest("qwen2.5-codr-32b-instruct") == "qwen2.5-coder-32b-instruct"
    assert registry.suggest("gpt-4o") is None


@pytest.mark.parametrize(
    ("family", "role"),
    [
        ("qwen2.5", Role.GENERAL),
        ("qwen2.5-commercial", Role.GENERAL),
        ("qwen2.5-omni", Role.OMNI),
        ("qwen2.5-vl", Role.VISION),
        ("qwen2.5-coder", Role.CODER),
        ("qwen2.5-math", Role.MATH),
        ("qwen2.5-max", Role.MAX),
        ("qvq", Role.VISION_REASONING),
        ("qwq", Role.REASONING),
    ],
)
def test_each_family_of_the_generation_has_its_role(family: str, role: Role) -> None:
    """Every model of a family serves its role and no other; what cannot be called for it serves none."""
    none = {"qwen2.5-math-rm-72b", "qwen-omni-turbo-realtime"}
    cards = [card for card in Registry.load().cards.values() if card.family == family]
    assert cards
    for card in cards:
        assert card.roles == (() if card.id in none else (role,))


def test_newer_models_serve_what_they_can_do() -> None:
    """Thinking makes a reasoner, images make a vision model, both a visual reasoner, audio an omni model."""
    for card in Registry.load().cards.values():
        if card.generation == "2.5":
            continue
        takes, thinks = set(card.modalities.input), card.features.thinking is not Thinking.NONE
        if Modality.AUDIO in takes:
            assert card.roles == (Role.OMNI,)
            continue
        assert (Role.VISION in card.roles) == (Modality.IMAGE in takes)
        assert (Role.VISION_REASONING in card.roles) == (thinks and Modality.IMAGE in takes)
        if card.family in {"qwen-max", "qwen-plus", "qwen-flash"}:
            assert (Role.REASONING in card.roles) == thinks
            assert {Role.MATH, Role.CODER} <= set(card.roles)
        assert (Role.MAX in card.roles) == card.id.endswith("-max")


def test_an_alias_takes_on_roles_with_the_model_behind_it() -> None:
    """qwen-plus serves roles only since it points to the hybrid that its card describes."""
    card = Registry.load().cards["qwen-plus"]
    assert card.roles_on(date(2025, 6, 1)) == ()
    assert {Role.GENERAL, Role.REASONING} <= set(card.roles_on(date(2025, 9, 11)))


def test_what_qwq_and_qvq_do_with_system_messages() -> None:
    """QwQ discourages them, QVQ-Max ignores them, the rest takes them."""
    cards = Registry.load().cards
    assert cards["qwq-plus"].features.system_message is SystemMessage.DISCOURAGED
    assert cards["qvq-max"].features.system_message is SystemMessage.IGNORED
    assert cards["qwen-max"].features.system_message is SystemMessage.OK


def test_the_shipped_registry_is_read_once() -> None:
    """Two loads give the same object, and nothing can be put into its index."""
    registry = Registry.load()
    assert Registry.load() is registry
    with pytest.raises(TypeError):
        registry.cards["x"] = registry.cards["qwen-max"]  # type: ignore[index]
    with pytest.raises(ValueError, match="frozen"):
        registry.cards["qwen-max"].name = "x"
