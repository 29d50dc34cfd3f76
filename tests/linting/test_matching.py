"""Rules that can never match, and conditions that always or never hold."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.signals import Signals, Task
from qwenroute.linting import lint
from qwenroute.linting.logic import TooMuch, apart, cases
from qwenroute.policy import Wording, load, schema
from qwenroute.policy.compile import _conditions
from qwenroute.registry import Registry
from tests.routing.fleets import signals

HEAD = """\
version: 1
endpoints:
  own: {provider: openai_compatible, base_url: "http://gpu:8000/v1", models: [qwen2.5-7b-instruct, qwen2.5-omni-7b]}
pools:
  all: {models: [qwen2.5-7b-instruct, qwen2.5-omni-7b]}
routes:
  auto:
"""


def found(folder: Path, *whens: str, only: str = "QR31") -> list[tuple[str, int, str]]:
    """The codes for a route of rules a, b, c… with these conditions, and a last one without."""
    rules = [
        f"    - {{rule: {name}, when: {when}, pool: all}}\n" for name, when in zip("abcdefgh", whens, strict=False)
    ]
    path = folder / "p.yaml"
    path.write_text(HEAD + "".join(rules) + "    - {rule: z, pool: all}\n", encoding="utf-8")
    every = lint(load(path), Registry.load(), date(2026, 11, 24))
    return [(one.code, one.line - 7, one.message) for one in every if one.code.startswith(only)]


@pytest.mark.parametrize(
    "when",
    [
        "{task: math, not: {task: [math, code]}}",
        "{prompt_tokens: {at_least: 100}, not: {prompt_tokens: {at_least: 50}}}",
        "{fim: true, input: image}",
        "{output: video}",
        "{not: {input: text}}",
        "{all: [{tenant: a}, {tenant: b}]}",
        "{tags: gold, not: {tags: [silver, gold]}}",
        "{headers: {x-a: gold}, not: {headers: {X-A: present}}}",
        "{time: {days: mon}, not: {time: {days: mon, from: '00:00'}}}",
        "{time: {from: '08:00', to: '12:00'}, not: {time: {from: '07:00', to: '13:00'}}}",
        "{any: [{sound: true, not: {sound: true}}, {tools: true, not: {tools: true}}]}",
        "{min_confidence: 0.9, not: {min_confidence: 0.5}}",
    ],
)
def test_contradictions(tmp_path: Path, when: str) -> None:
    """What no request can be at once is an error at the rule."""
    assert [(code, line) for code, line, _ in found(tmp_path, when) if code == "QR310"] == [("QR310", 1)]


@pytest.mark.parametrize(
    "whens",
    [
        ["{task: [math, code]}", "{task: math, difficulty: hard}"],
        ["{task: math}", "{task: code}", "{task: [math, code]}"],
        ["{input: image}", "{input: video}", "{input: [image, video], tools: true}"],
        ["{min_confidence: 0.5}", "{min_confidence: 0.8}"],
        ["{prompt_tokens: {at_least: 100}}", "{prompt_tokens: {at_least: 200, at_most: 300}}"],
        ["{any: [{tenant: a}, {tags: vip}]}", "{tags: vip, thinking: true}"],
        ["{not: {task: math}}", "{task: code}"],
        ["{tools: true}", "{tools: false}", "{tenant: a, any: [{tools: true}, {tools: false}]}"],
        ["{headers: {x-a: present}}", "{headers: {X-A: [gold, silver]}}"],
        ["{time: {days: [fri, sat], from: '22:00', to: '06:00'}}", "{time: {days: sun, from: '01:00', to: '05:00'}}"],
        ["{keywords: [a, b, c]}", "{keywords: [b, a], task: math}"],
        ["{key: [x, y]}", "{key: y}"],
    ],
)
def test_rules_behind_others(tmp_path: Path, whens: list[str]) -> None:
    """A rule is dead if those before it, alone or together, take everything that it would."""
    assert [(code, line) for code, line, _ in found(tmp_path, *whens) if code == "QR311"] == [("QR311", len(whens))]


@pytest.mark.parametrize(
    "whens",
    [
        ["{task: math}", "{task: [math, code]}"],
        ["{task: math, difficulty: hard}", "{task: math}"],
        ["{input: image}", "{input: [image, video]}"],
        ["{min_confidence: 0.8}", "{min_confidence: 0.5}"],
        ["{tags: [a, b]}", "{tags: [a, c]}"],
        ["{headers: {x-a: gold}}", "{headers: {x-a: present}}"],
        ["{time: {days: [fri]}}", "{time: {days: [fri, sat]}}"],
        ["{not: {tenant: a}}", "{tenant: [a, b]}"],
        ["{thinking: true}", "{not: {thinking: false}}"],
        ["{quality: top}", "{not: {quality: top}}"],
    ],
)
def test_rules_that_live(tmp_path: Path, whens: list[str]) -> None:
    """What takes a part only leaves the rest to the next."""
    assert [code for code, _, _ in found(tmp_path, *whens) if code in {"QR310", "QR311"}] == []


def test_rules_that_overrule_what_they_inherit(tmp_path: Path) -> None:
    """A rule is put before inherited ones to take from them; among inherited ones and among its own, order counts."""
    (tmp_path / "base.yaml").write_text(
        HEAD + "    - {rule: a, when: {task: math}, pool: all}\n    - {rule: z, pool: all}\n", encoding="utf-8"
    )
    own = tmp_path / "own.yaml"
    rules = "{rule: b, when: {task: [math, code]}, pool: all}, {rule: c, when: {task: code}, pool: all}, inherited"
    own.write_text(f"extends: base.yaml\nroutes:\n  auto: [{rules}]\n", encoding="utf-8")
    above = tmp_path / "above.yaml"
    above.write_text("extends: own.yaml\nobjective: cheap\n", encoding="utf-8")
    for path, line in ((own, 3), (above, 1)):
        told = [one for one in lint(load(path), Registry.load(), date(2026, 11, 24)) if one.code == "QR311"]
        assert [(Path(one.file), one.line, one.message[:8]) for one in told] == [(path, line, "rule `c`")]


@pytest.mark.parametrize(
    ("when", "code"),
    [
        ("{input: [text, image]}", "QR312"),
        ("{min_confidence: 1}", "QR313"),
        ("{min_confidence: 0}", "QR313"),
        ("{sound: true, input: audio}", "QR314"),
        ("{any: [{language: German}]}", "QR315"),
        ("{not: {output: image}}", "QR316"),
    ],
)
def test_odd_conditions(tmp_path: Path, when: str, code: str) -> None:
    """Conditions that hold always or hardly ever are warned of, however deep they stand."""
    assert code in [one for one, _, _ in found(tmp_path, when)]


def test_too_many_cases_are_left_alone(tmp_path: Path) -> None:
    """What cannot be judged in a moment is not judged."""
    many = ", ".join(f"{{any: [{{tags: a{i}}}, {{tags: b{i}}}, {{tags: c{i}}}]}}" for i in range(8))
    assert found(tmp_path, f"{{all: [{many}]}}", only="QR310") == []
    with pytest.raises(TooMuch):
        cases(schema.When.model_validate({"all": [{"any": [{"tags": f"{c}{i}"} for c in "abc"]} for i in range(8)]}))


LEAVES = st.fixed_dictionaries(
    {},
    optional={
        "task": st.lists(st.sampled_from([str(t) for t in Task][:3]), min_size=1, max_size=2, unique=True),
        "input": st.lists(st.sampled_from(["image", "audio"]), min_size=1, max_size=2, unique=True),
        "tools": st.booleans(),
        "thinking": st.booleans(),
        "tenant": st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True),
        "min_confidence": st.sampled_from([0.2, 0.6]),
        "prompt_tokens": st.sampled_from([{"at_least": 60}, {"at_most": 40}, {"at_least": 40, "at_most": 60}]),
        "headers": st.sampled_from([{"x": "present"}, {"X": ["g"]}]),
        "time": st.sampled_from(
            [{"days": ["mon"]}, {"from": "20:00", "to": "06:00"}, {"days": ["sun"], "from": "23:00"}]
        ),
    },
).filter(bool)
WHENS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=4,
)
MONDAY = datetime(2026, 11, 23)
SEEN: list[tuple[Task, float, int, tuple[Modality, ...]]] = [
    (Task.MATH, 0.1, 30, ()),
    (Task.CODE, 0.7, 50, (Modality.IMAGE,)),
    (Task.REASONING, 0.5, 70, (Modality.AUDIO,)),
    (Task.MATH, 1.0, 50, (Modality.IMAGE, Modality.AUDIO)),
]
ASKED: list[tuple[bool, bool | None, str, str | None, float]] = [
    (True, None, "a", None, 1),
    (False, True, "b", "g", 12),
    (True, False, "b", "h", 23),
    (False, None, "c", "g", 24 * 6 + 23.5),
]
REQUESTS: list[tuple[Signals, Hints, datetime]] = [
    (
        signals(
            task=task,
            task_confidence=sure,
            text_tokens=size,
            tools=tools,
            thinking=thinking,
            input=frozenset({Modality.TEXT, *kinds}),
        ),
        Hints(tenant=tenant, headers={} if header is None else {"x": header}),
        MONDAY + timedelta(hours=hours),
    )
    for (task, sure, size, kinds), (tools, thinking, tenant, header, hours) in itertools.product(SEEN, ASKED)
]
WORDING = Wording(Request(), None)


def holds(when: dict[str, object], request: tuple[Signals, Hints, datetime]) -> bool:
    """As the policy itself would say."""
    seen, hints, at = request
    model = TypeAdapter(schema.When).validate_python(when)
    return all(one.holds(seen, hints, WORDING, at) for one in _conditions(model))


@settings(max_examples=150, deadline=None)
@given(WHENS, WHENS)
def test_logic_agrees_with_the_policy(one: dict[str, object], other: dict[str, object]) -> None:
    """What is called impossible holds for no request, and what is called covered holds only where the earlier does."""
    try:
        first, second = cases(schema.When.model_validate(one)), cases(schema.When.model_validate(other))
    except TooMuch:
        return
    takes = [holds(other, request) for request in REQUESTS]
    if not second:
        assert not any(takes)
    if all(any(part.within(case) for case in first) for whole in second for part in apart(whole)):
        assert all(holds(one, request) for request, taken in zip(REQUESTS, takes, strict=True) if taken)
