"""Figures of a small fleet and few rows, all of which can be checked by hand."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from qwenroute import Registry
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import InvalidRequest
from qwenroute.evaluation import Report, evaluate, outcomes, read_rows, worth
from qwenroute.evaluation.worth import Strategy, baselines
from qwenroute.policy import load_policy
from qwenroute.routing import Fleet
from qwenroute.routing.expectation import ANSWER_TOKENS
from tests.evaluation.labelled import SAID, row, write

TODAY = date(2026, 11, 24)
OWN = {"QWENROUTE_SELF_HOSTED_URL": "http://127.0.0.1:8000/v1"}
PLATFORM = {"DASHSCOPE_API_KEY": "not-set"}


def fleet(models: str | None = None) -> Fleet:
    """The platform's fleet, or a server of one's own with these models."""
    environ = PLATFORM if models is None else OWN | {"QWENROUTE_SELF_HOSTED_MODELS": models}
    return Fleet.build(load_policy("default"), Registry.load(), environ, TODAY)


def report(folder: Path, *rows: dict[str, object], models: str | None = None, with_text: bool = False) -> Report:
    """Evaluate rows with the default policy."""
    there = fleet(models)
    labelled = read_rows([write(folder / "rows.jsonl", *rows)])
    return evaluate(labelled, policy=there.policy, fleet=there, registry=Registry.load(), with_text=with_text)


def strategy(found: Report, name: str) -> Strategy:
    """The strategy of that name."""
    return next(s for s in found.value.strategies if s.name == name)


def test_labels_are_compared(tmp_path: Path) -> None:
    """One plain request of each task is told; a wrong label is a mistake in every figure that it belongs to."""
    rows = [row(task, id=f"{task}/1") for task in SAID]
    found = report(tmp_path, *rows)
    assert (found.text.accuracy, found.visual.accuracy, found.all.macro_f1) == (1.0, 1.0, 1.0)
    assert not found.mistakes
    found = report(tmp_path, *rows, row("math", text=SAID["general"], id="odd/1", lang="fr"))
    assert (found.text.rows, found.text.accuracy, found.visual.accuracy) == (5, 0.8, 1.0)
    assert (found.sources["odd"].accuracy, found.languages["fr"].accuracy) == (0.0, 0.0)
    assert found.languages["fr"].language_accuracy == 0.0
    assert found.tasks["math"].recall == 0.5
    (mistake,) = found.mistakes
    assert (mistake.id, mistake.task, mistake.told, mistake.text) == ("odd/1", "math", "general", None)


def test_rows_that_cannot_be_analysed_are_counted(tmp_path: Path) -> None:
    """They are in nothing but their count, and the first are named with their place."""
    found = report(tmp_path, row(), row(messages=[{"role": "user"}], id="broken/1"), row("math"))
    assert (found.rows, found.unread, found.all.rows, found.value.rows) == (3, 1, 2, 2)
    assert found.unread_examples[0].place.endswith("rows.jsonl:2")
    assert found.unread_examples[0].reason
    with pytest.raises(InvalidRequest, match=r"none of 1 row\(s\) could be analysed; the first, .*rows.jsonl:1: "):
        report(tmp_path, row(messages=None))


def test_difficulty_is_measured_where_it_is_known(tmp_path: Path) -> None:
    """Rows without one count for the task only."""
    found = report(tmp_path, row("math"), row("math", difficulty=None))
    assert (found.difficulty.rows, found.tasks["math"].rows) == (1, 2)
    assert sum(b.count for b in found.calibration["difficulty"].bins) == 1


def test_strategies_by_hand(tmp_path: Path) -> None:
    """Two models of one's own: each baseline's quality is the registry's prior."""
    registry = Registry.load()
    small, large = (registry.quality(f"qwen2.5-{size}-instruct") for size in ("7b", "72b"))
    found = report(tmp_path, row("math"), row("general"), models="qwen2.5-7b-instruct,qwen2.5-72b-instruct")
    cells = "math/easy", "general/easy"
    means = [sum(model[cell].value for cell in cells) / 2 for model in (small, large)]
    assert strategy(found, "always 7B").quality == pytest.approx(means[0])
    assert strategy(found, "always 72B").quality == pytest.approx(means[1])
    assert strategy(found, "random").quality == pytest.approx(sum(means) / 2)
    best = sum(max(small[cell].value, large[cell].value) for cell in cells) / 2
    assert strategy(found, "best per label").quality == pytest.approx(best)
    assert "always Max" not in {s.name for s in found.value.strategies}


