"""Budgets, ledgers and limits of rules in a policy file: what they become, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwenroute.domain.budget import Budget, Per, WhenSpent, Window
from qwenroute.domain.health import LatencyObjective, Timed
from qwenroute.errors import DocumentError
from qwenroute.policy import Policy, load_policy

BASE = """\
version: 1
endpoints: {sg: {provider: dashscope, region: intl-singapore, api_key: {env: KEY}}}
routes: {auto: [{rule: all, pool: general%s}]}
limits: {deadline_s: 100, regions: [intl-singapore, cn-beijing]}
"""


def loaded(folder: Path, more: str = "", rule: str = "") -> Policy:
    """The policy with more in it."""
    path = folder / "policy.yaml"
    path.write_text(BASE % rule + more, encoding="utf-8")
    return load_policy(path)


def test_what_budgets_become(tmp_path: Path) -> None:
    """Amounts are exact, and a ledger lies beside its policy."""
    policy = loaded(
        tmp_path,
        "budgets:\n"
        "  - {budget: acme, amount: 0.1, window: week, per: key, tenants: acme, keys: [a, b], warn_at: 0.8}\n"
        "  - {budget: rest, amount: 3, window: minute, routes: [auto], when_spent: {pool: coder}}\n"
        "  - {budget: soft, amount: 3, window: month, when_spent: warn}\n"
        "ledger: {path: spend.sqlite, reservation_s: 30}\n",
    )
    assert policy.budgets == (
        Budget(
            name="acme", amount=100_000_000, window=Window.WEEK, per=Per.KEY,
            tenants=frozenset({"acme"}), keys=frozenset({"a", "b"}), warn_at=0.8,
        ),
        Budget(
            name="rest", amount=3_000_000_000, window=Window.MINUTE, routes=frozenset({"auto"}),
            when_spent=WhenSpent.POOL, pool="coder",
        ),
        Budget(name="soft", amount=3_000_000_000, window=Window.MONTH, when_spent=WhenSpent.WARN),
    )  # fmt: skip
    assert policy.ledger.path == str(tmp_path / "spend.sqlite")
    assert policy.ledger.reservation_s == 30.0
    assert loaded(tmp_path).budgets == ()


def test_what_limits_and_objectives_of_a_rule_become(tmp_path: Path) -> None:
    """They are within the policy's, and the live figures are held against every objective."""
    more = ", limits: {regions: [cn-beijing], deadline_s: 900}, latency: {of: answer, percentile: 90, within_s: 3}"
    policy = loaded(tmp_path, rule=more)
    rule = policy.routes["auto"].rules[0]
    assert rule.limits is not None
    assert (rule.limits.regions, rule.limits.deadline_s) == (frozenset({"cn-beijing"}), 100.0)
    objective = LatencyObjective(of=Timed.ANSWER, percentile=90.0, within_s=3.0)
    assert rule.latency == objective
    assert policy.resilience.objectives == (objective,)
    assert loaded(tmp_path).routes["auto"].rules[0].limits is None


@pytest.mark.parametrize(
    ("more", "rule", "place", "words"),
    [
        ("budgets: [{budget: a, amount: 1, window: dai}]", "", "5:34", "day"),
        ("budgets: [{budget: a, amount: -1, window: day}]", "", "5:23", "amount"),
        ("budgets: [{budget: a, amount: 0, window: day}]", "", "5:23", "amount"),
        ("budgets: [{budget: a, amount: 1e12, window: day}]", "", "5:23", "amount"),
        ("budgets: [{budget: a, window: day}]", "", "5:11", "amount"),
        ("budgets: [{budget: a, amount: 1, window: day, per: tennant}]", "", "5:47", "tenant"),
        ("budgets: [{budget: a, amount: 1, window: day, warn_at: 80}]", "", "5:47", "warn_at"),
        ("budgets: [{budget: a, amount: 1, window: day, when_spent: refus}]", "", "5:47", "refuse"),
        ("budgets: [{budget: a, amount: 1, window: day, when_spent: {pool: codr}}]", "", "5:", "coder"),
        ("budgets: [{budget: a, amount: 1, window: day, routes: [outo]}]", "", "5:", "auto"),
        (
            "budgets:\n  - {budget: a, amount: 1, window: day}\n  - {budget: a, amount: 2, window: hour}",
            "",
            "7:",
            "`a`",
        ),
        ("ledger: {path: a.db, reservation: 5}", "", "5:", "reservation_s"),
        ("ledger: {reservation_s: 0}", "", "5:", "reservation_s"),
        ("", ", limits: {regions: [cn-bejing]}", "3:", "cn-beijing"),
        ("", ", limits: {models: [qwen-pluss]}", "3:", "qwen-plus"),
        ("", ", limits: {max_output_tokens: 0}", "3:", "max_output_tokens"),
        ("", ", limits: {providers: [dash]}", "3:", "dashscope"),
        ("", ", limits: {max_attempts: 3}", "3:", "max_attempts"),
        ("", ", latency: {of: token, within_s: 3}", "3:", "first_token"),
        ("", ", latency: {of: answer, percentile: 100, within_s: 3}", "3:", "percentile"),
    ],
)
def test_mistakes_have_a_place_and_help(tmp_path: Path, more: str, rule: str, place: str, words: str) -> None:
    """Each is one finding, where it stands, with the nearest known word or the key."""
    with pytest.raises(DocumentError) as caught:
        loaded(tmp_path, more, rule)
    (finding,) = caught.value.diagnostics
    assert f"{finding.line}:{finding.column}".startswith(place)
    assert words in str(finding)
