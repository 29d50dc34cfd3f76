"""Whatever loads can be checked and shown."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenroute.linting import Subject, lint, overview
from qwenroute.policy import load
from qwenroute.registry import Registry

KNOWN = Registry.load()
MODELS = st.lists(st.sampled_from(sorted(KNOWN.cards)), min_size=1, max_size=4, unique=True)
POOLS = st.sampled_from(["general", "max", "coder", "vision", "omni", "mine"])
REGIONS = st.sampled_from([*KNOWN.regions, {"env": "REGION"}, {"env": "REGION", "default": "cn-beijing"}])
ENDPOINTS = st.one_of(
    st.fixed_dictionaries(
        {"provider": st.just("dashscope"), "region": REGIONS, "api_key": st.just({"env": "KEY"})},
        optional={"models": MODELS, "tags": st.just(["t"])},
    ),
    st.fixed_dictionaries(
        {
            "provider": st.just("openai_compatible"),
            "base_url": st.just("http://gpu/v1"),
            "models": MODELS | st.just({"env": "MODELS"}),
        }
    ),
    st.fixed_dictionaries({"provider": st.just("litellm"), "models": MODELS}),
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "deadline_s": st.sampled_from([0.5, 40]),
        "max_cost_usd": st.sampled_from([1e-6, 0.2]),
        "max_output_tokens": st.sampled_from([1, 10**6]),
        "max_prompt_tokens": st.sampled_from([1, 10**7]),
        "regions": st.lists(st.sampled_from(sorted(KNOWN.regions)), min_size=1, max_size=2, unique=True),
        "licences": st.just(["apache-2.0"]),
        "models": MODELS,
        "providers": st.just(["litellm"]),
    },
)
WHEN = st.fixed_dictionaries(
    {"task": st.sampled_from(["math", "code"])},
    optional={
        "input": st.sampled_from(["image", "audio", "text"]),
        "fim": st.booleans(),
        "tools": st.booleans(),
        "not": st.just({"input": ["image", "video"], "tenant": "a"}),
        "any": st.just(
            [{"thinking": True}, {"prompt_tokens": {"at_least": 10}, "headers": {"x": "present", "y": ["a", "b"]}}]
        ),
        "time": st.just({"from": "22:00", "to": "06:00"}),
    },
)
RULES = st.fixed_dictionaries(
    {"pool": POOLS},
    optional={
        "when": WHEN,
        "fallback": st.just(["reasoning", "math"]),
        "limits": LIMITS,
        "hedge": st.sampled_from([{"after_s": 1}, {"after_s": 500}]),
        "latency": st.just({"of": "answer", "within_s": 190}),
    },
)
FILES = st.fixed_dictionaries(
    {
        "version": st.just(1),
        "endpoints": st.dictionaries(st.sampled_from(["a", "b"]), ENDPOINTS, min_size=1),
        "pools": st.fixed_dictionaries(
            {"mine": st.fixed_dictionaries({"models": MODELS}, optional={"except": MODELS})}
        ),
        "rules": st.lists(RULES, max_size=3),
    },
    optional={
        "limits": LIMITS,
        "currency": st.sampled_from([{"report": "EUR"}, {"report": "CNY", "rates": {"USD": 7}}]),
        "budgets": st.just([{"budget": "b", "amount": 1, "window": "day", "when_spent": {"pool": "mine"}}]),
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(FILES, st.sampled_from([date(2025, 3, 1), date(2026, 11, 24), date(2028, 1, 1)]))
def test_whatever_loads_can_be_checked(tmp_path: Path, file: dict[str, object], on: date) -> None:
    """No combination of endpoints, pools, rules and limits stops the checks or the overview, on any day."""
    rules = file.pop("rules")
    assert isinstance(rules, list)
    named = [{"rule": f"r{index}", **rule} for index, rule in enumerate(rules)]
    conditional = [rule for rule in named if "when" in rule]
    file["routes"] = {"auto": [*conditional, {"rule": "last", "pool": "general"}]}
    path = tmp_path / "p.yaml"
    path.write_text(json.dumps(file), encoding="utf-8")
    loaded = load(path)
    for one in lint(loaded, KNOWN, on):
        assert one.file == str(path)
        assert one.line >= 1
        assert one.message
    seen = overview(Subject(loaded=loaded, registry=KNOWN, on=on))
    assert {pool.pool for pool in seen.pools} >= {"general", "mine"}
