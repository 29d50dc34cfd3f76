"""A simulator of mid-2025, when every model of the 2.5 generation answered, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import openai
import pytest

from qwenroute.testing import SimulatorHandle, simulator

MID_2025 = date(2025, 6, 1)


@pytest.fixture
def sim() -> Iterator[SimulatorHandle]:
    with simulator(on=MID_2025) as running:
        yield running


@pytest.fixture
def today() -> Iterator[SimulatorHandle]:
    with simulator(on=date(2026, 11, 24)) as running:
        yield running


@pytest.fixture
def connect() -> Iterator[Callable[..., openai.OpenAI]]:
    """Make clients of the official SDK, without retries, and close them."""
    made: list[openai.OpenAI] = []

    def make(base_url: str, *, key: str = "sk-sim", timeout: float = 20.0) -> openai.OpenAI:
        client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=timeout)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(sim: SimulatorHandle, connect: Callable[..., openai.OpenAI]) -> openai.OpenAI:
    return connect(sim.dashscope_url("cn-beijing"))
