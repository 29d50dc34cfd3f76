"""Log events, through structlog into the standard library's logging.

Warnings show on stderr until an application configures logging. No event carries prompt or
answer text.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from qwenroute.domain.budget import UNIT, Allowance
from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import ExperimentState
from qwenroute.domain.record import Attempt
from qwenroute.errors import HookFailed, QwenRouteError
from qwenroute.policy import Policy

if TYPE_CHECKING:
    from structlog.stdlib import BoundLogger


def attempt_ended(attempt: Attempt) -> None:
    """Warn of an attempt that failed."""
    if attempt.failure is None:
        return
    _log().warning(
        "attempt failed",
        attempt=attempt.number,
        deployment=attempt.deployment,
        failure=attempt.failure.kind.value,
        status=attempt.failure.status,
        code=attempt.failure.code,
        request_id=attempt.failure.request_id,
    )


def decided(decision: Decision) -> None:
    """Warn of what the caller should know about the choice, such as a retired id that was replaced."""
    if not decision.warnings:
        return
    # What is to be said of budgets is told once a window, by `budget_spent`.
    budgets = {said for a in decision.allowances for said in (a.warning, a.detour)}
    for warning in decision.warnings:
        if warning not in budgets:
            _log().warning(warning, route=decision.route)


def budget_spent(allowance: Allowance) -> None:
    """Warn, once in its window, of a budget of which much is spent."""
    budget = allowance.budget
    _log().warning(
        "budget spent" if allowance.used >= 1 else "budget nearly spent",
        budget=budget.name,
        per=budget.per.value,
        scope=allowance.scope,
        window=budget.window.value,
        spent=f"{allowance.used:.0%}",
        amount=budget.amount / UNIT,
        currency=allowance.currency,
        resets_at=allowance.resets_at.isoformat(),
    )


def ledger_failed(message: str) -> None:
    """Warn of a cost that could not be written down, and will be before the next call."""
    _log().warning("cost not written down yet", failure=message)


def cache_failed(message: str) -> None:
    """Warn of an answer cache, or an answer in it, that cannot be used."""
    _log().warning("answer cache not used", failure=message)


def records_failed(path: str, message: str) -> None:
    """Warn of records that cannot be written; the calls go on."""
    _log().warning("records not written", path=path, failure=message)


def encoder_failed(message: str) -> None:
    """Warn, once for each row of failures, of an encoder that cannot tell what requests are like."""
    _log().warning("examples not consulted", failure=message)


def hook_ignored(failed: HookFailed) -> None:
    """Warn of a hook that failed and may be ignored."""
    _log().warning("hook ignored", failure=str(failed))


def policy_changed(before: Policy, now: Policy) -> None:
    """Say that another policy is in force."""
    _log().info("policy changed", policy=now.name, hash=now.hash, before=before.hash)


def policy_unchanged(policy: Policy) -> None:
    """Say that a policy was read again, and is the one that is in force."""
    _log().info("policy read again: it is the one in force", policy=policy.name, hash=policy.hash)


def policy_refused(kept: Policy, error: QwenRouteError) -> None:
    """Say, loudly, that a policy could not come into force, with all that is wrong with it."""
    _log().error("policy not changed: the old one stays in force", hash=kept.hash, failure=str(error))


def rolled_back(over: ExperimentState) -> None:
    """Say, loudly, that the newcomer of an experiment was taken back."""
    _log().error("experiment rolled back", experiment=over.experiment.name, why=over.rolled_back)


@cache
def _log() -> BoundLogger:
    import structlog  # noqa: PLC0415 - only where there is something to say

    logger: BoundLogger = structlog.wrap_logger(
        logging.getLogger("qwenroute"),
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_log_level,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
    )
    return logger
