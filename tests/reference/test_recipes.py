"""The recipes of `policies/README.md`: each loads, is sound, and does what its heading says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path

import pytest

from qwenroute.analysis import analyse, read_request
from qwenroute.domain.budget import Allowance, Payer
from qwenroute.domain.decision import Decision
from qwenroute.domain.diagnostic import Severity
from qwenroute.errors import BudgetExceeded, NoDeployment
from qwenroute.linting import lint
from qwenroute.policy import Loaded, Policy, load
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from tests.routing.fleets import Weather, obstacle

PAGE = (Path(__file__).parents[2] / "qwenroute/reference/recipes.md").read_text(encoding="utf-8")
RECIPES: Mapping[str, str] = dict(re.findall(r"^### (.+?)\n.*?^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
ON = date(2026, 11, 24)
CLOUD = {"DASHSCOPE_API_KEY": "k", "DASHSCOPE_EU_API_KEY": "k", "DASHSCOPE_EU_WORKSPACE_ID": "w"}
OWN = {
    "QWENROUTE_SELF_HOSTED_URL": "http://gpu:8000/v1",
    "QWENROUTE_SELF_HOSTED_MODELS": "qwen2.5-7b-instruct,qwen2.5-3b-instruct,qwen2.5-vl-7b-instruct",
}
IMAGE = {"type": "image_url", "image_url": {"url": "https://example.org/cat.png"}}


@pytest.fixture
def recipe(tmp_path: Path, request: pytest.FixtureRequest) -> Loaded:
    """Write the recipe that a test is marked with into a file of its own, and load it."""
    path = tmp_path / "mine.yaml"
    path.write_text(RECIPES[request.param], encoding="utf-8")
    return load(path)


class Till:
    """Every budget has this share of it spent."""

    def __init__(self, policy: Policy, used: float) -> None:
        self.policy = policy
        self.used = used

    def allowances(self, payer: Payer) -> Sequence[Allowance]:
        """How they stand."""
        return [
            Allowance(
                budget=budget,
                scope=budget.scope(payer),
                spent=round(budget.amount * self.used),
                reserved=0,
                currency="USD",
                resets_at=datetime(2026, 11, 25, tzinfo=UTC),
            )
            for budget in self.policy.budgets
            if budget.counts(payer)
        ]


@cache
def built(policy: Policy, environ: tuple[tuple[str, str], ...]) -> Fleet:
    """What the policy reaches."""
    return Fleet.build(policy, Registry.load(), dict(environ), ON)


def ask(
    recipe: Loaded,
    text: str = "Tell me about cats.",
    *,
    environ: Mapping[str, str] = CLOUD | OWN,
    at: datetime | None = None,
    used: float | None = None,
    down: str | None = None,
    image: bool = False,
    **hints: object,
) -> Decision:
    """What the policy does with a question."""
    fleet = built(recipe.policy, tuple(sorted(environ.items())))
    content: object = [{"type": "text", "text": text}, IMAGE] if image else text
    asked = read_request({"model": "auto", "messages": [{"role": "user", "content": content}], "qwenroute": hints})
    blocked = {d.id: obstacle() for d in fleet.deployments if d.endpoint == down}
    return decide(
        asked,
        analyse(asked),
        recipe.policy,
        fleet,
        conditions=Weather(blocked=blocked) if blocked else None,
        at=at,
        funds=None if used is None else Till(recipe.policy, used),
    )


def endpoints(decision: Decision) -> set[str]:
    """Where anything of the plan would be called."""
    return {step.deployment.endpoint for step in decision.plan.steps}


@pytest.mark.parametrize("recipe", RECIPES, indirect=True)
def test_a_recipe_is_sound(recipe: Loaded) -> None:
    """It loads on top of `default`, and nothing is wrong with it."""
    assert recipe.document.base is not None
    assert [one for one in lint(recipe, Registry.load(), ON) if one.severity is Severity.ERROR] == []


def test_there_are_ten() -> None:
    """The ten most common wishes."""
    assert len(RECIPES) == 10


@pytest.mark.parametrize("recipe", ["Never spend more than …"], indirect=True)
def test_never_more_than(recipe: Loaded) -> None:
    """No request can cost more than a quarter, and none is sent once the day's money is spent."""
    decision = ask(recipe, used=0.5)
    assert decision.plan.max_cost_usd == 0.25
    assert all(step.worst_cost_usd <= 0.25 for step in decision.plan.steps)
    assert "80%" not in " ".join(decision.warnings)
    assert any("tenant-per-month" in warning for warning in ask(recipe, used=0.85, tenant="acme").warnings)
    with pytest.raises(BudgetExceeded):
        ask(recipe, used=1.0, environ=CLOUD)


