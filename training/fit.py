"""Fit the weights: a softmax over cues and words, each dataset and each class heard alike."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from qwenroute.analysis.task import LEVELS, TEXT_TASKS, VISUAL_TASKS
from qwenroute.domain.signals import Task
from training.rows import Row, is_bare

Table = dict[str, tuple[int, ...]]
SCALE = 100
"""Weights are whole hundredths: sums do not depend on the order of the cues."""
MOST = 3
"""By how much a prompt is raised or lowered so that the tasks weigh alike within its language."""


class Settings(NamedTuple):
    """What is chosen by hand for one of the tables."""

    names: Sequence[object]
    cue_decay: float
    word_decay: float
    homes: int
    """In how many datasets a word must stand to be learned."""
    rows: int
    """In how many prompts."""
    priors: Mapping[str, Sequence[float]]
    without_words: bool = False
    """Whether each prompt is also learned from its cues alone."""
    alike_in_languages: bool = False
    """Whether the classes weigh alike within each language, so that a language itself says nothing."""


TEXT = Settings(TEXT_TASKS, 3e-5, 2e-4, 3, 5, {
    "math_strong": (3.0, 0, 0, 0),
    "proof": (2.0, 0, 0, 0),
    "proof_phrase": (2.0, 0, 0, 0),
    "code_strong": (0, 3.0, 0, 0),
    "fence": (0, 1.5, 0, 0),
    "logic_strong": (0, 0, 3.0, 0),
}, without_words=True, alike_in_languages=True)  # fmt: skip
VISUAL = Settings(VISUAL_TASKS, 3e-4, 1e-3, 3, 4, {
    "math_strong": (0, 1.5),
    "proof": (0, 1.5),
    "logic_strong": (0, 1.5),
    "math_act": (0, 1.0),
    "math_noun": (0, 1.0),
    "series": (0, 2.0),
})  # fmt: skip
DIFFICULTY = Settings(LEVELS, 1e-3, 1e-2, 4, 12, {
    "hard_word": (-2.5, 0, 2.5),
    "proof": (-2.5, -1.5, 4.0),
    "proof_phrase": (-2.0, -1.5, 3.5),
    "math_strong": (-1.0, 0.5, 0.5),
    "easy_word": (1.5, 0, -1.0),
    "tiny": (1.0, 0, 0),
})  # fmt: skip


class Lesson(NamedTuple):
    """What is seen of a prompt, and the class that it belongs to."""

    seen: Mapping[str, float]
    label: int
    dataset: str
    language: str


def fit(data: Sequence[Lesson], settings: Settings) -> Table:
    """Return the weights of cues and words; equal inputs give equal tables."""
    classes = len(settings.names)
    known = _known(data, settings)
    place = {name: index for index, name in enumerate(sorted(known))}
    values, columns, ends = [], [], [0]
    for seen, *_ in data:
        for name, value in seen.items():
            if name in place:
                values.append(value)
                columns.append(place[name])
        ends.append(len(columns))
    matrix = csr_matrix((values, columns, ends), shape=(len(data), len(place)))
    matrix.sort_indices()
    labels = numpy.array([lesson.label for lesson in data])
    truth = numpy.eye(classes)[labels]
    importance = _importance(data, settings)
    decay = numpy.array([settings.word_decay if name[:1] == "=" else settings.cue_decay for name in place])[:, None]
    decay[place[""]] = 1e-6
    prior = numpy.zeros((len(place), classes))
    for name, row in settings.priors.items():
        if name in place:
            prior[place[name]] = row
            decay[place[name]] = max(settings.cue_decay, 1e-3)
    turned = matrix.T.tocsr()

    def loss(flat: NDArray[numpy.float64]) -> tuple[float, NDArray[numpy.float64]]:
        weights = flat.reshape(prior.shape)
        sums = matrix @ weights
        sums -= sums.max(axis=1, keepdims=True)
        logs = sums - numpy.log(numpy.exp(sums).sum(axis=1, keepdims=True))
        away = weights - prior
        value = -(importance @ (truth * logs).sum(axis=1)) + (decay * away * away).sum()
        slope = turned @ ((numpy.exp(logs) - truth) * importance[:, None]) + 2 * decay * away
        return float(value), slope.ravel()

    found = minimize(loss, prior.ravel(), jac=True, method="L-BFGS-B", options={"maxiter": 300, "ftol": 1e-9}).x
    whole = numpy.rint(found.reshape(prior.shape) * SCALE).astype(int)
    table = {name: tuple(map(int, whole[index])) for name, index in place.items()}
    for name, row in settings.priors.items():
        table.setdefault(name, tuple(round(value * SCALE) for value in row))
    return {name: row for name, row in sorted(table.items()) if max(map(abs, row)) > 2 or not name}


def _importance(data: Sequence[Lesson], settings: Settings) -> NDArray[numpy.float64]:
    """Return what each lesson weighs: classes alike, for a table of tasks within each language too."""
    classes = range(len(settings.names))
    sizes = Counter(lesson.dataset for lesson in data)
    found = [sizes[lesson.dataset] ** -0.5 for lesson in data]
    shares = [0.0] * len(classes)
    for one, lesson in zip(found, data, strict=True):
        shares[lesson.label] += one
    found = [one / shares[lesson.label] for one, lesson in zip(found, data, strict=True)]
    if settings.alike_in_languages:
        cells: dict[str, list[float]] = defaultdict(lambda: [0.0] * len(classes))
        for one, lesson in zip(found, data, strict=True):
            cells[lesson.language][lesson.label] += one
        wish = {name: sum(cell) / sum(one > 0 for one in cell) for name, cell in cells.items()}
        found = [
            one * min(MOST, max(1 / MOST, wish[lesson.language] / cells[lesson.language][lesson.label]))
            for one, lesson in zip(found, data, strict=True)
        ]
    return numpy.array(found) / sum(found)


def _known(data: Sequence[Lesson], settings: Settings) -> set[str]:
    """Return the names worth a weight: words only where many datasets use them."""
    homes: dict[str, set[str]] = defaultdict(set)
    counts: Counter[str] = Counter()
    for seen, _, dataset, _ in data:
        for name in seen:
            homes[name].add(dataset)
            counts[name] += 1
    known = {""}
    for name, many in counts.items():
        if name[:1] != "=" or (many >= settings.rows and len(homes[name]) >= settings.homes and _is_told(name[1:])):
            known.add(name)
    return known


def _is_told(word: str) -> bool:
    """Whether a word, a beginning (`^`) or a pair of signs may be learned; long runs of any script may not."""
    return len(word) == 2 or word[:1] == "^" or (word.isalpha() and len(word) < 20)


def pairs(data: Sequence[Row], settings: Settings) -> list[Lesson]:
    """Return what is to be learned by one of the tables."""
    if settings is DIFFICULTY:
        return [
            Lesson(
                {**row.seen, f"task:{row.task}": 1.0},
                settings.names.index(row.difficulty),
                row.dataset,
                row.language,
            )
            for row in data
            if row.difficulty is not None and not is_bare(row)
        ]
    found = [
        Lesson(row.seen, settings.names.index(row.task), row.dataset, row.language)
        for row in data
        if row.task in settings.names
    ]
    return [*found, *map(_without_words, found)] if settings.without_words else found


def _without_words(lesson: Lesson) -> Lesson:
    """Return a lesson as a prompt in an unknown language would give it, so that the cues learn to stand alone."""
    seen = {name: value for name, value in lesson.seen.items() if name[:1] != "="}
    return lesson._replace(seen=seen, dataset=f"{lesson.dataset} without words")


def sums(table: Table, seen: Mapping[str, float], classes: int) -> list[float]:
    """Return what the cues and words add up to."""
    total = [0.0] * classes
    for name, value in seen.items():
        row = table.get(name)
        if row is not None:
            for index in range(classes):
                total[index] += row[index] * value / SCALE
    return total


def likeliest(task: Task) -> Settings | None:
    """Return the table that tells this task from its like."""
    return TEXT if task in TEXT_TASKS else VISUAL if task in VISUAL_TASKS else None
