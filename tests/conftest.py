"""What holds for every test: nothing leaves the machine, no key is set, nothing is left behind."""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import logging
import os
import socket
from collections.abc import Callable, Generator
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# A slow machine is no finding, so nothing has a deadline; in CI equal code gives equal runs.
settings.register_profile("local", deadline=None)
settings.register_profile(
    "ci", deadline=None, derandomize=True, database=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ci" if os.environ.get("CI") else "local")

SECRETS = ("DASHSCOPE_", "QWENROUTE_", "OPENAI_", "LITELLM_")
NEVER_RESOLVES = (".invalid", ".test")  # reserved by RFC 6761: how a test says that a name is unknown

_refused: list[str] = []


def _is_local(host: object) -> bool:
    if host in (None, "", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else str(host)).is_loopback
    except ValueError:
        return False


def _refuse(what: str) -> None:
    _refused.append(what)
    msg = f"a test tried to reach {what}: only loopback is allowed"
    raise OSError(msg)


def _guard(name: str) -> Callable[..., Any]:
    original = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        if (
            self.family in (socket.AF_INET, socket.AF_INET6)
            and isinstance(address, tuple)
            and not _is_local(address[0])
        ):
            _refuse(f"{address[0]}:{address[1]}")
        return original(self, *args)

    return guarded


def _guard_names(original: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host
        if isinstance(name, str) and name.endswith(NEVER_RESOLVES):
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        if not _is_local(host):
            _refuse(str(host))
        return original(host, *args, **kwargs)

    return guarded


@pytest.fixture(scope="session", autouse=True)
def _loopback_only() -> Generator[None]:
    """Refuse every connection beyond this machine, and every look-up of a name out there."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("connect", "connect_ex", "sendto"):
            patch.setattr(socket.socket, name, _guard(name))
        patch.setattr(socket, "getaddrinfo", _guard_names(socket.getaddrinfo))
        yield


class _Errors(logging.Handler):
    """Keeps what asyncio reports when a task, a session or an exception was forgotten."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.found.append(record.getMessage().splitlines()[0])


@pytest.fixture(autouse=True)
def _clean_test(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Hide every key from the test; fail it if it reached out, or left something running."""
    for name in [n for n in os.environ if n.startswith(SECRETS)]:
        monkeypatch.delenv(name)
    _refused.clear()
    errors = _Errors()
    logger = logging.getLogger("asyncio")
    logger.addHandler(errors)
    ours = logging.getLogger("qwenroute")
    level = ours.level
    yield
    ours.setLevel(level)  # commands that show failures themselves turn the log down
    logger.removeHandler(errors)
    if _refused:
        pytest.fail(f"reached beyond loopback: {', '.join(_refused)}")
    if errors.found:
        pytest.fail(f"asyncio reported: {'; '.join(errors.found)}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Fail a coroutine test that ends while tasks it started in qwenroute still run."""
    if isinstance(item, pytest.Function) and asyncio.iscoroutinefunction(item.obj):
        item.obj = _watched(item.obj)
    yield


def _watched(test: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(test)
    async def watched(*args: Any, **kwargs: Any) -> None:
        before = asyncio.all_tasks()
        await test(*args, **kwargs)
        for _ in range(5):  # what was cancelled needs a turn of the loop to end
            await asyncio.sleep(0)
        left = [task for task in asyncio.all_tasks() - before if _is_ours(task)]
        assert not left, f"still running: {', '.join(str(task.get_coro()) for task in left)}"

    return watched


def _is_ours(task: asyncio.Task[Any]) -> bool:
    """Whether the task runs our code; the simulator's connections end with its fixture."""
    code = getattr(task.get_coro(), "cr_code", None)
    path = "" if code is None else code.co_filename.replace(os.sep, "/")
    return "/qwenroute/" in path and "/qwenroute/simulator/" not in path
