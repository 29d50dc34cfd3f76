"""A case that fails says what came instead, and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwenroute.cases import Mismatch, run
from tests.cases.suites import POLICY, TRY, report, suite

BOTH = "environ: {OWN_URL: 'http://gpu:8000/v1'}"
HARD = "signals: {task: general, difficulty: hard}"

HOLDS = [
    "expect: {route: auto, rule: rest, pool: general, role: general, thinking: false, max_attempts: 5}",
    "hints: {tenant: gold}, " + HARD + ", expect: {rule: gold, objective: quality, pools: [max, general]}",
    "image: 640x480, expect: {rule: pictures, never: qwen-flash}",
    "image: 640x4, expect: {rule: pictures, refused: 'NoDeployment: takes images of at least'}",
    "image: 640x4, expect: {refused: QwenRouteError, rejected: {qwen3-vl-plus: media}}",
    "audio: 3, expect: {refused: NoDeployment, rule: rest, rejected: {'*@cloud': modality_in}}",
    "model: nobody, expect: {refused: UnknownModel}",
    "request: {messages: []}, expect: {refused: 'InvalidRequest: messages'}",
    "hints: {objective: fast}, expect: {refused: 'InvalidRequest: no objective `fast`'}",
    "model: qwen-plus@cloud, expect: {rule: named outright, pool: qwen-plus@cloud, plan: qwen-plus}",
    "model: qwen-max, expect: {warnings: [left cloud, answers in its place], reason: stands in for}",
    "expect: {warnings: [], hedge: off, deadline_s: 300, cost_at_most_usd: 0.01, quality_at_least: 0.5}",
    "hints: {max_cost_usd: 0.5, deadline_s: 9}, expect: {max_cost_usd: 0.5, deadline_s: 9}",
    "hints: {thinking: true}, expect: {rejected: {qwen2.5-coder-7b-instruct: thinking}}, " + BOTH + "",
    "health: {'*@cloud': open}, expect: {endpoint: own, rejected: {'*@cloud': circuit}}, " + BOTH + "",
    "health: {qwen3.8-flash: quota}, expect: {rejected: {qwen3.8-flash@cloud: 'quota: used up'}}",
    "signals: {difficulty: easy}, expect: {model: qwen3.8-flash}",
    "signals: {difficulty: easy}, health: {qwen3.8-flash: {error_rate: 0.9}}, expect: {plan_starts: qwen3.7-plus}",
    "signals: {prompt_tokens: 900000}, expect: {rejected: {qwen-plus-2025-01-25: 'max_input: 900,000'}}",
]


@pytest.mark.parametrize("case", HOLDS)
def test_what_holds_passes(tmp_path: Path, case: str) -> None:
    """Every kind of expectation can come true, and then nothing is said."""
    [outcome] = report(tmp_path, f"  - {{case: a, {case}}}\n").outcomes
    assert outcome.mismatches == ()


def only(tmp_path: Path, case: str) -> Mismatch:
    """Run one case and return the one thing that differs."""
    [outcome] = report(tmp_path, f"  - {{case: a, {case}}}\n").outcomes
    assert not outcome.passed
    [mismatch] = outcome.mismatches
    return mismatch


FAILS = [
    # What is expected, what is got, what explains it.
    ("expect: {rule: pictures}", "rest", "wants input: image; here it is text"),
    ("image: 640x480, expect: {rule: gold}", "pictures", "`pictures` stands before it and holds: input"),
    ("model: qwen-plus, expect: {rule: rest}", "named outright", "no route"),
    ("expect: {route: auto, pool: coder}", "general", "the rule `rest` took it"),
    ("expect: {objective: cheap}", "balanced", ""),
    ("" + HARD + ", expect: {model: qwen-flash}", "qwen3", "`qwen-flash@cloud` is number"),
    ("expect: {model: qwen-max}", "qwen3", "`qwen-max` is retired at cloud (intl-singapore) on 2026-11-24"),
    ("expect: {model: qwq-32b}", "qwen3", "`qwq-32b` is not offered at cloud"),
    ("expect: {deployment: qwen2.5-7b-instruct@own}", "@cloud", "no endpoint `own` is in use; in use: cloud"),
    ("expect: {model: qwen2.5-coder-7b-instruct}, " + BOTH, "qwen3", "the pool `coder`, which comes later"),
    ("expect: {model: qwen3.8-flash}, health: {qwen3.8-flash: open}", "qwen3", "its breaker is open [circuit]"),
    ("image: 640x480, expect: {model: qwen-flash}", "qwen3", "`qwen-flash` is in none of the pools"),
    ("expect: {endpoint: own}", "cloud", ""),
    ("expect: {role: max}", "general", ""),
    ("expect: {thinking: true}", "off", ""),
    ("expect: {plan: qwen-plus}", "qwen3", ""),
    ("expect: {plan_starts: [qwen-max, qwen-plus]}", "qwen3", "retired"),
    ("expect: {pools: [general, vision]}", "general", "`vision` is no pool of the rule `rest`: general, coder"),
    ("expect: {pools: [vision, general]}, image: 640x480", "vision", "`general` is no pool of the rule `pictures`"),
    ("expect: {never: '*@cloud'}", "as number 1 of the plan", ""),
    ("expect: {rejected: {qwen3.8-flash: licence}}", "passed every gate", ""),
    ("expect: {rejected: {qwen3-vl-plus: tools}}", "not considered", "in none of the pools"),
    ("audio: 2, expect: {refused: NoDeployment, rejected: {qwen-plus: tools}}", "modality_in: takes text", ""),
    ("expect: {refused: NoDeployment}", "was chosen", "general, medium"),
    ("audio: 2, expect: {refused: UnknownModel}", "NoDeployment: nothing can serve", "modality_in"),
    ("audio: 2, expect: {refused: 'NoDeployment: licence'}", "NoDeployment: nothing can serve", ""),
    ("audio: 2, expect: {model: qwen-plus}", "NoDeployment: nothing can serve", "modality_in"),
    ("expect: {warnings: [retires]}", "none", ""),
    ("model: qwen-max, expect: {warnings: []}", "answers in its place", ""),
    ("expect: {reason: cheapest}", "best quality for its cost", ""),
    ("expect: {max_cost_usd: 1}", "none", ""),
    ("expect: {deadline_s: 1}", "300", ""),
    ("expect: {max_attempts: 1}", "5", ""),
    ("expect: {hedge: {percentile: 90, after_s: 2}}", "off", ""),
    ("expect: {cost_at_most_usd: 0}", "about 0.", ""),
    ("expect: {cost_at_most_usd: 1}, model: qwen2.5-7b-instruct, " + BOTH, "its price is not known", ""),
    ("expect: {latency_at_most_s: 0.001}", "about", ""),
    ("expect: {quality_at_least: 1}", "0.", ""),
]  # fmt: skip


@pytest.mark.parametrize(("case", "got", "because"), FAILS)
def test_what_does_not_hold_is_explained(tmp_path: Path, case: str, got: str, because: str) -> None:
    """A failed expectation says what came instead; where there is more to say, it says that."""
    mismatch = only(tmp_path, case)
    assert got in mismatch.got
    assert because in "\n".join(mismatch.because)
    assert bool(because) or not mismatch.because or mismatch.key in {"plan", "refused"}


def test_the_analysis_counts_where_nothing_is_stated(tmp_path: Path) -> None:
    """A case with words and without signals tests what the model makes of the words."""
    [outcome] = report(tmp_path, "  - {case: a, ask: Prove that 2 is prime., expect: {rule: rest}}\n").outcomes
    assert outcome.decision is not None
    assert outcome.decision.signals.task == "math"


def test_coverage_names_what_no_case_has_shown(tmp_path: Path) -> None:
    """A rule that is never reached, and a condition that never was the reason to pass a rule over."""
    found = report(tmp_path, "  - {case: a, image: 640x480, expect: {rule: pictures}}\n").coverage
    assert [(one.route, one.rule) for one in found.rules] == [("auto", "gold"), ("auto", "rest")]
    assert [(one.rule, one.condition) for one in found.conditions] == [("pictures", "input: image")]
    assert found.reached == {("auto", "pictures"): 1, ("auto", "gold"): 0, ("auto", "rest"): 0}

    cases = f"""\
  - {{case: a, image: 640x480, expect: {{rule: pictures}}}}
  - {{case: b, {HARD}, hints: {{tenant: gold}}, expect: {{rule: gold}}}}
  - {{case: c, expect: {{rule: rest}}}}
