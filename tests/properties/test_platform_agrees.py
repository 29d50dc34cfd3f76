"""What passes the gates is not refused by the platform, as the simulator knows it from the same facts.

Gates, adaptation and simulator were written apart. Random bodies go the whole way without a
socket: read, analysed, decided, adapted for every step of the plan, and put before the server.
"""

from __future__ import annotations

import base64
import json
import struct
from collections import Counter
from collections.abc import Callable
from datetime import date
from random import Random

import pytest

from qwenroute.analysis import analyse, count_exactly, read_request
from qwenroute.domain.request import Kind
from qwenroute.errors import NoDeployment
from qwenroute.policy import load_policy
from qwenroute.providers.adapt import body_for
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from qwenroute.simulator.call import read_chat, read_completion
from qwenroute.simulator.error_table import Refused

Body = dict[str, object]
OWN = (
    "qwen2.5-0.5b-instruct,qwen2.5-7b-instruct,qwen2.5-72b-instruct,qwen2.5-coder-7b-instruct,qwen2.5-math-7b-instruct,"
    "qwen2.5-vl-7b-instruct,qwen2.5-omni-7b,qwq-32b,qvq-72b-preview,qwen3-vl-235b-a22b-instruct"
)
NAMES = (
    *["auto"] * 10, "general", "coder", "math", "max", "reasoning", "vision", "vision_reasoning", "omni", "qwen-max",
    "qwq-32b", "qvq-max", "qwen2.5-72b-instruct", "qwen4-max", "qwen-plus", "qwen2.5-omni-7b",
)  # fmt: skip
TEXTS = (
    "Hello", "What is 3 + 5? Prove it.", "Write a Python function.", "如何证明勾股定理？", "Describe this.",
    "A says that B lies. B says that C lies. Who lies?",
)  # fmt: skip


