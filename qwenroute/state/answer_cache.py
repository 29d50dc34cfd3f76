"""Answers that were given before, for requests that are exactly the same."""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import fields
from hashlib import blake2b
from typing import Protocol

from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.record import Record
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.resilience import CacheRules
from qwenroute.state.answer_cache_sqlite import SqliteAnswerCache, largest_bytes

FORM = "qwenroute answer 1"
"""Part of every key: another number where the key or what is kept changes its meaning."""
KEY_BYTES = 20

_NOT_HINTS = {"deadline_s", "hedge", "session", "headers"}
"""How the answer is got does not change what is asked."""
_NOT_PARAMS = ("stream_options",)
_HINTS = tuple(field.name for field in fields(Hints) if field.name not in _NOT_HINTS)


class AnswerCache(Protocol):
    """Keeps answers under the keys of their requests. Threads may share one.

    `now` is the wall clock, in seconds: a file outlives the process that wrote it.
    """

    def get(self, key: bytes, now: float) -> bytes | None:
        """Return the answer that is kept, unless it is too old."""

    def put(self, key: bytes, answer: bytes, now: float) -> None:
        """Keep an answer, at the cost of others where there is no room."""

    def close(self) -> None:
        """Let go of what is held open. Idempotent."""

    def leave_behind(self) -> None:
        """After a fork: whoever held a lock is in the parent."""


def open_answer_cache(rules: CacheRules, on_failure: Callable[[str], None]) -> AnswerCache:
    """Return the cache that a policy asks for; `on_failure` is told, once, of a file that cannot be used."""
    cache: AnswerCache = MemoryAnswerCache(rules) if rules.path is None else SqliteAnswerCache(rules, on_failure)
    _open.add(cache)
    return cache


class AnswerKeys:
    """Makes the keys of one policy, served by these endpoints: no other has a key in common with it.

    Two requests have one key where they are the same JSON once the names in every object are
    sorted: the model asked for, the messages, every parameter, and every hint about what is asked.
    How the answer is got (streamed, hedged, by when) makes no difference. Texts count as they are written, character
    by character, and so do numbers: 1 and 1.0 are two requests. What a tenant asked is only ever
    found by that tenant; requests without one share among themselves. Of the headers, those count
    that the policy's rules ask for.

    A request is worth a key whatever its temperature: a policy that caches says by it that one
    answer is as good as another.
    """

    def __init__(self, policy_hash: str, endpoints: Iterable[Endpoint], headers: Iterable[str] = ()) -> None:
        places = sorted([e.name, e.provider, e.region or "", e.base_url or ""] for e in endpoints)
        self._headers = sorted(headers)
        self._began = blake2b(_canonical([FORM, policy_hash, places]), digest_size=KEY_BYTES)

    def key(self, request: Request) -> bytes | None:
        """Return the key, or None for a request that is no JSON and so has none."""
        params = request.params
        if any(name in params for name in _NOT_PARAMS):
            params = {name: value for name, value in params.items() if name not in _NOT_PARAMS}
        hints = request.hints
        told = [getattr(hints, name) for name in _HINTS]
        if self._headers:
            told.append([hints.headers.get(name) for name in self._headers])
        asked = [request.kind, request.model, request.messages, request.prompt, request.suffix, params, told]
        digest = self._began.copy()
        try:
            digest.update(_canonical(asked))
        except (TypeError, ValueError, RecursionError):
            return None
        return digest.digest()


def _canonical(value: object) -> bytes:
    """Write a JSON value down in the one way there is: names sorted, every part led by its size.

    Sizes make it unambiguous without looking into texts. `json` has to, and takes four times as
    long for a long prompt, and forty times for a picture.

    Raises:
        TypeError, ValueError, RecursionError: it is no JSON value.
    """
    parts: list[str] = []
    _write(value, parts)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _write(value: object, parts: list[str]) -> None:
    if isinstance(value, str):
        parts += (f"s{len(value)}:", value)
    elif isinstance(value, dict):
        parts.append(f"d{len(value)}:")
        for name in sorted(value):
            if not isinstance(name, str):
                raise TypeError
            parts += (f"{len(name)}:", name)
            _write(value[name], parts)
    elif isinstance(value, list | tuple):
        parts.append(f"l{len(value)}:")
        for each in value:
            _write(each, parts)
    elif value is None or isinstance(value, bool | int | float):
        parts.append(f"{value!r};")
    else:
        raise TypeError


def worth_keeping(request: Request, record: Record, finish_reasons: Iterable[str | None]) -> bool:
    """Whether an answer may be given again: whole, from one attempt, and ended as it was meant to.

    Left out are a resumed stream's (two models wrote it), those that a filter ended, and those
    that ran into a limit on length which the caller did not set.
    """
    if record.answered_by is None or record.splices:
        return False
    ends = {"stop", "tool_calls", "function_call"}
    if "max_tokens" in request.params or "max_completion_tokens" in request.params:
        ends.add("length")
    reasons = list(finish_reasons)
    return bool(reasons) and all(reason in ends for reason in reasons)


class MemoryAnswerCache:
    """Keeps answers in memory; those not asked for the longest go first."""

    def __init__(self, rules: CacheRules) -> None:
        self._ttl_s = rules.ttl_s
        self._max_entries = rules.max_entries
        self._max_bytes = int(rules.max_mb * 1_000_000)
        self._largest = largest_bytes(rules)
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, tuple[float, bytes]] = OrderedDict()
        self._bytes = 0

    def get(self, key: bytes, now: float) -> bytes | None:
        """Return the answer that is kept, unless it is too old."""
        with self._lock:
            held = self._kept.get(key)
            if held is None:
                return None
            kept_at, answer = held
            if abs(now - kept_at) >= self._ttl_s:  # a clock that was set back must not keep it for ever
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return answer

    def put(self, key: bytes, answer: bytes, now: float) -> None:
        """Keep an answer, at the cost of others where there is no room."""
        if len(answer) > self._largest:
            return
        with self._lock:
            if key in self._kept:
                self._drop(key)
            self._kept[key] = (now, answer)
            self._bytes += len(answer)
            while len(self._kept) > self._max_entries or self._bytes > self._max_bytes:
                self._drop(next(iter(self._kept)))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def leave_behind(self) -> None:
        """After a fork: whoever held the lock is in the parent."""
        self._lock = threading.Lock()

    def _drop(self, key: bytes) -> None:
        self._bytes -= len(self._kept.pop(key)[1])


_open: weakref.WeakSet[AnswerCache] = weakref.WeakSet()


def _leave_behind() -> None:
    for cache in list(_open):
        cache.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)
