"""Each family of the generation, called over real HTTP, with its peculiarity as it arrived at the server."""

from __future__ import annotations

import base64
import io
import struct
import wave
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date

import pytest

from qwenroute import AsyncRouter, Record, Role, Router
from qwenroute.testing import SimulatorHandle, simulator

THEN = date(2025, 6, 1)
"""When the generation was alive on the platform."""
REGION = "cn-beijing"
TOOL = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def png(side: int = 56) -> str:
    """Return a black square as a data URI."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    data = zlib.compress((b"\0" + b"\0" * side) * side)
    picture = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def wav(seconds: float = 0.5) -> str:
    """Return silence as base64 WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\0\0" * int(16_000 * seconds))
    return base64.b64encode(buffer.getvalue()).decode()


def user(*content: object) -> dict[str, object]:
    """Return a user message of text, or of parts."""
    if len(content) == 1 and isinstance(content[0], str):
        return {"role": "user", "content": content[0]}
    return {"role": "user", "content": [{"type": "text", "text": c} if isinstance(c, str) else c for c in content]}


IMAGE = {"type": "image_url", "image_url": {"url": png()}}
FRAMES = {"type": "video", "video": [png()] * 4}
FILM = {"type": "video_url", "video_url": {"url": "https://media.example.com/film.mp4"}}
SOUND = {"type": "input_audio", "input_audio": {"data": wav(), "format": "wav"}}


@dataclass(frozen=True)
class Family:
    """A request to one family, and what has to be true of it at the server."""

    model: str
    role: Role
    messages: list[dict[str, object]]
    params: Mapping[str, object] = field(default_factory=dict)
    upstream_streams: bool = False
    """Whether the model streams to every caller."""
    thinks: bool = False
    speaks: bool = False


