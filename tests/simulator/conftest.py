"""A simulator of mid-2025, when every model of the 2.5 generation answered, and clients for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date

import httpx
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


@pytest.fixture(scope="session")
def connections() -> Iterator[httpx.Client]:
    """One pool for every client: most of what a client costs is its TLS context."""
    with httpx.Client(trust_env=False, verify=False) as pool:
        yield pool


@pytest.fixture
def connect(connections: httpx.Client) -> Callable[..., openai.OpenAI]:
    """Make clients of the official SDK, without retries."""

    def make(base_url: str, *, key: str = "sk-sim", timeout: float = 20.0) -> openai.OpenAI:
        return openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=timeout, http_client=connections)

    return make


@pytest.fixture
def client(sim: SimulatorHandle, connect: Callable[..., openai.OpenAI]) -> openai.OpenAI:
    return connect(sim.dashscope_url("cn-beijing"))
