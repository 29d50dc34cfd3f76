"""What checks find in a policy that loads: pools, lifecycles, money, patience, leftovers."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from qwenroute.domain.diagnostic import Severity
from qwenroute.linting import codes, lint
from qwenroute.policy import load
from qwenroute.policy.extends import shipped
from qwenroute.registry import Registry

ON = date(2026, 11, 24)
OWN = """\
version: 1
endpoints:
  own:
    provider: openai_compatible
    base_url: http://gpu:8000/v1
    models:
      - {model: qwen2.5-7b-instruct, price: {currency: USD, input: 0, output: 0}}
      - {model: qwen2.5-omni-7b, price: {currency: USD, input: 0, output: 0}}
pools:
  text: {models: [qwen2.5-7b-instruct]}
  ears: {models: [qwen2.5-omni-7b]}
routes:
  auto:
    - {rule: heard, when: {input: audio}, pool: ears, fallback: text}
    - {rule: rest, pool: text, fallback: ears}
"""
CLOUD = """\
version: 1
endpoints:
  ali: {provider: dashscope, region: intl-singapore, api_key: {env: KEY}}
routes:
  auto:
    - {rule: rest, pool: general}
"""


def found(folder: Path, text: str, *, on: date = ON) -> dict[str, tuple[int, str]]:
    """Line and message of each code."""
    path = folder / "p.yaml"
    path.write_text(text, encoding="utf-8")
    return {one.code: (one.line, one.message) for one in lint(load(path), Registry.load(), on)}


@pytest.mark.parametrize("policy", shipped())
def test_what_is_shipped_has_no_errors(policy: str) -> None:
    """At the time that its facts were read, nothing is wrong with a shipped policy; `default` has no warning either."""
    found = lint(load(policy), Registry.load(), ON)
    assert [one for one in found if one.severity is Severity.ERROR] == []
    assert policy != "default" or found == ()


CHANGES: list[tuple[str, str, str, str, int]] = [
    # code, what is replaced in OWN, by what, in the message, at the line
    ("QR320", "pool: text, fallback: ears", "pool: max", "nothing belongs to the pool `max`", 15),
    ("QR321", "routes:", "limits: {licences: [qwen-research]}\nroutes:", "this is apache-2.0", 15),
    ("QR321", "routes:", "limits: {regions: [cn-beijing]}\nroutes:", "in no stated region", 15),
    ("QR321", "fallback: ears}", "limits: {licences: [qwen]}}", "`text` can ever be called", 15),
    ("QR322", "pool: ears, fallback: text", "pool: text, fallback: ears", "brings audio", 14),
    ("QR323", "input: audio", "input: audio, fim: false, tools: true", "has tools", 14),
    ("QR323", "pool: ears, fallback: text", "pool: text", "brings audio", 14),
    ("QR324", "pool: text, fallback: ears", "pool: text, fallback: [ears, both]", "`both` adds nothing", 16),
    ("QR326", "[qwen2.5-7b-instruct]}", "[qwen2.5-7b-instruct, qwq-32b]}", "no endpoint serves `qwq-32b`", 10),
    ("QR326", "[qwen2.5-7b-instruct]}", "[qwen2.5-7b-instruct], except: [qwq-32b]}", "does not belong", 10),
    ("QR327", "version: 1", "version: 1", "all there is for images, sound and videos (rules `rest`, `heard`)", 15),
    ("QR350", "routes:", "limits: {deadline_s: 20}\nroutes:", "`first_token_s` (60 s)", 12),
    ("QR351", "routes:", "limits: {max_attempts: 2}\nroutes:", "no fallback is called", 12),
    ("QR351", "routes:", "retries: {per_step: 7}\nroutes:", "7, and one request has 5 attempts", 12),
    ("QR352", "fallback: ears}", "hedge: {after_s: 2}}", "a hedge has nothing to call", 15),
    ("QR352", "routes:", "hedge: {after_s: 900}\nroutes:", "the hedge starts after 900 s", 12),
    ("QR353", "routes:", "limits: {queue_s: 400}\nroutes:", "400 s", 12),
    ("QR354", "fallback: ears}", "latency: {of: answer, within_s: 200}}", "180 s end", 15),
    (
        "QR354",
        "fallback: ears}",
        "latency: {of: first_token, within_s: 0.01}}",
        "nothing is expected within 0.01 s",
        15,
    ),
    ("QR356", "routes:", "limits: {deadline_s: 0.2}\nroutes:", "the deadline is 0.2 s", 12),
    ("QR355", "fallback: ears}", "limits: {deadline_s: 300}}", "`deadline_s` here is no narrower", 15),
    ("QR360", "routes:", "  idle: {roles: general}\nroutes:", "`idle`", 12),
    ("QR361", "routes:", "objectives: {thrift: {cost: 1}}\nroutes:", "`thrift`", 12),
    (
        "QR363",
        "pools:",
        "  spare: {provider: litellm, models: [{model: qwq-32b, served_as: a/b}]}\npools:",
        "`spare`",
        9,
    ),
    ("QR364", "    provider:", "    weight: 2\n    provider:", "it is by score", 4),
    ("QR365", "routes:", "objectives: {cheap: {quality: 0}}\nroutes:", "nothing weighs", 12),
    ("QR323", "input: audio", "prompt_tokens: {at_least: 900000}", "has 900,000 tokens", 14),
]


@pytest.mark.parametrize(("code", "old", "new", "says", "line"), CHANGES)
def test_a_change_is_found(tmp_path: Path, code: str, old: str, new: str, says: str, line: int) -> None:
    """Each check has a change to a sound policy that it finds, with the place and the reason."""
    both = "  both: {models: [qwen2.5-7b-instruct, qwen2.5-omni-7b]}\nroutes:" if "both" in new else "routes:"
    at, message = found(tmp_path, OWN.replace("routes:", both).replace(old, new))[code]
    assert says in message
    assert at == line


def test_a_sound_policy_has_only_what_is_true_of_it(tmp_path: Path) -> None:
    """The policy that the changes start from has one deployment that hears, and that is all there is to say."""
    assert set(found(tmp_path, OWN)) == {"QR327"}


def test_hosts_that_litellm_does_not_know(tmp_path: Path) -> None:
    """What would end the router at its start is an error here."""
    text = OWN.replace("pools:", "  other: {provider: litellm, models: [qwen2.5-vl-3b-instruct]}\npools:")
    assert "how litellm names" in found(tmp_path, text)["QR325"][1]


def test_models_that_leave(tmp_path: Path) -> None:
    """An id that leaves within 60 days is told with the day and its successor; one that has left, too."""
    text = CLOUD.replace("pool: general", "pool: old, fallback: general").replace(
        "routes:", "pools: {old: {models: [qwen-max]}}\nroutes:"
    )
    path = tmp_path / "p.yaml"
    path.write_text(text, encoding="utf-8")
    registry = Registry.load()
    day = registry.lifecycle("qwen-max", provider="dashscope", region="intl-singapore", on=date(2025, 6, 1)).retires_on
    assert day is not None
    soon = found(tmp_path, text, on=day.replace(day=1) if day.day > 1 else day)
    assert f"leaves `ali` (intl-singapore) on {day}" in soon["QR331"][1]
    gone = found(tmp_path, text)
    assert f"`qwen-max` has left `ali` (intl-singapore) on {day}" in gone["QR332"][1]
    [one] = [d for d in lint(load(path), registry, ON) if d.code == "QR332"]
    assert one.help is not None
    assert "instead" in one.help
    assert "QR331" not in found(tmp_path, text, on=date(2025, 6, 1))


def test_a_pool_without_anything_alive_by_default(tmp_path: Path) -> None:
    """What another region has, and the default one has not or may not be used, is warned of with the way out."""
    text = CLOUD.replace("region: intl-singapore", "region: {env: REGION, default: intl-singapore}")
    bounded = found(tmp_path, text + "limits: {regions: [us-virginia]}\n")
    assert "nothing alive serves the pool `general`" in bounded["QR330"][1]
    assert "QR321" not in bounded
    assert "QR330" not in found(tmp_path, text)


def test_a_role_that_is_about_to_be_empty(tmp_path: Path) -> None:
    """Where all that serves a role leaves within 60 days, that is told with the last day."""
    text = CLOUD.replace("api_key: {env: KEY}", "api_key: {env: KEY}, models: [qwen-max]").replace("general", "max")
    day = Registry.load().lifecycle("qwen-max", provider="dashscope", region="intl-singapore", on=ON).retires_on
    assert day is not None
    assert f"leaves by {day}" in found(tmp_path, text, on=day - timedelta(days=10))["QR333"][1]
    assert "QR333" not in found(tmp_path, text, on=date(2025, 6, 1))


def test_an_experiment_without_a_rule(tmp_path: Path) -> None:
    """An experiment in which no rule takes part is told, and its pool counts as used."""
    newer = "  newer: {models: [qwen2.5-omni-7b], endpoints: own}\nroutes:"
    tried = OWN.replace("routes:", newer) + "experiments: [{experiment: try, kind: canary, pool: newer, share: 0.05}]\n"
    assert "`try`" in found(tmp_path, tried)["QR362"][1]
    assert "QR360" not in found(tmp_path, tried)
    assert "QR362" not in found(tmp_path, tried.replace("fallback: ears", "fallback: ears, experiment: try"))


def test_experiments_that_teach_nothing(tmp_path: Path) -> None:
    """A newcomer that can do nothing of a rule's, a bound without a price, a cap that no copy fits: all told."""
    pools = "pools: {old: {models: [qwen-plus]}, newer: {models: [qwen-flash]}}\n"
    seen = "    - {rule: seen, when: {input: image}, pool: vision, experiment: try}\n"
    own = "  house: {provider: openai_compatible, base_url: http://gpu:8000/v1, models: [qwen2.5-7b-instruct]}\nroutes:"
    text = pools + CLOUD.replace("pool: general", "pool: old, experiment: try")
    text += "experiments: [{experiment: try, pool: newer, share: 0.1, HOW}]\n"
    canary = text.replace("HOW", "kind: canary, rollback: {cost: 0.1}")
    assert found(tmp_path, canary) == {}
    dear = found(tmp_path, canary.replace("qwen-flash", "qwen4-max"))
    assert "times what `old` does (rule `rest`), and `rollback.cost` allows 1.1" in dear["QR373"][1]
    assert "QR373" not in found(tmp_path, canary.replace("qwen-flash", "qwen4-max").replace("0.1}", "null}"))
    blind = found(tmp_path, canary.replace("    - {rule: rest", seen + "    - {rule: rest"))
    assert blind["QR370"][0] == 7
    assert "(brings image), so both sides would be the control" in blind["QR370"][1]
    free = canary.replace("routes:", own).replace("qwen-flash", "qwen2.5-7b-instruct@house")
    assert "`qwen2.5-7b-instruct@house`, so the cost" in found(tmp_path, free)["QR371"][1]
    assert "QR371" not in found(tmp_path, free.replace("rollback: {cost: 0.1}", "rollback: {cost: null}"))
    shadow = text.replace("HOW", "kind: shadow, max_cost_per_day: 0.0001")
    assert "more than a day's cap" in found(tmp_path, shadow)["QR372"][1]
    assert found(tmp_path, shadow.replace("0.0001", "1")) == {}
    unbound = shadow.replace("routes:", own).replace("qwen-flash", "qwen2.5-7b-instruct@house")
    assert "so none is sent" in found(tmp_path, unbound)["QR371"][1]


