"""From a checked request to the signals that policies and gates read."""

from __future__ import annotations

from collections.abc import Mapping, Set

from qwenroute.analysis.cues import words_of
from qwenroute.analysis.language import UNKNOWN, detect
from qwenroute.analysis.media import data_uri, image_size, wav_seconds
from qwenroute.analysis.parts import Part, parts_of
from qwenroute.analysis.task import Classifier, Learned
from qwenroute.analysis.tokens import estimate_request
from qwenroute.analysis.view import View, view
from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Media, Signals

_LEARNED = Learned()
_TEXT = frozenset({Modality.TEXT})
_FIM_MARK = "<|fim_prefix|>"
_LATEX_MARKS = ("\\frac", "\\sqrt", "\\(", "\\[", "$$", "\\sum", "\\int", "\\begin{")


def analyse(request: Request, classifier: Classifier = _LEARNED) -> Signals:
    """Derive the signals of a request; never raises, and bounded in time whatever the texts."""
    params, hints = request.params, request.hints
    media = _media(request)
    kinds = {one.kind for one in media}
    seen = _view(request, kinds)
    judged = classifier.classify(seen)
    tokens, upper = estimate_request(request)
    roles = [message["role"] for message in request.messages]
    spoken = _speaks(params)
    audio = params.get("audio")
    voice = audio.get("voice") if isinstance(audio, Mapping) else None
    choices = params.get("n")
    return Signals(
        task=judged.task if hints.task is None else hints.task,
        task_confidence=judged.task_confidence if hints.task is None else 1.0,
        difficulty=judged.difficulty if hints.difficulty is None else hints.difficulty,
        difficulty_confidence=judged.difficulty_confidence if hints.difficulty is None else 1.0,
        language=_language(seen),
        input=_TEXT | kinds if kinds else _TEXT,
        output=frozenset({Modality.TEXT, Modality.AUDIO}) if spoken else _TEXT,
        media=media,
        text_tokens=tokens,
        text_tokens_upper=upper,
        max_output_tokens=_limit(params),
        messages=max(1, len(roles)),
        user_turns=max(1, roles.count("user")),
        system_message="system" in roles,
        stream=request.stream,
        tools="tools" in params,
        tool_choice=_tool_choice(params.get("tool_choice")),
        response_format=_response_format(params.get("response_format")),
        thinking=_thinking(request),
        partial=bool(request.messages) and request.messages[-1].get("partial") is True,
        fim=seen.fim,
        choices=choices if isinstance(choices, int) else 1,
        voice=voice if isinstance(voice, str) else None,
        sound=hints.sound,
        code_fences=seen.fences,
        latex=_is_latex(seen.ask),
        high_resolution=params.get("vl_high_resolution_images") is True,
    )


def view_of(request: Request) -> View:
    """Return what a classifier reads of a request."""
    return _view(request, {one.kind for one in _media(request)})


def _view(request: Request, kinds: Set[Modality]) -> View:
    return view(
        request,
        sees=Modality.IMAGE in kinds or Modality.VIDEO in kinds,
        hears=Modality.AUDIO in kinds or (request.hints.sound and Modality.VIDEO in kinds),
        fim=_is_fim(request),
    )


def _is_fim(request: Request) -> bool:
    return request.kind is Kind.COMPLETION and (
        request.suffix is not None or _FIM_MARK in request.prompt[:4096] or _FIM_MARK in request.prompt[-4096:]
    )


def _language(seen: View) -> str:
    language = detect(seen.ask, seen.words)
    for text in (seen.context, seen.system):
        if language != UNKNOWN:
            break
        language = detect(text, words_of(text.lower()))
    return language


def _is_latex(text: str) -> bool:
    if "\\" in text or "$$" in text:
        return any(mark in text for mark in _LATEX_MARKS)
    return False


# Parameters


def _limit(params: Mapping[str, object]) -> int | None:
    value = params.get("max_completion_tokens", params.get("max_tokens"))
    return value if isinstance(value, int) else None


