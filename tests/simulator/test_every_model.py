"""Whatever the registry says can be called answers, and in the shape that its facts promise."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any

import aiohttp
import pytest

from qwenroute.domain.capability import Modality
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.registry import Registry
from qwenroute.testing import SimulatorHandle, async_simulator

DATES = (date(2025, 6, 1), date(2026, 11, 24))
IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}


def everything(on: date) -> Iterator[tuple[str, Any]]:
    """Return every deployment of the platform and of a server of all open weights, with its region."""
    registry = Registry.load()
    for region in registry.regions:
        for deployment in registry.deployments(Endpoint(name="x", provider="dashscope", region=region), on):
            yield region, deployment
    weights = tuple(Served(model=c.id) for c in registry.cards.values() if c.open_weights)
    endpoint = Endpoint(name="own", provider="openai_compatible", served=weights)
    for deployment in registry.deployments(endpoint, on):
        if deployment.lifecycle.callable and Modality.TEXT in deployment.output:
            yield "self_hosted", deployment


def request_for(deployment: Any, *, stream: bool) -> dict[str, Any]:
    text = {"type": "text", "text": "What is it?"}
    content: Any = [text, IMAGE] if Modality.IMAGE in deployment.input else "What is it?"
    body = {"model": deployment.wire_model, "messages": [{"role": "user", "content": content}], "stream": stream}
    if stream:
        body["stream_options"] = {"include_usage": True}
    return body


@pytest.mark.parametrize("on", DATES, ids=str)
async def test_whatever_can_be_called_answers(on: date) -> None:
    """Streamed always, whole unless the facts say stream-only; then the refusal says so."""
    async with (
        async_simulator(on=on, answer_tokens=(1, 4), thinking_tokens=(1, 4)) as running,
        aiohttp.ClientSession(headers={"Authorization": "Bearer sk-sim"}) as session,
    ):
        seen = 0
        for region, deployment in everything(on):
            for stream in (False, True):
                url = address(running, region)
                async with session.post(url, json=request_for(deployment, stream=stream)) as response:
                    text = await response.text()
                    expected = 400 if deployment.stream_only and not stream else 200
                    assert response.status == expected, (deployment.id, region, text[:300])
                    assert ("only support stream mode" in text) is (expected == 400)
                    if expected == 200:
                        assert f"[simulated {deployment.wire_model}]" in text
                        apart = deployment.thinking_default_on and not deployment.thinking_in_answer
                        assert ("reasoning_content" in text) is apart
                seen += 1
        assert seen > 60


def address(running: SimulatorHandle, region: str) -> str:
    base = running.self_hosted_url if region == "self_hosted" else running.dashscope_url(region)
    return f"{base}/chat/completions"
