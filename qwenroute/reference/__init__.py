"""What may stand in a policy file, for editors and for readers; made from the schema when it is asked for."""

from qwenroute.reference.json_schema import json_schema
from qwenroute.reference.page import page

__all__ = ["json_schema", "page"]
