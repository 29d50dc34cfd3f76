"""What a policy says of hedging, breakers, limits, choice and cache: defaults, meaning, and mistakes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from qwenroute.domain.capability import RateLimits
from qwenroute.domain.decision import HedgeRules, Resume, RetryRules, Timeouts
from qwenroute.domain.resilience import (
    BreakerRules,
    CacheRules,
    Choice,
    ChoiceBy,
    CooldownRules,
    OutlierRules,
    Resilience,
    RetryBudgetRules,
)  # fmt: skip
from qwenroute.errors import DocumentError
from qwenroute.policy import Limits, Policy, load_policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet
from tests.policy.smallest import SMALLEST

Load = Callable[[str], Policy]
TODAY = date(2026, 11, 24)
HEDGED = SMALLEST.replace("pool: general", "pool: general, hedge: {}")


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a policy file with this text."""

    def loaded(text: str) -> Policy:
        path = tmp_path / "p.yaml"
        path.write_text(text, encoding="utf-8")
        return load_policy(path)

    return loaded


def test_a_minimal_file_is_patient_as_the_rules_are_by_themselves(load: Load) -> None:
    """What is not written has the defaults of the rules: no hedge, no resumption, no cache, all else on."""
    policy = load(SMALLEST)
    assert policy.resilience == Resilience()
    assert policy.choice == Choice()
    assert policy.timeouts == Timeouts()
    assert policy.retries == RetryRules()
    assert policy.limits == Limits()
    assert policy.hedge is policy.cache is policy.routes["auto"].rules[0].hedge is None
    assert policy.resume is Resume.REPORT


def test_the_shipped_policy_shows_the_defaults(load: Load) -> None:
    """The numbers in `default.yaml` are those of a file that leaves them out."""
    shipped, bare = load_policy("default"), load(SMALLEST)
    for key in ("resilience", "choice", "timeouts", "retries", "limits", "hedge", "cache", "resume", "fall_back_on"):
        assert getattr(shipped, key) == getattr(bare, key), key


def test_everything_that_can_be_said(load: Load, tmp_path: Path) -> None:
    """Each key arrives where it is read."""
    policy = load(
        SMALLEST
        + """\
limits: {queue_s: 0, max_in_flight: 8, max_in_flight_total: 100}
timeouts: {answer_s: null}
retries: {per_step: 2, budget: {share: 0.2, floor_per_s: 0}}
hedge: {percentile: 99, after_s: 3}
resume: continue
breaker: {failures: 3, error_rate: 0.9, min_attempts: 5, window_s: 15, open_s: 5, open_cap_s: 60}
cooldown: {rate_limit_s: 2, tokens_limit_s: 30, burst_s: 3, cap_s: 90}
outliers: {factor: 2, min_attempts: 10, eject_s: 20, most_ejected_share: 0}
choice: {by: power_of_two, within: 0.1}
cache: {ttl_s: 60, max_entries: 10, max_mb: 1, path: kept/answers.sqlite}
"""
    )
    assert policy.resilience == Resilience(
        breaker=BreakerRules(failures=3, error_rate=0.9, min_attempts=5, window_s=15.0, open_s=5.0, open_cap_s=60.0),
        cooldown=CooldownRules(rate_limit_s=2.0, tokens_limit_s=30.0, burst_s=3.0, cap_s=90.0),
        outliers=OutlierRules(factor=2.0, min_attempts=10, eject_s=20.0, most_ejected_share=0.0),
        retry_budget=RetryBudgetRules(share=0.2, floor_per_s=0.0),
        max_in_flight=8,
        max_in_flight_total=100,
    )
    assert policy.retries == RetryRules(per_step=2)
    assert policy.timeouts == Timeouts(answer_s=None)
    assert policy.limits.queue_s == 0
    assert policy.hedge == HedgeRules(percentile=99.0, after_s=3.0)
    assert policy.resume is Resume.CONTINUE
    assert policy.choice == Choice(by=ChoiceBy.POWER_OF_TWO, within=0.1)
    assert policy.cache == CacheRules(
        ttl_s=60.0, max_entries=10, max_mb=1.0, path=str(tmp_path / "kept" / "answers.sqlite")
    )


