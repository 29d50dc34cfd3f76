"""Write one record for each call of a router where the policy says so, whatever becomes of the call."""

from __future__ import annotations

import os
import time
import uuid
import weakref
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from qwenroute.analysis.view import text_of
from qwenroute.domain.decision import Decision
from qwenroute.domain.record import Record
from qwenroute.domain.recording import RecordRules, RecordText
from qwenroute.domain.request import Kind, Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import BudgetExceeded, CallFailed, NoDeployment
from qwenroute.execution.hooks import Arriving
from qwenroute.policy import Alike, Policy, Wording
from qwenroute.policy.signs import Examples
from qwenroute.records import line
from qwenroute.records.fingerprint import fingerprint, key_beside, short
from qwenroute.records.redaction import Redaction, without_keys
from qwenroute.records.sinks import open_sink
from qwenroute.records.writer import Line, Writer
from qwenroute.routing.needs import CHECKED, reserves_tool
from qwenroute.streams import Source
from qwenroute.telemetry import log

Piece = TypeVar("Piece")
MOST_KINDS = 4_096
LONGEST_VALUE = 40
LEFT = "Left"
"""Stands for an error where the caller did not wait for the end."""


class Ending(Protocol):
    """A call that has a record as soon as it has begun."""

    def record(self) -> Record:
        """Return the record as it stands."""


class Note:
    """What is known of one call while it is under way."""

    __slots__ = (
        "_began", "_over", "_recording", "_text", "alike", "at", "decision", "error", "kind", "policy",
        "record", "request", "run", "signals", "texts", "wording",
    )  # fmt: skip

    def __init__(self, recording: Recording, policy: Policy, kind: Kind) -> None:
        self._recording: Recording | None = recording
        self._text = recording.rules.text
        self._over = False
        self._began = time.monotonic()
        self.at = time.time()
        self.policy = policy
        self.kind = kind
        self.request: Request | None = None
        self.signals: Signals | None = None
        self.alike: Alike | None = None
        self.decision: Decision | None = None
        self.run: Ending | None = None
        self.record: Record | None = None
        self.error: str | None = None
        self.texts: Sequence[tuple[str, str]] = ()
        self.wording: Wording | None = None

    def analysed(self, request: Request, signals: Signals) -> None:
        """Take a request that could be read. Its texts are taken too, where they count; they are not copied."""
        self.request, self.signals = request, signals
        self.texts = () if self._text is RecordText.NONE else tuple(_texts(request))
        if self.policy.signs:
            self.wording = Wording(request)
            _ = self.wording.text  # now: the caller may change the messages later

    def answered(self, record: Record) -> None:
        """Write that the caller has the answer."""
        self._end(record, None)

    def failed(self, error: BaseException) -> None:
        """Write that the caller has an error instead."""
        if isinstance(error, NoDeployment | BudgetExceeded):
            self.decision = error.decision
        self._end(error.record if isinstance(error, CallFailed) else None, type(error).__name__)

    def left(self) -> None:
        """Write that the caller has left a stream before its end."""
        self._end(None, LEFT)

    def leave_behind(self) -> None:
        """After a fork: the call goes on in the parent, which writes its record."""
        self._over, self._recording = True, None

    def _end(self, record: Record | None, error: str | None) -> None:
        if self._over:
            return
        self._over = True
        if record is None and self.run is not None:
            record = self.run.record()
        self.run, self.record, self.error = None, record, error
        if record is not None:
            self.decision = record.decision
        recording, self._recording = self._recording, None
        assert recording is not None  # nothing ends twice
        recording.put(self)

    @property
    def waited_s(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self._began


class Recording:
    """The records of one router under one policy's `records`."""

    def __init__(self, rules: RecordRules) -> None:
        self.rules = rules
        tell = partial(log.records_failed, rules.path)
        self._writer: Writer[tuple[Note, float]] = Writer(
            open_sink(rules),
            _Scribe(rules, tell).line,
            lambda at, lost: (at, line.line(line.gap(at, lost))),
            tell,
        )
        self._notes: set[Note] = set()
        _recordings.add(self)
        # Dropped without `close`, it is waited for at exit and not before: the garbage collector runs anywhere.
        weakref.finalize(self, self._writer.stop).atexit = False
        folder = Path(rules.path).parent
        if not folder.is_dir():
            tell(f"there is no folder `{folder}`")
        elif not os.access(folder, os.W_OK):
            tell(f"the folder `{folder}` may not be written to")

    @property
    def lost(self) -> int:
        """Records that could not be written."""
        return self._writer.lost

    def begin(self, policy: Policy, kind: Kind) -> Note:
        """Return the note of a call that begins."""
        note = Note(self, policy, kind)
        self._notes.add(note)
        return note

    def put(self, note: Note) -> None:
        """Have the record of a call written that has ended."""
        self._notes.discard(note)
        self._writer.put((note, note.waited_s), sum(len(text) for _, text in note.texts))

    def close(self) -> None:
        """Write what is there, also of calls that nobody has ended. Idempotent."""
        for note in list(self._notes):
            note.left()
        self._writer.close()

    def leave_behind(self) -> None:
        """After a fork: the calls under way are the parent's."""
        for note in self._notes:
            note.leave_behind()
        self._notes.clear()


_recordings: weakref.WeakSet[Recording] = weakref.WeakSet()


def _leave_behind() -> None:
    for recording in list(_recordings):
        recording.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)