"""
    found = report(tmp_path, cases).coverage
    assert found.rules == ()
    assert [(one.rule, one.condition) for one in found.conditions] == [("gold", "tenant: gold")]


def test_what_stands_in_groups_is_covered_as_one_condition(tmp_path: Path) -> None:
    """`any`, `all` and `not` are each one line of a `when`, and have failed when the rule failed by them."""
    policy = """\
version: 1
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
routes:
  auto:
    - {rule: some, when: {any: [{task: code}, {task: math}], not: {difficulty: easy}}, pool: coder}
    - {rule: rest, pool: general}
"""
    cases = """\
  - {case: a, signals: {task: code}, expect: {rule: some}}
  - {case: b, expect: {rule: rest}}
"""
    found = report(tmp_path, cases, policy=policy).coverage
    assert [one.condition for one in found.conditions] == ["not: difficulty: easy"]
    cases += "  - {case: c, signals: {task: math, difficulty: easy}, expect: {rule: rest}}\n"
    assert report(tmp_path, cases, policy=policy).coverage.conditions == ()


def test_the_time_of_a_case_is_that_of_the_policy(tmp_path: Path) -> None:
    """`at` is meant in the policy's time zone; a case without it is at noon."""
    policy = """\
version: 1
timezone: Europe/Berlin
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
routes:
  auto:
    - {rule: night, when: {time: {from: "22:00", to: "06:00"}}, pool: general}
    - {rule: day, pool: general}
"""
    cases = """\
  - {case: a, at: "03:00", expect: {rule: night}}
  - {case: b, at: 2026-11-24T23:00, expect: {rule: night}}
  - {case: c, at: "2026-11-24T22:30:00+00:00", expect: {rule: night}}
  - {case: d, at: "2026-11-24T05:30:00+00:00", expect: {rule: day}}
  - {case: e, expect: {rule: day}}
"""
    assert report(tmp_path, cases, policy=policy).failed == ()


