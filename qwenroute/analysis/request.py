"""Read an OpenAI-shaped body: one clear error for a wrong one, before anything is sent."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence

from qwenroute.analysis.hints import NO_HINTS, named, quoted, read_hints, suggest
from qwenroute.analysis.media import MAX_DATA_URI_BYTES, data_uri, head, looks_like_image, looks_like_text
from qwenroute.domain.request import Hints, Kind, Message, Request
from qwenroute.errors import InvalidRequest

ROLES = ("system", "user", "assistant", "tool")
PARTS = ("text", "image_url", "input_audio", "video", "video_url")
SCHEMES = ("http://", "https://", "oss://")
"""What a model's server fetches from; oss:// is DashScope's own upload space."""
AUDIO_FORMATS = ("wav", "mp3", "aac", "amr", "3gp", "3gpp", "flac", "m4a", "ogg", "opus", "webm", "pcm16")
HEAD_CHARS = 512
"""Enough of an attachment to tell an image from a text."""

Body = Mapping[str, object]
_FOREIGN = {Kind.CHAT: ("prompt", "suffix"), Kind.COMPLETION: ("messages", "tools")}


def read_request(body: Body, *, kind: Kind = Kind.CHAT) -> Request:
    """Check the shape of a request, and set its hints apart.

    Long texts and attachments are neither copied nor decoded. What a model can do with the
    request, and which values it takes, is for the gates.

    Raises:
        InvalidRequest: with the place of the mistake and what to do.
    """
    if not isinstance(body, Mapping):
        raise InvalidRequest(f"the request has to be an object, not {named(body)}")
    params = {key: value for key, value in body.items() if value is not None}
    hints = _hints(params)
    model = params.pop("model", "auto")
    if not isinstance(model, str) or not model.strip():
        raise _wrong("model", "the name of a route, a role or a model (`auto` lets the router choose)", model)
    stream = params.pop("stream", False)
    if not isinstance(stream, bool):
        raise _wrong("stream", "true or false", stream)
    for name in _FOREIGN[kind]:
        if name in params:
            where = "completions.create" if kind is Kind.CHAT else "chat.completions.create"
            raise InvalidRequest(f"`{name}` does not belong here; it is for `{where}`", param=name)
    messages: tuple[Message, ...] = ()
    prompt, suffix = "", None
    if kind is Kind.CHAT:
        messages = _messages(params.pop("messages", None))
    else:
        prompt, suffix = _prompt(params)
    _check_params(params)
    return Request(
        kind=kind,
        model=model,
        messages=messages,
        prompt=prompt,
        suffix=suffix,
        params=params,
        stream=stream,
        hints=hints,
    )


def _hints(params: dict[str, object]) -> Hints:
    """Take the hints out, and lay `extra_body` flat as the openai package does."""
    outer = params.pop("qwenroute", None)
    extra = params.pop("extra_body", None)
    if extra is None:
        return NO_HINTS if outer is None else read_hints(outer)
    if not isinstance(extra, Mapping):
        raise _wrong("extra_body", "an object", extra)
    params.update((key, value) for key, value in extra.items() if value is not None)
    inner = params.pop("qwenroute", None)
    if isinstance(inner, Mapping) and isinstance(outer, Mapping):
        return read_hints({**inner, **outer})
    given = inner if outer is None else outer
    return NO_HINTS if given is None else read_hints(given)


# Messages


def _messages(value: object) -> tuple[Message, ...]:
    if not isinstance(value, list | tuple):
        got = "it is missing" if value is None else f"not {named(value)}"
        raise InvalidRequest(f"`messages` has to be a list of messages; {got}", param="messages")
    if not value:
        raise InvalidRequest("`messages` is empty; give at least one user message", param="messages")
    called = False
    messages = []
    for index, item in enumerate(value):
        at = f"messages[{index}]"
        message = _plain(item)
        if not isinstance(message, dict):
            raise _wrong(at, "an object with `role` and `content`", item)
        role = message.get("role")
        if role == "developer":
            # OpenAI's newer name for a system message; Qwen's chat template knows only the older.
            message = {**message, "role": "system"}
        elif role not in ROLES:
            raise _unknown_role(at, role)
        content = message.get("content")
        if role == "user":
            if not isinstance(content, str):
                message = _with_parts(message, content, at, PARTS)
        elif role == "assistant":
            message = _assistant(message, content, at)
            called = called or "tool_calls" in message
        else:
            if not isinstance(content, str):
                message = _with_parts(message, content, at, ("text",))
            if role == "tool":
                _check_tool_message(message, at, called=called)
        if None in message.values():
            message = {key: held for key, held in message.items() if held is not None or key == "content"}
        messages.append(message)
    _check_last(messages[-1], len(messages) - 1)
    return tuple(messages)


def _plain(item: object) -> object:
    """Return the plain form of a message, which may be an answer of the openai package."""
    if type(item) is dict:
        return item
    dump = getattr(item, "model_dump", None)
    if callable(dump) and not isinstance(item, type):
        return dump()
    return dict(item) if isinstance(item, Mapping) else item


def _unknown_role(at: str, role: object) -> InvalidRequest:
    known = ", ".join(ROLES)
    if role is None:
        return InvalidRequest(f"`{at}` has no `role`; known roles: {known}", param=f"{at}.role")
    if role == "function":
        text = "`function` messages are no longer taken; send a `tool` message with its `tool_call_id`"
        return InvalidRequest(f"`{at}.role`: {text}", param=f"{at}.role")
    if not isinstance(role, str):
        return InvalidRequest(f"`{at}.role` has to be one of {known}, not {named(role)}", param=f"{at}.role")
    return InvalidRequest(f"unknown role {quoted(role)} in `{at}.role`; {suggest(role, ROLES)}", param=f"{at}.role")


def _with_parts(message: dict[str, object], content: object, at: str, taken: Sequence[str]) -> dict[str, object]:
    """Check content that is not a plain string."""
    at = f"{at}.content"
    if content is None:
        raise InvalidRequest(f"`{at}` is missing; give a string or a list of content parts", param=at)
    if not isinstance(content, list | tuple):
        raise _wrong(at, "a string or a list of content parts", content)
    if not content:
        raise InvalidRequest(f"`{at}` is an empty list; give at least one content part", param=at)
    parts = [_plain(part) for part in content]
    for index, part in enumerate(parts):
        _check_part(part, f"{at}[{index}]", taken)
    if all(part is given for part, given in zip(parts, content, strict=True)):
        return message
    return {**message, "content": parts}


def _check_part(part: object, at: str, taken: Sequence[str]) -> None:
    if not isinstance(part, dict):
        raise _wrong(at, "an object with a `type`", part)
    kind = part.get("type")
    if not isinstance(kind, str):
        raise InvalidRequest(f"`{at}` has no `type`; known types: {', '.join(taken)}", param=f"{at}.type")
    if kind not in taken:
        if kind in PARTS:
            raise InvalidRequest(
                f"`{at}`: a part of type `{kind}` can only stand in a user message", param=f"{at}.type"
            )
        raise InvalidRequest(
            f"unknown content type {quoted(kind)} in `{at}.type`; {suggest(kind, taken)}",
            param=f"{at}.type",
        )
    _PART_CHECKS[kind](part, at)


def _check_text(part: Body, at: str) -> None:
    if not isinstance(part.get("text"), str):
        raise _wrong(f"{at}.text", "a string", part.get("text"))


def _check_image(part: Body, at: str) -> None:
    _check_address(_inner(part, "image_url", "url", at), f"{at}.image_url.url", "image")


def _check_video_url(part: Body, at: str) -> None:
    _check_address(_inner(part, "video_url", "url", at), f"{at}.video_url.url", "video")


def _check_video(part: Body, at: str) -> None:
    frames = part.get("video")
    if isinstance(frames, str):
        text = 'a video file goes in {"type": "video_url", "video_url": {"url": …}}; `video` takes a list of frames'
        raise InvalidRequest(f"`{at}.video`: {text}", param=f"{at}.video")
    if not isinstance(frames, list | tuple) or not frames:
        raise _wrong(f"{at}.video", "a list of addresses of frames", frames)
    for index, frame in enumerate(frames):
        if not isinstance(frame, str):
            raise _wrong(f"{at}.video[{index}]", "the address of a frame", frame)
        _check_address(frame, f"{at}.video[{index}]", "image")
    fps = part.get("fps")
    if fps is not None and not (_is_number(fps) and fps > 0):  # type: ignore[operator]
        raise _wrong(f"{at}.fps", "a number above 0", fps)


def _check_audio(part: Body, at: str) -> None:
    data = _inner(part, "input_audio", "data", at)
    inner = part["input_audio"]
    form = inner.get("format") if isinstance(inner, Mapping) else None
    if form is not None:
        if not isinstance(form, str):
            raise _wrong(f"{at}.input_audio.format", "the name of a format such as `wav`", form)
        if form.lower() not in AUDIO_FORMATS:
            raise InvalidRequest(
                f"unknown audio format {quoted(form)} in `{at}.input_audio.format`; {suggest(form, AUDIO_FORMATS)}",
                param=f"{at}.input_audio.format",
            )
    place = f"{at}.input_audio.data"
    if data[:5].lower() == "data:" or "://" in data[:16]:
        _check_address(data, place, "audio")
        return
    _check_length(data, place)
    if head(data, 0, HEAD_CHARS) in {None, b""}:
        raise InvalidRequest(f"`{place}` has to be base64, an address or a data URI, not {quoted(data)}", param=place)


def _inner(part: Body, key: str, field: str, at: str) -> str:
    """Return the string at `part[key][field]`."""
    inner = part.get(key)
    if isinstance(inner, str):
        raise InvalidRequest(f'`{at}.{key}` has to be an object: {{"{field}": …}}, not a string', param=f"{at}.{key}")
    if not isinstance(inner, Mapping):
        raise _wrong(f"{at}.{key}", f"an object with `{field}`", inner)
    value = inner.get(field)
    if not isinstance(value, str) or not value:
        raise _wrong(f"{at}.{key}.{field}", "an address or a data URI", value or None)
    return value


def _check_address(url: str, at: str, kind: str) -> None:
    """Check an address or a data URI of an image, a video or a sound, by its first characters."""
    if url[:5].lower() != "data:":
        if not url[:8].lower().startswith(SCHEMES):
            raise InvalidRequest(
                f"`{at}` has to be an https address or a data URI, not {quoted(url)}; "
                f"send a local file as `data:{kind}/…;base64,…`",
                param=at,
            )
        return
    uri = data_uri(url)
    if uri is None or not uri.base64:
        raise InvalidRequest(f"`{at}` is not a base64 data URI (`data:{kind}/…;base64,…`)", param=at)
    _check_length(url, at)
    # Sound travels as `data:;base64,…` on DashScope; an unnamed type is told by its bytes.
    family = uri.mime.partition("/")[0]
    if uri.mime and family != kind and uri.mime != "application/octet-stream":
        article = "an" if kind[0] in "aeiou" else "a"
        raise InvalidRequest(f"`{at}` holds `{uri.mime[:60]}`, not {article} {kind}", param=at)
    first = head(url, uri.start, HEAD_CHARS)
    if first is None:
        raise InvalidRequest(f"`{at}`: what follows `base64,` is not base64", param=at)
    if not first:
        raise InvalidRequest(f"`{at}`: the data URI is empty", param=at)
    if kind == "image" and not looks_like_image(first):
        found = "text" if looks_like_text(first) else "something else"
        raise InvalidRequest(
            f"`{at}` holds {found}, not an image that can be read (PNG, JPEG, WEBP, GIF, BMP, TIFF, HEIC)", param=at
        )


def _check_length(data: str, at: str) -> None:
    if len(data) > MAX_DATA_URI_BYTES:
        raise InvalidRequest(
            f"`{at}` is {len(data):,} bytes long as base64; data URIs may have {MAX_DATA_URI_BYTES:,}: "
            "send an address, or a smaller file",
            param=at,
        )


_PART_CHECKS: Mapping[str, Callable[[Body, str], None]] = {
    "text": _check_text,
    "image_url": _check_image,
    "video_url": _check_video_url,
    "video": _check_video,
    "input_audio": _check_audio,
}


def _assistant(message: dict[str, object], content: object, at: str) -> dict[str, object]:
    calls = message.get("tool_calls")
    if calls is not None:
        message = _tool_calls(message, calls, at)
    if isinstance(content, str):
        return message
    if content is not None:
        parts = content if isinstance(content, list | tuple) else ()
        if any(isinstance(part, Mapping) and part.get("type") == "refusal" for part in parts):
            kept = [p if p.get("type") != "refusal" else {"type": "text", "text": p.get("refusal")} for p in parts]
            content = kept
            message = {**message, "content": kept}
        return _with_parts(message, content, at, ("text",))
    if calls or message.get("audio") is not None:
        return message
    if isinstance(message.get("refusal"), str):
        return {**message, "content": message["refusal"]}
    raise InvalidRequest(f"`{at}` has neither `content` nor `tool_calls`", param=f"{at}.content")


def _tool_calls(message: dict[str, object], calls: object, at: str) -> dict[str, object]:
    at = f"{at}.tool_calls"
    if not isinstance(calls, list | tuple):
        raise _wrong(at, "a list of calls", calls)
    if not calls:
        return {key: value for key, value in message.items() if key != "tool_calls"}
    plain = [_plain(call) for call in calls]
    for index, call in enumerate(plain):
        place = f"{at}[{index}]"
        if not isinstance(call, dict):
            raise _wrong(place, "an object with `id` and `function`", call)
        function = call.get("function")
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise _wrong(f"{place}.function", "an object with `name` and `arguments`", function)
        if not isinstance(function.get("arguments", ""), str):
            raise _wrong(f"{place}.function.arguments", "JSON in a string", function.get("arguments"))
    if all(call is given for call, given in zip(plain, calls, strict=True)):
        return message
    return {**message, "tool_calls": plain}


def _check_tool_message(message: Body, at: str, *, called: bool) -> None:
    if not isinstance(message.get("tool_call_id"), str):
        raise _wrong(f"{at}.tool_call_id", "the id of the call that it answers", message.get("tool_call_id"))
    if not called:
        raise InvalidRequest(
            f"`{at}` is a tool message, but no assistant message before it has `tool_calls`", param=f"{at}.role"
        )


def _check_last(last: Body, index: int) -> None:
    at = f"messages[{index}]"
    role = last["role"]
    if role == "assistant":
        if last.get("partial") is not True:
            raise InvalidRequest(
                f'`{at}` is the last message and an assistant\'s; end with a user message, or set `"partial": true` '
                "on it to have it continued",
                param=at,
            )
    elif role == "system":
        raise InvalidRequest(f"`{at}` is the last message and a system message; add a user message", param=at)
    elif role == "user" and _is_blank(last["content"]):
        raise InvalidRequest(f"`{at}.content` is empty; there is nothing to answer", param=f"{at}.content")


def _is_blank(content: object) -> bool:
    if isinstance(content, str):
        return not content or content.isspace()
    parts = content if isinstance(content, list | tuple) else ()
    return all(part["type"] == "text" and _is_blank(part["text"]) for part in parts)


# Completions


def _prompt(params: dict[str, object]) -> tuple[str, str | None]:
    prompt = params.pop("prompt", None)
    suffix = params.pop("suffix", None)
    if isinstance(prompt, list | tuple):
        raise InvalidRequest("`prompt` has to be one string; send a request for each prompt", param="prompt")
    if not isinstance(prompt, str):
        raise _wrong("prompt", "a string", prompt)
    if suffix is not None and not isinstance(suffix, str):
        raise _wrong("suffix", "a string", suffix)
    if not prompt and not suffix:
        raise InvalidRequest("`prompt` is empty; there is nothing to complete", param="prompt")
    return prompt, suffix


# Parameters


MISSPELT = 0.88
"""How alike a name has to be to one that is known to be taken for a slip of it. Names that are like none
are some host's own, and go through."""


