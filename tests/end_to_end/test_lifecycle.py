"""Which model a role stands for depends on the date, and on where there is a credential."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from qwenroute import ModelRetired, Role, Router
from qwenroute.testing import SimulatorHandle, simulator

TODAY, THEN = date(2026, 11, 24), date(2025, 6, 1)
HELLO = [{"role": "user", "content": "Hello"}]
GENERATION = ("qwen2.5-", "qwq-", "qvq-", "qwen-max", "qwen-plus", "qwen-turbo", "qwen-vl-", "qwen-omni-turbo",
              "qwen-coder-", "qwen-math-")  # fmt: skip
KEY = {"DASHSCOPE_API_KEY": "sk-test"}


@pytest.mark.parametrize("region", ["intl-singapore", "cn-beijing"])
@pytest.mark.parametrize("role", list(Role))
def test_today_every_role_has_a_living_model_with_only_a_dashscope_key(role: Role, region: str) -> None:
    """Most of the generation has left the platform; the roles live on in its successors."""
    router = Router(environ={**KEY, "DASHSCOPE_REGION": region}, on=TODAY)
    decision = router.route(model=role.value, messages=HELLO)
    assert decision.pool in {role.value, "best"}
    assert decision.first.role is role
    assert decision.first.deployment.lifecycle.callable


@pytest.mark.parametrize("role", list(Role))
def test_in_june_2025_every_role_is_the_generation_itself(role: Role) -> None:
    """The same policy, another date."""
    router = Router(environ={**KEY, "DASHSCOPE_REGION": "cn-beijing"}, on=THEN)
    decision = router.route(model=role.value, messages=HELLO)
    assert decision.first.role is role
    assert all(s.deployment.model.startswith(GENERATION) for s in decision.plan.steps)


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """The platform as of today."""
    with simulator(on=TODAY, time_scale=0) as handle:
        yield handle


def test_a_retired_id_is_answered_by_its_successor_with_a_warning(platform: SimulatorHandle) -> None:
    """An application that names qwen-max keeps working, and is told."""
    with Router(environ=platform.environ(), on=TODAY) as router:
        answer = router.chat.completions.create(model="qwen-max", messages=HELLO)
    assert answer.route.model != "qwen-max"
    [warning] = answer.route.decision.warnings
    assert "qwen-max" in warning
    assert str(answer.route.model) in warning
    assert "2026-10-10" in warning


def test_a_policy_may_refuse_retired_ids(platform: SimulatorHandle, tmp_path: Path) -> None:
    """`retired: refuse` fails with the reason, before any call."""
    shipped = Path(__file__).parents[2] / "policies" / "default.yaml"
    policy = tmp_path / "strict.yaml"
    policy.write_text(shipped.read_text().replace("retired: replace", "retired: refuse"))
    before = len(platform.requests)
    with (
        Router(policy, environ=platform.environ(), on=TODAY) as router,
        pytest.raises(ModelRetired, match="2026-10-10"),
    ):
        router.chat.completions.create(model="qwen-max", messages=HELLO)
    assert len(platform.requests) == before


def test_open_weights_live_on_a_server_of_ones_own(platform: SimulatorHandle) -> None:
    """With a self-hosted server the 2.5 weights themselves are called, at any date."""
    served = ["qwen2.5-7b-instruct", "qwen2.5-math-7b-instruct", "qwq-32b"]
    environ = {k: v for k, v in platform.environ(self_hosted=served).items() if not k.startswith("DASHSCOPE")}
    with Router(environ=environ, on=TODAY) as router:
        answer = router.chat.completions.create(
            model="math", messages=[{"role": "user", "content": "What is 3 to the power of 5?"}]
        )
    assert answer.route.deployment == "qwen2.5-math-7b-instruct@self_hosted"
