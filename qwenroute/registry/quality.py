"""How good an answer to expect of a model: a prior for each task and difficulty.

One published benchmark anchors each cell, the same for every model, so that numbers can be
compared; the mean is taken where several measure the same thing. Benchmarks of different months
or prompts are not mixed: LiveCodeBench of 2023 says nothing beside that of 2025.

    task              easy             medium                   hard
    math              GSM8K            MATH, MATH-500           AIME 2024 and 2025
    code              HumanEval        BigCodeBench             LiveCodeBench since 2024-08
    reasoning         MMLU-Redux       LiveBench                GPQA
    general           IFEval           MMLU-Pro                 Arena-Hard v0.1
    vision            DocVQA           MMStar                   MMMU-Pro
    vision_reasoning  MathVista        MMMU                     MathVision
    audio             VoiceBench       MMAU                     MMAR

What a model has no score for is found in this order:

1. A harder cell from the score of an easier one, raised to a power. The powers come from the models
   that have both: MATH to AIME 2024 of Coder-7B, Math-72B and QwQ-32B-Preview (5.7, 7.9, 7.0), HumanEval
   to BigCodeBench of the 7B to 32B text and Coder models (3.6 to 7.6, around 5). BigCodeBench to LiveCodeBench
   (2) and MMLU-Pro to Arena-Hard below 7B (2) are assumptions.
2. `quality_like` of the card: another model's prior, times a share or some way closer to 1.
3. Nothing known: 0.3, and very uncertain. A model that cannot take the input at all: 0.

Within a family of open weights a larger model is never put below a smaller one: where its score is
lower, that is noise of the benchmark, and it is raised to the smaller one's.

Uncertainty follows the gaps between vendor and independent numbers: Arena-Hard of the 72B is 81.2 with
the vendor, 78.0 in the benchmark's own list and 63.3 with style control (0.09 either way); MMLU-Redux
is 86.8 and 85.6. That is how well a benchmark repeats itself. Other datasets of the same task and
difficulty lie further away: by 0.126 (root mean square) where outcomes of nine pairs of a dataset and one
of the 3B, 7B, 32B and 72B were held against their priors (`benchmarks/quality_priors.py`; CRUXEval, MBPP,
GSM8K twice, ARC, OpenBookQA), and much further in closed-book questions graded by string match. What is
stated is both together. CRUXEval lies above its cell by 0.13 for all four sizes and within 0.06 of it once
that is taken off; models of one cell are ordered rightly in all five pairs that differ. So no anchor was
moved: what a score is used for is the difference between models.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from qwenroute.domain.capability import Modality, Quality
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.registry.cards import ModelCard, QualityLike

Cell = tuple[Task, Difficulty]

_EASY, _MEDIUM, _HARD = Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD

ANCHORS: Mapping[Cell, tuple[str, ...]] = {
    (Task.MATH, _EASY): ("gsm8k",),
    (Task.MATH, _MEDIUM): ("math", "math_500"),
    (Task.MATH, _HARD): ("aime24", "aime25", "aime24_cot"),
    (Task.CODE, _EASY): ("humaneval",),
    (Task.CODE, _MEDIUM): ("bigcodebench_third_party",),
    (Task.CODE, _HARD): ("livecodebench_2408_2502", "livecodebench_2408_2501", "livecodebench_2024"),
    (Task.REASONING, _EASY): ("mmlu_redux",),
    (Task.REASONING, _MEDIUM): ("livebench_0831", "livebench_2025"),
    (Task.REASONING, _HARD): ("gpqa", "gpqa_diamond"),
    (Task.GENERAL, _EASY): ("ifeval_strict_prompt",),
    (Task.GENERAL, _MEDIUM): ("mmlu_pro",),
    (Task.GENERAL, _HARD): ("arena_hard_v01_vendor", "arena_hard_v01_independent"),
    (Task.VISION, _EASY): ("docvqa_test",),
    (Task.VISION, _MEDIUM): ("mmstar",),
    (Task.VISION, _HARD): ("mmmu_pro",),
    (Task.VISION_REASONING, _EASY): ("mathvista_mini",),
    (Task.VISION_REASONING, _MEDIUM): ("mmmu_val",),
    (Task.VISION_REASONING, _HARD): ("mathvision",),
    (Task.AUDIO, _EASY): ("voicebench_avg",),
    (Task.AUDIO, _MEDIUM): ("mmau_avg",),
    (Task.AUDIO, _HARD): ("mmar_avg_third_party",),
}  # fmt: skip

POWERS: Mapping[Cell, tuple[Cell, float]] = {
    (Task.MATH, _HARD): ((Task.MATH, _MEDIUM), 7.0),
    (Task.CODE, _MEDIUM): ((Task.CODE, _EASY), 5.0),
    (Task.CODE, _HARD): ((Task.CODE, _MEDIUM), 2.0),
    (Task.GENERAL, _HARD): ((Task.GENERAL, _MEDIUM), 2.0),
}

NEEDS: Mapping[Task, Modality] = {
    Task.VISION: Modality.IMAGE,
    Task.VISION_REASONING: Modality.IMAGE,
    Task.AUDIO: Modality.AUDIO,
}

ELSEWHERE = 0.12
"""How far other datasets of the same task and difficulty lie from the one that anchors the cell."""
PUBLISHED, JUDGED, UNVERIFIED, DERIVED, LIKENED, UNKNOWN = 0.05, 0.09, 0.10, 0.12, 0.15, 0.30
"""How well a prior repeats itself, by what a prior rests on; JUDGED is a published score that another model awarded."""


@dataclass(frozen=True, slots=True)
class _Prior:
    value: float
    uncertainty: float
    basis: str


def priors(cards: Mapping[str, ModelCard]) -> Mapping[str, Mapping[str, Quality]]:
    """Return the prior of every model, keyed by model and then `task/difficulty`."""
    found: dict[str, dict[Cell, _Prior]] = {}
    for model, card in cards.items():
        if card.open_weights:
            _of(model, cards, found, ())
    _never_below_a_smaller_sibling(cards, found)
    for model in cards:
        _of(model, cards, found, ())
    return MappingProxyType(
        {
            # A plain dict: deployments hold it, records hold deployments, and records are pickled.
            model: {
                f"{task}/{difficulty}": Quality(
                    value=round(prior.value, 4), uncertainty=round(_in_all(prior), 4), basis=prior.basis
                )
                for (task, difficulty), prior in cells.items()
            }
            for model, cells in found.items()
        }
    )


def _in_all(prior: _Prior) -> float:
    """Return the whole uncertainty of a prior; what cannot be is certain, and what is unknown already wide."""
    spread = prior.uncertainty
    return math.hypot(spread, ELSEWHERE) if 0 < spread < UNKNOWN else spread


def _of(
    model: str, cards: Mapping[str, ModelCard], found: dict[str, dict[Cell, _Prior]], asked: tuple[str, ...]
) -> Mapping[Cell, _Prior]:
    if model in found:
        return found[model]
    card = cards[model]
    likes = [like for like in card.quality_like if like.model in cards and like.model not in (*asked, model)]
    others = {like.model: _of(like.model, cards, found, (*asked, model)) for like in likes}
    cells: dict[Cell, _Prior] = {}
    for cell in ANCHORS:
        needed = NEEDS.get(cell[0])
        if needed is not None and needed not in card.modalities.input:
            cells[cell] = _Prior(0.0, 0.0, f"takes no {needed}")
        else:
            cells[cell] = (
                _published(card, cell)
                or _derived(cells, cell)
                or _likened(likes, others, cell)
                or _Prior(0.3, UNKNOWN, "no score published, and no model to liken it to")
            )
    found[model] = cells
    return cells


def _published(card: ModelCard, cell: Cell) -> _Prior | None:
    if card.benchmarks is None:
        return None
    names = ANCHORS[cell]
    spread = JUDGED if cell == (Task.GENERAL, _HARD) else PUBLISHED
    for scores, uncertainty, word in (
        (card.benchmarks.scores, spread, "published"),
        (card.benchmarks.unverified_scores, UNVERIFIED, "quoted, unverified"),
    ):
        there = {name: scores[name] for name in names if name in scores}
        if there:
            value = sum(there.values()) / len(there) / 100
            shown = ", ".join(f"{name} {score:g}" for name, score in there.items())
            gap = (max(there.values()) - min(there.values())) / 200
            return _Prior(value, max(uncertainty, gap), f"{word}: {shown}")
    return None


def _derived(cells: Mapping[Cell, _Prior], cell: Cell) -> _Prior | None:
    if cell not in POWERS:
        return None
    easier, power = POWERS[cell]
    source = cells[easier]
    if not source.basis.startswith(("published", "quoted", "from ")):
        return None
    basis = f"from {easier[0]}/{easier[1]} to the power of {power:g} ({source.basis})"
    return _Prior(source.value**power, max(DERIVED, source.uncertainty), basis)


def _likened(likes: Iterable[QualityLike], others: Mapping[str, Mapping[Cell, _Prior]], cell: Cell) -> _Prior | None:
    best: _Prior | None = None
    for like in likes:
        if like.tasks is not None and cell[0] not in like.tasks:
            continue
        other = others[like.model][cell]
        if other.value <= 0:
            continue
        value = min(other.value * like.share, 1.0)
        value += (1.0 - value) * like.closes
        if best is None or value > best.value:
            best = _Prior(value, max(LIKENED, other.uncertainty), f"like {like.model}: {like.basis}")
    return best


def _never_below_a_smaller_sibling(cards: Mapping[str, ModelCard], found: dict[str, dict[Cell, _Prior]]) -> None:
    families: dict[str, dict[float, list[str]]] = {}
    for model in found:
        card = cards[model]
        if card.open_weights and card.weights is not None and card.weights.total_b:
            families.setdefault(card.family, {}).setdefault(card.weights.total_b, []).append(model)
    for sizes in families.values():
        best: dict[Cell, tuple[float, str]] = {}
        for size in sorted(sizes):
            for model in sizes[size]:
                for cell, prior in found[model].items():
                    value, smaller = best.get(cell, (0.0, ""))
                    if 0 < prior.value < value:
                        basis = f"raised to that of the smaller {smaller}, {value:.3f} ({prior.basis})"
                        found[model][cell] = replace(prior, value=value, basis=basis)
            for model in sizes[size]:
                for cell, prior in found[model].items():
                    if prior.value > best.get(cell, (0.0, ""))[0]:
                        best[cell] = (prior.value, model)
