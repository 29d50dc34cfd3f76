"""Requests and tokens per minute, counted as the platform counts them.

Limits are per model and region, over all keys. They recover as the minute slides on; the
platform enforces a sixtieth of them per second too (facts: rate_limits.sub_minute), which is
off here unless asked for.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from qwenroute.domain.capability import RateLimits
from qwenroute.simulator.error_table import Refused

MINUTE_S = 60.0


@dataclass(slots=True)
class _Window:
    requests: deque[float] = field(default_factory=deque)
    tokens: deque[tuple[float, int]] = field(default_factory=deque)
    used_tokens: int = 0


class Throttle:
    """Counts requests and tokens of the last minute, and refuses what is over the limits."""

    def __init__(self, clock: Callable[[], float], *, per_second: bool = False, burst: int | None = None) -> None:
        self._clock = clock
        self._per_second = per_second
        self._burst = burst
        self._windows: dict[tuple[str, str], _Window] = {}

    def admit(self, region: str, model: str, limits: RateLimits, prompt_tokens: int) -> None:
        """Count one request and its prompt.

        Raises:
            Refused: a limit is reached; the request is not counted.
        """
        if limits.rpm is None and limits.tpm is None and self._burst is None:
            return
        now = self._clock()
        window = self._slide(region, model, now)
        if limits.rpm is not None and len(window.requests) >= limits.rpm:
            raise Refused("limit-requests")
        last_second = sum(1 for at in reversed(window.requests) if at > now - 1.0) if self._needs_second else 0
        if self._burst is not None and last_second >= self._burst:
            raise Refused("burst-rate")
        if self._per_second and limits.rpm is not None and last_second >= math.ceil(limits.rpm / 60):
            raise Refused("limit-requests")
        if limits.tpm is not None and window.used_tokens + prompt_tokens > limits.tpm:
            raise Refused("token-quota")
        if self._per_second and limits.tpm is not None:
            used = sum(tokens for at, tokens in window.tokens if at > now - 1.0)
            # A single request larger than the slice passes when it is alone: it could never pass otherwise.
            if used and used + prompt_tokens > math.ceil(limits.tpm / 60):
                raise Refused("token-quota")
        window.requests.append(now)
        self._spend(window, now, prompt_tokens)

    def settle(self, region: str, model: str, completion_tokens: int) -> None:
        """Count the tokens of an answer."""
        window = self._windows.get((region, model))
        if window is not None:
            self._spend(window, self._clock(), completion_tokens)

    @property
    def _needs_second(self) -> bool:
        return self._per_second or self._burst is not None

    def _slide(self, region: str, model: str, now: float) -> _Window:
        window = self._windows.setdefault((region, model), _Window())
        while window.requests and window.requests[0] <= now - MINUTE_S:
            window.requests.popleft()
        while window.tokens and window.tokens[0][0] <= now - MINUTE_S:
            window.used_tokens -= window.tokens.popleft()[1]
        return window

    @staticmethod
    def _spend(window: _Window, now: float, tokens: int) -> None:
        window.tokens.append((now, tokens))
        window.used_tokens += tokens