FAMILIES = {
    "general": Family("qwen2.5-72b-instruct", Role.GENERAL, [user("Hello")]),
    "long": Family("qwen2.5-14b-instruct-1m", Role.GENERAL, [user("word " * 150_000)]),
    "plus": Family("qwen-plus-2025-01-25", Role.GENERAL, [user("Hello")], {"tools": [TOOL]}),
    "turbo": Family("qwen-turbo-2024-11-01", Role.GENERAL, [user("Hello")]),
    "omni": Family("qwen2.5-omni-7b", Role.OMNI, [user("What is said?", SOUND)], upstream_streams=True),
    "omni-speech": Family(
        "qwen2.5-omni-7b",
        Role.OMNI,
        [user("Say hello")],
        {"modalities": ["text", "audio"], "audio": {"voice": "Cherry", "format": "wav"}},
        upstream_streams=True,
        speaks=True,
    ),
    "omni-video": Family("qwen2.5-omni-7b", Role.OMNI, [user("What happens?", FILM)], upstream_streams=True),
    "vision": Family("qwen2.5-vl-72b-instruct", Role.VISION, [user("What is this?", IMAGE)]),
    "vision-frames": Family("qwen2.5-vl-7b-instruct", Role.VISION, [user("What happens?", FRAMES)]),
    "coder": Family("qwen2.5-coder-32b-instruct", Role.CODER, [user("Write a quicksort in Go")]),
    "math": Family("qwen2.5-math-72b-instruct", Role.MATH, [user("What is 17 * 23?")]),
    "max": Family("qwen-max", Role.MAX, [user("Hello")]),
    "qvq-preview": Family(
        "qvq-72b-preview", Role.VISION_REASONING, [user("How many?", IMAGE)], upstream_streams=True, thinks=False
    ),
    "qvq-max": Family(
        "qvq-max", Role.VISION_REASONING, [user("How many?", IMAGE, FRAMES)], upstream_streams=True, thinks=True
    ),
    "qwq": Family(
        "qwq-32b",
        Role.REASONING,
        [
            {"role": "system", "content": "Answer in one word."},
            user("Who is taller?"),
            {"role": "assistant", "content": "Ann.", "reasoning_content": "Ann is 2 m."},
            user("Sure?"),
        ],
        upstream_streams=True,
        thinks=True,
    ),
    "qwq-plus": Family(
        "qwq-plus", Role.REASONING, [user("Who?")], {"tools": [TOOL], "tool_choice": "auto"}, upstream_streams=True,
        thinks=True,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def then() -> Iterator[SimulatorHandle]:
    """The platform as it was, in Beijing."""
    with simulator(on=THEN, region=REGION, time_scale=0, rate_limits=False) as handle:
        yield handle


@dataclass(frozen=True)
class Seen:
    """What a caller got, whichever way it was called."""

    text: str
    reasoning: str
    speech: bytes
    record: Record


def whole(answer: object) -> Seen:
    """Read a whole answer."""
    message = answer.choices[0].message
    speech = base64.b64decode(message.audio.data) if message.audio else b""
    text = message.content or (message.audio.transcript if message.audio else "")
    return Seen(text, getattr(message, "reasoning_content", None) or "", speech, answer.route)


def joined(chunks: list[object], record: Record) -> Seen:
    """Read a streamed answer."""
    deltas = [c.choices[0].delta for c in chunks if c.choices]
    text = "".join(d.content or "" for d in deltas)
    sounds = [d.audio for d in deltas if getattr(d, "audio", None)]
    speech = b"".join(base64.b64decode(a["data"]) for a in sounds if a.get("data"))
    text = text or "".join(a.get("transcript") or "" for a in sounds)
    return Seen(text, "".join(getattr(d, "reasoning_content", None) or "" for d in deltas), speech, record)


async def ask(family: Family, environ: Mapping[str, str], *, asynchronous: bool, stream: bool) -> Seen:
    """Call a family one of the four ways."""
    body = {"model": family.model, "messages": family.messages, **family.params}
    if asynchronous:
        async with AsyncRouter(environ=environ, on=THEN) as router:
            if not stream:
                return whole(await router.chat.completions.create(**body))
            pieces = await router.chat.completions.create(stream=True, **body)
            return joined([c async for c in pieces], pieces.route)
    with Router(environ=environ, on=THEN) as router:
        if not stream:
            return whole(router.chat.completions.create(**body))
        with router.chat.completions.create(stream=True, **body) as pieces:
            return joined(list(pieces), pieces.route)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("asynchronous", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("name", FAMILIES)
async def test_a_family_is_called_as_it_needs(
    then: SimulatorHandle, name: str, asynchronous: bool, stream: bool
) -> None:
    """The answer is complete for the caller, and the request was right for the model."""
    family = FAMILIES[name]
    before = len(then.requests)
    seen = await ask(family, then.environ(), asynchronous=asynchronous, stream=stream)
    assert len(then.requests) == before + 1
    arrived = then.requests[-1]

    assert "simulated" in seen.text
    assert seen.record.model == family.model
    assert seen.record.usage is not None
    assert seen.record.usage.completion_tokens > 0
    assert arrived.region == REGION
    assert arrived.body.get("stream", False) is (stream or family.upstream_streams)
    if arrived.body.get("stream"):
        assert arrived.body["stream_options"] == {"include_usage": True}
    assert bool(seen.reasoning) is family.thinks
    assert "reasoning_content" not in str(arrived.body["messages"])
    if family.thinks:
        assert seen.record.usage.reasoning_tokens > 0
    if family.speaks:
        check_speech(seen, stream=stream)


def check_speech(seen: Seen, *, stream: bool) -> None:
    """Whole answers hold a playable WAV; streams hold the platform's 24 kHz PCM."""
    assert seen.record.usage is not None
    assert seen.record.usage.audio_output_tokens > 0
    if stream:
        assert len(seen.speech) > 2_000
        return
    with wave.open(io.BytesIO(seen.speech)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() > 1_000


def test_qwq_gets_no_system_message_and_no_old_thoughts(then: SimulatorHandle) -> None:
    """The system text moves to the first user turn."""
    family = FAMILIES["qwq"]
    with Router(environ=then.environ(), on=THEN) as router:
        router.chat.completions.create(model=family.model, messages=family.messages)
    messages = then.requests[-1].body["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant", "user"]
    assert "Answer in one word." in messages[0]["content"]
    assert "Who is taller?" in messages[0]["content"]


def test_math_is_asked_for_steps(then: SimulatorHandle) -> None:
    """A step-by-step instruction is added where the caller gave no system message."""
    with Router(environ=then.environ(), on=THEN) as router:
        answer = router.chat.completions.create(model="qwen2.5-math-72b-instruct", messages=[user("17 * 23?")])
        assert "\\boxed" in then.requests[-1].body["messages"][0]["content"]
        assert answer.route.attempts[0].notes
        router.chat.completions.create(
            model="qwen2.5-math-72b-instruct", messages=[{"role": "system", "content": "Be brief."}, user("17 * 23?")]
        )
        assert "\\boxed" not in str(then.requests[-1].body["messages"])


@pytest.mark.parametrize("stream", [False, True])
def test_code_is_filled_in_through_completions(then: SimulatorHandle, stream: bool) -> None:
    """Prefix and suffix travel between the model's control tokens, to /completions."""
    with Router(environ=then.environ(), on=THEN) as router:
        got = router.completions.create(
            model="qwen2.5-coder-32b-instruct", prompt="def add(a, b):\n", suffix="\nprint(add(1, 2))", stream=stream
        )
        text = "".join(c.choices[0].text for c in got if c.choices) if stream else got.choices[0].text
        assert text
        assert got.route.model == "qwen2.5-coder-32b-instruct"
    arrived = then.requests[-1]
    assert arrived.path.endswith("/completions")
    assert not arrived.path.endswith("/chat/completions")
    assert arrived.body["prompt"] == ("<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(add(1, 2))<|fim_middle|>")


def test_thinking_is_billed_as_output(then: SimulatorHandle) -> None:
    """QVQ-Max charges its chain of thought at the output rate."""
    with Router(environ=then.environ(), on=THEN) as router:
        answer = router.chat.completions.create(model="qvq-max", messages=[user("How many?", IMAGE)])
    attempt = answer.route.attempts[0]
    assert attempt.usage is not None
    assert attempt.cost is not None
    assert attempt.cost.currency == "CNY"
    # 8 / 32 CNY per million tokens in Beijing (facts, source lobehub, models-dev)
    expected = (attempt.usage.prompt_tokens * 8 + attempt.usage.completion_tokens * 32) / 1e6
    assert attempt.cost.amount == pytest.approx(expected)
    assert attempt.usage.completion_tokens > attempt.usage.reasoning_tokens > 0
