"""From the words of a case to the request that a caller would send."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping

from qwenroute.analysis import read_request
from qwenroute.cases.case import Statement
from qwenroute.cases.schema import Case
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Difficulty, Task

SHORT = ("ask", "model", "tools", "image", "audio", "video", "speak", "hints")
"""What stands for a request; `request` says all of it and stands alone."""
TEXT = "(a question)"
"""Asked where a case shows no words."""
ADDRESS = "https://cases.invalid"
"""Where attachments are said to lie; nothing is fetched."""
_TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object", "properties": {}}}}


def request_of(case: Case) -> Request:
    """Return the request of a case.

    Raises:
        InvalidRequest: a caller could not send it.
    """
    if case.request is not None:
        kind = Kind.COMPLETION if "prompt" in case.request and "messages" not in case.request else Kind.CHAT
        return read_request({"model": "auto", **case.request}, kind=kind)
    parts: list[Mapping[str, object]] = []
    hints = dict(case.hints or {})
    if case.image is not None:
        parts.append({"type": "image_url", "image_url": {"url": picture(case.image)}})
    if case.video is not None:
        parts.append({"type": "video_url", "video_url": {"url": f"{ADDRESS}/film.mp4"}})
        hints.setdefault("media_seconds", case.video)
    if case.audio is not None:
        parts.append({"type": "input_audio", "input_audio": {"data": f"{ADDRESS}/sound.wav", "format": "wav"}})
        hints.setdefault("media_seconds", case.audio)
    text = case.ask or TEXT
    body: dict[str, object] = {
        "model": case.model or "auto",
        "messages": [{"role": "user", "content": [*parts, {"type": "text", "text": text}] if parts else text}],
    }
    if case.tools:
        body["tools"] = [_TOOL]
    if case.speak:
        body |= {"modalities": ["text", "audio"], "audio": {"format": "wav"}}
    if hints:
        body["qwenroute"] = hints
    return read_request(body)


def statement_of(case: Case) -> Statement:
    """Return the signals that a case states; one that shows no words hangs on the analysis in nothing."""
    stated = Statement.of(case.signals)
    if case.ask is not None or case.request is not None:
        return stated
    hints = case.hints or {}
    heard = case.audio is not None or (case.video is not None and hints.get("sound") is True)
    seen = case.image is not None or case.video is not None
    usual = Task.AUDIO if heard else Task.VISION if seen else Task.GENERAL
    return Statement(
        task=stated.task or (None if "task" in hints else usual),
        confidence=1.0 if stated.confidence is None else stated.confidence,
        difficulty=stated.difficulty or (None if "difficulty" in hints else Difficulty.MEDIUM),
        language=stated.language or "en",
        prompt_tokens=stated.prompt_tokens,
    )


def picture(size: str) -> str:
    """Return the data URI of a PNG that is nothing but its header: as much as is ever looked at."""
    width, height = map(int, size.split("x"))
    header = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sIIBBBBBI", 13, b"IHDR", width, height, 8, 2, 0, 0, 0, 0)
    return f"data:image/png;base64,{base64.b64encode(header).decode()}"
