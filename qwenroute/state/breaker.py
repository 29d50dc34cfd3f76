"""A circuit breaker as a value: what it saw makes the next one.

Closed until there were too many failures, or one that does not pass by itself; open for a while;
then half open, which admits one probe: its answer closes the circuit, its failure opens it for
twice as long.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from qwenroute.domain.failure import FailureKind
from qwenroute.domain.health import Circuit
from qwenroute.domain.resilience import BreakerRules

BLOCK_S = 300.0
"""How long what does not pass by itself keeps a circuit open: a wrong key, an unpaid bill, a model that is gone."""


class Saw(Enum):
    """What moves a circuit."""

    TOO_MANY_FAILURES = "too many failures"
    BLOCKED = "a failure that does not pass by itself"
    COOLED_DOWN = "its time is over"
    PROBE_ANSWERED = "the probe was answered"
    PROBE_FAILED = "the probe failed"


NEXT: Mapping[tuple[Circuit, Saw], Circuit] = {
    (Circuit.CLOSED, Saw.TOO_MANY_FAILURES): Circuit.OPEN,
    (Circuit.CLOSED, Saw.BLOCKED): Circuit.OPEN,
    (Circuit.OPEN, Saw.BLOCKED): Circuit.OPEN,
    (Circuit.OPEN, Saw.COOLED_DOWN): Circuit.HALF_OPEN,
    (Circuit.HALF_OPEN, Saw.PROBE_ANSWERED): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Saw.PROBE_FAILED): Circuit.OPEN,
    (Circuit.HALF_OPEN, Saw.BLOCKED): Circuit.OPEN,
}
"""What is not here changes nothing: an attempt from before the circuit opened, for example."""


class Effect(Enum):
    """What a failure says of the deployment it came from."""

    ANSWERED = "the host is well, the request was not"
    COOLS = "the host is well and asks for less"
    TRIPS = "the host is not well"
    BLOCKS_DEPLOYMENT = "this deployment will refuse everyone for long"
    BLOCKS_ENDPOINT = "the credential or the bill: the whole endpoint will refuse"


EFFECTS: Mapping[FailureKind, Effect] = {
    FailureKind.INVALID_REQUEST: Effect.ANSWERED,
    FailureKind.UNSUPPORTED_FEATURE: Effect.ANSWERED,
    FailureKind.STREAM_REQUIRED: Effect.ANSWERED,
    FailureKind.CONTEXT_OVERFLOW: Effect.ANSWERED,
    FailureKind.BAD_MEDIA: Effect.ANSWERED,
    FailureKind.MEDIA_FETCH: Effect.ANSWERED,
    FailureKind.CONTENT_FILTER: Effect.ANSWERED,
    FailureKind.RATE_LIMITED: Effect.COOLS,
    FailureKind.TOKENS_LIMITED: Effect.COOLS,
    FailureKind.BURST_LIMITED: Effect.COOLS,
    FailureKind.OVERLOADED: Effect.TRIPS,
    FailureKind.SERVER_ERROR: Effect.TRIPS,
    FailureKind.TIMEOUT: Effect.TRIPS,
    FailureKind.CONNECTION: Effect.TRIPS,
    FailureKind.MALFORMED: Effect.TRIPS,
    FailureKind.STREAM_CUT: Effect.TRIPS,
    FailureKind.MODEL_GONE: Effect.BLOCKS_DEPLOYMENT,
    FailureKind.PERMISSION: Effect.BLOCKS_DEPLOYMENT,
    FailureKind.CONFIGURATION: Effect.BLOCKS_DEPLOYMENT,  # a wrong path may be wrong for one model only
    FailureKind.AUTHENTICATION: Effect.BLOCKS_ENDPOINT,
    FailureKind.BILLING: Effect.BLOCKS_ENDPOINT,
}


@dataclass(frozen=True, slots=True)
class Breaker:
    """The breaker of one deployment. Every method returns the next one; nothing changes in place."""

    circuit: Circuit = Circuit.CLOSED
    failures: int = 0
    """In a row, while closed."""
    openings: int = 0
    """In a row: an answered probe ends them."""
    until: float | None = None
    """When an open circuit becomes half open."""
    probing: bool = False
    """A probe is under way. It stays true where the circuit opens meanwhile: there is never a second."""
    why: str | None = None

    def at(self, now: float) -> Breaker:
        """Return the breaker as it stands at an instant."""
        if self.until is None or now < self.until:
            return self
        return replace(self, circuit=NEXT[self.circuit, Saw.COOLED_DOWN], until=None)

    def probe(self) -> Breaker:
        """Send the probe of a half-open circuit on its way."""
        assert self.circuit is Circuit.HALF_OPEN
        assert not self.probing
        return replace(self, probing=True)

    def answered(self, *, probe: bool = False) -> Breaker:
        """Return what an answer makes of it."""
        if probe:
            if NEXT.get((self.circuit, Saw.PROBE_ANSWERED)) is Circuit.CLOSED:
                return Breaker()
            return replace(self, probing=False)
        if self.failures and self.circuit is Circuit.CLOSED:
            return Breaker()
        return self

    def failed(
        self,
        why: str,
        now: float,
        rules: BreakerRules,
        *,
        probe: bool = False,
        recent: tuple[int, int] = (0, 0),
    ) -> Breaker:
        """Return what a failure makes of it. `recent`: attempts and failures of the window, this one included."""
        if probe:
            return _opened(self.released(), Saw.PROBE_FAILED, f"the probe failed: {why}", now, rules)
        if self.circuit is not Circuit.CLOSED:
            return self
        failures = self.failures + 1
        attempts, failed = recent
        if failures >= rules.failures:
            return _opened(self, Saw.TOO_MANY_FAILURES, f"{failures} failures in a row, the last: {why}", now, rules)
        if attempts >= rules.min_attempts and failed >= rules.error_rate * attempts:
            told = f"{failed} of {attempts} attempts failed within {rules.window_s:g} s, the last: {why}"
            return _opened(self, Saw.TOO_MANY_FAILURES, told, now, rules)
        return replace(self, failures=failures)

    def blocked(self, why: str, until: float, *, probe: bool = False) -> Breaker:
        """Open at once, for as long as told; what is open longer stays so."""
        probing = self.probing and not probe
        if self.until is not None and self.until >= until:
            return replace(self, probing=probing)
        circuit = NEXT[self.circuit, Saw.BLOCKED]
        return replace(self, circuit=circuit, failures=0, until=until, probing=probing, why=why)

    def released(self) -> Breaker:
        """Make room for another probe: the last one was cancelled, and says nothing."""
        return replace(self, probing=False)


def _opened(breaker: Breaker, saw: Saw, why: str, now: float, rules: BreakerRules) -> Breaker:
    """Return the open breaker that follows, or the same one where what was seen opens nothing."""
    circuit = NEXT.get((breaker.circuit, saw))
    if circuit is not Circuit.OPEN:
        return breaker
    openings = breaker.openings + 1
    seconds = min(rules.open_cap_s, rules.open_s * 2.0 ** min(openings - 1, 32))
    return Breaker(circuit=circuit, openings=openings, until=now + seconds, why=why)