@pytest.mark.parametrize(
    ("top", "rule", "holds"),
    [
        ("", "", None),
        ("hedge: off\n", "", None),
        ("hedge: {}\n", "", HedgeRules()),
        ("hedge: {}\n", "hedge: off", None),
        ("hedge: {percentile: 90}\n", "hedge: {after_s: 2}", HedgeRules(after_s=2.0)),
        ("", "hedge: {percentile: 50}", HedgeRules(percentile=50.0)),
    ],
)
def test_a_rule_may_hedge_by_itself(load: Load, top: str, rule: str, holds: HedgeRules | None) -> None:
    """A rule's `hedge` goes before the policy's, on or off."""
    policy = load(SMALLEST.replace("pool: general", f"pool: general, {rule}" if rule else "pool: general") + top)
    assert policy.routes["auto"].rules[0].hedge == holds


@pytest.mark.parametrize("cache", ["off", "{}", "{path: /var/answers.sqlite}"])
def test_the_cache_is_off_on_or_in_a_file(load: Load, cache: str) -> None:
    """No path keeps answers in memory; an absolute one stays as it is."""
    found = load(SMALLEST + f"cache: {cache}\n").cache
    assert found == {"off": None, "{}": CacheRules()}.get(cache, CacheRules(path="/var/answers.sqlite"))


MISTAKES = [
    ("hedge: on", "10:1: QR104 `hedge` cannot be `on` | one of: off"),
    ("hedge: {percentle: 9}", "10:9: QR101 unknown key `percentle` | did you mean `percentile`?"),
    ("hedge: {percentile: 100}", "10:9: QR103 `hedge.percentile` has to be below 100, not "),
    ("hedge: {after_s: 0}", "10:9: QR103 `hedge.after_s` has to be above 0, not "),
    ("cache: true", "10:1: QR104 `cache` cannot be `true` | one of: off, or a mapping of keys"),
    ("cache: {ttl: 9}", "10:9: QR101 unknown key `ttl` | did you mean `ttl_s`?"),
    ("resume: contineu", "10:1: QR104 `resume` cannot be `contineu` | did you mean `continue`?"),
    ("choice: {by: stickyy}", "10:10: QR104 `choice.by` cannot be `stickyy` | did you mean `sticky`?"),
    ("choice: {within: 2}", "10:10: QR103 `choice.within` has to be at most 1, not "),
    ("retries: {budget: {shar: 1}}", "10:20: QR101 unknown key `shar` | did you mean `share`?"),
    ("retries: {budget: {share: 1.5}}", "10:20: QR103 `retries.budget.share` has to be at most 1, not 1.5"),
    (
        "breaker: {failures: 2.5}",
        "10:11: QR103 `breaker.failures` has to be a whole number, not `2.5` | write a whole number",
    ),
    ("breaker: off", "10:1: QR103 `breaker` has to be a mapping of keys, not the text `off` | "),
    ("outliers: {factor: 1}", "10:12: QR103 `outliers.factor` has to be above 1, not "),
    ("cooldown: {cap: 9}", "10:12: QR101 unknown key `cap` | did you mean `cap_s`?"),
    ("limits: {max_in_flight: 0}", "10:10: QR103 `limits.max_in_flight` has to be at least 1, not "),
    ("limits: {queue_s: -1}", "10:10: QR103 `limits.queue_s` has to be at least 0, not "),
    (
        "breaker: {open_s: 200}",
        "10:11: QR210 `breaker.open_s` is 200, and `breaker.open_cap_s` allows no more than 120 | raise `open_cap_s`",
    ),
    (
        "breaker: {open_s: 9, open_cap_s: 8.5}",
        "10:22: QR210 `breaker.open_s` is 9, and `breaker.open_cap_s` allows no more than 8.5 | raise `open_cap_s` or",
    ),
    ("cooldown: {cap_s: 19}", "10:12: QR210 `cooldown.tokens_limit_s` is 20, and `cooldown.cap_s` allows no more"),
    ("retries: {base_s: 9}", "10:11: QR210 `retries.base_s` is 9, and `retries.cap_s` allows no more than 8"),
]


