"""Every kind of request that a policy can tell apart: what decides whether two policies are the same.

Each dimension takes the values that the policy's own conditions mention, one beside them, and what
gates look at. Only what the analysis could really find is combined: no picture is mathematics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from itertools import product

from qwenroute.analysis import analyse, read_request
from qwenroute.cases.asked import picture
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Difficulty, Signals, Task
from qwenroute.policy.schema import PolicyFile, When

TEXT = (Task.GENERAL, Task.MATH, Task.CODE, Task.REASONING)
SIGHT = (Task.VISION, Task.VISION_REASONING)
_IMAGE = {"type": "image_url", "image_url": {"url": picture("1024x768")}}
_VIDEO = {"type": "video_url", "video_url": {"url": "https://cases.invalid/film.mp4"}}
_AUDIO = {"type": "input_audio", "input_audio": {"data": "https://cases.invalid/sound.wav", "format": "wav"}}
_SPEAK = {"modalities": ["text", "audio"], "audio": {"format": "wav"}}
_TOOLS = {"tools": [{"type": "function", "function": {"name": "look_up"}}]}
KINDS: tuple[tuple[Sequence[Mapping[str, object]], Mapping[str, object], bool, Sequence[Task]], ...] = (
    ((), {}, False, TEXT),
    ((), _TOOLS, False, TEXT),
    ((), {"response_format": {"type": "json_object"}}, False, TEXT),
    ((), _SPEAK, False, TEXT),
    ((_IMAGE,), {}, False, SIGHT),
    ((), {}, False, SIGHT),  # an application may say so
    ((), {}, True, TEXT),
    ((_IMAGE,), {}, True, SIGHT),
    ((_IMAGE,), _SPEAK, False, SIGHT),
    ((_IMAGE,), _TOOLS, False, SIGHT),
    ((_VIDEO,), {}, False, SIGHT),
    ((_VIDEO,), {}, True, (Task.AUDIO,)),
    ((_AUDIO,), {}, False, (Task.AUDIO,)),
    ((_AUDIO, _VIDEO), {}, True, (Task.AUDIO,)),
    ((_AUDIO, _IMAGE), {}, False, (Task.AUDIO,)),
    ((_AUDIO,), _SPEAK, False, (Task.AUDIO,)),
)
"""Attachments, parameters, whether the sound of the film matters, and the tasks that it can be."""


def situations(file: PolicyFile, model: str) -> Iterator[tuple[Request, Signals]]:
    """Yield requests that name this model, with their signals."""
    whens = [inner for rule in file.routes[model] if rule.when is not None for inner in _whens(rule.when)]
    bounds = sorted({when.min_confidence for when in whens if when.min_confidence is not None})
    confidences = sorted({1.0, *bounds, *(bound - 0.01 for bound in bounds)})
    sizes = sorted({edge for when in whens for edge in _edges(when)} or {300_000})
    texts = {"A question.", *(f"About {word}." for when in whens for word in when.keywords or ())}
    languages = sorted({language for when in whens for language in when.language or ()})
    hints = list(_hints(whens))
    for (parts, params, sound, tasks), text, hint in product(KINDS, sorted(texts), hints):
        said = {**hint, **({"sound": True} if sound else {})}
        content = [*parts, {"type": "text", "text": text}] if parts else text
        body = {"model": model, "messages": [{"role": "user", "content": content}], **params, "qwenroute": said}
        request = read_request(body)
        yield from _variants(request, tasks, confidences, sizes, languages)
    for hint in hints:
        body = {"model": model, "prompt": "def f(", "suffix": "pass", "qwenroute": hint}
        yield from _variants(read_request(body, kind=Kind.COMPLETION), (Task.CODE,), confidences, sizes, languages)


def _variants(
    request: Request,
    tasks: Sequence[Task],
    confidences: Sequence[float],
    sizes: Sequence[int],
    languages: Sequence[str],
) -> Iterator[tuple[Request, Signals]]:
    found = analyse(request)
    for task, confidence, difficulty in product(tasks, confidences, Difficulty):
        signals = replace(found, task=task, task_confidence=confidence, difficulty=difficulty)
        yield request, signals
        yield from ((request, replace(signals, language=language)) for language in languages)
        for size in sizes:
            yield request, replace(signals, text_tokens=size, text_tokens_upper=size, text_tokens_exact=True)


def _hints(whens: Sequence[When]) -> Iterator[dict[str, object]]:
    """Yield what the application may say, every combination of what is looked at."""
    tenants = [None, *sorted({name for when in whens for name in when.tenant or ()})]
    tags = [None, *sorted({name for when in whens for name in when.tags or ()})]
    keys = [None, *sorted({name for when in whens for name in when.key or ()})]
    headers = [None, *_headers(whens)]
    for quality, thinking, tenant, tag, key, header in product(
        (None, "top"), (None, True, False), tenants, tags, keys, headers
    ):
        said = {"quality": quality, "thinking": thinking, "tenant": tenant, "key": key, "headers": header}
        said |= {"tags": None if tag is None else [tag]}
        yield {name: value for name, value in said.items() if value is not None}


def _headers(whens: Sequence[When]) -> Iterator[dict[str, str]]:
    """Yield each header with each value that is asked for, and with another."""
    for when in whens:
        for name, wanted in (when.headers or {}).items():
            yield from ({name: value} for value in ("another", *(wanted if isinstance(wanted, list) else ())))


def _whens(when: When) -> Iterator[When]:
    """Yield it and all that stand in it."""
    yield when
    for inner in (*(when.any or ()), *(when.all or ()), *(() if when.not_ is None else [when.not_])):
        yield from _whens(inner)


def moments(file: PolicyFile, model: str) -> list[datetime]:
    """Return moments before, in and after every span of time that the rules of a route ask for, on each day."""
    whens = [inner for rule in file.routes[model] if rule.when is not None for inner in _whens(rule.when)]
    edges = {time(12)}
    for when in whens:
        if when.time is not None:
            for edge in (when.time.from_, when.time.to):
                if edge is not None:
                    here = datetime.combine(date(2026, 11, 23), time.fromisoformat(edge))
                    edges |= {(here + timedelta(minutes=minutes)).time() for minutes in (-1, 0, 1)}
    days = range(7) if any(when.time is not None for when in whens) else range(1)
    return [datetime.combine(date(2026, 11, 23) + timedelta(days=day), edge) for day in days for edge in sorted(edges)]


def _edges(when: When) -> Iterator[int]:
    size = when.prompt_tokens
    if size is not None:
        for edge in (size.at_least, size.at_most):
            if edge is not None:
                yield from (max(1, edge - 1), edge, edge + 1)
