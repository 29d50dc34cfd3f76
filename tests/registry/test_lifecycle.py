"""What became of an id at a date, and what answers in its place."""

from __future__ import annotations

from datetime import date

import pytest

from qwenroute.domain.capability import Lifecycle, Role
from qwenroute.domain.endpoint import Endpoint
from qwenroute.registry import Registry

THEN = date(2025, 6, 1)
NOW = date(2026, 11, 24)
REGIONS = ("cn-beijing", "intl-singapore")


@pytest.mark.parametrize(
    ("model", "on", "status"),
    [
        ("qwen-max", date(2025, 1, 1), Lifecycle.NOT_YET_RELEASED),
        ("qwen-max", THEN, Lifecycle.ACTIVE),
        ("qwen-max", date(2026, 7, 9), Lifecycle.ACTIVE),
        ("qwen-max", date(2026, 7, 10), Lifecycle.RETIRING),
        ("qwen-max", date(2026, 10, 9), Lifecycle.RETIRING),
        ("qwen-max", date(2026, 10, 10), Lifecycle.RETIRED),
        ("qwen-max-latest", date(2026, 4, 12), Lifecycle.ACTIVE),
        ("qwen-max-latest", date(2026, 4, 13), Lifecycle.RETIRING),
        ("qwen-max-latest", date(2026, 5, 13), Lifecycle.RETIRED),
        ("qwen-max-0403", date(2026, 1, 30), Lifecycle.RETIRED),
        ("qwen2.5-coder-3b-instruct", date(2026, 3, 30), Lifecycle.RETIRED),
        ("qwq-32b-preview", date(2024, 12, 24), Lifecycle.ACTIVE),
        ("qwq-32b-preview", THEN, Lifecycle.UNKNOWN),
        ("qwq-32b-preview", date(2026, 4, 30), Lifecycle.RETIRED),
        ("qwen-math-plus", date(2026, 8, 21), Lifecycle.ACTIVE),
        ("qwen-math-plus", NOW, Lifecycle.UNKNOWN),
        ("qwen-plus", THEN, Lifecycle.ACTIVE),
        ("qwen-plus", NOW, Lifecycle.ACTIVE),
        ("qwen4-max", date(2026, 11, 15), Lifecycle.NOT_YET_RELEASED),
        ("qwen4-max", NOW, Lifecycle.ACTIVE),
        ("qwen2.5-math-rm-72b", NOW, Lifecycle.SELF_HOST_ONLY),
        ("qwen2.5-omni-3b", NOW, Lifecycle.SELF_HOST_ONLY),
        ("qwen-vl-max-2025-08-13", THEN, Lifecycle.NOT_YET_RELEASED),
    ],
)
def test_lifecycle_is_judged_at_the_date(model: str, on: date, status: Lifecycle) -> None:
    """The same id is not yet there, active, retiring within its notice, retired or unknown, by the day."""
    state = Registry.load().lifecycle(model, provider="dashscope", region=None, on=on)
    assert state.status is status, state


def test_a_state_says_why_and_on_whose_word() -> None:
    """Date, note, source and confidence come with the status; an uncertain date says so."""
    state = Registry.load().lifecycle("qwen-max", provider="dashscope", region="cn-beijing", on=NOW)
    assert state.retires_on == date(2026, 10, 10)
    assert "postponed" in (state.note or "")
    assert "notice-731" in state.sources
    assert state.confidence == "B"


def test_a_model_is_offered_only_where_a_source_says_so() -> None:
    """qwen3.8-max has no known place in Beijing; the state names where it has one."""
    state = Registry.load().lifecycle("qwen3.8-max", provider="dashscope", region="cn-beijing", on=NOW)
    assert state.status is Lifecycle.NOT_OFFERED
    assert not state.status.callable
    assert "intl-singapore" in (state.note or "")


def test_what_is_not_offered_has_successors_too() -> None:
    """QwQ-32B was never in Singapore; what answers in its place there is known all the same."""
    state = Registry.load().lifecycle("qwq-32b", provider="dashscope", region="intl-singapore", on=NOW)
    assert state.status is Lifecycle.NOT_OFFERED
    assert "qwen3.6-plus" in state.replacements


@pytest.mark.parametrize("provider", ["openai_compatible", "litellm"])
def test_weights_outlive_the_platform(provider: str) -> None:
    """Elsewhere open weights are active from their release, and what is only sold is not offered."""
    registry = Registry.load()
    assert registry.lifecycle("qwq-32b", provider=provider, region=None, on=NOW).status is Lifecycle.ACTIVE
    early = registry.lifecycle("qwq-32b", provider=provider, region=None, on=date(2025, 3, 4))
    assert early.status is Lifecycle.NOT_YET_RELEASED
    assert registry.lifecycle("qwen-max", provider=provider, region=None, on=THEN).status is Lifecycle.NOT_OFFERED