def png(width: int, height: int) -> str:
    """A picture's first bytes, as a data URI."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIB", 13, b"IHDR", width, height, 8) + b"\x02\0\0\0" + b"\0" * 4
    return "data:image/png;base64," + base64.b64encode(head).decode()


def wav(seconds: float) -> str:
    """Silence, as base64."""
    size = int(seconds * 32_000)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + size, b"WAVEfmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", size
    )
    return base64.b64encode(head + b"\0" * size).decode()


def frames(rng: Random) -> Body:
    """A film as pictures."""
    return {"type": "video", "video": ["https://host.example/f.png"] * rng.choice((2, 4, 80, 81, 512, 513))}


PARTS: tuple[Callable[[Random], Body], ...] = (
    lambda rng: {"type": "image_url", "image_url": {"url": png(*rng.choice(((640, 480), (11, 11), (4_000, 3_000))))}},
    lambda rng: {"type": "image_url", "image_url": {"url": png(*rng.choice(((10, 10), (4_000, 20), (4_000, 19))))}},
    lambda _: {"type": "image_url", "image_url": {"url": "https://host.example/p.png"}},
    lambda rng: {"type": "input_audio", "input_audio": {"data": wav(rng.choice((0.5, 3.0))), "format": "wav"}},
    lambda _: {"type": "video_url", "video_url": {"url": "https://host.example/f.mp4"}},
    frames,
)


def sometimes(rng: Random, share: float, body: Body, key: str, *values: object) -> None:
    """Put one of the values into a body, now and then."""
    if rng.random() < share:
        body[key] = rng.choice(values)


def draw(rng: Random) -> tuple[Kind, Body]:
    """A body as an application might send it."""
    if rng.random() < 0.08:
        body: Body = {"model": rng.choice(("auto", "coder")), "prompt": "def f(" * rng.choice((1, 50))}
        sometimes(rng, 0.5, body, "suffix", "return")
        return Kind.COMPLETION, body
    parts = [rng.choice(PARTS)(rng) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
    text = {"type": "text", "text": rng.choice(TEXTS) * rng.choice((1, 1, 1, 1, 3, 300, 3_000))}
    messages: list[Body] = []
    if rng.random() < 0.3:
        messages.append({"role": "system", "content": "Be brief."})
    if rng.random() < 0.25:
        first = [*parts[:1], text] if rng.random() < 0.5 else [text]
        messages += [{"role": "user", "content": first}, {"role": "assistant", "content": "Yes."}]
    messages.append({"role": "user", "content": [*parts, text] if parts else text["text"]})
    if rng.random() < 0.05:
        messages.append({"role": "assistant", "content": "So", "partial": True})
    body = {"model": rng.choice(NAMES), "messages": messages}
    sometimes(rng, 0.2, body, "max_tokens", 1, 100, 3_000, 8_192, 8_193, 20_000)
    sometimes(rng, 0.1, body, "temperature", 0, 0.7, 1.99, 2)
    sometimes(rng, 0.05, body, "top_p", 0.1, 1)
    sometimes(rng, 0.05, body, "seed", 0, 2**31 - 1)
    sometimes(rng, 0.05, body, "presence_penalty", -2, 2)
    sometimes(rng, 0.08, body, "n", 1, 2, 4)
    sometimes(rng, 0.06, body, "reasoning_effort", "low", "high", "none")
    sometimes(rng, 0.05, body, "thinking_budget", 100, 50_000, 90_000)
    sometimes(rng, 0.12, body, "enable_thinking", True, False)
    sometimes(rng, 0.1, body, "stream", True)
    sometimes(rng, 0.1, body, "qwenroute", {"quality": "top"}, {"sound": True})
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}
    sometimes(rng, 0.15, body, "response_format", {"type": "json_object"}, schema, {"type": "text"})
    if rng.random() < 0.15:
        name = rng.choice(("look_up", "look_up", "search"))
        body["tools"] = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}]
        named = {"type": "function", "function": {"name": name}}
        sometimes(rng, 0.5, body, "tool_choice", "auto", "none", "required", named)
    if rng.random() < 0.1:
        body["modalities"] = ["text", "audio"]
        body["audio"] = {"voice": rng.choice(("Cherry", "Tina", "Ethan", "nobody")), "format": "wav"}
    return Kind.CHAT, body


@pytest.fixture(scope="module")
def fleets() -> list[Fleet]:
    """The shipped policy in both regions, then and now, with and without a server of one's own."""
    policy, registry = load_policy("default"), Registry.load()
    own = {"QWENROUTE_SELF_HOSTED_URL": "http://gpu/v1", "QWENROUTE_SELF_HOSTED_MODELS": OWN}
    return [
        Fleet.build(policy, registry, {"DASHSCOPE_API_KEY": "test", "DASHSCOPE_REGION": region} | more, on)
        for on in (date(2026, 11, 24), date(2025, 6, 1))
        for region in ("intl-singapore", "cn-beijing")
        for more in ({}, own)
    ]


@pytest.mark.slow
def test_what_passes_the_gates_is_served(fleets: list[Fleet]) -> None:
    """No step of any plan is refused, whatever was asked for and at whatever date."""
    rng = Random(20261124)
    seen: Counter[str] = Counter()
    for _ in range(1_500):
        kind, body = draw(rng)
        fleet = rng.choice(fleets)
        request = read_request(body, kind=kind)
        try:
            decision = decide(request, analyse(request), fleet.policy, fleet, count_exactly=count_exactly)
        except NoDeployment:
            seen["refused before any call"] += 1
            continue
        for step in decision.plan.steps:
            wire = body_for(request, step)
            deployment = step.deployment
            try:
                if kind is Kind.CHAT:
                    read_chat(json.loads(wire.encode()), deployment, deployment.wire_model, strict=True)
                else:
                    read_completion(json.loads(wire.encode()), deployment, deployment.wire_model)
            except Refused as refused:
                pytest.fail(f"{deployment.id} passed the gates and was refused: {refused}\n{json.dumps(body)[:2_000]}")
            seen["steps"] += 1
    assert seen["steps"] > 1_500
    assert seen["refused before any call"] > 100
