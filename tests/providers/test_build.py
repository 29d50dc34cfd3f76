"""An endpoint that cannot be called is refused before any call."""

from __future__ import annotations

import importlib.util

import pytest

from qwenroute.domain.endpoint import Endpoint
from qwenroute.errors import ConfigurationError
from qwenroute.providers import AiohttpTransport, build_provider


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        (Endpoint(name="cn", provider="dashscope", api_key="k"), "`cn` has no base URL"),
        (Endpoint(name="cn", provider="dashscope", base_url="https://x.test"), "set DASHSCOPE_API_KEY"),
        (Endpoint(name="box", provider="openai_compatible"), "http://localhost:8000/v1"),
        (Endpoint(name="odd", provider="carrier pigeon"), "known: dashscope, openai_compatible, litellm"),
    ],
)
def test_an_incomplete_endpoint_is_refused(endpoint, words):
    """The message names the endpoint and what to do."""
    with pytest.raises(ConfigurationError, match=endpoint.name) as caught:
        build_provider(endpoint, AiohttpTransport())
    assert words in str(caught.value)


@pytest.mark.parametrize("key", ["sk-hidden77\r\n", "Bearer hidden77", "clé-hidden77", "sk-hidden77\x00"])
@pytest.mark.parametrize("provider", ["dashscope", "openai_compatible"])
def test_a_key_that_no_header_takes_is_refused_and_not_shown(provider, key):
    """What a shell or an editor left in the key is told before any transport stumbles over it."""
    endpoint = Endpoint(name="cn", provider=provider, base_url="https://x.test", api_key=key)
    with pytest.raises(ConfigurationError, match="key of endpoint `cn`") as caught:
        build_provider(endpoint, AiohttpTransport())
    assert "hidden77" not in str(caught.value)


def test_a_missing_extra_is_named(monkeypatch):
    """Without litellm, its endpoints are refused with the command that installs it."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "litellm" else find(name))
    with pytest.raises(ConfigurationError, match=r'pip install "qwenroute\[litellm\]"'):
        build_provider(Endpoint(name="far", provider="litellm"), AiohttpTransport())
