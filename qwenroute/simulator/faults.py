"""What can be made to go wrong, and the script of when it does.

A DNS failure is the one fault that no server can commit: `qwenroute.testing.UNRESOLVABLE_URL` does.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from qwenroute.documents import nearest
from qwenroute.simulator.error_table import PlatformError, encode, errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Answer with an HTTP status and an error body."""

    code: int
    compat_code: str = "internal_error"
    message: str = "scripted failure"
    native_code: str | None = None
    retry_after: str | None = None
    """Seconds or an HTTP date, sent as it is. The platform documents no such header."""
    retry_after_ms: int | None = None
    native: bool = False
    """Send the native body `{code, message, request_id}` in place of the compatible one."""

    @classmethod
    def of(cls, error: PlatformError) -> Status:
        """Return the fault that answers with an error of the table."""
        return cls(code=error.status, compat_code=error.code, message=error.message, native_code=error.native)

    def headers(self) -> dict[str, str]:
        """Return what the fault adds to the answer's headers."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = self.retry_after
        if self.retry_after_ms is not None:
            headers["Retry-After-Ms"] = str(self.retry_after_ms)
        return headers

    def body(self, request_id: str) -> bytes:
        """Return the answer's body."""
        return error_body(self.compat_code, self.message, request_id, native=self.native_code if self.native else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowFirstToken:
    """Wait before anything but the head of the answer is sent; `head` waits before the head too."""

    s: float
    head: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall:
    """Stop sending after some chunks, and go on after `s` seconds if the client is still there."""

    after_chunks: int = 1
    s: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Drop the connection after some chunks (of a whole answer: after half of it)."""

    after_chunks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MalformedChunk:
    """Send something that is not JSON after some chunks (of a whole answer: in its place)."""

    after_chunks: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorEvent:
    """End a stream that began with 200 with an error event (a whole answer: error body under 200)."""

    after_chunks: int = 1
    code: str = "internal_error"
    message: str = "scripted failure in the stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorIn200:
    """Answer 200 with the native error body where the answer should be."""

    code: str = "InternalError"
    message: str = "scripted failure under HTTP 200"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionReset:
    """Reset the connection without an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmptyAnswer:
    """Answer 200 with no text at all."""


Fault = Status | SlowFirstToken | Stall | Cut | MalformedChunk | ErrorEvent | ErrorIn200 | ConnectionReset | EmptyAnswer

SHAPES: Mapping[str, Fault] = MappingProxyType(
    {
        "slow-first-token": SlowFirstToken(s=60.0),
        "stall": Stall(),
        "cut": Cut(),
        "malformed-chunk": MalformedChunk(),
        "error-event": ErrorEvent(),
        "error-in-200": ErrorIn200(),
        "connection-reset": ConnectionReset(),
        "empty-answer": EmptyAnswer(),
    }
)


@cache
def named_faults() -> Mapping[str, Fault]:
    """Return every fault that has a name: the platform's errors, then the failures of shape."""
    return MappingProxyType({**{name: Status.of(error) for name, error in errors().items()}, **SHAPES})


def fault_named(name: str) -> Fault:
    """Return a fault by its name, or by the platform's code where the code has one meaning.

    Raises:
        ValueError: no fault has the name, or the code has several; the message gives the nearest.
    """
    known = named_faults()
    if name in known:
        return known[name]
    meant = [error for error in errors().values() if error.native == name]
    if len({error.kind for error in meant}) > 1:
        raise ValueError(f"`{name}` means several things; choose one of {', '.join(e.name for e in meant)}")
    if meant:
        return Status.of(meant[0])
    close = nearest(name, known)
    hint = f"did you mean `{close}`?" if close else f"known: {', '.join(known)}"
    raise ValueError(f"unknown fault `{name}`; {hint}")


def error_body(code: str, message: str, request_id: str, *, native: str | None = None) -> bytes:
    """Return an error body: compatible, or native under the code given."""
    if native is not None:
        return encode({"code": native, "message": message, "request_id": request_id})
    error = {"message": message, "type": code, "param": None, "code": code}
    return encode({"error": error, "request_id": request_id})


@dataclass(slots=True, kw_only=True)
class _Scripted:
    model: str
    fault: Fault
    times: int | None
    after: int
    region: str | None
    path: str | None


class FaultScript:
    """Which requests go wrong, and how. Thread-safe.

    Faults of one model queue up: the oldest that still has something to do takes the request,
    so `times=2` followed by another fault means two of the first, then the other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._scripted: list[_Scripted] = []

    def add(
        self,
        model: str,
        fault: Fault | str,
        *,
        times: int | None = None,
        after: int = 0,
        region: str | None = None,
        path: str | None = None,
    ) -> None:
        """Make requests fail.

        Args:
            model: the id on the wire, or `*` for every model.
            fault: a fault, the name of one, or a code of the platform.
            times: how many requests fail; None means all from then on.
            after: how many requests are let through first.
            region: only on this region (`self_hosted` is the self-hosted server).
            path: only on paths that end so, for example `/completions`.
        """
        if times is not None and times < 1:
            raise ValueError(f"`times` must be at least 1 or None, not {times}")
        if after < 0:
            raise ValueError(f"`after` must not be negative, and is {after}")
        found = fault_named(fault) if isinstance(fault, str) else fault
        with self._lock:
            self._scripted.append(
                _Scripted(model=model, fault=found, times=times, after=after, region=region, path=path)
            )

    def clear(self) -> None:
        """Let everything succeed again."""
        with self._lock:
            self._scripted.clear()

    def take(self, model: str, *, region: str, path: str) -> Fault | None:
        """Return the fault for a request that has arrived, and count it."""
        if not self._scripted:
            return None
        with self._lock:
            for scripted in self._scripted:
                if scripted.model not in {"*", model}:
                    continue
                if scripted.region not in {None, region}:
                    continue
                if scripted.path is not None and not path.endswith(scripted.path):
                    continue
                if scripted.after > 0:
                    scripted.after -= 1
                    return None
                if scripted.times is not None:
                    scripted.times -= 1
                    if scripted.times == 0:
                        self._scripted.remove(scripted)
                return scripted.fault
        return None
