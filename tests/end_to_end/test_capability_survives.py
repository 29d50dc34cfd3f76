"""A fallback never loses a capability: it ends at a model that can, or in a typed error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from qwenroute import CallFailed, Modality, Router
from qwenroute.testing import SimulatorHandle, simulator

IMAGE = {"type": "image_url", "image_url": {"url": "https://media.example.com/cat.png"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "https://media.example.com/a.wav", "format": "wav"}}
FILM = {"type": "video_url", "video_url": {"url": "https://media.example.com/film.mp4"}}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "properties": {}}}}

REQUESTS: dict[str, dict[str, Any]] = {
    "image": {"messages": [{"role": "user", "content": [IMAGE, {"type": "text", "text": "What is this?"}]}]},
    "audio": {"messages": [{"role": "user", "content": [SOUND, {"type": "text", "text": "What is said?"}]}]},
    "video": {"messages": [{"role": "user", "content": [FILM, {"type": "text", "text": "What happens?"}]}]},
    "tools": {"messages": [{"role": "user", "content": "Is it raining in Oslo?"}], "tools": TOOLS},
    "schema": {"messages": [{"role": "user", "content": "Give me JSON."}], "response_format": SCHEMA},
    "speech": {
        "messages": [{"role": "user", "content": "Say hello."}],
        "modalities": ["text", "audio"],
        "audio": {"format": "wav"},
    },
}


def can(request: str, deployment: Any) -> bool:
    """Whether the facts say that a deployment has what the request needs."""
    return {
        "image": Modality.IMAGE in deployment.input,
        "audio": Modality.AUDIO in deployment.input,
        "video": Modality.VIDEO in deployment.input,
        "tools": deployment.tools is True,
        "schema": deployment.json_schema is True,
        "speech": Modality.AUDIO in deployment.output,
    }[request]


@pytest.fixture(scope="module", params=["intl-singapore", "cn-beijing"])
def platform(request: pytest.FixtureRequest) -> Iterator[SimulatorHandle]:
    """The platform as of today, with a self-hosted server beside it."""
    with simulator(region=request.param, time_scale=0, rate_limits=False) as handle:
        yield handle


@pytest.mark.parametrize("failures", [1, 2, 3])
@pytest.mark.parametrize("name", REQUESTS)
def test_every_hop_can_do_what_was_asked(platform: SimulatorHandle, name: str, failures: int) -> None:
    """However many choices fail, no request reaches a model without the capability."""
    platform.clear_faults()
    before = len(platform.requests)
    platform.fail("*", "Model.AccessDenied", times=failures)
    body = REQUESTS[name]
    with Router(environ=platform.environ(self_hosted=["qwen2.5-7b-instruct", "qwen2.5-vl-7b-instruct"])) as router:
        deployments = router.fleet.by_id
        try:
            record = router.chat.completions.create(**body).route
        except CallFailed as error:
            record = error.record
            assert len(record.attempts) == len(record.decision.plan.steps)
        else:
            assert len(record.attempts) == failures + 1
        assert all(can(name, deployments[a.deployment]) for a in record.attempts)
        assert all(can(name, step.deployment) for step in record.decision.plan.steps)
    assert len(platform.requests) - before == len(record.attempts)


def test_audio_with_every_capable_model_down_is_an_error(platform: SimulatorHandle) -> None:
    """It is never sent to a text model instead."""
    platform.clear_faults()
    platform.fail("*", "Model.AccessDenied")
    with Router(environ=platform.environ(self_hosted=["qwen2.5-7b-instruct"])) as router:
        with pytest.raises(CallFailed) as caught:
            router.chat.completions.create(**REQUESTS["audio"])
        tried = [router.fleet.by_id[a.deployment] for a in caught.value.attempts]
    platform.clear_faults()
    assert tried
    assert all(Modality.AUDIO in d.input for d in tried)
