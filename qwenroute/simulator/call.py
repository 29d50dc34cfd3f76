"""A request as the server understands it, and everything that it refuses."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qwenroute.domain.capability import Deployment, Modality, Thinking
from qwenroute.simulator.error_table import Refused
from qwenroute.simulator.media import read_media
from qwenroute.simulator.tokens import PromptTokens, check_window, count

Body = Mapping[str, object]
Messages = tuple[Mapping[str, object], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that will be answered."""

    deployment: Deployment
    model: str
    messages: Messages
    prompt: str
    """Of a completion; empty for chat."""
    stream: bool
    include_usage: bool
    thinking: bool
    thinking_tokens: int | None
    """The most tokens of thinking."""
    bounds_thinking: bool
    """Whether `max_tokens` bounds thinking and answer together."""
    tools: tuple[Body, ...]
    """The function declarations."""
    tool_choice: str
    """auto, none, required or named."""
    tool_named: str | None
    parallel_tools: bool
    response_format: str
    schema: object
    speech: bool
    voice: str | None
    max_tokens: int | None
    stop: tuple[str, ...]
    choices: int
    prefix: str | None
    """The text to be continued, in partial mode."""
    prompt_tokens: PromptTokens


def read_chat(body: Body, deployment: Deployment, model: str, *, strict: bool) -> Call:
    """Check a chat request against the facts of the model and return what is asked for.

    Raises:
        Refused: the platform would not serve it.
    """
    hosted = deployment.provider != "dashscope"
    stream = body.get("stream") is True
    messages = _messages(body)
    _check_history(messages, strict=strict)
    media = read_media(messages, deployment)
    thinking, thinking_tokens = _thinking(body, deployment, hosted=hosted)
    if not hosted:
        _check_stream(body, deployment, stream=stream, thinking=thinking)
        _check_sampling(body)
    tools = _tools(body, deployment, hosted=hosted)
    tool_choice, tool_named = _tool_choice(body, deployment, tools, thinking=thinking, hosted=hosted)
    response_format, schema = _response_format(body, deployment, messages, thinking=thinking, hosted=hosted)
    speech, voice = _speech(body, deployment, stream=stream)
    high_resolution = body.get("vl_high_resolution_images") is True
    tokens = count(messages, tools, media, deployment.media, high_resolution=high_resolution)
    max_tokens = _max_tokens(body, deployment, hosted=hosted)
    check_window(body, tokens, deployment, max_tokens if hosted else None)
    return Call(
        deployment=deployment,
        model=model,
        messages=messages,
        prompt="",
        stream=stream,
        include_usage=_include_usage(body, stream=stream),
        thinking=thinking,
        thinking_tokens=thinking_tokens,
        bounds_thinking=deployment.reasoning_effort or hosted,
        tools=tools,
        tool_choice=tool_choice,
        tool_named=tool_named,
        parallel_tools=body.get("parallel_tool_calls") is True,
        response_format=response_format,
        schema=schema,
        speech=speech,
        voice=voice,
        max_tokens=max_tokens,
        stop=_stop(body),
        choices=_choices(body, deployment, tools, hosted=hosted),
        prefix=_prefix(body, messages, deployment, hosted=hosted),
        prompt_tokens=tokens,
    )


