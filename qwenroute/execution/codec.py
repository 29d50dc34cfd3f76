"""How documents from the wire become answers; the loop knows no more of it than this."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from qwenroute.domain.price import Usage

Answer = TypeVar("Answer")
Piece = TypeVar("Piece")


class Collecting(ABC, Generic[Answer, Piece]):
    """Puts the pieces of a streamed answer together."""

    @abstractmethod
    def add(self, piece: Piece) -> None:
        """Take the next piece."""

    @abstractmethod
    def finish(self) -> Answer:
        """Return the whole answer."""


class Codec(ABC, Generic[Answer, Piece]):
    """Reads the answers of one kind of request.

    Both readers raise `AttemptFailed` for a document that is no answer.
    """

    @abstractmethod
    def whole(self, document: bytes) -> Answer:
        """Read an answer that came in one piece."""

    @abstractmethod
    def piece(self, document: bytes) -> Piece:
        """Read one piece of a streamed answer."""

    @abstractmethod
    def useful(self, piece: Piece) -> bool:
        """Whether the piece has anything to show: a first token, and not only a role."""

    @abstractmethod
    def shows(self, piece: Piece) -> bool:
        """Whether a caller who did not ask for usage expects the piece."""

    @abstractmethod
    def usage(self, part: Answer | Piece) -> Usage | None:
        """Return the usage that it reports."""

    @abstractmethod
    def blank(self, part: Answer | Piece) -> bool:
        """Whether a part of an answer that has ended holds nothing, and names no reason for it."""

    @abstractmethod
    def text(self, piece: Piece) -> str | None:
        """Return the visible text of a piece; None where it carries what text alone cannot continue."""

    def spoken(self, piece: Piece) -> str:
        """Return all the words of a piece that were produced, whoever they are for: what it is billed by."""
        return self.text(piece) or ""

    @abstractmethod
    def continued(self, piece: Piece, first: Piece) -> Piece:
        """Return a piece of a resumed stream as one of the stream that began with `first`."""

    @abstractmethod
    def collector(self) -> Collecting[Answer, Piece]:
        """Return an empty collector."""