def _speaks(params: Mapping[str, object]) -> bool:
    modalities = params.get("modalities")
    if isinstance(modalities, list | tuple):
        return "audio" in modalities
    return "audio" in params


def _tool_choice(choice: object) -> str | None:
    if choice is None or isinstance(choice, str):
        return choice
    return "named"


def _response_format(value: object) -> str:
    kind = value.get("type") if isinstance(value, Mapping) else None
    return kind if isinstance(kind, str) else "text"


def _thinking(request: Request) -> bool | None:
    """Return whether thinking was asked for; the hint wins over the parameters."""
    params = request.params
    if request.hints.thinking is not None:
        return request.hints.thinking
    asked = params.get("enable_thinking")
    if asked is None:
        template = params.get("chat_template_kwargs")
        asked = template.get("enable_thinking") if isinstance(template, Mapping) else None
    if isinstance(asked, bool):
        return asked
    effort = params.get("reasoning_effort")
    if isinstance(effort, str):
        return effort not in {"none", "minimal"}
    return True if "thinking_budget" in params else None


# Attachments


def _media(request: Request) -> tuple[Media, ...]:
    found: list[Media] = []
    seconds = request.hints.media_seconds
    for index, message in enumerate(request.messages):
        content = message.get("content")
        if isinstance(content, str):
            continue
        for place, part in enumerate(parts_of(content)):
            kind = part["type"]
            if kind == "image_url":
                found.append(_image(part["image_url"]["url"], index, place))
            elif kind == "input_audio":
                found.append(_sound(part["input_audio"]["data"], index, place, seconds))
            elif kind == "video_url":
                found.append(_video(part["video_url"]["url"], index, place, seconds))
            elif kind == "video":
                found.append(_frames(part, index, place, seconds))
    return tuple(found)


def _image(url: str, index: int, place: int) -> Media:
    if not _is_inline(url):
        return Media(kind=Modality.IMAGE, message=index, part=place)
    uri = data_uri(url)
    size = image_size(url, uri.start) if uri is not None else None
    return Media(
        kind=Modality.IMAGE,
        message=index,
        part=place,
        inline=True,
        encoded_bytes=_encoded(url),
        width_px=size[0] if size else None,
        height_px=size[1] if size else None,
    )


def _video(url: str, index: int, place: int, seconds: float | None) -> Media:
    inline = _is_inline(url)
    return Media(
        kind=Modality.VIDEO,
        message=index,
        part=place,
        inline=inline,
        encoded_bytes=_encoded(url) if inline else None,
        seconds=seconds,
    )


def _frames(part: Part, index: int, place: int, seconds: float | None) -> Media:
    """Describe a list of frames: the size of the first stands for all, the bytes are the sum."""
    frames = part["video"]
    first = _image(frames[0], index, place)
    inline = any(map(_is_inline, frames))
    fps = part.get("fps")
    if seconds is None and fps:
        seconds = len(frames) / fps
    return Media(
        kind=Modality.VIDEO,
        message=index,
        part=place,
        inline=inline,
        encoded_bytes=sum(_encoded(frame) for frame in frames if _is_inline(frame)) if inline else None,
        width_px=first.width_px,
        height_px=first.height_px,
        seconds=seconds,
        frames=len(frames),
    )


def _sound(data: str, index: int, place: int, seconds: float | None) -> Media:
    """Describe a sound: an address, a data URI, or bare base64 as OpenAI's own clients send it."""
    uri = data_uri(data) if _is_inline(data) else None
    inline = uri is not None or "://" not in data[:16]
    start = uri.start if uri is not None else 0
    return Media(
        kind=Modality.AUDIO,
        message=index,
        part=place,
        inline=inline,
        encoded_bytes=len(data) - start if inline else None,
        seconds=wav_seconds(data, start) if inline and seconds is None else seconds,
    )


def _is_inline(url: str) -> bool:
    return url[:5].lower() == "data:"


def _encoded(url: str) -> int:
    uri = data_uri(url)
    return len(url) - (uri.start if uri is not None else 0)