def read_completion(body: Body, deployment: Deployment, model: str) -> Call:
    """Check a completion, the endpoint of fill-in-the-middle, and return what is asked for.

    Raises:
        Refused: the platform would not serve it.
    """
    hosted = deployment.provider != "dashscope"
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        raise Refused("empty-input", "prompt is missing")
    if not (deployment.fim or hosted):
        raise Refused("model-not-supported")
    if body.get("suffix") is not None:
        # Prefix and suffix travel in the prompt, between control tokens (facts: wire.fim).
        raise Refused("feature-unsupported", "suffix is not supported; use the control tokens in the prompt")
    if not hosted:
        _check_sampling(body)
    stream = body.get("stream") is True
    max_tokens = _max_tokens(body, deployment, hosted=hosted)
    tokens = count(({"role": "user", "content": prompt},), (), (), deployment.media)
    check_window(body, tokens, deployment, max_tokens if hosted else None)
    return Call(
        deployment=deployment,
        model=model,
        messages=(),
        prompt=prompt,
        stream=stream,
        include_usage=_include_usage(body, stream=stream),
        thinking=False,
        thinking_tokens=None,
        bounds_thinking=False,
        tools=(),
        tool_choice="none",
        tool_named=None,
        parallel_tools=False,
        response_format="text",
        schema=None,
        speech=False,
        voice=None,
        max_tokens=max_tokens,
        stop=_stop(body),
        choices=_choices(body, deployment, (), hosted=hosted),
        prefix=None,
        prompt_tokens=tokens,
    )