def test_own_hardware_counts_at_list_prices(tmp_path: Path) -> None:
    """The price of the model where the platform lists it, though routing counts it as free; None without one."""
    found = report(tmp_path, row("math"), models="qwen2.5-7b-instruct,qwen2.5-72b-instruct")
    assert found.value.list_prices_of == "cn-beijing"
    small, large = strategy(found, "always 7B").cost_usd, strategy(found, "always 72B").cost_usd
    assert small is not None
    assert large is not None
    # 0.5 and 1 yuan against 4 and 12 for a million tokens in and out: between eight and twelve times as much.
    assert 8 * small < large < 12 * small
    assert small > ANSWER_TOKENS[Task.MATH][Difficulty.EASY] * 1e-6 * 0.1434
    assert {s.unpriced for s in found.value.strategies} == {0}
    unlisted = report(tmp_path, row("audio"), models="qwen2.5-omni-3b")
    assert unlisted.value.list_prices_of is None
    assert (strategy(unlisted, "policy").unpriced, strategy(unlisted, "policy").cost_usd) == (1, None)


def test_a_difficulty_that_is_not_known_is_averaged(tmp_path: Path) -> None:
    """The mean of the three priors stands in."""
    quality = Registry.load().quality("qwen2.5-7b-instruct")
    found = report(tmp_path, row("math", difficulty=None), models="qwen2.5-7b-instruct")
    mean = sum(quality[f"math/{level}"].value for level in ("easy", "medium", "hard")) / 3
    assert strategy(found, "policy").quality == pytest.approx(mean)
    assert strategy(found, "best per label").quality == pytest.approx(mean)


def test_what_a_baseline_cannot_serve_is_counted_and_said(tmp_path: Path) -> None:
    """A text model serves no pictures and no sound: unserved by task, and out of the common rows."""
    found = report(tmp_path, *(row(task) for task in SAID), models="qwen2.5-7b-instruct,qwen2.5-vl-7b-instruct")
    small = strategy(found, "always 7B")
    assert (small.served, dict(small.unserved)) == (4, {"vision": 1, "vision_reasoning": 1, "audio": 1})
    assert dict(strategy(found, "policy").unserved) == {"audio": 1}
    assert found.value.common_rows == 4
    assert small.quality is not None
    assert small.quality_of_all == pytest.approx(small.quality * 4 / 7)


def test_no_choice_is_better_than_the_best(tmp_path: Path) -> None:
    """Every strategy lies at or below the best per label, and cheap is no dearer than quality."""
    found = report(tmp_path, *(row(task) for task in SAID if task != "audio"))
    best = strategy(found, "best per label").quality_common
    assert best is not None
    for one in found.value.strategies:
        assert one.quality_common is not None
        assert one.quality_common <= best + 1e-9, one.name
    cheap, dear = (strategy(found, f"policy, {name}").cost_common_usd for name in ("cheap", "quality"))
    assert cheap is not None
    assert dear is not None
    assert cheap <= dear
    assert sum(found.value.models.values()) == found.value.rows
    assert found.value.roles["math"] == {"math": 1}


@pytest.mark.parametrize(
    ("models", "says"),
    [
        ("qwen2.5-7b-instruct,qwen2.5-72b-instruct", ["`qwen2.5-72b-instruct", "`qwen2.5-7b-instruct"]),
        ("qwen2.5-3b-instruct,qwen2.5-14b-instruct", ["the largest open general model here (14", "the smallest from"]),
        ("qwen2.5-coder-7b-instruct", []),
        (None, ["`qwen4-max@dashscope`", "the best general model", "the cheapest general model"]),
    ],
)
def test_baselines_say_which_models_they_are(models: str | None, says: Sequence[str]) -> None:
    """Those of the name where the fleet has them, else what stands in, in words; none where there is none."""
    found = [what for _, (_, what) in baselines(fleet(models))]
    assert len(found) == len(says)
    assert all(part in what for part, what in zip(says, found, strict=True)), found


SCORES = ("qwen2.5-7b-instruct", "qwen2.5-72b-instruct")


def outcome(small: float, large: float, **more: object) -> dict[str, object]:
    """A row on which both models and one that nobody knows were scored."""
    return row(
        "math",
        id="scored/1",
        outcomes={SCORES[0]: small, SCORES[1]: large, "llama-9": 1.0},
        output_chars={SCORES[0]: 400, SCORES[1]: 400},
        **more,
    )


