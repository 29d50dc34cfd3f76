"""The policies that come with the package: in order, tested by their cases, and every mistake in a rule shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from functools import cache
from pathlib import Path

import pytest

from qwenroute.cases import Rehearsal, Suite, cases_beside, load_cases, run
from qwenroute.cases.run import run_case
from qwenroute.linting import lint
from qwenroute.policy import Loaded, Policy, load
from qwenroute.policy.extends import shipped
from qwenroute.registry import Registry
from tests.cases.equivalence import difference
from tests.cases.grid import moments, situations
from tests.cases.mutations import Mutant, mutants
from tests.cases.suites import POLICY, TRY, suite

NAMES = tuple(shipped())
NOON = datetime(2026, 11, 24, 12)
NOTHING_ELSE_THERE = "QR327"
"""One deployment is all that takes some kind of request: a fact of the place, that its policy cannot mend."""
TOLD = {"one_region": NOTHING_ELSE_THERE, "tenants": NOTHING_ELSE_THERE, "long_documents": NOTHING_ELSE_THERE}


@cache
def on_trial(name: str) -> tuple[Loaded, Rehearsal, Suite]:
    """Return a shipped policy with its cases."""
    registry = Registry.load()
    loaded = load(name, registry)
    rehearsal = Rehearsal(loaded.policy, registry)
    return loaded, rehearsal, load_cases(cases_beside(Path(loaded.document.name)), rehearsal)


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_its_check(name: str) -> None:
    """Nothing is wrong with it, and nothing looks wrong that it could mend, on the day of its cases."""
    loaded, _, _ = on_trial(name)
    findings = lint(loaded, Registry.load(), date(2026, 11, 24))
    assert [str(finding) for finding in findings if finding.code != TOLD.get(name)] == []


@pytest.mark.parametrize("name", NAMES)
def test_it_passes_its_cases(name: str) -> None:
    """Every case holds, every rule is reached, every condition has kept something out."""
    _, rehearsal, suite = on_trial(name)
    report = run(suite, rehearsal)
    assert [(outcome.case.name, outcome.mismatches) for outcome in report.failed] == []
    assert report.coverage.rules == ()
    assert report.coverage.conditions == ()


def survivors(policy: Policy, rehearsal: Rehearsal, suite: Suite) -> list[Mutant]:
    """Return the mistakes that no case of their route notices."""
    decided = [(o.decision, o.case) for o in run(suite, rehearsal).outcomes if o.decision is not None]
    found = []
    for mutant in mutants(policy):
        changed = Rehearsal(mutant.policy, rehearsal.registry, like=rehearsal)
        telling = [(decision.rule != mutant.rule, case) for decision, case in decided if decision.route == mutant.route]
        telling.sort(key=lambda item: item[0])  # those of the rule itself are the likeliest to notice
        if all(run_case(case, changed).passed for _, case in telling):
            found.append(mutant)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_mistake_in_a_rule_makes_a_case_fail(name: str) -> None:
    """Unless it is no mistake: then nothing in a broad grid of requests is treated in another way."""
    loaded, rehearsal, suite = on_trial(name)
    scenes = {(case.scene.on, *sorted(case.scene.environ.items())): case.scene for case in suite.cases}.values()
    unnoticed = []
    for mutant in survivors(loaded.policy, rehearsal, suite):
        grid = situations(loaded.file, mutant.route)
        shown = difference(mutant, rehearsal, scenes, grid, moments(loaded.file, mutant.route))
        if shown is not None:
            unnoticed.append(f"{mutant}: {shown}")
    assert unnoticed == []


def test_an_experiment_that_a_rule_loses_is_noticed(tmp_path: Path) -> None:
    """By a case on the newcomer's side; without one, the grid tells that it is no small thing."""
    policy = POLICY.replace("fallback: coder}", "fallback: coder, experiment: try}") + TRY
    newer = "  - {case: newcomer, arm: variant, expect: {rule: rest, pools: [newer, general, coder]}}\n"
    for cases, noticed in ((newer, True), ("  - {case: usual, expect: {rule: rest}}\n", False)):
        found, rehearsal = suite(tmp_path, cases, policy=policy)
        assert run(found, rehearsal).failed == ()
        left = {mutant.what: mutant for mutant in survivors(rehearsal.policy, rehearsal, found)}
        assert ("without its experiment" not in left) is noticed
    grid = situations(load(tmp_path / "policy.yaml").file, "auto")
    assert difference(left["without its experiment"], rehearsal, [found.cases[0].scene], grid, [NOON]) is not None


def test_mistakes_are_made() -> None:
    """The test above has something to find: removed, moved, turned round and redirected rules."""
    loaded, _, _ = on_trial("default")
    found = [mutant.what for mutant in mutants(loaded.policy)]
    assert len(found) == len({str(mutant) for mutant in mutants(loaded.policy)})
    for start in ("removed", "behind ", "without `", "not `", "to ", "without fallback", "by "):
        assert any(what.startswith(start) for what in found), start


def test_without_its_case_a_mistake_goes_unnoticed() -> None:
    """A case that is missing lets mistakes through, and the grid tells them from those that are none."""
    loaded, rehearsal, suite = on_trial("default")
    fewer = replace(suite, cases=tuple(case for case in suite.cases if case.expect.rule != "code"))
    unnoticed = {mutant.what: mutant for mutant in survivors(loaded.policy, rehearsal, fewer) if mutant.rule == "code"}
    assert "without fallback" in unnoticed
    scenes = [suite.cases[0].scene]
    for what in ("without fallback", "by cheap instead of balanced"):
        grid = situations(loaded.file, "auto")
        assert difference(unnoticed[what], rehearsal, scenes, grid, moments(loaded.file, "auto")) is not None