def test_examples_are_found_alike_where_the_case_says_so(tmp_path: Path) -> None:
    """`like` stands for the encoder, which is not asked."""
    policy = """\
version: 1
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
embedding: {endpoint: cloud, model: text-embedding-v4, min_similarity: 0.7}
routes:
  auto:
    - {rule: contracts, when: {examples: [What does this clause mean?]}, pool: max}
    - {rule: rest, pool: general}
"""
    cases = """\
  - {case: a, ask: And this one?, like: What does this clause mean?, expect: {rule: contracts, warnings: []}}
  - {case: b, ask: And this one?, expect: {rule: rest, warnings: []}}
"""
    assert report(tmp_path, cases, policy=policy).failed == ()


def test_cases_are_picked_by_their_names(tmp_path: Path) -> None:
    """Words of the name, whatever their case."""
    cases = "  - {case: Night owls, expect: {rule: rest}}\n  - {case: day, expect: {rule: rest}}\n"
    found, on_trial = suite(tmp_path, cases)
    assert [outcome.case.name for outcome in run(found.only("night"), on_trial).outcomes] == ["Night owls"]


def test_budgets_are_spent_as_the_case_says(tmp_path: Path) -> None:
    """Spent for whoever asks: refused, sent on or warned as the policy says; nothing stated is nothing spent."""
    policy = """\
version: 1
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
pools:
  small: {models: qwen-flash}
budgets:
  - {budget: day, amount: 10, window: day, warn_at: 0.8, when_spent: refuse}
  - {budget: gold, amount: 5, window: month, tenants: gold, when_spent: {pool: small}}
routes:
  auto: [{rule: all, pool: general}]
"""
    cases = """\
  - {case: a, expect: {rule: all, warnings: []}}
  - {case: b, spent: {day: 8.5}, expect: {rule: all, warnings: [85% of the budget `day`]}}
  - {case: c, spent: {day: 10}, expect: {rule: all, refused: 'BudgetExceeded: the budget `day` (10 USD a day)'}}
  - {case: d, spent: {day: 10}, expect: {refused: 'BudgetExceeded: begins anew at 2026-11-25T00:00:00+00:00'}}
  - {case: e, spent: {gold: 5}, expect: {rule: all, warnings: []}}
  - {case: f, spent: {gold: 5}, hints: {tenant: gold}, expect: {pools: small, warnings: [on to its pool]}}
"""
    assert [o.mismatches for o in report(tmp_path, cases, policy=policy).outcomes] == [()] * 6


