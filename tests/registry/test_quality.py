"""The priors of quality and speed: complete, in order, and each with its basis."""

from __future__ import annotations

import pytest

from qwenroute.domain.capability import Modality
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.registry import Registry
from qwenroute.registry.quality import NEEDS
from qwenroute.registry.speed import expected

TEXT = (Task.MATH, Task.CODE, Task.REASONING, Task.GENERAL)


def value(model: str, task: Task, difficulty: Difficulty) -> float:
    return Registry.load().quality(model)[f"{task}/{difficulty}"].value


def test_every_model_has_a_prior_for_every_cell() -> None:
    """All 21 cells are there for all models, within 0 to 1, with an uncertainty and a basis."""
    registry = Registry.load()
    for model in registry.cards:
        cells = registry.quality(model)
        assert set(cells) == {f"{task}/{difficulty}" for task in Task for difficulty in Difficulty}
        for cell, quality in cells.items():
            assert 0 <= quality.value <= 1, (model, cell)
            assert quality.basis, (model, cell)
            assert quality.value == 0 or quality.uncertainty > 0, (model, cell)


def test_what_cannot_take_the_input_is_worth_nothing_at_it() -> None:
    """A text model is no good at images, and only what hears is any good at sound."""
    registry = Registry.load()
    for card in registry.cards.values():
        for task, needed in NEEDS.items():
            can = needed in card.modalities.input
            assert all((value(card.id, task, d) > 0) == can for d in Difficulty), (card.id, task)


@pytest.mark.parametrize("family", ["qwen2.5", "qwen2.5-coder", "qwen2.5-math", "qwen2.5-vl", "qwen2.5-omni"])
def test_larger_is_never_worse_within_a_family(family: str) -> None:
    """Over every cell the prior does not fall as the weights grow."""
    sized = sorted(
        (card.weights.total_b, card.id)
        for card in Registry.load().cards.values()
        if card.family == family and card.roles and card.weights is not None and card.weights.total_b is not None
    )
    assert len(sized) > 1
    for task in Task:
        for difficulty in Difficulty:
            for small_b, small in sized:
                for large_b, large in sized:
                    if large_b > small_b:
                        assert value(large, task, difficulty) >= value(small, task, difficulty), (small, large, task)


@pytest.mark.parametrize(
    ("family", "task", "sizes"),
    [
        ("coder", Task.CODE, ("0.5b", "1.5b", "3b", "7b", "14b", "32b")),
        ("math", Task.MATH, ("1.5b", "7b", "72b")),
    ],
)
def test_specialists_beat_generals_of_their_size(family: str, task: Task, sizes: tuple[str, ...]) -> None:
    """A Coder is at least as good at code, a Math model at mathematics, and worse at the rest."""
    for size in sizes:
        special, general = f"qwen2.5-{family}-{size}-instruct", f"qwen2.5-{size}-instruct"
        for difficulty in Difficulty:
            assert value(special, task, difficulty) >= value(general, task, difficulty), (special, difficulty)
            assert value(special, Task.GENERAL, difficulty) < value(general, Task.GENERAL, difficulty)


def test_max_leads_its_generation_in_general() -> None:
    """No other model of the 2.5 generation is above qwen-max, and none at all above qwen4-max."""
    registry = Registry.load()
    for card in registry.cards.values():
        for difficulty in Difficulty:
            best = value("qwen4-max", Task.GENERAL, difficulty)
            assert value(card.id, Task.GENERAL, difficulty) <= best, card.id
            if card.generation == "2.5":
                assert value(card.id, Task.GENERAL, difficulty) <= value("qwen-max", Task.GENERAL, difficulty), card.id


def test_thinking_leads_in_reasoning() -> None:
    """QwQ is above every model of its generation that does not think, at hard reasoning and mathematics."""
    registry = Registry.load()
    for card in registry.cards.values():
        if card.generation == "2.5" and card.features.thinking == "none":
            for task in (Task.REASONING, Task.MATH):
                assert value(card.id, task, Difficulty.HARD) < value("qwq-32b", task, Difficulty.HARD), card.id
    assert value("qvq-max", Task.VISION_REASONING, Difficulty.HARD) > value(
        "qwen2.5-vl-72b-instruct", Task.VISION_REASONING, Difficulty.HARD
    )


def test_a_published_score_is_taken_as_it_is() -> None:
    """GSM8K anchors easy mathematics, GPQA hard reasoning, DocVQA easy vision."""
    assert value("qwen2.5-7b-instruct", Task.MATH, Difficulty.EASY) == pytest.approx(0.916)
    assert value("qwq-32b-preview", Task.REASONING, Difficulty.HARD) == pytest.approx(0.652)
    assert value("qwen2.5-vl-72b-instruct", Task.VISION, Difficulty.EASY) == pytest.approx(0.964)


def test_what_is_only_quoted_is_less_certain() -> None:
    """The scores of Qwen2.5-Max were only ever quoted from a figure, and those of newer models are guessed."""
    registry = Registry.load()
    published = registry.quality("qwen2.5-72b-instruct")["general/medium"]
    quoted = registry.quality("qwen-max")["general/medium"]
    likened = registry.quality("qwen3.6-plus")["general/medium"]
    assert published.uncertainty < quoted.uncertainty < likened.uncertainty
    assert "unverified" in quoted.basis
    assert "qwen3.5-plus" in likened.basis


def test_smaller_weights_are_faster() -> None:
    """Speed falls with size, as the vendor measured it; the platform's tiers are in order."""
    cards = Registry.load().cards
    sizes = ("0.5b", "1.5b", "3b", "7b", "14b", "32b", "72b")
    speeds = [expected(cards[f"qwen2.5-{size}-instruct"]) for size in sizes]
    assert [s.tokens_per_s for s in speeds] == sorted((s.tokens_per_s for s in speeds), reverse=True)
    assert [s.ttft_s for s in speeds] == sorted(s.ttft_s for s in speeds)
    assert speeds[3].tokens_per_s == 84.28
    flash, plus, top = (expected(cards[m]) for m in ("qwen-flash", "qwen-plus", "qwen4-max"))
    assert flash.tokens_per_s > plus.tokens_per_s > top.tokens_per_s
    assert "assumed" in top.basis


def test_every_benchmark_of_a_card_is_a_number_of_a_plausible_size() -> None:
    """Scores lie within 0 to 100, but for Elo ratings."""
    for card in Registry.load().cards.values():
        if card.benchmarks is not None:
            for name, score in {**card.benchmarks.scores, **card.benchmarks.unverified_scores}.items():
                assert 0 < score <= (2000 if "elo" in name else 100), (card.id, name)


def test_only_models_with_the_modality_have_its_limits() -> None:
    """A card states media limits if and only if it takes pictures."""
    for card in Registry.load().cards.values():
        if card.media is not None:
            assert Modality.IMAGE in card.modalities.input, card.id
