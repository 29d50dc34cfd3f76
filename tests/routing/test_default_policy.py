"""The shipped policy over the shipped facts: golden decisions, at the dates that matter."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import pytest

import qwenroute
from qwenroute.domain.capability import Modality, Role
from qwenroute.domain.decision import Decision
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.signals import Difficulty, Media, Signals, Task
from qwenroute.errors import ModelRetired, NoDeployment, UnknownModel
from qwenroute.policy import load_policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide, explain
from tests.routing.fleets import request, signals

TODAY, THEN = date(2026, 11, 24), date(2025, 6, 1)
IMAGE = frozenset({Modality.TEXT, Modality.IMAGE})
VIDEO = frozenset({Modality.TEXT, Modality.VIDEO})
AUDIO = frozenset({Modality.TEXT, Modality.AUDIO})
SERVED = (
    "qwen2.5-0.5b-instruct,qwen2.5-7b-instruct,qwen2.5-72b-instruct,qwen2.5-coder-7b-instruct,qwen2.5-math-7b-instruct,"
    "qwen2.5-vl-7b-instruct,qwen2.5-omni-7b,qwq-32b,qvq-72b-preview"
)
OWN = {"QWENROUTE_SELF_HOSTED_URL": "http://gpu:8000/v1", "QWENROUTE_SELF_HOSTED_MODELS": SERVED}


@cache
def fleet(region: str | None = "intl-singapore", on: date = TODAY, *, own: bool = False) -> Fleet:
    """What the shipped policy reaches with these credentials at this date."""
    environ = {"DASHSCOPE_API_KEY": "test", "DASHSCOPE_REGION": region} if region else {}
    return Fleet.build(load_policy("default"), Registry.load(), environ | (OWN if own else {}), on)


def route(asked: Request, facts: Signals, here: Fleet) -> Decision:
    """Decide under the policy of the fleet."""
    return decide(asked, facts, here.policy, here)


def picture(**facts: object) -> tuple[Media, ...]:
    """One picture of usual size."""
    return (Media(kind=Modality.IMAGE, message=0, width_px=640, height_px=480),)


RULES: list[tuple[str, dict[str, object], Hints, str, str]] = [
    ("a question", {}, Hints(), "anything-else", "general"),
    ("mathematics", {"task": Task.MATH}, Hints(), "mathematics", "math"),
    ("mathematics, perhaps", {"task": Task.MATH, "task_confidence": 0.4}, Hints(), "anything-else", "general"),
    ("code", {"task": Task.CODE}, Hints(), "code", "coder"),
    ("an easy riddle", {"task": Task.REASONING}, Hints(), "anything-else", "general"),
    ("a riddle", {"task": Task.REASONING, "difficulty": Difficulty.MEDIUM}, Hints(), "hard-reasoning", "reasoning"),
    ("thinking", {"thinking": True}, Hints(), "thinking-asked-for", "reasoning"),
    ("thinking about mathematics", {"task": Task.MATH, "thinking": True}, Hints(), "mathematics", "math"),
    ("the best", {}, Hints(quality="top"), "top-quality", "best"),
    ("the best for a picture", {"input": IMAGE, "task": Task.VISION}, Hints(quality="top"), "images", "vision"),
    ("a picture", {"input": IMAGE, "task": Task.VISION, "media": picture()}, Hints(), "images", "vision"),
    ("a puzzle in a picture", {"input": IMAGE, "task": Task.VISION_REASONING}, Hints(), "images-to-reason-about",
     "vision_reasoning"),
    ("a film", {"input": VIDEO, "task": Task.VISION}, Hints(), "images", "vision"),
    ("a film with sound", {"input": VIDEO, "task": Task.VISION, "sound": True}, Hints(), "video-with-sound", "omni"),
    ("a recording", {"input": AUDIO, "task": Task.AUDIO}, Hints(), "audio-in", "omni"),
    ("speech", {"output": AUDIO}, Hints(), "speech-out", "omni"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "facts", "hints", "rule", "pool"), RULES, ids=[name for name, *_ in RULES])
@pytest.mark.parametrize("region", ["intl-singapore", "cn-beijing"])
def test_rules(region: str, name: str, facts: dict[str, object], hints: Hints, rule: str, pool: str) -> None:
    """Every kind of request meets its rule, and somebody alive serves it in both regions."""
    decision = route(request(hints=hints), signals(**facts), fleet(region))
    assert (decision.rule, decision.pool) == (rule, pool)
    assert decision.first.pool == pool
    if hints.quality:
        assert decision.objective == "quality"


def test_fill_in_the_middle_goes_to_a_coder_of_ones_own() -> None:
    """Nobody on DashScope fills in the middle any more; the weights do."""
    asked = Request(kind=Kind.COMPLETION, prompt="def f(", suffix="return x")
    facts = signals(fim=True, task=Task.CODE)
    decision = route(asked, facts, fleet(own=True))
    assert (decision.rule, decision.first.deployment.id) == (
        "fill-in-the-middle",
        "qwen2.5-coder-7b-instruct@self_hosted",
    )
    with pytest.raises(NoDeployment, match="fill in the middle"):
        route(asked, facts, fleet())


@pytest.mark.parametrize("region", ["intl-singapore", "cn-beijing"])
@pytest.mark.parametrize("role", list(Role))
def test_today_every_role_is_alive_with_only_a_dashscope_key(role: Role, region: str) -> None:
    """Most of the generation has left; each role lives on."""
    decision = route(request(role.value), signals(), fleet(region))
    assert decision.first.role is role
    assert all(step.deployment.lifecycle.callable for step in decision.plan.steps)


@pytest.mark.parametrize("role", list(Role))
def test_in_june_2025_every_role_is_the_generation_itself(role: Role) -> None:
    """The same policy at another date chooses the 2.5 models."""
    here = fleet("cn-beijing", THEN)
    decision = route(request(role.value), signals(), here)
    assert decision.first.role is role
    assert Registry.load().cards[decision.first.deployment.model].generation == "2.5"


FAMILIES = {
    Role.GENERAL: "qwen2.5-", Role.CODER: "qwen2.5-coder-7b", Role.MATH: "qwen2.5-math-7b", Role.REASONING: "qwq-32b",
    Role.VISION: "qwen2.5-vl-7b", Role.VISION_REASONING: "qvq-72b-preview", Role.OMNI: "qwen2.5-omni-7b",
}  # fmt: skip


@pytest.mark.parametrize("role", list(FAMILIES))
def test_a_server_of_ones_own_serves_the_weights(role: Role) -> None:
    """With a self-hosted server alone, every role but Max is the open weights."""
    decision = route(request(role.value), signals(), fleet(None, own=True))
    assert decision.first.deployment.model.startswith(FAMILIES[role])
    assert decision.first.deployment.endpoint == "self_hosted"


def test_the_right_size_follows_from_difficulty_and_objective() -> None:
    """Balanced: a small model for an easy question, a larger one for a hard one; quality: the best there is."""

    def first(difficulty: Difficulty, objective: str | None = None) -> tuple[str, float]:
        decision = route(request(hints=Hints(objective=objective)), signals(difficulty=difficulty), fleet())
        cost = decision.candidates[0].expected_cost_usd
        assert cost is not None
        return decision.first.deployment.model, cost

    easy, hard = first(Difficulty.EASY), first(Difficulty.HARD)
    assert "flash" in easy[0]
    assert "flash" not in hard[0]
    assert first(Difficulty.HARD, "cheap")[1] < hard[1]
    top = route(request(hints=Hints(quality="top")), signals(difficulty=Difficulty.HARD), fleet())
    assert top.first.deployment.model == "qwen4-max"


def test_own_small_weights_do_not_win_by_being_free() -> None:
    """Half a billion parameters on one's own machine are no answer to a hard question."""
    decision = route(request(), signals(difficulty=Difficulty.HARD), fleet(own=True))
    assert decision.first.deployment.model != "qwen2.5-0.5b-instruct"