def said(load: Load, text: str) -> list[str]:
    """What the loader finds, without the file's name, each on one line."""
    with pytest.raises(DocumentError) as caught:
        load(text)
    return [str(d).removeprefix(f"{d.file}:").replace("\n  help: ", " | ") for d in caught.value.diagnostics]


@pytest.mark.parametrize(("line", "found"), MISTAKES)
def test_a_mistake_has_a_place_and_a_way_out(load: Load, line: str, found: str) -> None:
    """One mistake gives one finding, at its place."""
    [only] = said(load, SMALLEST + line + "\n")
    assert only.startswith(found)


@pytest.mark.parametrize(("text", "place"), [(HEDGED, "9:34"), (SMALLEST + "hedge: {percentile: 90}\n", "10:1")])
def test_a_hedge_needs_a_second_attempt(load: Load, text: str, place: str) -> None:
    """Where one attempt is allowed there is no hedge, and the file is told so."""
    [only] = said(load, text + "limits: {max_attempts: 1}\n")
    assert only == (
        f"{place}: QR211 a hedge is a second attempt, and one attempt is allowed"
        " | raise `limits.max_attempts`, or leave `hedge` out"
    )
    load(text.replace("hedge: {}", "hedge: off").replace("hedge: {percentile: 90}", "hedge: off"))


# Endpoints: weights and limits of one's own

LIMITED = """\
version: 1
endpoints:
  cn:
    provider: dashscope
    region: intl-singapore
    api_key: {env: KEY}
    weight: 3
    ENDPOINT
    models:
      - {model: qwen-plus ENTRY}
routes:
  auto:
    - {rule: all, pool: general}
"""


@pytest.mark.parametrize(
    ("endpoint", "entry", "stated"),
    [
        ("", "", {}),
        ("rate_limits: {rpm: 7}", "", {"rpm": 7}),
        ("rate_limits: {rpm: 7, tpm: 9}", ", rate_limits: {tpm: 8}", {"rpm": 7, "tpm": 8}),
        ("", ", rate_limits: {rpm: 5}", {"rpm": 5}),
    ],
)
def test_limits_of_ones_own_go_before_the_published_ones(
    load: Load, endpoint: str, entry: str, stated: dict[str, int]
) -> None:
    """The model's entry goes before the endpoint, the endpoint before the registry, each limit by itself."""
    registry = Registry.load()
    policy = load(LIMITED.replace("ENDPOINT", endpoint or "# no limits").replace(" ENTRY", entry))
    fleet = Fleet.build(policy, registry, {"KEY": "k"}, TODAY)
    published = Fleet.build(load_policy("default"), registry, {"DASHSCOPE_API_KEY": "k"}, TODAY)
    listed = published.by_id["qwen-plus@dashscope"].rate_limits
    assert listed.rpm is not None
    [found] = fleet.deployments
    assert found.rate_limits == RateLimits(rpm=stated.get("rpm", listed.rpm), tpm=stated.get("tpm", listed.tpm))
    assert fleet.weights == {"cn": 3.0}


def test_a_server_of_ones_own_has_limits_only_where_they_are_stated(load: Load) -> None:
    """Nothing is published of it."""
    for limits, found in (("", RateLimits()), ("    rate_limits: {rpm: 60}\n", RateLimits(rpm=60))):
        text = SMALLEST.replace("    models", f"{limits}    models")
        [deployment] = Fleet.build(load(text), Registry.load(), {}, TODAY).deployments
        assert deployment.rate_limits == found


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("weight: 0", "7:5: QR103 `endpoints.own.weight` has to be above 0, not "),
        ("rate_limits: {rps: 1}", "7:19: QR101 unknown key `rps` | did you mean `rpm`?"),
        ("rate_limits: {rpm: 0}", "7:19: QR103 `endpoints.own.rate_limits.rpm` has to be above 0, not "),
    ],
)
def test_a_mistake_at_an_endpoint_has_a_place(load: Load, line: str, found: str) -> None:
    """As everywhere in the file."""
    [only] = said(load, SMALLEST.replace("routes:", f"    {line}\nroutes:"))
    assert only.startswith(found)
