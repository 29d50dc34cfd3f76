"""`/embeddings`: vectors that mean something, in the platform's form and within its limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import openai
import pytest

from qwenroute.testing import SimulatorHandle, errors

Connect = Callable[..., openai.OpenAI]
V4 = "text-embedding-v4"


def embed(client: openai.OpenAI, texts: object, **more: Any) -> list[list[float]]:
    asked: dict[str, Any] = {"model": V4, "encoding_format": "float", **more}
    return [one.embedding for one in client.embeddings.create(input=texts, **asked).data]  # type: ignore[arg-type]


def cosine(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def test_alike_texts_have_alike_vectors(client: openai.OpenAI) -> None:
    """Case and order do not matter, words and Han characters do; every vector has length 1."""
    one, same, near, far, han, near_han = embed(
        client,
        [
            "Why is my pod pending?",
            "pending: why is MY pod",
            "Why is a pod pending?",
            "Bake bread",
            "部署服务",
            "部署了",
        ],
    )
    assert cosine(one, same) == pytest.approx(1, abs=1e-4)
    assert 0.5 < cosine(one, near) < 0.95
    assert cosine(one, far) < 0.3
    assert 0.4 < cosine(han, near_han) < 0.9
    assert all(math.hypot(*vector) == pytest.approx(1, abs=1e-4) for vector in (one, far, han))


def test_the_answer_has_the_platforms_form(client: openai.OpenAI, sim: SimulatorHandle) -> None:
    """A single text is taken too; dimensions are the model's usual ones or those asked for, and usage is counted."""
    answer = client.embeddings.create(input="eight by", model=V4, encoding_format="float")
    assert (answer.object, answer.model, len(answer.data)) == ("list", V4, 1)
    assert (answer.data[0].object, answer.data[0].index, len(answer.data[0].embedding)) == ("embedding", 0, 1024)
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (2, 2)
    assert len(embed(client, "x", dimensions=64)[0]) == 64
    assert embed(client, ["x"]) == embed(client, "x")
    assert sim.requests[-1].path.endswith("/embeddings")


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        ({"input": ["x"] * 11}, "batch-size", "not be larger than 10"),
        ({"input": []}, "empty-input", "input is missing"),
        ({"input": ["x", ""]}, "empty-input", "empty string"),
        ({"input": [1]}, "malformed-request", "list of strings"),
        ({"input": "x", "dimensions": 100}, "parameter-range", "dimensions must be one of 64, 128"),
        ({"input": "x", "model": "text-embedding-v3", "dimensions": 2048}, "parameter-range", "512, 768, 1024"),
        ({"input": "x", "model": "qwen-plus"}, "model-not-found", "does not exist"),
        ({"input": "x", "model": ""}, "empty-model", "model"),
    ],
)
def test_what_is_refused(client: openai.OpenAI, body: dict[str, Any], name: str, message: str) -> None:
    """With the status and the code of the error table."""
    with pytest.raises(openai.APIStatusError, match=message) as caught:
        client.post("/embeddings", body={"model": V4, **body}, cast_to=object)
    assert (caught.value.status_code, caught.value.code) == (errors()[name].status, errors()[name].code)


def test_regions_without_it_and_keys(sim: SimulatorHandle, connect: Connect) -> None:
    """A region that does not offer it says so, and a wrong key is refused."""
    with pytest.raises(openai.NotFoundError):
        embed(connect(sim.dashscope_url("us-virginia")), "x")
    with pytest.raises(openai.AuthenticationError):
        embed(connect(sim.dashscope_url(), key="wrong"), "x")


def test_a_server_of_ones_own_takes_any_encoder(sim: SimulatorHandle, connect: Connect) -> None:
    """By any name, in batches of any size."""
    assert len(embed(connect(sim.self_hosted_url), ["x"] * 30, model="bge-m3")) == 30


def test_it_can_be_made_to_fail(client: openai.OpenAI, sim: SimulatorHandle) -> None:
    """Errors, broken and empty answers are scripted for an encoder as for any model."""
    sim.fail(V4, "limit-requests", times=1)
    with pytest.raises(openai.RateLimitError):
        embed(client, "x")
    sim.fail(V4, "empty-answer", times=1)
    assert embed(client, "x") == []
    sim.fail(V4, "cut", times=1)
    with pytest.raises(openai.APIConnectionError):
        embed(client, "x")
    assert embed(client, "x")
