"""Split a stream of bytes into server-sent events.

Our own and not a library's, because it runs once per token: it stays in bytes (JSON is decoded
later, once), and hands on whole events however the network cut them.
"""

from __future__ import annotations


class EventParser:
    """Collects the `data` of events. Other fields and comments (heartbeats) are skipped."""

    __slots__ = ("_after_return", "_data", "_line")

    def __init__(self) -> None:
        self._line: list[bytes] = []  # pieces of a line whose end has not arrived
        self._data: list[bytes] = []  # data lines of an event whose end has not arrived
        self._after_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        """Return the data of every event that this piece completes."""
        if self._after_return and piece:
            self._after_return = False
            if piece[0] == 10:  # the second half of a CRLF that was cut in two
                piece = piece[1:]
        if b"\r" in piece:
            self._after_return = piece[-1] == 13
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in piece:  # long lines are joined once, at their end
            if piece:
                self._line.append(piece)
            return []
        lines = piece.split(b"\n")
        if self._line:
            self._line.append(lines[0])
            lines[0] = b"".join(self._line)
            self._line = []
        rest = lines.pop()
        if rest:
            self._line.append(rest)
        events: list[bytes] = []
        data = self._data
        for line in lines:
            if not line:
                if data:
                    events.append(data[0] if len(data) == 1 else b"\n".join(data))
                    data.clear()
            elif line.startswith(b"data:"):
                data.append(line[6:] if line[5:6] == b" " else line[5:])
            elif line == b"data":
                data.append(b"")
        return events

    def close(self) -> list[bytes]:
        """Return the event that was under way when the stream ended, if any."""
        return self.feed(b"\n\n") if self._line or self._data else []