def test_prices_and_ceilings(tmp_path: Path) -> None:
    """Rates, prices and ceilings that do not fit are told where they stand."""
    beijing = CLOUD.replace("intl-singapore", "cn-beijing")
    assert "priced in CNY" in found(tmp_path, beijing)["QR340"][1]
    rated = beijing + "currency: {rates: {CNY: 0.14}}\n"
    assert "QR340" not in found(tmp_path, rated)
    assert "nothing of it is ever called" in found(tmp_path, CLOUD + "limits: {max_cost_usd: 0.00001}\n")["QR342"][1]
    free = OWN.replace(", price: {currency: USD, input: 0, output: 0}", "")
    assert "QR341" not in found(tmp_path, free)
    assert "never called" in found(tmp_path, free + "limits: {max_cost_usd: 0.1}\n")["QR341"][1]
    assert "no budget counts" in found(tmp_path, free + "budgets: [{budget: b, amount: 1, window: day}]\n")["QR341"][1]


def test_budgets_that_one_request_can_exceed(tmp_path: Path) -> None:
    """A budget is held against the worst that a request can cost, within the limits of requests."""
    small = CLOUD + "budgets: [{budget: b, amount: 0.00001, window: day}]\n"
    assert "even a short request" in found(tmp_path, small)["QR344"][1]
    fair = CLOUD + "budgets: [{budget: b, amount: 1, window: day}]\n"
    assert "one request may cost" in found(tmp_path, fair)["QR343"][1]
    bounded = found(tmp_path, fair + "limits: {max_cost_usd: 0.5}\n")
    assert not {"QR343", "QR344"} & set(bounded)


