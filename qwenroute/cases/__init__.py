"""Golden cases of a policy: what is asked in which situation, what has to become of it, and what no case reaches."""

from qwenroute.cases.case import Case, Suite
from qwenroute.cases.coverage import Coverage, Uncovered
from qwenroute.cases.find import CASES, cases_beside
from qwenroute.cases.load import load_cases
from qwenroute.cases.mismatch import Mismatch
from qwenroute.cases.rehearsal import Rehearsal
from qwenroute.cases.run import Outcome, Report, run
from qwenroute.cases.scene import STATES, Scene

__all__ = [
    "CASES", "STATES", "Case", "Coverage", "Mismatch", "Outcome", "Rehearsal", "Report", "Scene", "Suite", "Uncovered",
    "cases_beside", "load_cases", "run",
]  # fmt: skip