@pytest.mark.parametrize(
    ("name", "left", "instead"),
    [
        ("qwen-max", "`qwen-max` left dashscope (intl-singapore) on 2026-10-10", Role.MAX),
        ("qwen2.5-7b-instruct", "`qwen2.5-7b-instruct` left dashscope (intl-singapore) on 2026-05-13", Role.GENERAL),
        ("Qwen/QwQ-32B", "`qwq-32b` is not offered at dashscope (intl-singapore)", Role.REASONING),
        ("qwen-max-2025-01-25", "`qwen-max-2025-01-25` left dashscope (intl-singapore) on 2026-05-13", Role.MAX),
    ],
)
def test_a_retired_id_is_answered_by_a_successor(name: str, left: str, instead: Role) -> None:
    """Named outright, a model that has left gives way to a living one of its role, with a warning."""
    decision = route(request(name), signals(), fleet())
    assert instead in decision.first.deployment.roles
    [warning] = [w for w in decision.warnings if "answers in its place" in w]
    assert left in warning
    assert f"`{decision.first.deployment.model}` answers in its place" in warning
    assert "stands in for" in decision.reason
    assert any("it left" in r.reason or "not offered" in r.reason for r in decision.rejections)
    assert warning in explain(decision)


def test_a_successor_of_a_reasoner_thinks() -> None:
    """What is asked of the old model is asked of the new one."""
    assert route(request("qwq-plus"), signals(), fleet()).first.thinking is True
    assert route(request("qwen-max"), signals(), fleet()).first.thinking is False


def test_a_successor_is_gated_too() -> None:
    """A retired id that an image comes with is answered by something that sees, or not at all."""
    decision = route(request("qwen-vl-max"), signals(input=IMAGE, media=picture()), fleet())
    assert Modality.IMAGE in decision.first.deployment.input


def test_a_retired_id_lives_on_a_server_of_ones_own() -> None:
    """The weights are called where somebody serves them, without a warning."""
    decision = route(request("qwen2.5-7b-instruct"), signals(), fleet(own=True))
    assert decision.first.deployment.id == "qwen2.5-7b-instruct@self_hosted"
    assert decision.warnings == ()
    with pytest.raises(NoDeployment):
        route(request("qwen2.5-7b-instruct"), signals(input=IMAGE), fleet(own=True))


