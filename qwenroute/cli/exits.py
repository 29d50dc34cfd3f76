"""What the exit codes mean."""

from __future__ import annotations

from qwenroute.errors import BudgetExceeded, CallFailed, NoDeployment, QwenRouteError

FAILED = 1
USAGE = 2
NOTHING_CAN_SERVE = 3
BUDGET_SPENT = 4

TABLE = (
    "Exit codes: 0 done; 1 a call failed (or, for `route`, a line could not be decided); "
    "2 wrong arguments, request, policy, overlay or environment; "
    "3 nothing that the policy allows can serve the request; 4 a budget has too little left for it; 130 interrupted."
)


def exit_code_for(error: QwenRouteError) -> int:
    """Return the exit code that an error ends the command with."""
    if isinstance(error, NoDeployment):
        return NOTHING_CAN_SERVE
    if isinstance(error, BudgetExceeded):
        return BUDGET_SPENT
    if isinstance(error, CallFailed):
        return FAILED
    return USAGE
