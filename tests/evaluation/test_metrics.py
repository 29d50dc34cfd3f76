"""The formulas, against figures worked out by hand and against what must hold of them."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.evaluation.metrics import Confusion, area, calibration, hull

LABELS = ("a", "b", "c")
pairs_of_labels = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), max_size=60)


def test_a_confusion_by_hand() -> None:
    """Seven pairs, counted and scored with pencil and paper."""
    pairs = [("a", "a"), ("a", "a"), ("a", "b"), ("b", "b"), ("b", "c"), ("b", "b"), ("c", "a")]
    found = Confusion.of(LABELS, pairs)
    assert found.counts == ((2, 1, 0), (0, 2, 1), (1, 0, 0))
    assert found.accuracy == pytest.approx(4 / 7)
    # a: precision 2/3, recall 2/3; b: the same; c: told once, wrongly, and missed once.
    assert (found.precision("a"), found.recall("a")) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert [found.f1(label) for label in LABELS] == [pytest.approx(2 / 3), pytest.approx(2 / 3), 0.0]
    assert found.macro_f1 == pytest.approx(4 / 9)


def test_some_labels_among_all() -> None:
    """Rows of other labels are left out; what the kept ones were told stays, a label outside included."""
    pairs = [("a", "a"), ("a", "c"), ("b", "b"), ("c", "a"), ("c", "a")]
    found = Confusion.of(LABELS, pairs).among(["a", "b"])
    assert (found.total, found.right) == (3, 2)
    # a: one hit of two rows, told once: 2 * 1 / (2 + 1). b: perfect. c has no rows and no score of its own.
    assert found.macro_f1 == pytest.approx((2 / 3 + 1) / 2)


def test_nothing_has_no_score() -> None:
    """Without rows figures are None, not zero and not an exception."""
    empty = Confusion.of(LABELS, [])
    assert (empty.accuracy, empty.macro_f1, empty.f1("a"), empty.recall("a"), empty.precision("a")) == (None,) * 5
    assert calibration([]).error is None


@given(pairs_of_labels, st.randoms(use_true_random=False))
def test_laws_of_a_confusion(pairs: list[tuple[str, str]], chance: random.Random) -> None:
    """Accuracy is the trace over the total, all rows are there once, and order is nothing."""
    found = Confusion.of(LABELS, pairs)
    assert found.total == len(pairs)
    if pairs:
        assert found.accuracy == sum(truth == told for truth, told in pairs) / len(pairs)
    shuffled = list(pairs)
    chance.shuffle(shuffled)
    again = Confusion.of(LABELS, shuffled)
    assert again == found
    assert again.macro_f1 == found.macro_f1
    assert (found.macro_f1 == 1.0) == (bool(pairs) and found.accuracy == 1.0)


@given(st.dictionaries(st.integers(0, 9), st.integers(1, 5), min_size=1))
def test_perfect_calibration_has_no_error(bins: dict[int, int]) -> None:
    """Where a tenth of what is said with 0.1 is right, half of what is said with 0.5, and so on, the error is 0."""
    pairs = [(tenth / 10, i < tenth) for tenth, times in bins.items() for _ in range(times) for i in range(10)]
    found = calibration(pairs)
    assert found.error == pytest.approx(0.0, abs=1e-12)
    assert sum(b.count for b in found.bins) == len(pairs)


def test_a_calibration_by_hand() -> None:
    """Two bins: 0.9 said thrice and right twice, 0.45 and 0.41 said and right once; 1.0 falls into the last bin."""
    found = calibration([(0.95, True), (0.95, True), (0.95, False), (0.45, True), (0.41, False)])
    by_hand = 3 / 5 * abs(2 / 3 - 0.95) + 2 / 5 * abs(1 / 2 - 0.43)
    assert found.error == pytest.approx(by_hand)
    assert [(b.count, b.accuracy) for b in found.bins if b.count] == [(2, 0.5), (3, pytest.approx(2 / 3))]
    assert calibration([(1.0, True)]).bins[-1].count == 1


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=50))
def test_the_error_is_a_share(pairs: list[tuple[float, bool]]) -> None:
    """It lies between 0 and 1, whatever is said."""
    error = calibration(pairs).error
    assert error is not None
    assert 0 <= error <= 1 + 1e-9


def test_hull_and_area_by_hand() -> None:
    """What is dearer and no better is left out; between the corners the line is straight."""
    points = [(1.0, 0.5), (2.0, 0.55), (3.0, 0.9), (4.0, 0.7)]
    assert hull(points) == ((1.0, 0.5), (3.0, 0.9))
    # From 1 to 3 the mean of 0.5 and 0.9, from 3 to 5 flat at 0.9.
    assert area(points, 1.0, 5.0) == pytest.approx((0.7 * 2 + 0.9 * 2) / 4)
    assert area(points, 0.0, 1.0) == pytest.approx(0.5)
    assert area(points, 2.0, 2.0) is None
    assert area([], 0.0, 1.0) is None


@given(st.lists(st.tuples(st.floats(0.01, 10), st.floats(0, 1)), min_size=1, max_size=20))
def test_the_hull_lies_above_all_points(points: list[tuple[float, float]]) -> None:
    """It rises, it bends down only, and no point is above it."""
    chain = hull(points)
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairwise(chain)]
    assert all(slope > 0 for slope in slopes)
    assert all(later <= earlier * (1 + 1e-9) for earlier, later in pairwise(slopes))
    best = max(quality for _, quality in points)
    assert chain[-1][1] == best
    for cost, quality in points:
        along = area(points, cost, cost * (1 + 1e-6))
        assert along is not None
        assert quality <= along + 1e-6
