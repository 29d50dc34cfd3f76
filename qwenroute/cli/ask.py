"""`qwenroute ask`: one question, routed and answered."""

from __future__ import annotations

import base64
import json
import mimetypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import options
from qwenroute.cli.route import row
from qwenroute.errors import CallFailed, InvalidRequest

if TYPE_CHECKING:
    from qwenroute.client import Hints, Router
    from qwenroute.domain.record import Record

MAX_FILE_BYTES = 7 * 1024 * 1024
"""Base64 of more would pass the 10 MB that the platform takes (facts sheet, source ms-vision)."""


def ask(
    question: Annotated[str, typer.Argument(help="The question; `-` reads standard input.")],
    image: Annotated[list[str] | None, typer.Option(help="A picture: file or address. May be repeated.")] = None,
    audio: Annotated[str | None, typer.Option(help="A recording: file or address.")] = None,
    video: Annotated[str | None, typer.Option(help="A film: file or address.")] = None,
    sound: Annotated[bool, typer.Option("--sound", help="The sound of the film matters.")] = False,
    speak: Annotated[
        Path | None, typer.Option(metavar="OUT.wav", help="Have the answer spoken, into this file.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="A system message.")] = None,
    model: Annotated[str, typer.Option(help="`auto`, a route or role, a model id, or model@endpoint.")] = "auto",
    top: Annotated[bool, typer.Option("--top", help="Ask for the best model there is.")] = False,
    policy: options.Policy = "default",
    overlay: options.Overlay = None,
    on: options.On = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say on stderr why this model was chosen.")] = False,
    as_json: options.Json = False,
) -> None:
    """Ask one question and print the answer as it arrives.

    Without a key there is nothing to ask: set DASHSCOPE_API_KEY, or QWENROUTE_SELF_HOSTED_URL and
    QWENROUTE_SELF_HOSTED_MODELS, or run `qwenroute simulate` and export what it prints.
    """
    from qwenroute.client import Router  # noqa: PLC0415

    if speak is not None and (speak.is_dir() or not os.access(speak.resolve().parent, os.W_OK)):
        raise InvalidRequest(f"`--speak {speak}`: no file can be written there", param="speak")
    if speak is not None and speak.suffix.lower() not in {"", ".wav"}:
        raise InvalidRequest(f"`--speak {speak}`: speech is written as WAV; name it `{speak.stem}.wav`", param="speak")
    if sound and video is None:
        raise InvalidRequest("`--sound` is about a film; pass one with `--video`", param="sound")
    text = sys.stdin.read() if question == "-" else question
    if not text.strip():
        raise InvalidRequest("the question is empty", param="question")
    parts: list[dict[str, object]] = [_image(source) for source in image or ()]
    if video is not None:
        parts.append({"type": "video_url", "video_url": {"url": _address(video, "video")}})
    if audio is not None:
        parts.append(_audio(audio))
    messages: list[dict[str, object]] = [] if system is None else [{"role": "system", "content": system}]
    messages.append({"role": "user", "content": [*parts, {"type": "text", "text": text}] if parts else text})
    hints: Hints = {"sound": sound}
    if top:
        hints["quality"] = "top"
    with Router(policy, registry=options.registry(overlay), on=options.day(on)) as router:
        if as_json or speak is not None:
            _whole(router, model, messages, hints, speak, as_json=as_json, explain=explain)
        else:
            _streamed(router, model, messages, hints, explain=explain)


@contextmanager
def _explaining(*, wanted: bool) -> Iterator[None]:
    """Explain a call that fails, too."""
    try:
        yield
    except CallFailed as failed:
        _explain(failed.record, wanted=wanted)
        raise


def _explain(record: Record, *, wanted: bool) -> None:
    """Say why, of the call that was made: `route` asks no encoder, and could decide otherwise."""
    if wanted:
        from qwenroute.routing import explain  # noqa: PLC0415

        typer.echo(explain(record.decision) + "\n", err=True)


def _streamed(router: Router, model: str, messages: list[dict[str, object]], hints: Hints, *, explain: bool) -> None:
    thinking = False
    with _explaining(wanted=explain):
        stream = router.chat.completions.create(model=model, messages=messages, stream=True, qwenroute=hints)
    _explain(stream.route, wanted=explain)
    with stream:
        for chunk in stream:
            delta = chunk.choices[0].delta if chunk.choices else None
            if delta is None:
                continue
            if getattr(delta, "reasoning_content", None) and not thinking:
                thinking = True
                typer.echo("(thinking …)", err=True)
            if delta.content:
                print(delta.content, end="", flush=True)
        print()
        typer.echo(_summary(stream.route), err=True)


def _whole(
    router: Router,
    model: str,
    messages: list[dict[str, object]],
    hints: Hints,
    speak: Path | None,
    *,
    as_json: bool,
    explain: bool,
) -> None:
    with _explaining(wanted=explain):
        answer = router.chat.completions.create(
            model=model,
            messages=messages,
            qwenroute=hints,
            modalities=None if speak is None else ["text", "audio"],
            audio=None if speak is None else {"format": "wav"},
        )
    _explain(answer.route, wanted=explain)
    message = answer.choices[0].message
    if speak is not None:
        if message.audio is None:
            raise InvalidRequest("the answer has no sound")
        speak.write_bytes(base64.b64decode(message.audio.data))
    text = message.content or (message.audio.transcript if message.audio else "")
    if as_json:
        record: Record = answer.route
        print(
            json.dumps(
                {
                    "answer": text,
                    "reasoning": getattr(message, "reasoning_content", None),
                    "speech": None if speak is None else str(speak),
                    **row(record.decision),
                    "answered_by": record.deployment,
                    "attempts": len(record.attempts),
                    "tokens": record.usage.total_tokens if record.usage else None,
                    "cost_usd": options.cost_usd(record),
                    "latency_ms": round(record.latency_s * 1000, 1),
                    "simulated": record.simulated,
                },
                ensure_ascii=False,
            )
        )
        return
    print(text)
    if speak is not None:
        typer.echo(f"speech: {speak}", err=True)
    typer.echo(_summary(answer.route), err=True)


def _summary(record: Record) -> str:
    cost = "cost unknown" if record.cost is None else f"{record.cost.amount:.6f} {record.cost.currency}"
    tokens = "tokens unknown" if record.usage is None else f"{record.usage.total_tokens} tokens"
    attempts = "1 attempt" if len(record.attempts) == 1 else f"{len(record.attempts)} attempts"
    note = ", simulated" if record.simulated else ""
    why = record.decision.reason
    return f"— {record.deployment} ({why}); {attempts}, {tokens}, {cost}, {record.latency_s:.2f} s{note}"


def _image(source: str) -> dict[str, object]:
    return {"type": "image_url", "image_url": {"url": _address(source, "image")}}


def _audio(source: str) -> dict[str, object]:
    if _is_address(source):
        kind = Path(source.split("?", 1)[0]).suffix.lstrip(".").lower() or "wav"
        return {"type": "input_audio", "input_audio": {"data": source, "format": kind}}
    data = base64.b64encode(_bytes(source, "audio")).decode()
    return {"type": "input_audio", "input_audio": {"data": data, "format": Path(source).suffix.lstrip(".").lower()}}


def _address(source: str, kind: str) -> str:
    """Return an address as it is, a file as a data URI."""
    if _is_address(source):
        return source
    data = _bytes(source, kind)
    mime = _mime(source) or f"{kind}/{Path(source).suffix.lstrip('.').lower()}"
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def _is_address(source: str) -> bool:
    return source.startswith(("http://", "https://", "oss://", "data:"))


def _bytes(source: str, kind: str) -> bytes:
    """Read a media file.

    Raises:
        InvalidRequest: it cannot be read, is too large, or is not of the kind that it is passed as.
    """
    path = Path(source)
    mime = _mime(source)
    if mime is not None and not mime.startswith(f"{kind}/"):
        raise InvalidRequest(f"`--{kind} {source}`: the file looks like {mime}, not {kind}", param=kind)
    try:
        size = path.stat().st_size
        if not size:
            raise InvalidRequest(f"`--{kind} {source}`: the file is empty", param=kind)
        if size > MAX_FILE_BYTES:
            raise InvalidRequest(
                f"`--{kind} {source}`: {size / 2**20:.1f} MB is more than the {MAX_FILE_BYTES // 2**20} MB that can be "
                f"sent inline; pass an http(s) address instead",
                param=kind,
            )
        return path.read_bytes()
    except OSError as error:
        raise InvalidRequest(f"`--{kind} {source}`: cannot read the file: {error.strerror}", param=kind) from None


def _mime(source: str) -> str | None:
    """Return what a file's name says it is; many names of media say nothing where no table of them is installed."""
    return mimetypes.guess_type(source, strict=False)[0]
