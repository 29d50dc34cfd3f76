"""Deployments, steps and requests for provider tests, built from facts alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from qwenroute.domain.capability import Deployment, Modality, Role, Speed
from qwenroute.domain.decision import Step
from qwenroute.domain.request import Kind, Request

StepMaker = Callable[..., Step]
RequestMaker = Callable[..., Request]


@pytest.fixture
def make_step() -> StepMaker:
    """Return a maker of steps: keyword arguments are facts of the deployment."""

    def make(*, think: bool | None = None, **facts: Any) -> Step:
        plain: Mapping[str, Any] = {
            "id": "some-model@here",
            "model": "some-model",
            "wire_model": "some-model-2025",
            "endpoint": "here",
            "provider": "dashscope",
            "roles": (Role.GENERAL,),
            "licence": "apache-2.0",
            "input": frozenset({Modality.TEXT}),
            "output": frozenset({Modality.TEXT}),
            "speed": Speed(ttft_s=0.5, tokens_per_s=50, basis="test"),
            "quality": {},
        }
        return Step(deployment=Deployment(**{**plain, **facts}), pool="p", role=Role.GENERAL, thinking=think)

    return make


@pytest.fixture
def make_request() -> RequestMaker:
    """Return a maker of chat requests: keyword arguments are parameters."""

    def make(*messages: Mapping[str, object], stream: bool = False, **params: object) -> Request:
        said = messages or ({"role": "user", "content": "hello"},)
        return Request(kind=Kind.CHAT, messages=tuple(said), stream=stream, params=params)

    return make
