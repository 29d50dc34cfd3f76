"""What applications import in their own tests: a DashScope on loopback, without keys or cost.

```python
from qwenroute.testing import simulator


def test_my_feature(monkeypatch):
    with simulator() as sim:
        for name, value in sim.environ().items():
            monkeypatch.setenv(name, value)
        sim.fail("qwen-plus", "limit-requests", times=1)
        ...
        assert sim.requests[-1].model == "qwen-plus"
```

With `pytest_plugins = ["qwenroute.testing"]` in `conftest.py` the same comes as the fixture
`qwen_simulator`. Unlike `qwenroute simulate`, a simulator here waits for nothing and holds no rate
limits unless told to (`time_scale=1.0`, `rate_limits=True`, `rpm={"qwen-plus": 2}`).

Beside respx: respx replaces httpx inside the process, so it sees what an application sends through
an httpx client of its own (and the litellm provider); it never sees the aiohttp transport that is
used otherwise. The simulator is a server: it serves every transport, streams, stalls and hangs up
like a network does. Let respx pass requests to it with `respx.route(host="127.0.0.1").pass_through()`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from typing import TypedDict, Unpack

from qwenroute.domain.endpoint import Served
from qwenroute.simulator import (
    Arrival,
    ConnectionReset,
    Cut,
    EmptyAnswer,
    ErrorEvent,
    ErrorIn200,
    Fault,
    MalformedChunk,
    Simulator,
    SlowFirstToken,
    Stall,
    Status,
    errors,
    named_faults,
    prompt_digest,
)

API_KEY = "sk-simulated"
UNRESOLVABLE_URL = "http://dashscope.invalid/compatible-mode/v1"
"""A base URL whose host no resolver knows (RFC 6761): what a DNS failure looks like."""


class Options(TypedDict, total=False):
    """What `simulator` takes; see `Simulator`."""

    host: str
    port: int
    region: str
    on: date | None
    seed: int
    time_scale: float
    keys: Collection[str] | Mapping[str, Collection[str]] | None
    rate_limits: bool
    rpm: Mapping[str, int] | None
    tpm: Mapping[str, int] | None
    per_second: bool
    burst: int | None
    served: Sequence[Served] | None
    strict: bool
    answer_tokens: tuple[int, int]
    thinking_tokens: tuple[int, int]
    tokens_a_chunk: int
    keep_requests: int
    clock: Callable[[], float]


class SimulatorHandle:
    """A running simulator. Safe to use from any thread."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self.url = simulator.url
        """The server's root."""
        self.self_hosted_url = simulator.self_hosted_url
        """The base URL of the self-hosted, vLLM-like server."""

    def dashscope_url(self, region: str | None = None) -> str:
        """Return the base URL of a region, the default one unless given."""
        return self._simulator.dashscope_url(region)

    def environ(
        self, *, region: str | None = None, dashscope: bool = True, self_hosted: Sequence[str] = ()
    ) -> dict[str, str]:
        """Return the environment variables with which the default policy calls this server.

        Args:
            region: of the platform; the simulator's own unless given.
            dashscope: whether there is a DashScope key at all.
            self_hosted: registry ids that the self-hosted server is said to serve.
        """
        found = {}
        if dashscope:
            chosen = self._simulator.region if region is None else region
            found["DASHSCOPE_API_KEY"] = API_KEY
            found["DASHSCOPE_REGION"] = chosen
            found["DASHSCOPE_BASE_URL"] = self.dashscope_url(chosen)
        if self_hosted:
            found["QWENROUTE_SELF_HOSTED_URL"] = self.self_hosted_url
            found["QWENROUTE_SELF_HOSTED_MODELS"] = ",".join(self_hosted)
        return found

    @property
    def requests(self) -> list[Arrival]:
        """What has arrived, oldest first."""
        return self._simulator.requests

    def clear_requests(self) -> None:
        """Forget what has arrived."""
        self._simulator.clear_requests()

    def fail(
        self,
        model: str,
        fault: Fault | str,
        *,
        times: int | None = None,
        after: int = 0,
        region: str | None = None,
        path: str | None = None,
    ) -> None:
        """Make requests go wrong.

        Faults of one model queue up: `fail("m", a, times=2)` then `fail("m", b, times=1)` means
        two of the first, one of the second, then success.

        Args:
            model: the id on the wire, or `*` for every model.
            fault: a fault of this module, the name of one (`named_faults()` lists them), or a code of
                the platform such as `Throttling.RateQuota`.
            times: how many requests fail; None means all from then on.
            after: how many requests are let through first.
            region: only on this region (`self_hosted` is the self-hosted server).
            path: only on paths that end so, for example `/chat/completions`.
        """
        self._simulator.fail(model, fault, times=times, after=after, region=region, path=path)

    def clear_faults(self) -> None:
        """Let everything succeed again."""
        self._simulator.clear_faults()


@asynccontextmanager
async def async_simulator(**options: Unpack[Options]) -> AsyncIterator[SimulatorHandle]:
    """Run a simulator on the running event loop."""
    async with _prepare(options) as running:
        yield SimulatorHandle(running)


@contextmanager
def simulator(**options: Unpack[Options]) -> Iterator[SimulatorHandle]:
    """Run a simulator on a thread of its own."""
    prepared = _prepare(options)
    started = threading.Event()
    failure: list[BaseException] = []
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with prepared:
            started.set()
            await stop.wait()

    def run() -> None:
        try:
            loop.run_until_complete(serve())
        except BaseException as error:  # noqa: BLE001 - handed to the thread that asked
            failure.append(error)
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            started.set()

    thread = threading.Thread(target=run, name="qwenroute-simulator", daemon=True)
    thread.start()
    started.wait()
    if failure:
        thread.join()
        raise failure[0]
    try:
        yield SimulatorHandle(prepared)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
    if failure:
        raise failure[0]


def _prepare(options: Options) -> Simulator:
    quick: Options = {"time_scale": 0.0, "rate_limits": False}
    quick.update(options)
    return Simulator(**quick)


if "pytest" in sys.modules:  # a fixture is for a test run; nothing else should pay for the import
    import pytest

    @pytest.fixture
    def qwen_simulator() -> Iterator[SimulatorHandle]:
        """Run a simulator for one test."""
        with simulator() as running:
            yield running


__all__ = [
    "API_KEY",
    "UNRESOLVABLE_URL",
    "Arrival",
    "ConnectionReset",
    "Cut",
    "EmptyAnswer",
    "ErrorEvent",
    "ErrorIn200",
    "Fault",
    "MalformedChunk",
    "SimulatorHandle",
    "SlowFirstToken",
    "Stall",
    "Status",
    "async_simulator",
    "errors",
    "named_faults",
    "prompt_digest",
    "simulator",
]
