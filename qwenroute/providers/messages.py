"""Rewrite messages as a model and its host take them; what needs no change is not copied."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qwenroute.domain.capability import Deployment, Modality, SystemMessage
from qwenroute.domain.request import Message

STEP_BY_STEP = "Solve the problem step by step, and write the final answer in \\boxed{}."
AS_JSON = "Answer with JSON only."

_NOT_SENT_BACK = frozenset({"reasoning_content", "reasoning", "audio", "refusal", "annotations"})


def rewrite(messages: Sequence[Message], deployment: Deployment, notes: list[str]) -> list[Message]:
    """Return the messages as they go on the wire; `notes` gains what was changed, in words."""
    out: list[Message] = []
    flatten = deployment.input == frozenset({Modality.TEXT})
    for message in messages:
        changed = message
        if message["role"] == "assistant":
            changed = _without_extras(message, notes)
        content = changed.get("content")
        if isinstance(content, list | tuple):
            if flatten and (text := _plain_text(content)) is not None:
                changed = {**changed, "content": text}
            elif Modality.AUDIO in deployment.input:
                parts = _audio_for(deployment.provider, content, notes)
                changed = changed if parts is content else {**changed, "content": parts}
        out.append(changed)
    if deployment.system_message is not SystemMessage.OK:
        return _without_system(out, deployment.system_message, notes)
    return out


def with_system(messages: Sequence[Message], text: str) -> list[Message]:
    """Return the messages with a text at the end of the first system message, or as one."""
    out = list(messages)
    if out and out[0]["role"] == "system":
        out[0] = {**out[0], "content": _joined(out[0].get("content"), text)}
    else:
        out.insert(0, {"role": "system", "content": text})
    return out


def mentions_json(messages: Iterable[Message]) -> bool:
    """Whether any text says the word, in whatever case."""
    return any("json" in text.lower() for message in messages for text in _texts(message.get("content")))


def _without_extras(message: Message, notes: list[str]) -> Message:
    """Leave out of an earlier answer what only an answer has."""
    extras = _NOT_SENT_BACK.intersection(message)
    if not extras:
        return message
    kept: dict[str, object] = {name: value for name, value in message.items() if name not in extras}
    audio = message.get("audio")
    if not kept.get("content") and isinstance(audio, Mapping) and audio.get("transcript"):
        kept["content"] = audio["transcript"]
    if extras & {"reasoning_content", "reasoning"}:
        _note(notes, "reasoning of earlier turns left out")
    if "audio" in extras:
        _note(notes, "speech of earlier turns sent as its transcript")
    return kept


def _plain_text(content: Sequence[Any]) -> str | None:
    """Return the text of parts that are nothing but text (cache marks, for example, are more)."""
    texts = [part["text"] for part in content if part.get("type") == "text" and len(part) == 2]
    return "\n".join(texts) if len(texts) == len(content) else None


def _audio_for(provider: str, content: Sequence[Any], notes: list[str]) -> Sequence[Any]:
    """Return the parts with sound as the host wants it.

    DashScope takes an address or `data:;base64,…` where the OpenAI form has bare base64 (ms-omni).
    """
    parts: list[Any] | None = None
    for index, part in enumerate(content):
        if part.get("type") != "input_audio":
            continue
        sound: Mapping[str, Any] = part["input_audio"]
        data: str = sound["data"]
        inline, address = data[:5].lower() == "data:", "://" in data[:16]
        if provider == "dashscope":
            if inline or address:
                continue
            changed = {**part, "input_audio": {**sound, "data": f"data:;base64,{data}"}}
            _note(notes, "audio sent as a data URI")
        elif address:
            changed = {"type": "audio_url", "audio_url": {"url": data}}
            _note(notes, "audio address sent as `audio_url`")
        elif inline:
            changed = {**part, "input_audio": {**sound, "data": data.partition(",")[2]}}
            _note(notes, "audio sent as plain base64")
        else:
            continue
        if parts is None:
            parts = list(content)
        parts[index] = changed
    return content if parts is None else parts


def _without_system(messages: list[Message], rule: SystemMessage, notes: list[str]) -> list[Message]:
    """Move the text of system messages to the front of the user turn that follows.

    Where none follows, it goes to the last one before; where there is none, it becomes one.
    """
    if not any(message["role"] == "system" for message in messages):
        return messages
    out: list[Message] = []
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "system":
            waiting += _texts(message.get("content"))
        elif message["role"] == "user" and waiting:
            out.append(_prefixed(message, waiting))
            waiting = []
        else:
            out.append(message)
    if any(waiting):
        last = max((i for i, m in enumerate(out) if m["role"] == "user"), default=None)
        if last is None:
            out.insert(0, {"role": "user", "content": "\n\n".join(waiting)})
        else:
            out[last] = _prefixed(out[last], waiting)
    _note(notes, f"system message moved to the user turn (for this model it is {rule})")
    return out


def _prefixed(message: Message, texts: list[str]) -> Message:
    text = "\n\n".join(t for t in texts if t)
    if not text:
        return message
    content = message.get("content")
    if isinstance(content, list | tuple):
        return {**message, "content": [{"type": "text", "text": text}, *content]}
    return {**message, "content": f"{text}\n\n{content}"}


def _joined(content: object, text: str) -> object:
    if isinstance(content, list | tuple):
        return [*content, {"type": "text", "text": text}]
    return f"{content}\n\n{text}" if content else text


def _texts(content: object) -> list[str]:
    if isinstance(content, str):
        return [content]
    if isinstance(content, list | tuple):
        return [part["text"] for part in content if part.get("type") == "text"]
    return []


def _note(notes: list[str], text: str) -> None:
    if text not in notes:
        notes.append(text)