def test_real_outcomes_by_hand(tmp_path: Path) -> None:
    """Means of single models, of chance and of hindsight; the router only picks what it can."""
    found = report(tmp_path, outcome(1, 1), outcome(0, 1), outcome(0, 0), outcome(1, 0), row())
    (part,) = found.outcomes
    assert (part.name, part.rows, part.choice_rows) == ("scored", 4, 4)
    assert {s.name: (s.model, s.score) for s in part.singles} == {
        SCORES[0]: (SCORES[0], 0.5),
        SCORES[1]: (SCORES[1], 0.5),
        "llama-9": (None, 1.0),
    }
    choosers = {c.name: c for c in part.choosers}
    assert (choosers["random"].score, choosers["best per prompt"].score) == (0.5, 0.75)
    # Of equal answers the cheaper counts: the small model thrice, the large one where only it was right.
    assert choosers["best per prompt"].chosen == {SCORES[0]: 3, SCORES[1]: 1}
    assert choosers["policy, quality"].chosen == {SCORES[1]: 4}
    assert choosers["policy, cheap"].chosen == {SCORES[0]: 4}
    small, large = part.singles[0], part.singles[1]
    assert small.prior == pytest.approx(Registry.load().quality(SCORES[0])["math/easy"].value)
    assert small.cost_usd is not None
    assert large.cost_usd is not None
    assert choosers["policy, cheap"].cost_usd == pytest.approx(small.cost_usd)
    assert small.cost_usd < large.cost_usd


def test_an_unknown_price_is_not_the_cheapest() -> None:
    """Of equals, what has a price goes before what has none: nobody knows that it is free."""
    priced, unpriced, better = worth.Worth(0.5, 0.01, 0.0), worth.Worth(0.5, None, 0.0), worth.Worth(0.6, None, 0.0)
    assert min([unpriced, priced], key=worth._best_first) is priced
    assert min([priced, better], key=worth._best_first) is better
    answers = [outcomes._Answer("a", 1.0, None), outcomes._Answer("b", 1.0, 0.01)]
    assert outcomes._oracle([(None, answers)]).chosen == {"b": 1}


def test_outcomes_without_a_choice_are_means_only(tmp_path: Path) -> None:
    """One known model on a row is nothing to choose from."""
    found = report(tmp_path, row(outcomes={SCORES[0]: 0.25, "llama-9": 1}, subtask="quiz"))
    (part,) = found.outcomes
    assert (part.name, part.choice_rows, part.choosers, part.curve) == ("ours_general/quiz", 0, (), None)
    assert part.singles[0].score == 0.25


def test_the_order_of_rows_is_nothing(tmp_path: Path) -> None:
    """The same rows the other way round give the same figures."""
    rows = [row(task, id=f"{task}/1") for task in SAID]
    one, other = report(tmp_path, *rows), report(tmp_path, *reversed(rows))
    assert one.confusion == other.confusion
    for name in ("policy", "random", "best per label"):
        assert strategy(one, name).quality == pytest.approx(strategy(other, name).quality)


def test_everything_is_json_and_no_prompt_is_in_it_unless_wanted(tmp_path: Path) -> None:
    """The whole report as plain values; texts only where they were asked for."""
    secret = "Please write to my neighbour Zebulon about the hedge."
    shown = json.dumps(report(tmp_path, row("math", text=secret)).as_dict())
    assert json.loads(shown)["on"] == "2026-11-24"
    assert "Zebulon" not in shown
    assert "Zebulon" in json.dumps(report(tmp_path, row("math", text=secret), with_text=True).as_dict())


TEACHING = """
version: 1
endpoints:
  dashscope: {provider: dashscope, region: intl-singapore, api_key: {env: DASHSCOPE_API_KEY}}
teach:
  - {task: code, keywords: [zebra report]}
routes:
  auto:
    - {rule: coding, when: {task: code}, pool: coder}
    - {rule: rest, pool: general}
"""


def test_what_the_policy_teaches_counts(tmp_path: Path) -> None:
    """A task is told as the policy goes by it, its operators' keywords included; the true label goes before them."""
    path = tmp_path / "teaching.yaml"
    path.write_text(TEACHING, encoding="utf-8")
    policy, registry = load_policy(path), Registry.load()
    there = Fleet.build(policy, registry, PLATFORM, TODAY)
    rows = read_rows(
        [write(tmp_path / "rows.jsonl", row("code", text="Write me the zebra report about my neighbour."))]
    )
    found = evaluate(rows, policy=policy, fleet=there, registry=registry)
    assert (found.taught, found.all.accuracy) == (1, 1.0)
    assert found.value.roles["code"] == {"coder": 1}
