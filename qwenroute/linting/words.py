"""The conditions of a rule as one would say them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qwenroute.policy import schema

Say = Callable[[object], str]


def in_words(when: schema.When | None) -> str:
    """Return what has to hold, in a line."""
    if when is None:
        return "always"
    return _all(when.model_dump(mode="json", by_alias=True, exclude_none=True, warnings="none")) or "always"


def _all(conditions: Mapping[str, object]) -> str:
    return ", ".join(_one(key, value) for key, value in conditions.items())


def _one(key: str, value: object) -> str:
    say = _WORDS.get(key)
    return f"{key} is {_either(value)}" if say is None else say(value)


def _either(value: object) -> str:
    values = value if isinstance(value, list) else [value]
    shown = [_short(str(one)) for one in values]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} or {shown[-1]}"


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _nested(value: object, joint: str) -> str:
    parts = [_all(one) for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []
    return f"({joint.join(parts)})"


def _headers(value: object) -> str:
    found = value.items() if isinstance(value, Mapping) else ()
    said = (f"header {name} is {'there' if wanted == 'present' else _either(wanted)}" for name, wanted in found)
    return " and ".join(said)


def _time(value: object) -> str:
    told = value if isinstance(value, Mapping) else {}
    days = f"on {_either(told['days'])}" if told.get("days") else ""
    begin, end = told.get("from"), told.get("to")
    hours = f"from {begin} to {end}" if begin and end else f"from {begin}" if begin else f"until {end}" if end else ""
    return " ".join(filter(None, (days, hours)))


def _tokens(value: object) -> str:
    told = value if isinstance(value, Mapping) else {}
    least, most = told.get("at_least"), told.get("at_most")
    bounds = ([f"at least {least:,}"] if least is not None else []) + (
        [f"at most {most:,}"] if most is not None else []
    )
    return f"the prompt has {' and '.join(bounds)} tokens" if bounds else "the prompt has any size"


def _examples(value: object) -> str:
    count = len(value) if isinstance(value, list) else 1
    return "is like the example" if count == 1 else f"is like one of {count} examples"


def _switch(on: str, off: str) -> Say:
    return lambda value: on if value is True else off


_WORDS: Mapping[str, Say] = {
    "input": lambda value: f"brings {_either(value)}",
    "output": lambda value: f"wants {_either(value)} back",
    "response_format": lambda value: f"asks for {_either(value)}",
    "quality": lambda value: f"asks for {_either(value)} quality",
    "tags": lambda value: f"is tagged {_either(value)}",
    "thinking": _switch("asks for thinking", "declines thinking"),
    "sound": _switch("the video's sound matters", "no sound of a video matters"),
    "tools": _switch("has tools", "has no tools"),
    "fim": _switch("is to be filled in the middle", "is not to be filled in the middle"),
    "prompt_tokens": _tokens,
    "min_confidence": lambda value: f"at least {float(str(value)):.0%} sure",
    "keywords": lambda value: f"says {_either(value)}",
    "pattern": lambda value: f"matches {_either(value)}",
    "examples": _examples,
    "headers": _headers,
    "time": _time,
    "any": lambda value: _nested(value, " or "),
    "all": lambda value: _nested(value, " and "),
    "not": lambda value: f"not ({_all(value)})" if isinstance(value, Mapping) else f"not {_nested(value, ' or ')}",
}
