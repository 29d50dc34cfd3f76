"""What a schema found wrong with a value, in words for someone who edits the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from qwenroute.documents.quoting import quoted

Context = Mapping[str, object]
Said = tuple[str, str | None]
"""What is wrong, to follow the name of the key; and what to do."""

_FORMS: Mapping[str, Said] = {
    r"^[A-Z]{3}$": ("a currency, three capital letters", "write `USD`, `CNY` or `EUR`, for example"),
    r"^([01][0-9]|2[0-3]):[0-5][0-9]$": ("a time of day", 'write hours and minutes with two digits each, `"08:00"`'),
    r"^[a-z0-9][a-z0-9._-]*$": ("an id: small letters, digits, `.`, `_` and `-`", None),
}
_SPOKEN = {
    "yes": "true", "on": "true", "y": "true", "1": "true", "no": "false", "off": "false", "n": "false", "0": "false",
}  # fmt: skip
_AMOUNT = re.compile(r"([-+]?[0-9][0-9.,_]*)\s*([a-z%$€¥]{1,10})", re.IGNORECASE)
_TEXT_OF_NUMBER = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?\Z")
_LEADING_ZERO = re.compile(r"[-+]?0[0-9]")


def complaint(kind: str, value: object, context: Context, message: str) -> Said:
    """Return what is wrong with a value and what to do, from what pydantic calls the kind of error.

    A check of ours says it in its own words, after a colon.
    """
    family = _FAMILY.get(kind)
    if family is not None:
        if value is None:
            return "is empty", f"write {family}, or leave the line out"
        return f"has to be {family}, not {kind_of(value)}", _instead(family, value)
    words = _SAYS.get(kind)
    if words is not None:
        return words(value, context)
    said = message.removeprefix("Value error, ")
    return f": {said[:1].lower()}{said[1:]}", None


def kind_of(value: object) -> str:
    """Show a short value as it is, anything else by its kind."""
    match value:
        case None:
            return "nothing"
        case bool() | int() | float():
            return quoted(value)
        case str():
            return f"the text {quoted(value)}" if value else "an empty text"
        case Mapping():
            return "a mapping of keys"
        case list() | tuple():
            return "a list"
        case _:
            return "this"


_FAMILY: Mapping[str, str] = {
    **dict.fromkeys(("model_type", "dict_type", "model_attributes_type", "mapping_type", "dataclass_type"),
                    "a mapping of keys"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), "a list"),
    **dict.fromkeys(("string_type", "string_sub_type"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "decimal_type", "decimal_parsing", "finite_number"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"),
                    "a date such as 2026-11-24"),
    **dict.fromkeys(("datetime_type", "datetime_parsing", "datetime_from_date_parsing"), "a date and time"),
    "url_parsing": "an address", "url_type": "an address",
}  # fmt: skip


def _instead(family: str, value: object) -> str | None:
    """Return what to write where a value of another kind stands."""
    if family == "text" and isinstance(value, bool | int | float):
        return f'put it in quotes if it is meant as text: `"{str(value).lower()}"`'
    if family == "text" and isinstance(value, list | Mapping):
        return "write one text, and nothing inside it"
    if family == "a mapping of keys" and isinstance(value, list):
        return "write `key: value` lines, without `-` before them"
    if family == "a mapping of keys":
        return "write the keys below it, one a line and indented"
    if not isinstance(value, str):
        return "write a whole number" if isinstance(value, float) and family == "a whole number" else None
    text = value.strip()
    if family == "true or false":
        meant = _SPOKEN.get(text.lower()) or (text.lower() if text.lower() in {"true", "false"} else None)
        return None if meant is None else f"write `{meant}`, without quotes"
    if family in {"a number", "a whole number"}:
        if _LEADING_ZERO.match(text):
            return "write it without the zero in front"
        if _TEXT_OF_NUMBER.match(text):
            return "take the quotes away"
        if (amount := _AMOUNT.fullmatch(text)) is not None:
            if amount[2] == "%" and (share := _TEXT_OF_NUMBER.match(amount[1])) is not None:
                part = f"{float(share[0]) / 100:g}"
                return f"write the number without `%`: {share[0]}, or {part} where the key is a share from 0 to 1"
            return f"write the number without `{amount[2]}`: the name of the key says what it counts"
    return None


def _number(value: object) -> str:
    return (
        f"{value:,}"
        if isinstance(value, int) and not isinstance(value, bool)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


def _bound(words: str, key: str) -> Callable[[object, Context], Said]:
    return lambda value, context: (f"has to be {words} {_number(context[key])}, not {_number(value)}", None)


def _too_short(_: object, context: Context) -> Said:
    least = context.get("min_length", 1)
    if least == 1:
        return "is empty", "name at least one, or leave the line out"
    return f"needs at least {least} entries", None


def _too_long(_: object, context: Context) -> Said:
    return f"has more than {context.get('max_length')} entries", None


def _form(value: object, context: Context) -> Said:
    pattern = str(context.get("pattern"))
    what, hint = _FORMS.get(pattern, (f"of the form `{pattern}`", None))
    return f"has to be {what}, not {kind_of(value)}", hint


_SAYS: Mapping[str, Callable[[object, Context], Said]] = {
    "greater_than": _bound("above", "gt"),
    "greater_than_equal": _bound("at least", "ge"),
    "less_than": _bound("below", "lt"),
    "less_than_equal": _bound("at most", "le"),
    "multiple_of": _bound("a multiple of", "multiple_of"),
    "too_short": _too_short,
    "too_long": _too_long,
    "string_too_short": lambda *_: ("is empty", "write something between the quotes, or leave the line out"),
    "string_too_long": lambda _, context: (f"is longer than {context['max_length']:,} characters", None),
    "string_pattern_mismatch": _form,
    "string_unicode": lambda *_: ("holds characters that are no text", "type it again, without what was pasted in"),
}
