"""What an application tells the router in `qwenroute={…}`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import TypeVar

from qwenroute.domain.capability import Role
from qwenroute.domain.headers import carries_secret
from qwenroute.domain.request import Hints
from qwenroute.domain.signals import Difficulty, Task
from qwenroute.errors import InvalidRequest

Word = TypeVar("Word", bound=StrEnum)

NO_HINTS = Hints()
QUALITIES = ("top",)
MOST_HEADERS = 100
MOST_HEADER_CHARS = 16_384
MOST_KEY_CHARS = 200
_SECRET = re.compile(r"\b(sk|pk|ak)[-_][A-Za-z0-9_-]{8,}|^Bearer ", re.IGNORECASE)
_KEYS = tuple(field.name for field in fields(Hints))


def read_hints(value: object) -> Hints:
    """Check hints.

    Raises:
        InvalidRequest: a key is unknown, or a value is not one that the router takes.
    """
    if not isinstance(value, Mapping):
        raise InvalidRequest(
            f"`qwenroute` has to be a mapping of hints, not {named(value)}; known keys: {', '.join(_KEYS)}",
            param="qwenroute",
        )
    given: dict[str, object] = {}
    for key, item in value.items():
        if key not in _KEYS:
            raise InvalidRequest(f"unknown hint `{key}`; {suggest(str(key), _KEYS)}", param=f"qwenroute.{key}")
        if item is not None:
            given[key] = item
    return Hints(
        task=_word(given, "task", Task),
        difficulty=_word(given, "difficulty", Difficulty),
        role=_word(given, "role", Role),
        objective=_text(given, "objective"),
        quality=_choice(given, "quality", QUALITIES),
        thinking=_flag(given, "thinking"),
        sound=bool(_flag(given, "sound")),
        deadline_s=_positive(given, "deadline_s"),
        max_cost_usd=_positive(given, "max_cost_usd"),
        tenant=_text(given, "tenant"),
        tags=_tags(given),
        key=_key(given),
        headers=_headers(given),
        hedge=_flag(given, "hedge") is not False,
        session=_text(given, "session"),
        media_seconds=_positive(given, "media_seconds"),
    )


def suggest(word: object, choices: Sequence[str]) -> str:
    """Return the choices, with a question for the nearest of them."""
    import difflib  # noqa: PLC0415 - only mistakes pay for it

    known = ", ".join(choices[:20]) + (", …" if len(choices) > 20 else "")
    found = difflib.get_close_matches(word[:100].lower(), choices, n=1, cutoff=0.6) if isinstance(word, str) else []
    return f"did you mean `{found[0]}`? known: {known}" if found else f"known: {known}"


def named(value: object) -> str:
    """Name the kind of a value in the words of JSON."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            return f"a {type(value).__name__}"


def quoted(value: object) -> str:
    """Show a wrong value: a short word as it is, anything else by its kind."""
    short = len(value) <= 60 if isinstance(value, str) else isinstance(value, int | float) and -1e15 < value < 1e15
    return f"`{value}`" if short and not isinstance(value, bool) else str(value).lower() if short else named(value)


def _word(given: Mapping[str, object], key: str, words: type[Word]) -> Word | None:
    if key not in given:
        return None
    value = _choice(given, key, [word.value for word in words])
    return None if value is None else words(value)


def _choice(given: Mapping[str, object], key: str, choices: Iterable[str]) -> str | None:
    value = given.get(key)
    if value is None:
        return None
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise InvalidRequest(
        f"unknown {key} {quoted(value)} in `qwenroute.{key}`; {suggest(value, known)}",
        param=f"qwenroute.{key}",
    )


def _text(given: Mapping[str, object], key: str) -> str | None:
    value = given.get(key)
    if value is None or (isinstance(value, str) and value):
        return value
    raise InvalidRequest(f"`qwenroute.{key}` has to be a name, not {quoted(value)}", param=f"qwenroute.{key}")


def _flag(given: Mapping[str, object], key: str) -> bool | None:
    value = given.get(key)
    if value is None or isinstance(value, bool):
        return value
    raise InvalidRequest(f"`qwenroute.{key}` has to be true or false, not {quoted(value)}", param=f"qwenroute.{key}")


def _positive(given: Mapping[str, object], key: str) -> float | None:
    value = given.get(key)
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12:
        return float(value)
    raise InvalidRequest(f"`qwenroute.{key}` has to be a number above 0, not {quoted(value)}", param=f"qwenroute.{key}")


def _tags(given: Mapping[str, object]) -> tuple[str, ...]:
    value = given.get("tags", ())
    if isinstance(value, list | tuple) and all(isinstance(tag, str) for tag in value):
        return tuple(value)
    raise InvalidRequest(f"`qwenroute.tags` has to be a list of strings, not {quoted(value)}", param="qwenroute.tags")


def _key(given: Mapping[str, object]) -> str | None:
    value = given.get("key")
    if isinstance(value, str) and (_SECRET.search(value) or len(value) > MOST_KEY_CHARS):
        # It would end up in records; the message does not repeat it.
        raise InvalidRequest(
            "`qwenroute.key` has to be a name for the key, user or job that asks, never the key itself",
            param="qwenroute.key",
        )
    return _text(given, "key")


def _headers(given: Mapping[str, object]) -> Mapping[str, str]:
    """Return the headers by their names in lower case, without those that carry secrets."""
    value = given.get("headers")
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise InvalidRequest(
            f"`qwenroute.headers` has to be a mapping of names to texts, not {named(value)}", param="qwenroute.headers"
        )
    if len(value) > MOST_HEADERS:
        raise InvalidRequest(
            f"`qwenroute.headers` has {len(value)} entries, and {MOST_HEADERS} are taken; pass on what the policy "
            "asks about",
            param="qwenroute.headers",
        )
    headers: dict[str, str] = {}
    chars = 0
    for name, text in value.items():
        if not isinstance(name, str) or not name:
            raise InvalidRequest(
                f"a name in `qwenroute.headers` has to be a string, not {quoted(name)}", param="qwenroute.headers"
            )
        if carries_secret(name):
            continue
        if not isinstance(text, str):
            raise InvalidRequest(
                f"`{name[:100]}` in `qwenroute.headers` has to be a string, not {named(text)}",
                param="qwenroute.headers",
            )
        chars += len(name) + len(text)
        headers[name.lower()] = text
    if chars > MOST_HEADER_CHARS:
        raise InvalidRequest(
            f"`qwenroute.headers` has {chars:,} characters, and {MOST_HEADER_CHARS:,} are taken; pass on what the "
            "policy asks about",
            param="qwenroute.headers",
        )
    return headers
