"""Which endpoints share their limits."""

from __future__ import annotations

from qwenroute.domain.endpoint import Endpoint
from qwenroute.state import limit_keys


def keys(**facts: dict[str, str]) -> dict[str, str]:
    """The keys of some endpoints, given by name."""
    usual = {"provider": "dashscope", "region": "intl-singapore", "base_url": "https://a.test", "api_key": "sk-one"}
    return limit_keys(Endpoint(name=name, **(usual | its)) for name, its in facts.items())


def test_one_key_in_one_region_is_one_account() -> None:
    """The address does not matter on the platform: workspaces share their account's limits."""
    told = keys(a={}, b={"base_url": "https://workspace.test"})
    assert told["a"] == told["b"]


def test_another_region_or_key_is_another_account() -> None:
    """Limits are counted per region and per account."""
    told = keys(a={}, b={"region": "cn-beijing"}, c={"api_key": "sk-two"})
    assert len(set(told.values())) == 3


def test_servers_of_ones_own_are_told_apart_by_address() -> None:
    """The same made-up key on two servers is no shared account."""
    own = {"provider": "openai_compatible", "api_key": "none"}
    told = keys(a=own, b=own | {"base_url": "http://b.test"})
    assert told["a"] != told["b"]


def test_the_key_itself_is_nowhere() -> None:
    """What limits are counted under can be shown to anybody."""
    assert "sk-one" not in repr(keys(a={}))