def _check_params(params: Mapping[str, object]) -> None:
    for name, value in params.items():
        check = _CHECKS.get(name)
        if check is not None:
            check(name, value)
        elif meant := difflib.get_close_matches(name, _CHECKS, n=1, cutoff=MISSPELT):
            raise InvalidRequest(f"unknown parameter `{name}`; did you mean `{meant[0]}`?", param=name)
    if "tool_choice" in params:
        _check_tool_choice(params)


def _is_number(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def _number(name: str, value: object) -> None:
    if not _is_number(value):
        raise _wrong(name, "a number", value)


def _whole(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number", value)


def _count(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _wrong(name, "a whole number of at least 1", value)


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise _wrong(name, "true or false", value)


def _word(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise _wrong(name, "a string", value)


def _object(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise _wrong(name, "an object", value)


def _stop(name: str, value: object) -> None:
    if isinstance(value, str) or (isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)):
        return
    raise _wrong(name, "a string or a list of strings", value)


def _response_format(name: str, value: object) -> None:
    if isinstance(value, type):
        raise InvalidRequest(
            f"`{name}` is a class; give its JSON schema: "
            '{"type": "json_schema", "json_schema": {"name": …, "schema": …}}',
            param=name,
        )
    if not isinstance(value, Mapping):
        raise _wrong(name, 'an object such as {"type": "json_object"}', value)
    kinds = ("text", "json_object", "json_schema")
    kind = value.get("type")
    if kind not in kinds:
        raise InvalidRequest(
            f"unknown response format {quoted(kind)} in `{name}.type`; {suggest(kind, kinds)}", param=f"{name}.type"
        )
    if kind == "json_schema":
        schema = value.get("json_schema")
        if not isinstance(schema, Mapping) or not isinstance(schema.get("name"), str):
            raise _wrong(f"{name}.json_schema", "an object with `name` and `schema`", schema)
        if not isinstance(schema.get("schema", {}), Mapping):
            raise _wrong(f"{name}.json_schema.schema", "a JSON schema", schema.get("schema"))


def _tools(name: str, value: object) -> None:
    if not isinstance(value, list | tuple):
        raise _wrong(name, "a list of tools", value)
    if not value:
        raise InvalidRequest(f"`{name}` is an empty list; leave it out", param=name)
    for index, tool in enumerate(value):
        at = f"{name}[{index}]"
        if not isinstance(tool, Mapping):
            raise _wrong(at, 'an object: {"type": "function", "function": …}', tool)
        if tool.get("type") != "function":
            if "name" in tool and "type" not in tool:
                text = 'wrap the declaration: {"type": "function", "function": {"name": …}}'
                raise InvalidRequest(f"`{at}` has no `type`; {text}", param=f"{at}.type")
            raise InvalidRequest(
                f"unknown tool type {quoted(tool.get('type'))} in `{at}.type`; known: function", param=f"{at}.type"
            )
        function = tool.get("function")
        if not isinstance(function, Mapping):
            raise _wrong(f"{at}.function", "an object with `name` and `parameters`", function)
        if not isinstance(function.get("name"), str) or not function.get("name"):
            raise _wrong(f"{at}.function.name", "a name", function.get("name") or None)
        parameters = function.get("parameters")
        if parameters is not None and not isinstance(parameters, Mapping):
            raise _wrong(f"{at}.function.parameters", "a JSON schema", parameters)


def _check_tool_choice(params: Mapping[str, object]) -> None:
    choice = params["tool_choice"]
    kinds = ("auto", "none", "required")
    at = "tool_choice"
    if isinstance(choice, str):
        if choice not in kinds:
            raise InvalidRequest(f"unknown tool choice {quoted(choice)} in `{at}`; {suggest(choice, kinds)}", param=at)
        if choice == "required" and "tools" not in params:
            raise InvalidRequest(f"`{at}` is `required`, but there are no `tools`", param=at)
        return
    function = choice.get("function") if isinstance(choice, Mapping) else None
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str):
        raise _wrong(at, 'one of auto, none, required, or {"type": "function", "function": {"name": …}}', choice)
    tools = params.get("tools", ())
    known = [str(tool["function"]["name"]) for tool in tools]  # type: ignore[attr-defined]
    if name not in known:
        hint = suggest(name, known) if known else "there are no `tools`"
        raise InvalidRequest(f"`{at}` names {quoted(name)}, which is not among `tools`; {hint}", param=at)


def _modalities(name: str, value: object) -> None:
    if not isinstance(value, list | tuple) or not value or not all(isinstance(one, str) for one in value):
        raise _wrong(name, 'a list such as ["text"] or ["text", "audio"]', value)
    for one in value:
        if one not in {"text", "audio"}:
            raise InvalidRequest(
                f"unknown modality {quoted(one)} in `{name}`; {suggest(one, ('text', 'audio'))}", param=name
            )


def _audio(name: str, value: object) -> None:
    if not isinstance(value, Mapping):
        raise _wrong(name, 'an object such as {"voice": "Cherry", "format": "wav"}', value)
    for field in ("voice", "format"):
        if value.get(field) is not None and not isinstance(value[field], str):
            raise _wrong(f"{name}.{field}", "a name", value[field])


def _old_functions(name: str, _: object) -> None:
    new = "tools" if name == "functions" else "tool_choice"
    raise InvalidRequest(f"`{name}` is no longer taken; write it as `{new}`", param=name)


_CHECKS: Mapping[str, Callable[[str, object], None]] = {
    **dict.fromkeys(
        ("temperature", "top_p", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty"), _number
    ),
    **dict.fromkeys(("top_k", "seed", "top_logprobs", "thinking_budget"), _whole),
    **dict.fromkeys(("max_tokens", "max_completion_tokens", "n"), _count),
    **dict.fromkeys(
        ("enable_thinking", "enable_search", "parallel_tool_calls", "vl_high_resolution_images", "logprobs"), _flag
    ),
    **dict.fromkeys(("reasoning_effort", "user"), _word),
    **dict.fromkeys(("stream_options", "chat_template_kwargs", "logit_bias", "metadata"), _object),
    **dict.fromkeys(("functions", "function_call"), _old_functions),
    "stop": _stop,
    "response_format": _response_format,
    "tools": _tools,
    "modalities": _modalities,
    "audio": _audio,
}


def _wrong(at: str, wanted: str, got: object) -> InvalidRequest:
    what = "it is missing" if got is None else f"not {quoted(got)}"
    return InvalidRequest(f"`{at}` has to be {wanted}; {what}", param=at)
