"""The guards of `tests/conftest.py` catch what they are there for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[1] / "conftest.py"

BODY = """
import asyncio, os, socket
import aiohttp, pytest

async def wait():
    await asyncio.sleep(60)

exec(compile("async def ours(): await wait()", "/any/qwenroute/execution/any.py", "exec"))
kept = []

def test_key_is_hidden():
    assert "DASHSCOPE_API_KEY" not in os.environ

def test_loopback_is_open():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass

def test_reserved_name_is_unknown():
    with pytest.raises(socket.gaierror):
        socket.create_connection(("nobody.invalid", 80))

def test_refused_address():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80))

async def test_refused_name():
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get("http://example.com/")

async def test_refused_task():
    kept.append(asyncio.create_task(ours()))
    await asyncio.sleep(0)

async def test_refused_session():
    aiohttp.ClientSession()

async def test_refused_exception():
    async def fail():
        raise ValueError
    asyncio.create_task(fail())
    await asyncio.sleep(0.01)
"""


@pytest.mark.slow
def test_guards_refuse_what_they_name_and_nothing_else(tmp_path: Path) -> None:
    """A test that reaches out, or leaves a task, a session or an exception behind, does not pass."""
    (tmp_path / "conftest.py").write_text(CONFTEST.read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "test_inner.py").write_text(BODY, encoding="utf-8")
    options = ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-W", "error"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", "-rfE", *options, "."],
        cwd=tmp_path,
        env={**os.environ, "DASHSCOPE_API_KEY": "planted"},
        capture_output=True,
        text=True,
        check=False,
    )
    caught = set(re.findall(r"^(?:FAILED|ERROR) test_inner.py::(\w+)", done.stdout, re.MULTILINE))
    meant = {name for name in re.findall(r"def (test_\w+)", BODY) if name.startswith("test_refused")}
    assert caught == meant, done.stdout
