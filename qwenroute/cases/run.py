"""Run the cases of a policy."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from qwenroute.cases.case import Case, Suite
from qwenroute.cases.check import check, check_refusal
from qwenroute.cases.coverage import Coverage, coverage
from qwenroute.cases.mismatch import Mismatch
from qwenroute.cases.rehearsal import Rehearsal
from qwenroute.domain.decision import Decision
from qwenroute.domain.request import Hints
from qwenroute.errors import BudgetExceeded, InvalidRequest, NoDeployment, QwenRouteError

NO_HINTS = Hints()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a case."""

    case: Case
    mismatches: tuple[Mismatch, ...]
    decision: Decision | None
    error: QwenRouteError | None

    @property
    def passed(self) -> bool:
        """Whether all that was expected came true."""
        return not self.mismatches


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of all cases of a file, and what they leave open."""

    suite: Suite
    outcomes: tuple[Outcome, ...]
    coverage: Coverage

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The cases in which something did not come true."""
        return tuple(outcome for outcome in self.outcomes if not outcome.passed)


def run(suite: Suite, rehearsal: Rehearsal, *, inherited: Collection[tuple[str, str]] = frozenset()) -> Report:
    """Run every case. `inherited`: rules, with their routes, that no case here has to reach."""
    outcomes = tuple(run_case(case, rehearsal) for case in suite.cases)
    decisions = (outcome.decision for outcome in outcomes if outcome.decision is not None)
    return Report(suite=suite, outcomes=outcomes, coverage=coverage(rehearsal.policy, decisions, inherited=inherited))


def run_case(case: Case, rehearsal: Rehearsal) -> Outcome:
    """Decide in the situation of a case, and hold the choice against what is expected."""
    decision: Decision | None = None
    error: QwenRouteError | None = None
    try:
        if isinstance(case.request, InvalidRequest):
            raise case.request
        decision = rehearsal.decide(case.request, case.scene, case.statement, case.alike)
    except (BudgetExceeded, NoDeployment) as refusal:
        decision, error = refusal.decision, refusal
    except QwenRouteError as refusal:
        error = refusal
    return Outcome(case=case, mismatches=tuple(_held(case, rehearsal, decision, error)), decision=decision, error=error)


def _held(
    case: Case, rehearsal: Rehearsal, decision: Decision | None, error: QwenRouteError | None
) -> Iterator[Mismatch]:
    policy, arm = rehearsal.policy, case.scene.arm
    if arm is not None and decision is not None and decision.assignment is None:
        yield Mismatch(key="arm", expected=arm, got=f"the rule `{decision.rule}` takes part in no experiment")
    hints = NO_HINTS if isinstance(case.request, InvalidRequest) else case.request.hints
    if error is not None:
        fleet = None if decision is None else rehearsal.fleet(case.scene.environ, case.scene.on)
        yield from check_refusal(case.expect, error, decision, hints, policy, fleet)
    elif decision is not None:
        yield from check(case.expect, decision, hints, policy, rehearsal.fleet(case.scene.environ, case.scene.on))
