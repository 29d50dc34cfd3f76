"""Operators' files: YAML with the place of every value, and mistakes told in plain words."""

from qwenroute.documents.document import MOST_FINDINGS, Document, Splice, Trail
from qwenroute.documents.nearest import nearest
from qwenroute.documents.quoting import bounded, listing, quoted
from qwenroute.documents.read import MAX_BYTES, parse, read
from qwenroute.documents.validate import validate

__all__ = [
    "MAX_BYTES",
    "MOST_FINDINGS",
    "Document",
    "Splice",
    "Trail",
    "bounded",
    "listing",
    "nearest",
    "parse",
    "quoted",
    "read",
    "validate",
]
