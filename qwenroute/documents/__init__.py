"""Operators' files: YAML with the place of every value, and mistakes told in plain words."""

from qwenroute.documents.document import Document, Trail
from qwenroute.documents.nearest import nearest
from qwenroute.documents.quoting import bounded, quoted
from qwenroute.documents.read import MAX_BYTES, parse, read
from qwenroute.documents.validate import validate

__all__ = ["MAX_BYTES", "Document", "Trail", "bounded", "nearest", "parse", "quoted", "read", "validate"]