def test_latency_objectives_look_at_stated_figures(tmp_path: Path) -> None:
    """What is said to have been slow stands behind what is not; the plan ends with it."""
    policy = """\
version: 1
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
pools:
  two: {models: [qwen-flash, qwen-plus]}
routes:
  auto: [{rule: all, pool: two, latency: {of: answer, percentile: 90, within_s: 9}}]
"""
    cases = """\
  - {case: a, expect: {plan: [qwen-flash, qwen-plus]}}
  - {case: b, health: {qwen-flash: {answer_s: 9.5}}, expect: {plan: [qwen-plus, qwen-flash]}}
  - {case: c, health: {qwen-flash: {answer_s: 8.5}}, expect: {plan: [qwen-flash, qwen-plus]}}
"""
    assert report(tmp_path, cases, policy=policy).failed == ()


def test_what_the_application_said_is_told(tmp_path: Path) -> None:
    """Where a rule asks for a hint, the reason says which one the request has."""
    policy = POLICY.replace("tenant: gold", "headers: {X-Tier: gold}, key: nightly, tags: batch, tenant: gold")
    for hints, wanted in (
        ("{}", "here it is not said"),
        ("{tenant: silver}", "tenant: gold; here it is silver"),
        ("{tenant: gold, tags: [now, fast]}", "tags: batch; here it is now, fast"),
        ("{tenant: gold, tags: [batch], key: me}", "key: nightly; here it is me"),
        ("{tenant: gold, tags: [batch], key: nightly}", "headers.x-tier: gold; here it is not there"),
        ("{tenant: gold, tags: [batch], key: nightly, headers: {x-tier: tin}}", "here it is tin"),
    ):
        case = f"  - {{case: a, {HARD}, hints: {hints}, expect: {{rule: gold}}}}\n"
        [outcome] = report(tmp_path, case, policy=policy).outcomes
        assert wanted in outcome.mismatches[0].because[0]


def test_a_case_may_state_its_side_of_an_experiment(tmp_path: Path) -> None:
    """The newcomer's plan is tested as the control's is, with no need to know who is drawn."""
    policy = POLICY.replace("fallback: coder}", "fallback: coder, experiment: try}") + TRY
    cases = """\
  - {case: newcomer, arm: variant, expect: {rule: rest, pools: [newer, general, coder], reason: newcomer}}
  - {case: as ever, arm: control, expect: {rule: rest, pools: [general, coder]}}
  - {case: not drawn, expect: {rule: rest, pools: [general, coder]}}
  - {case: elsewhere, arm: variant, image: 640x480, expect: {rule: pictures}}
"""
    found = report(tmp_path, cases, policy=policy)
    [failed] = found.failed
    [mismatch] = failed.mismatches
    assert (failed.case.name, mismatch.key) == ("elsewhere", "arm")
    assert mismatch.got == "the rule `pictures` takes part in no experiment"