def test_a_policy_may_refuse_retired_ids(tmp_path: Path) -> None:
    """`retired: refuse` says when it left and who succeeds it."""
    text = (Path(qwenroute.__file__).parent / "policies" / "default.yaml").read_text(encoding="utf-8")
    path = tmp_path / "strict.yaml"
    path.write_text(text.replace("\nretired: replace", "\nretired: refuse"), encoding="utf-8")
    here = Fleet.build(load_policy(path), Registry.load(), {"DASHSCOPE_API_KEY": "test"}, TODAY)
    with pytest.raises(ModelRetired, match=r"`qwen-max` left .* on 2026-10-10.*`retired: refuse`.*name its successor"):
        route(request("qwen-max"), signals(), here)


def test_a_living_snapshot_goes_on_the_wire_as_it_was_named() -> None:
    """A dated id is called by its date while it answers."""
    here = fleet("cn-beijing", THEN)
    assert route(request("qwen-max"), signals(), here).first.deployment.wire_model == "qwen-max"
    dated = route(request("qwen-max-2025-01-25"), signals(), here)
    assert dated.first.deployment.wire_model == "qwen-max-2025-01-25"
    assert dated.first.deployment.id == "qwen-max@dashscope"


def test_a_model_at_an_endpoint() -> None:
    """`model@endpoint` chooses among several; an endpoint that is not in use is told with the nearest."""
    here = fleet(own=True)
    assert route(request("qwen-plus@dashscope"), signals(), here).first.deployment.id == "qwen-plus@dashscope"
    with pytest.raises(UnknownModel, match="no endpoint `dashscop` is in use; did you mean `qwen-plus@dashscope`"):
        route(request("qwen-plus@dashscop"), signals(), here)


def test_an_unknown_model_is_told_with_the_nearest() -> None:
    """The nearest of all the registry's names, not only of those in use."""
    with pytest.raises(
        UnknownModel, match=r"`qwen2\.5-71b-instruct` is neither.*did you mean .*`qwen2\.5-72b-instruct`"
    ):
        route(request("qwen2.5-71b-instruct"), signals(), fleet())
    with pytest.raises(
        UnknownModel, match="`gpt-4o` is neither a route, a role, a model nor a deployment; routes: auto"
    ):
        route(request("gpt-4o"), signals(), fleet())


def test_a_model_that_is_nowhere_to_be_had_says_so() -> None:
    """A model that was never on DashScope needs somebody to serve it."""
    with pytest.raises(NoDeployment, match=r"(?s)it is self host only here.*serve it yourself"):
        route(request("qwen2.5-omni-3b"), signals(), fleet())


CAPABILITIES: dict[str, tuple[dict[str, object], Callable[[Decision], bool]]] = {
    "image": (
        {"input": IMAGE, "task": Task.VISION, "media": picture()},
        lambda d: all(Modality.IMAGE in s.deployment.input for s in d.plan.steps),
    ),
    "audio": (
        {"input": AUDIO, "task": Task.AUDIO},
        lambda d: all(Modality.AUDIO in s.deployment.input for s in d.plan.steps),
    ),
    "speech": ({"output": AUDIO}, lambda d: all(Modality.AUDIO in s.deployment.output for s in d.plan.steps)),
    "tools": ({"tools": True}, lambda d: all(s.deployment.tools for s in d.plan.steps)),
    "schema": (
        {"response_format": "json_schema"},
        lambda d: all(s.deployment.json_schema and s.thinking is not True for s in d.plan.steps),
    ),
    "length": (
        {"text_tokens": 400_000},
        lambda d: all((s.deployment.context_tokens or 0) > 400_000 for s in d.plan.steps),
    ),
}


@pytest.mark.parametrize("capability", CAPABILITIES)
@pytest.mark.parametrize("region", ["intl-singapore", "cn-beijing"])
def test_a_capability_survives_every_step(capability: str, region: str) -> None:
    """Whatever step of the plan is reached, it can do what was asked for."""
    facts, holds = CAPABILITIES[capability]
    decision = route(request(), signals(**facts), fleet(region, own=True))
    assert len(decision.plan.steps) > 1
    assert holds(decision)


def test_a_prompt_of_200_000_tokens_to_mathematics_alone_says_why(tmp_path: Path) -> None:
    """The refusal names the window and what to do."""
    path = tmp_path / "maths.yaml"
    path.write_text(
        """\
version: 1
endpoints:
  own: {provider: openai_compatible, base_url: "http://gpu/v1", models: [qwen2.5-math-7b-instruct]}
routes:
  auto: [{rule: all, pool: math}]
""",
        encoding="utf-8",
    )
    here = Fleet.build(load_policy(path), Registry.load(), {}, TODAY)
    with pytest.raises(NoDeployment, match=r"(?s)4,096.*200,000.*qwen2\.5-math-7b-instruct@own.*Shorten the prompt"):
        route(request(), signals(text_tokens=200_000), here)
