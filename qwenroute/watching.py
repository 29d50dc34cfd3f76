"""Notice that a file has changed, or that a process was told so, and call somebody from another thread."""

from __future__ import annotations

import os
import signal
import threading
import weakref
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from types import FrameType

from qwenroute.errors import ConfigurationError

LOOK_EVERY_MS = 1_000
"""How often files are looked at where the system reports nothing (network file systems, or before it does)."""

Stamp = tuple[int, int, int] | None


class Watch:
    """Calls `changed` whenever one of some files is written, replaced or removed.

    `files` is asked again after every change: a file may name others. Folders are watched rather
    than files, since editors and mounted ConfigMaps put a new file in the place of the old one.

    Raises:
        ConfigurationError: the package that does it is not installed.
    """

    def __init__(self, files: Callable[[], Collection[Path]], changed: Callable[[], object]) -> None:
        try:
            import watchfiles  # noqa: F401, PLC0415 - only who wants it needs it
        except ModuleNotFoundError:
            raise ConfigurationError(
                "watching a policy file needs a package that is not installed: pip install 'qwenroute[watch]'"
            ) from None
        self._files = files
        self._changed = changed
        self._stop = threading.Event()
        self._start()
        _watches.add(self)

    def close(self) -> None:
        """Watch no longer. Idempotent; a call to `changed` that is under way ends by itself."""
        self._stop.set()
        _watches.discard(self)

    def restart(self) -> None:
        """After a fork: the thread is the parent's."""
        self._stop = threading.Event()
        self._start()

    def _start(self) -> None:
        weakref.finalize(self, self._stop.set)  # one that was dropped without `close` ends, too
        arguments = (self._files, self._changed, self._stop)
        threading.Thread(target=_work, args=arguments, name="qwenroute-watch", daemon=True).start()


def _work(files: Callable[[], Collection[Path]], changed: Callable[[], object], stop: threading.Event) -> None:
    seen: dict[Path, Stamp] | None = None  # what happened since the policy was read is unknown: look once

    def stamps() -> dict[Path, Stamp]:
        return {file: _stamp(file) for file in files()}

    def concerns() -> bool:
        return stamps() != seen  # records and ledgers lie beside the policy, and are written all the time

    while not stop.is_set():
        folders = {file.parent for file in files()}
        for _ in _turns(folders, stop, concerns):
            now = stamps()
            if now != seen:
                seen = now
                changed()
            if {file.parent for file in files()} != folders:
                break


def _turns(folders: Collection[Path], stop: threading.Event, concerns: Callable[[], bool]) -> Iterator[object]:
    """Yield whenever something that concerns us happened in folders, and now and then anyway."""
    from watchfiles import watch  # noqa: PLC0415

    try:
        yield from watch(
            *folders,
            watch_filter=lambda *_: (
                concerns()
            ),  # not by name: a policy may lie below a link, or a folder such as `venv`
            recursive=False,
            debounce=200,
            rust_timeout=LOOK_EVERY_MS,
            yield_on_timeout=True,
            stop_event=stop,
            raise_interrupt=False,
        )
    except (OSError, RuntimeError):  # the folder is gone, or the system has no more watches to give
        stop.wait(LOOK_EVERY_MS / 1_000)
        yield None


def _stamp(file: Path) -> Stamp:
    try:
        told = file.stat()
    except OSError:
        return None
    return told.st_mtime_ns, told.st_size, told.st_ino


class Hangup:
    """Calls `changed`, from a thread of its own, whenever the process gets SIGHUP.

    An earlier handler is called, too.

    Raises:
        ConfigurationError: not the main thread, or a system without this signal.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        _listen()
        _listeners.add(self)

    def close(self) -> None:
        """Listen no longer. Idempotent."""
        _listeners.discard(self)

    def heard(self) -> None:
        """Begin the call."""
        threading.Thread(target=self._changed, name="qwenroute-hangup", daemon=True).start()


_watches: weakref.WeakSet[Watch] = weakref.WeakSet()
_listeners: weakref.WeakSet[Hangup] = weakref.WeakSet()
_listening = False


def _listen() -> None:
    global _listening  # noqa: PLW0603 - a process has one handler
    if _listening:
        return
    if not hasattr(signal, "SIGHUP"):
        raise ConfigurationError("this system has no SIGHUP: call `reload()` where the policy is to be read again")
    if threading.current_thread() is not threading.main_thread():
        raise ConfigurationError(
            "SIGHUP can be listened to from the main thread only: make the router there, "
            "or call its `reload()` from a handler of your own"
        )
    before = signal.getsignal(signal.SIGHUP)

    def handle(number: int, frame: FrameType | None) -> None:
        for listener in list(_listeners):
            listener.heard()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGHUP, handle)
    _listening = True


def _restart() -> None:
    for watch in list(_watches):
        watch.restart()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart)