def text_of(message: Mapping[str, object]) -> str:
    """Return the text of a message, its parts joined."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(str(p.get("text", "")) for p in content if isinstance(p, Mapping) and p.get("type") == "text")
    return ""


def _messages(body: Body) -> Messages:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("empty-input", "messages is missing or empty")
    for index, message in enumerate(messages):
        if not isinstance(message, Mapping):
            raise Refused("malformed-request", f"messages.{index} is not an object")
        role = message.get("role")
        if role not in {"system", "user", "assistant", "tool"}:
            raise Refused("malformed-request", f"messages.{index}.role: '{role}' is not one of the roles")
        content = message.get("content")
        if not isinstance(content, str | list) and not (content is None and role == "assistant"):
            raise Refused("malformed-request", f"messages.{index}.content is missing")
    return tuple(messages)


def _check_history(messages: Messages, *, strict: bool) -> None:
    for index, message in enumerate(messages):
        if strict and message.get("reasoning_content") is not None:
            raise Refused("malformed-request", f"messages.{index}: reasoning_content must not be sent back")
        calls = message.get("tool_calls")
        for call in calls if isinstance(calls, list) else ():
            function = call.get("function") if isinstance(call, Mapping) else None
            arguments = function.get("arguments") if isinstance(function, Mapping) else None
            try:
                json.loads(arguments if isinstance(arguments, str) else "")
            except ValueError:
                raise Refused("internal-algo-tool-json") from None


def _thinks(deployment: Deployment) -> bool:
    return deployment.thinking is Thinking.ALWAYS or (
        deployment.thinking is Thinking.HYBRID and deployment.thinking_default_on
    )


def _thinking(body: Body, deployment: Deployment, *, hosted: bool) -> tuple[bool, int | None]:
    """Return whether the model thinks on this request, and for how many tokens at most."""
    if hosted:
        template = body.get("chat_template_kwargs")
        asked = template.get("enable_thinking") if isinstance(template, Mapping) else None
        hybrid = deployment.thinking is Thinking.HYBRID
        return (asked if hybrid and isinstance(asked, bool) else _thinks(deployment)), None
    switch, budget, effort = (body.get(k) for k in ("enable_thinking", "thinking_budget", "reasoning_effort"))
    hybrid = deployment.thinking is Thinking.HYBRID
    if switch is not None and not (hybrid and isinstance(switch, bool)):
        raise Refused("feature-unsupported", "enable_thinking is for hybrid models only, true or false")
    if effort is not None and not deployment.reasoning_effort:
        raise Refused("feature-unsupported", "reasoning_effort is not supported by this model")
    if effort is not None and budget is not None:
        raise Refused("malformed-request", "reasoning_effort and thinking_budget exclude each other")
    if budget is not None:
        if not hybrid:
            raise Refused("feature-unsupported", "thinking_budget is for hybrid models only")
        most = deployment.max_thinking_tokens
        if not _whole(budget) or budget < 1 or (most is not None and budget > most):  # type: ignore[operator]
            raise Refused("thinking-budget", f"thinking_budget out of range: it should be in [1, {most}]")
    on = _thinks(deployment)
    if switch is not None:
        on = switch is True
    elif effort is not None:
        on = effort not in {"none", "off"}
    return on, budget if isinstance(budget, int) else deployment.max_thinking_tokens


def _check_stream(body: Body, deployment: Deployment, *, stream: bool, thinking: bool) -> None:
    if deployment.stream_only and not stream:
        raise Refused("stream-only")
    if not stream and body.get("stream_options") is not None:
        raise Refused("malformed-request", "stream_options is for stream=true only")
    open_weights = deployment.licence != "proprietary"
    if thinking and deployment.thinking is Thinking.HYBRID and open_weights and not stream:
        raise Refused("thinking-not-streamed")


def _check_sampling(body: Body) -> None:
    """Hold the ranges of the facts sheet, platform.parameters."""
    _range(body, "temperature", 0, 2, include_high=False)
    _range(body, "top_p", 0, 1, include_low=False)
    _range(body, "top_k", 0, math.inf, whole=True)
    _range(body, "repetition_penalty", 0, math.inf, include_low=False)
    _range(body, "presence_penalty", -2, 2)
    _range(body, "seed", 0, 2**31 - 1, whole=True)


def _range(
    body: Body,
    name: str,
    low: float,
    high: float,
    *,
    include_low: bool = True,
    include_high: bool = True,
    whole: bool = False,
) -> None:
    value = body.get(name)
    if value is None:
        return
    fits = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and (_whole(value) or not whole)
        and (low <= value if include_low else low < value)
        and (value <= high if include_high else value < high)
    )
    if not fits:
        opening, closing = "[" if include_low else "(", "]" if include_high else ")"
        bounds = f"{opening}{low}, {high}{closing}"
        raise Refused("parameter-range", f"{name} must be in {bounds}")


def _tools(body: Body, deployment: Deployment, *, hosted: bool) -> tuple[Body, ...]:
    tools = body.get("tools")
    if tools is None or tools == []:
        return ()
    if deployment.tools is not True:
        raise Refused("tools-unsupported")
    if not isinstance(tools, list):
        raise Refused("malformed-request", "tools is not a list")
    declared = []
    for index, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise Refused("malformed-request", f"tools.{index}.function.name is missing")
        if function["name"] == "search" and not hosted:
            raise Refused("malformed-request", "tools: the name 'search' is reserved")
        declared.append(function)
    return tuple(declared)


def _tool_choice(
    body: Body, deployment: Deployment, tools: Sequence[Body], *, thinking: bool, hosted: bool
) -> tuple[str, str | None]:
    choice = body.get("tool_choice")
    if choice is None:
        return "auto", None
    named = None
    kind = str(choice)
    if isinstance(choice, Mapping):
        function = choice.get("function")
        named = str(function.get("name")) if isinstance(function, Mapping) else ""
        kind = "named"
        if named not in {f["name"] for f in tools}:
            raise Refused("tool-choice", f"tool_choice names '{named}', which is not among the tools")
    elif choice not in {"auto", "none", "required"}:
        raise Refused("tool-choice", "tool_choice must be none, auto or a function")
    # A platform's rule; engines with guided decoding take every kind.
    allowed = None if hosted else deployment.tool_choices
    if not tools and kind == "required":
        raise Refused("tool-choice", "tool_choice needs tools")
    if (allowed is not None and kind not in allowed) or (thinking and not hosted and kind == "named"):
        raise Refused("tool-choice")
    return kind, named


def _response_format(
    body: Body, deployment: Deployment, messages: Messages, *, thinking: bool, hosted: bool
) -> tuple[str, object]:
    if hosted and body.get("guided_json") is not None:
        return "json_schema", body["guided_json"]
    asked = body.get("response_format")
    if asked is None:
        return "text", None
    kind = asked.get("type") if isinstance(asked, Mapping) else None
    if kind == "text":
        return "text", None
    if not isinstance(asked, Mapping) or kind not in {"json_object", "json_schema"}:
        raise Refused("malformed-request", f"response_format.type: '{kind}' is not one of the formats")
    offered = deployment.json_object if kind == "json_object" else deployment.json_schema
    if offered is not True and not hosted:
        raise Refused("feature-unsupported", f"response_format {kind} is not supported by this model")
    if not hosted and thinking:
        raise Refused("json-thinking")
    if kind == "json_object":
        if not hosted and not any("json" in text_of(m).lower() for m in messages):
            raise Refused("json-word")
        return kind, None
    holder = asked.get("json_schema")
    schema = holder.get("schema") if isinstance(holder, Mapping) else None
    if not isinstance(schema, Mapping):
        raise Refused("malformed-request", "response_format.json_schema.schema is missing")
    return kind, schema


def _speech(body: Body, deployment: Deployment, *, stream: bool) -> tuple[bool, str | None]:
    modalities = body.get("modalities")
    if modalities is None:
        return False, None
    if not isinstance(modalities, list) or not set(modalities) <= {"text", "audio"}:
        raise Refused("malformed-request", 'modalities must be ["text"] or ["text","audio"]')
    if "audio" not in modalities:
        return False, None
    if Modality.AUDIO not in deployment.output:
        raise Refused("feature-unsupported", "the model does not give audio output")
    if not stream:
        raise Refused("audio-not-streamed")
    audio = body.get("audio")
    asked = audio if isinstance(audio, Mapping) else {}
    voice = asked.get("voice", deployment.voices[0] if deployment.voices else None)
    if deployment.voices and voice not in deployment.voices:
        raise Refused("voice", f"voice must be one of {', '.join(deployment.voices)}")
    if asked.get("format", "wav") != "wav":
        raise Refused("malformed-request", "audio.format must be wav")
    return True, None if voice is None else str(voice)


def _max_tokens(body: Body, deployment: Deployment, *, hosted: bool) -> int | None:
    asked = body.get("max_tokens")
    if asked is None:
        asked = body.get("max_completion_tokens")
    if asked is None:
        return None
    most = deployment.max_output_tokens if not hosted else None
    if not isinstance(asked, int) or isinstance(asked, bool) or asked < 1 or (most is not None and asked > most):
        upper = "inf" if most is None else most
        raise Refused("max-tokens", f"Range of max_tokens should be [1, {upper}]")
    return asked


def _choices(body: Body, deployment: Deployment, tools: Sequence[Body], *, hosted: bool) -> int:
    asked = body.get("n")
    if asked is None:
        return 1
    most = math.inf if hosted else 1 if tools else deployment.max_choices
    if not isinstance(asked, int) or isinstance(asked, bool) or not 1 <= asked <= most:
        raise Refused("parameter-range", f"n must be in [1, {most}]")
    return asked


def _stop(body: Body) -> tuple[str, ...]:
    stop = body.get("stop")
    if stop is None:
        return ()
    found = [stop] if isinstance(stop, str) else stop
    if not isinstance(found, list) or not all(isinstance(s, str) for s in found):
        raise Refused("malformed-request", "stop must be a string or a list of strings")
    return tuple(found)


def _include_usage(body: Body, *, stream: bool) -> bool:
    options = body.get("stream_options")
    return stream and isinstance(options, Mapping) and options.get("include_usage") is True


def _prefix(body: Body, messages: Messages, deployment: Deployment, *, hosted: bool) -> str | None:
    """Return the text that is to be continued."""
    last = messages[-1]
    if hosted:
        if body.get("continue_final_message") is not True:
            return None
        if body.get("add_generation_prompt") is not False:
            raise Refused("malformed-request", "continue_final_message needs add_generation_prompt=false")
        return text_of(last)
    if any(m.get("partial") is True for m in messages[:-1]):
        raise Refused("malformed-request", "partial is for the last message only")
    if last.get("partial") is not True:
        return None
    if last.get("role") != "assistant":
        raise Refused("malformed-request", "partial is for a message of the assistant only")
    if deployment.partial is not True:
        raise Refused("feature-unsupported", "partial mode is not supported by this model")
    return text_of(last)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
