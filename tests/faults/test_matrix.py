"""Every fault, whoever calls for whatever: the right answer, or the right error.

`python -m tests.faults.table` prints the matrix; names of faults after it, a part.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qwenroute import FailureKind
from qwenroute.testing import SimulatorHandle, named_faults, simulator
from tests.faults.matrix import CASES, CONSEQUENCES, ON, Got, Ill, examine, expected, ills, right_answers

ILLS = tuple(ills())
QUICK = frozenset({"limit-requests", "internal-error", "invalid-api-key", "connection-reset", "cut-later"})
"""One of each consequence: what `make quick` runs."""


@pytest.fixture(scope="module")
def running() -> Iterator[SimulatorHandle]:
    """Run one simulator for all faults."""
    with simulator(on=ON, keep_requests=0) as handle:
        yield handle


@pytest.fixture(scope="module")
def answers() -> dict[str, Got]:
    """Hold what the prompts are answered with, once that was found out."""
    return {}


@pytest.fixture
async def right(running: SimulatorHandle, answers: dict[str, Got]) -> dict[str, Got]:
    """Return what the prompts are answered with where nothing is wrong."""
    if not answers:
        answers.update(await right_answers(running))
    return answers


@pytest.mark.parametrize(
    "ill", [pytest.param(ill, id=ill.name, marks=() if ill.name in QUICK else pytest.mark.slow) for ill in ILLS]
)
async def test_every_caller_gets_what_is_right(ill: Ill, running: SimulatorHandle, right: dict[str, Got]) -> None:
    """Whole or streamed, sync or async, for text, tools, reasoning or speech, with somewhere to go or without."""
    findings = await examine(ill, running, right)
    assert {case: wrong for case, (_, wrong) in findings.items() if wrong} == {}
    assert {case: gets for case, (gets, _) in findings.items()} == {case: expected(ill, case) for case in CASES}


def test_the_matrix_leaves_nothing_out() -> None:
    """A fault that the simulator learns, or a new kind of failure, has to get its place here."""
    assert {ill.name for ill in ILLS} >= set(named_faults())
    assert set(CONSEQUENCES) == set(FailureKind)
    assert {ill.streamed for ill in ILLS} == set(FailureKind)
