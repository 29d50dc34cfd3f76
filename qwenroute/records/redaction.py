"""What must not be in a record's text: addresses, numbers, keys, and what the policy names."""

from __future__ import annotations

import re
from collections.abc import Sequence

from qwenroute.policy.wording import WINDOW_CHARS

KEPT_CHARS = 1_000
"""Of each end of a long message: a policy's patterns are bounded for texts of twice that."""
_SPARE = (WINDOW_CHARS - 1) // 2 - KEPT_CHARS + 200
"""What is read beyond it, so that nothing which is to go stands half within."""

_KEY = re.compile(
    r"\b(?=[^\s0-9]{0,60}[0-9])(?:sk|pk|rk|ak|api|key|token|gh[opsu]|xox[abprs]|LTAI|AKIA|ASIA|AIza|hf|eyJ)"
    r"[-_]?[\w\-.]{14,}"
    r"|\b(?=[A-Za-z_\-]{0,40}[0-9])(?=[0-9_\-]{0,40}[A-Za-z])[A-Za-z0-9_\-]{32,}"
    r"|\bBearer\s+[A-Za-z0-9_\-.=+/]{8,}",
)
_EMAIL = re.compile(r"[\w.+\-]{1,64}@[\w\-]{1,63}(?:\.[\w\-]{1,63}){1,8}")
_CARD = re.compile(r"(?<![\d])(?:\d[ \-]?){12,18}\d(?!\d)")
_PHONE = re.compile(r"(?<![\w])(?:\+|00)?\(?\d(?:[ \-./()]{0,2}\d){6,14}(?!\w)")
_BUILT_IN = ((_KEY, "[key]"), (_EMAIL, "[email]"), (_CARD, "[card]"), (_PHONE, "[phone]"))


def without_keys(text: str) -> str:
    """Return a text without what looks like an API key."""
    return _KEY.sub("[key]", text)


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
        for pattern, word in _BUILT_IN:
            text = pattern.sub(word, text)
        return text
