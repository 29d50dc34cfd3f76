"""What must not be in a record's text: addresses, numbers, keys, and what the policy names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qwenroute.policy.wording import WINDOW_CHARS

KEPT_CHARS = 1_000
"""Of each end of a long message: a policy's patterns are bounded for texts of twice that."""
_SPARE = (WINDOW_CHARS - 1) // 2 - KEPT_CHARS + 200
"""What is read beyond it, so that nothing which is to go stands half within."""

_TOKEN = re.compile(r"(?<![\w\-.])[A-Za-z0-9_][\w\-.]{15,}")
"""A word without blanks that is long enough for a key: looked at only where it begins, so that this is quick."""
_PREFIX = re.compile(r"(?:sk|pk|rk|ak|api|key|token|gh[opsu]|xox[abprs]|LTAI|AKIA|ASIA|AIza|hf|eyJ)[-_]?[\w\-.]{12,}")
_BEARER = re.compile(r"\bBearer\s+[\w\-.=+/]{8,}")
_LONG = 32
"""A token of so many characters, digits and letters among them, is taken for a key whatever it begins with."""
_EMAIL = re.compile(r"(?<![\w.+\-])[\w.+\-]{1,256}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}")
_CARD = re.compile(r"(?<!\d)\d(?:[ \-]?\d){12,18}(?!\d)")
_PHONE = re.compile(r"(?<!\w)(?!\d{4}-\d\d-\d\d\b)(?:\+|00)?\(?\d(?:[ \-./()]{0,2}\d){6,14}(?!\w)")
_DIGIT = re.compile(r"\d").search


def without_keys(text: str) -> str:
    """Return a text without what looks like an API key."""
    if "Bearer" in text:
        text = _BEARER.sub("[key]", text)
    return _TOKEN.sub(_unless_key, text)


def _unless_key(match: re.Match[str]) -> str:
    token = match.group()
    if _DIGIT(token) is None or token.replace(".", "").replace("-", "").isdigit():
        return token
    return "[key]" if len(token) >= _LONG or _PREFIX.match(token) is not None else token


def _without_addresses(text: str) -> str:
    """Return a text without e-mail addresses, card and phone numbers."""
    if "@" in text:
        text = _EMAIL.sub("[email]", text)
    if _DIGIT(text) is not None:
        text = _PHONE.sub("[phone]", _CARD.sub("[card]", text))
    return text


class Redaction:
    """The built-in patterns, and a policy's own."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._own = tuple(re.compile(pattern, re.IGNORECASE) for pattern in patterns)

    def of(self, text: str) -> str:
        """Return what may be kept of a text: of a long one, the beginning and the end."""
        if len(text) <= 2 * KEPT_CHARS:
            return self._redact(text)
        begins = self._redact(text[: KEPT_CHARS + _SPARE])[:KEPT_CHARS]
        ends = self._redact(text[-KEPT_CHARS - _SPARE :])[-KEPT_CHARS:]
        return f"{begins}\n…\n{ends}"

    def _redact(self, text: str) -> str:
        for pattern in self._own:
            text = pattern.sub("[redacted]", text)
        return _without_addresses(without_keys(text))