@pytest.mark.parametrize("region", REGIONS)
def test_every_replacement_chain_ends_at_a_living_model(region: str) -> None:
    """What has left a region has successors that answer there, take the same input and give the same output."""
    registry = Registry.load()
    gone = 0
    for card in registry.cards.values():
        if card.dashscope is None or not card.roles:
            continue
        for api_id in (card.id, *card.dashscope.snapshots):
            state = registry.lifecycle(api_id, provider="dashscope", region=region, on=NOW)
            if (
                state.status not in {Lifecycle.RETIRED, Lifecycle.NOT_OFFERED}
                or not card.dashscope.lifecycle.replacements
            ):
                continue
            gone += 1
            assert state.replacements, f"{api_id} leads nowhere in {region}"
            for name in state.replacements:
                then = registry.lifecycle(name, provider="dashscope", region=region, on=NOW)
                assert then.status.callable, f"{api_id} leads to {name}, which is {then.status} in {region}"
                new = registry.cards[name]
                assert set(card.modalities.input) <= set(new.modalities.input), f"{api_id} to {name}"
                assert set(card.modalities.output) <= set(new.modalities.output), f"{api_id} to {name}"
    assert gone > 10


def test_chains_are_followed_through_what_has_left_itself() -> None:
    """A small Coder was replaced by qwen-coder-plus, and that by a model that still answers."""
    registry = Registry.load()
    ask = {"provider": "dashscope", "region": "cn-beijing"}
    small = "qwen2.5-coder-3b-instruct"
    assert registry.lifecycle(small, on=date(2026, 6, 1), **ask).replacements == ("qwen-coder-plus",)
    assert registry.lifecycle(small, on=NOW, **ask).replacements[0] == "qwen3.6-plus"


def test_a_snapshot_leads_to_its_alias_first() -> None:
    """A dated id that left before its alias is replaced by the alias while that answers."""
    registry = Registry.load()
    state = registry.lifecycle("qwen-max-2025-01-25", provider="dashscope", region="cn-beijing", on=date(2026, 6, 1))
    assert state.status is Lifecycle.RETIRED
    assert state.replacements[0] == "qwen-max"


def test_speech_is_replaced_by_speech() -> None:
    """The successors of a speaking model speak, in both regions."""
    registry = Registry.load()
    for region in REGIONS:
        state = registry.lifecycle("qwen-omni-turbo", provider="dashscope", region=region, on=NOW)
        assert state.replacements
        assert all("audio" in registry.cards[name].modalities.output for name in state.replacements)


def _by_role(region: str, on: date) -> dict[Role, list[str]]:
    endpoint = Endpoint(name="here", provider="dashscope", region=region)
    found: dict[Role, list[str]] = {role: [] for role in Role}
    for deployment in Registry.load().deployments(endpoint, on):
        for role in deployment.roles:
            found[role].append(deployment.model)
    return found


def test_in_2025_every_role_is_served_by_the_2_5_generation() -> None:
    """On 2025-06-01 Beijing offers each of the eight roles, and nothing newer."""
    registry = Registry.load()
    roles = _by_role("cn-beijing", THEN)
    for role, models in roles.items():
        assert models, role
        assert {registry.cards[name].generation for name in models} == {"2.5"}, role
    assert roles[Role.MAX] == ["qwen-max"]
    assert set(roles[Role.REASONING]) == {"qwq-32b", "qwq-32b-preview", "qwq-plus"}
    assert set(roles[Role.VISION_REASONING]) == {"qvq-72b-preview", "qvq-max", "qvq-plus"}
    assert {"qwen-plus-2025-01-25", "qwen-turbo", "qwen2.5-72b-instruct"} <= set(roles[Role.GENERAL])


@pytest.mark.parametrize("region", REGIONS)
def test_today_every_role_is_served_by_something_alive(region: str) -> None:
    """On 2026-11-24 each of the eight roles has a living model in both regions."""
    for role, models in _by_role(region, NOW).items():
        assert models, f"nothing serves {role} in {region}"


def test_nothing_is_offered_before_it_was_released() -> None:
    """Before the generation nothing answers, and no deployment is listed that cannot be called."""
    registry = Registry.load()
    for region in registry.regions:
        endpoint = Endpoint(name="here", provider="dashscope", region=region)
        for on in (THEN, NOW):
            assert all(d.lifecycle.callable for d in registry.deployments(endpoint, on))
    assert not _by_role("cn-beijing", date(2024, 1, 1))[Role.MAX]
