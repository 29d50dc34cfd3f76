"""The platform's errors by name, read from the table beside this file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import cast

from qwenroute.documents import parse
from qwenroute.domain.failure import FailureKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformError:
    """One error as DashScope answers it, and the cause that it stands for."""

    name: str
    status: int
    code: str
    native: str
    message: str
    kind: FailureKind
    code_read: bool = True
    """False where the compatible code was not read and the native one stands in."""

    def body(self, request_id: str, *, message: str | None = None, native: bool = False) -> bytes:
        """Return the answer's body, in the compatible form unless the native one is asked for."""
        text = self.message if message is None else message
        if native:
            return encode({"code": self.native, "message": text, "request_id": request_id})
        kind = self.code if self.status in {429, 500, 503} else "invalid_request_error"
        error = {"message": text, "type": kind, "param": None, "code": self.code}
        return encode({"error": error, "request_id": request_id})


class Refused(Exception):
    """The request is refused as the platform would refuse it."""

    def __init__(self, name: str, message: str | None = None) -> None:
        super().__init__(name if message is None else message)
        self.error = errors()[name]
        self.message = self.error.message if message is None else message


@cache
def errors() -> Mapping[str, PlatformError]:
    """Return every error of the table by its name."""
    source = files("qwenroute.simulator") / "errors.yaml"
    rows = cast("dict[str, dict[str, object]]", parse(source.read_text(encoding="utf-8"), "errors.yaml").value)
    return MappingProxyType(
        {
            name: PlatformError(
                name=name,
                status=int(cast("int", row["status"])),
                code=str(row["code"]),
                native=str(row["native"]),
                message=str(row["message"]),
                kind=FailureKind(str(row["kind"])),
                code_read=bool(row.get("code_read", True)),
            )
            for name, row in rows.items()
        }
    )


def encode(value: object) -> bytes:
    """Write compact JSON, characters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
