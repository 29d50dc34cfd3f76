"""Bad input gives one clear error, before any call is made."""

from __future__ import annotations

import mimetypes
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qwenroute import (
    ConfigurationError,
    DocumentError,
    InvalidRequest,
    MissingCredentials,
    NoDeployment,
    QwenRouteError,
    Registry,
    Router,
    UnknownModel,
)
from qwenroute.cli.ask import _audio, _image
from qwenroute.testing import SimulatorHandle, simulator

HELLO = [{"role": "user", "content": "Hello"}]


@pytest.mark.parametrize("on", ["2025-01-31", datetime(2025, 1, 31), 20250131])
def test_a_date_that_is_none(on: Any) -> None:
    """`on` is told at once, before what it would have led to."""
    with pytest.raises(
        ConfigurationError, match=r"`on` must be a `datetime\.date`, such as date\(2025, 1, 31\), and is "
    ):
        Router(on=on)


@pytest.fixture(scope="module")
def platform() -> Iterator[SimulatorHandle]:
    """A server that must never be reached."""
    with simulator(time_scale=0) as handle:
        yield handle
        assert handle.requests == []


def picture(url: str) -> list[dict[str, Any]]:
    """Return messages with one image."""
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]


BAD: dict[str, tuple[dict[str, Any], type[QwenRouteError], str]] = {
    "empty messages": ({"messages": []}, InvalidRequest, "messages"),
    "no messages": ({}, InvalidRequest, "messages"),
    "unknown model": ({"model": "qwen2.5-71b-instruct", "messages": HELLO}, UnknownModel, r"did you mean `qwen2\.5-7"),
    "a model of another vendor": ({"model": "gpt-4o", "messages": HELLO}, UnknownModel, "gpt-4o"),
    "unknown role": ({"messages": HELLO, "qwenroute": {"role": "codre"}}, InvalidRequest, "coder"),
    "unknown hint": ({"messages": HELLO, "qwenroute": {"dificulty": "hard"}}, InvalidRequest, "difficulty"),
    "unknown objective": ({"messages": HELLO, "qwenroute": {"objective": "cheep"}}, InvalidRequest, "cheap"),
    "12 MB data URI": (
        {"messages": picture("data:image/png;base64," + "A" * 12_000_000)},
        InvalidRequest,
        r"10,485,760|10 MB",
    ),
    "a text file as an image": (
        {"messages": picture("data:text/plain;base64,aGVsbG8gd29ybGQ=")},
        InvalidRequest,
        "text/plain",
    ),
    "text that claims to be an image": (
        {"messages": picture("data:image/png;base64,aGVsbG8gd29ybGQsIGhlbGxvIHdvcmxkLCBoZWxsbw==")},
        InvalidRequest,
        "image",
    ),
    "a header that cannot go to several hosts": (
        {"messages": HELLO, "extra_headers": {"x": "y"}},
        InvalidRequest,
        "extra_headers",
    ),
    "an impossible window": ({"messages": [{"role": "user", "content": "word " * 1_500_000}]}, NoDeployment, "token"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_request_is_refused_with_one_clear_error(platform: SimulatorHandle, name: str) -> None:
    """The error says what is wrong; nothing is sent."""
    body, kind, says = BAD[name]
    with Router(environ=platform.environ()) as router:
        create: Any = router.chat.completions.create
        if "messages" not in body:
            with pytest.raises(InvalidRequest, match="messages"):
                router.route(**body)
            return
        with pytest.raises(kind, match=says):
            create(**body)


def test_no_key_names_the_variable_and_the_simulator() -> None:
    """Nothing is simulated in silence."""
    with pytest.raises(MissingCredentials, match=r"(?s)DASHSCOPE_API_KEY.*simulate"):
        Router(environ={})


def test_an_unreadable_overlay_is_named(tmp_path: Path) -> None:
    """Missing, binary and broken overlays each give a place."""
    with pytest.raises(DocumentError, match=r"absent\.yaml:1:1: QR001 cannot read the file"):
        Registry.load([tmp_path / "absent.yaml"])
    broken = tmp_path / "broken.yaml"
    broken.write_bytes(b"\xff\x00\x01")
    with pytest.raises(DocumentError, match="not UTF-8"):
        Registry.load([broken])
    broken.write_text("models: [\n")
    with pytest.raises(DocumentError, match=r"broken\.yaml:\d+:\d+: QR002"):
        Registry.load([broken])


def test_a_200_000_token_prompt_to_a_policy_with_only_math_says_why(platform: SimulatorHandle, tmp_path: Path) -> None:
    """The refusal names the window that is too small."""
    policy = tmp_path / "math.yaml"
    policy.write_text(
        """
version: 1
endpoints:
  own:
    provider: openai_compatible
    base_url: http://127.0.0.1:9/v1
    models: [qwen2.5-math-7b-instruct]
routes:
  auto:
    - {rule: all, pool: math}
"""
    )
    with (
        Router(policy, environ={}) as router,
        pytest.raises(NoDeployment, match=r"(?s)4,096 tokens.*qwen2\.5-math-7b-instruct@own"),
    ):
        router.chat.completions.create(messages=[{"role": "user", "content": "word " * 200_000}])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "says", "code"),
    [
        (["ask", "hello"], "DASHSCOPE_API_KEY", 2),
        (["ask", "hello", "--image", "README.md"], "text/markdown, not image", 2),
        (["ask", "hello", "--image", "absent.png"], "cannot read", 2),
        (["ask", "hello", "--speak", "absent/answer.wav"], "no file can be written there", 2),
        (["ask", "hello", "--speak", "answer.mp3"], "speech is written as WAV; name it `answer.wav`", 2),
        (["ask", "hello", "--sound"], "pass one with `--video`", 2),
        (["ask", ""], "the question is empty", 2),
        (["ask", "hello", "--image", os.devnull], "the file is empty", 2),
        (["ask", "hello", "--image", "tests"], "Is a directory", 2),
        (["ask", "hello", "--overlay", "absent.yaml"], "absent.yaml:1:1", 2),
        (["ask", "hello", "--policy", "absent.yaml"], "absent.yaml", 2),
        (["demo", "--live"], "DASHSCOPE_API_KEY", 2),
        (["models", "show", "qwen2.5-71b-instruct"], "did you mean `qwen2.5-7", 2),
        (["route", "absent.jsonl"], "absent.jsonl", 2),
    ],
)
def test_the_command_line_refuses_with_one_message_and_an_exit_code(arguments: list[str], says: str, code: int) -> None:
    """No traceback, whatever is wrong."""
    done = subprocess.run(
        [sys.executable, "-m", "qwenroute.cli", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == code, done.stderr
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_line_of_a_file_may_hold_any_field_name() -> None:
    """`self` is a field that nobody knows, and the lines after it are decided."""
    hello = '{"messages": [{"role": "user", "content": "Hello"}]%s}\n'
    done = subprocess.run(
        [sys.executable, "-m", "qwenroute.cli", "route"],
        input=hello % ', "self": 1' + hello % "",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 2, done.stderr


@pytest.mark.parametrize(
    ("name", "part"), [("a.webp", "image_url"), ("a.unheardof", "image_url"), ("a.flac", "input_audio")]
)
def test_a_name_that_no_table_knows_is_no_reason_to_refuse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, part: str
) -> None:
    """Python's own table lacks many media types; what a file holds is looked at later."""
    monkeypatch.setattr("mimetypes.guess_type", mimetypes.MimeTypes().guess_type)
    (tmp_path / name).write_bytes(b"RIFF")
    made = _image(str(tmp_path / name)) if part == "image_url" else _audio(str(tmp_path / name))
    assert made["type"] == part
    assert "None" not in str(made)