@pytest.mark.parametrize("recipe", ["Keep EU traffic in the EU"], indirect=True)
def test_eu_traffic(recipe: Loaded) -> None:
    """What is tagged `eu` goes to Frankfurt and nowhere else, even when Frankfurt is down or has no key."""
    assert endpoints(ask(recipe, tags=["eu"])) == {"frankfurt"}
    assert endpoints(ask(recipe, tags=["eu"], down="frankfurt")) == {"frankfurt"}
    assert "dashscope" in endpoints(ask(recipe))
    with pytest.raises(NoDeployment):
        ask(recipe, tags=["eu"], environ={"DASHSCOPE_API_KEY": "k"} | OWN)


@pytest.mark.parametrize("recipe", ["Try the new model on 5 %"], indirect=True)
def test_newcomer(recipe: Loaded) -> None:
    """About one tenant in twenty gets the newcomer, and always the same ones."""
    tenants = [f"tenant-{index}" for index in range(400)]
    decisions = [ask(recipe, tenant=tenant) for tenant in tenants]
    first = [decision.first.pool == "newcomer" for decision in decisions]
    assert 8 <= sum(first) <= 36
    assert first[:50] == [ask(recipe, tenant=tenant).first.pool == "newcomer" for tenant in tenants[:50]]
    newcomer, control = (decisions[first.index(side)].candidates[0] for side in (True, False))
    assert newcomer.expected_cost_usd < control.expected_cost_usd * 1.5, "else it would be taken back for that alone"
    assert newcomer.expected_latency_s < control.expected_latency_s * 1.5


@pytest.mark.parametrize("recipe", ["Send everything with images to my own server"], indirect=True)
def test_images_stay_at_home(recipe: Loaded) -> None:
    """Pictures go to the own server alone, and are refused where there is none."""
    assert endpoints(ask(recipe, image=True)) == {"self_hosted"}
    assert "dashscope" in endpoints(ask(recipe))
    with pytest.raises(NoDeployment):
        ask(recipe, image=True, environ=CLOUD)


@pytest.mark.parametrize("recipe", ["Code to Coder, always"], indirect=True)
def test_code_goes_to_coder(recipe: Loaded) -> None:
    """A coder comes first for code, and only for code."""
    assert "coder" in ask(recipe, "Write a Python function that reverses a linked list.").first.deployment.model
    assert "coder" not in ask(recipe).first.deployment.model


@pytest.mark.parametrize("recipe", ["Never use research-only licences"], indirect=True)
def test_research_only_is_never_used(recipe: Loaded) -> None:
    """A model under the research licence is rejected by name, also where it is all there is."""
    own = {**OWN, "QWENROUTE_SELF_HOSTED_MODELS": "qwen2.5-3b-instruct"}
    decision = ask(recipe, environ=CLOUD | own)
    assert "qwen2.5-3b-instruct@self_hosted" in decision.rejected
    with pytest.raises(NoDeployment, match="qwen-research"):
        ask(recipe, environ=own)


@pytest.mark.parametrize("recipe", ["Degrade at the end of the budget"], indirect=True)
def test_degrading(recipe: Loaded) -> None:
    """With the money spent, the cheap pool answers; before that, from 80 %, there is a warning."""
    assert ask(recipe, used=0.0).first.pool == "general"
    warned = ask(recipe, used=0.85)
    assert warned.first.pool == "general"
    assert any("85%" in warning for warning in warned.warnings)
    spent = ask(recipe, used=1.0)
    assert spent.first.pool == "thrifty"
    assert {step.deployment.model for step in spent.plan.steps} <= {"qwen-flash", "qwen3.6-flash", "qwen3-omni-flash"}


@pytest.mark.parametrize("recipe", ["Cheap at night"], indirect=True)
def test_cheap_at_night(recipe: Loaded) -> None:
    """The rule follows the clock in Berlin, on both sides of midnight."""
    hours = {3: "night", 12: "anything-else", 23: "night"}
    for hour, rule in hours.items():
        decision = ask(recipe, at=datetime(2026, 11, 24, hour))
        assert decision.rule == rule
        assert decision.objective == ("cheap" if rule == "night" else "balanced")


@pytest.mark.parametrize("recipe", ["VIP tenants get Max"], indirect=True)
def test_vip(recipe: Loaded) -> None:
    """Max answers them, and others get what they always got."""
    assert "max" in ask(recipe, tenant="acme").first.deployment.model
    assert ask(recipe, tenant="acme").first.pool == "max"
    assert ask(recipe, tenant="somebody").first.pool == "general"


@pytest.mark.parametrize("recipe", ["Survive a DashScope outage with own hardware"], indirect=True)
def test_outage(recipe: Loaded) -> None:
    """One attempt is the own server's, and with DashScope out of reach its first; pictures, too."""
    assert ask(recipe).first.deployment.endpoint == "dashscope"
    assert ask(recipe).plan.steps[-1].deployment.endpoint == "self_hosted"
    for image in (False, True):
        plan = ask(recipe, image=image).plan
        assert {step.deployment.endpoint for step in plan.steps} == {"dashscope", "self_hosted"}
        assert len(plan.steps) * (plan.retry.per_step + 1) <= plan.max_attempts
        assert ask(recipe, down="dashscope", image=image).first.deployment.endpoint == "self_hosted"
