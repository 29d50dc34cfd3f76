"""How well a policy routes labelled requests: the labels, the worth of its choices, and real outcomes."""

from qwenroute.evaluation.evaluate import evaluate
from qwenroute.evaluation.report import Report
from qwenroute.evaluation.rows import Labelled, read_rows

__all__ = ["Labelled", "Report", "evaluate", "read_rows"]