def test_detours_of_a_spent_budget(tmp_path: Path) -> None:
    """Where a budget sends requests once it is spent has to be cheaper, alive, and able to do the same."""
    text = CLOUD + "budgets: [{budget: b, amount: 9, window: day, when_spent: {pool: POOL}}]\n"
    assert "is no saving" in found(tmp_path, text.replace("POOL", "max"))["QR345"][1]
    listed = text.replace("routes:", "pools: {cheap: {models: [qwen-flash]}, dead: {models: [qwq-32b]}}\nroutes:")
    assert "QR345" not in found(tmp_path, listed.replace("POOL", "cheap"))
    assert "`dead` can ever be called" in found(tmp_path, listed.replace("POOL", "dead"))["QR347"][1]
    seen = listed.replace("POOL", "cheap").replace(
        "    - {rule: rest", "    - {rule: s, when: {input: image}, pool: vision}\n    - {rule: rest"
    )
    assert "brings image" in found(tmp_path, seen)["QR346"][1]
    assert "QR346" not in found(tmp_path, listed.replace("POOL", "cheap"))


def test_findings_in_a_base_are_told_at_extends(tmp_path: Path) -> None:
    """A limit that empties a pool of the file below is the doing of the file above."""
    (tmp_path / "base.yaml").write_text(OWN, encoding="utf-8")
    report = found(tmp_path, "version: 1\nextends: base.yaml\nlimits: {regions: [cn-beijing]}\n")
    assert report["QR321"][0] == 2
    assert "base.yaml, line" in report["QR321"][1]
    assert "QR360" not in report


def test_severities(tmp_path: Path) -> None:
    """What cannot work is an error; what is likely to be a mistake is a warning."""
    path = tmp_path / "p.yaml"
    path.write_text(OWN.replace("pool: text, fallback: ears", "pool: max"), encoding="utf-8")
    told = {one.code: one.severity for one in lint(load(path), Registry.load(), ON)}
    assert told == {"QR320": Severity.ERROR, "QR327": Severity.WARNING}
    path.write_text(OWN.replace("pool: text, fallback: ears", "pool: text, fallback: max"), encoding="utf-8")
    assert [one.severity for one in lint(load(path), Registry.load(), ON) if one.code == "QR320"] == [Severity.WARNING]


def test_every_code_is_tested() -> None:
    """Each code of a check stands in one of these tests."""
    here = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    assert not [code for code in codes() if f'"{code}"' not in here]