class Recorded(Generic[Piece]):
    """A stream whose record is written when it ends, however it ends."""

    def __init__(self, stream: Source[Piece], note: Note) -> None:
        self._stream = stream
        self._note = note
        note.run = stream

    async def next(self) -> Piece | None:
        """Return the next piece, None at the end."""
        try:
            piece = await self._stream.next()
        except BaseException as error:
            self._note.failed(error)
            raise
        if piece is None:
            self._note.answered(self._stream.record())
        return piece

    async def aclose(self) -> None:
        """Give up the rest."""
        try:
            await self._stream.aclose()
        finally:
            self._note.left()

    def __del__(self) -> None:
        """Write the record of a stream that was dropped after its loop had closed."""
        self._note.left()

    def record(self) -> Record:
        """Return the record as it stands."""
        return self._stream.record()

    def arriving(self) -> Arriving:
        """Return where its pieces come from just now."""
        return self._stream.arriving()


class _Scribe:
    """Makes lines, on the writer's thread."""

    def __init__(self, rules: RecordRules, tell: partial[None]) -> None:
        self._rules = rules
        self._tell = tell
        self._redaction = Redaction(rules.redact)
        self._key: bytes | None = None
        self._keyless = False
        self._rejected: dict[Hashable, Mapping[str, Sequence[str]]] = {}
        self._headers: tuple[str, frozenset[str]] = ("", frozenset())

    def line(self, entry: tuple[Note, float]) -> Line:
        note, waited_s = entry
        policy, record = note.policy, note.record
        row = line.head(note.at, uuid.uuid4().hex if record is None else record.id, policy.name, policy.hash)
        if note.request is not None and note.signals is not None:
            row["request"] = self._shape(note.request, policy)
            row["signals"] = line.compact(note.signals)
            self._say(row, note)
            if note.wording is not None:
                self._look(row, note, policy)
        else:
            row["request"] = {"kind": note.kind}
        if note.decision is not None:
            row["decision"] = line.decided(note.decision, self._rejections(note.decision))
        if record is None:
            row["latency_s"] = round(waited_s, 6)
        else:
            row |= line.ended(record)
        if note.error is not None:
            row["error"] = note.error
        return note.at, line.line(row)

    def _shape(self, request: Request, policy: Policy) -> dict[str, object]:
        row: dict[str, object] = {"model": request.model}
        if request.kind is not Kind.CHAT:
            row["kind"] = request.kind.value
        if request.stream:
            row["stream"] = True
        hints = line.compact(request.hints)
        if request.hints.session is not None:
            key = self._find_key()
            hints["session"] = "" if key is None else short(key, request.hints.session)
        self._name_headers(hints, policy)
        if hints:
            row["hints"] = hints
        params = {name: _scalar(request.params[name]) for name in request.params if name in CHECKED and name != "tools"}
        if params:
            row["params"] = params
        if "tools" in request.params and reserves_tool(request.params):
            row["reserved_tool"] = True
        return row

    def _name_headers(self, hints: dict[str, object], policy: Policy) -> None:
        """Keep those headers alone that a rule looks at."""
        headers = hints.pop("headers", None)
        if isinstance(headers, Mapping):
            named = {name: held for name, held in headers.items() if str(name).lower() in policy.headers}
            if named:
                hints["headers"] = named

    def _say(self, row: dict[str, object], note: Note) -> None:
        """Add what the record is to hold of the prompt."""
        match self._rules.text:
            case RecordText.HASH:
                key = self._find_key()
                if key is not None:
                    row["prompt"] = fingerprint(key, note.texts)
            case RecordText.REDACTED:
                row["text"] = [[role, self._redaction.of(text)] for role, text in note.texts]
            case RecordText.FULL:
                row["text"] = kept = [[role, without_keys(text)] for role, text in note.texts]
                if all(text == sent for (_, text), (_, sent) in zip(kept, note.texts, strict=True)):
                    row["whole"] = True

    def _look(self, row: dict[str, object], note: Note, policy: Policy) -> None:
        """Add what of the policy's signs is found in the request's words."""
        wording = note.wording
        assert wording is not None
        wording.alike = note.alike
        found: dict[str, float] = {}
        for sign in policy.signs:
            if isinstance(sign, Examples):
                if note.alike is not None:
                    nearest = sign.nearest(wording)
                    found[sign.name] = 0 if nearest is None else round(nearest[0], 4)
            else:
                found[sign.name] = int(sign.found(wording) is not None)
        row["found"] = found
        if policy.encoder is not None:
            row["encoder"] = policy.encoder

    def _rejections(self, decision: Decision) -> Mapping[str, Sequence[str]]:
        """Return what was rejected, by gate; worked out once for decisions that are alike."""
        alike = getattr(decision.rejections, "alike", None)
        key = None if alike is None else (decision.policy_hash, alike)
        found = None if key is None else self._rejected.get(key)
        if found is None:
            found = line.by_gate(decision.rejections)
            if key is not None:
                if len(self._rejected) >= MOST_KINDS:
                    self._rejected.clear()
                self._rejected[key] = found
        return found

    def _find_key(self) -> bytes | None:
        if self._key is None and not self._keyless:
            try:
                self._key = key_beside(self._rules.path)
            except OSError as error:
                self._keyless = True
                self._tell(f"prompts are not digested, for the key cannot be had: {error}")
        return self._key


def _texts(request: Request) -> list[tuple[str, str]]:
    """Return what was said by whom: the very strings of the request."""
    if request.kind is Kind.COMPLETION:
        return [("prompt", request.prompt), *([] if request.suffix is None else [("suffix", request.suffix)])]
    return [(str(message["role"]), _whole(message.get("content"))) for message in request.messages]


def _whole(content: object) -> str:
    return content if isinstance(content, str) else text_of(content, 1_000_000_000)


def _scalar(value: object) -> object:
    if isinstance(value, bool | int | float) or value is None:
        return value if not isinstance(value, float) or abs(value) < 1e300 else str(value)
    return str(value)[:LONGEST_VALUE]
