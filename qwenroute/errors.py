"""Every exception that qwenroute raises.

QwenRouteError
├── ConfigurationError        the operator's to mend
│   ├── DocumentError         a file with mistakes; `diagnostics` lists them all
│   └── MissingCredentials    no endpoint of the policy has a key
├── InvalidRequest            the caller's to mend; nothing was sent
│   └── UnknownModel          neither a route, a role, a model nor a deployment
├── ModelRetired              the policy says `retired: refuse`; nothing was sent
├── NoDeployment              nothing can serve the request; `decision` says why
├── BudgetExceeded            it could cost more than a budget has left; `resets_at` says when that begins anew
├── HookFailed                a hook of the application's own; `hook` and `point` say which
├── AttemptFailed             one attempt, translated; caught inside
├── TextNeeded                a recorded request cannot be judged without its text; caught inside
└── CallFailed                `attempts` lists what was tried, oldest first
    ├── AllAttemptsFailed     the plan is used up
    ├── NothingAvailable      nothing was sent: open breakers, cooldowns, quotas; `record.passed_over` says which
    ├── DeadlineExceeded      time is up
    └── StreamInterrupted     it broke after the first token; the caller has what arrived
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from qwenroute.domain.budget import UNIT

if TYPE_CHECKING:
    from qwenroute.domain.budget import Allowance
    from qwenroute.domain.decision import Decision
    from qwenroute.domain.diagnostic import Diagnostic
    from qwenroute.domain.failure import Failure
    from qwenroute.domain.record import Attempt, Record


class QwenRouteError(Exception):
    """Base of every error raised here."""


class ConfigurationError(QwenRouteError):
    """The policy, an overlay or the environment has to be mended."""


class DocumentError(ConfigurationError):
    """A file has mistakes; `diagnostics` lists all of them with their places."""

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__("\n".join(str(d) for d in diagnostics))
        self.diagnostics = tuple(diagnostics)


class MissingCredentials(ConfigurationError):
    """No endpoint of the policy has a key; the message names the variables."""


class InvalidRequest(QwenRouteError):
    """The request cannot be sent as it is. `param` names the field."""

    def __init__(self, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class UnknownModel(InvalidRequest):
    """The name is neither a route, a role, a model nor a deployment."""


class ModelRetired(QwenRouteError):
    """The model named outright has left the platform, and the policy refuses to replace it."""


class NoDeployment(QwenRouteError):
    """Nothing that the policy allows can serve the request; `decision.rejections` says why."""

    def __init__(self, message: str, decision: Decision) -> None:
        super().__init__(message)
        self.decision = decision


class BudgetExceeded(QwenRouteError):
    """A budget has too little left for what the request could cost; nothing was sent.

    `budget`, `window`, `amount` and `currency` say which one, `resets_at` when it begins anew.
    """

    def __init__(self, message: str, *, allowance: Allowance, decision: Decision) -> None:
        super().__init__(message)
        self.budget = allowance.budget.name
        self.window = allowance.budget.window
        self.amount = allowance.budget.amount / UNIT
        self.currency = allowance.currency
        self.resets_at = allowance.resets_at
        self.decision = decision


class HookFailed(QwenRouteError):
    """A hook failed, or took too long; its own exception is the cause.

    `hook` names its class, `point` the method.
    """

    def __init__(self, message: str, *, hook: str, point: str) -> None:
        super().__init__(f"hook `{hook}.{point}` {message}")
        self.hook = hook
        self.point = point


class AttemptFailed(QwenRouteError):
    """One attempt failed; `failure` is its normalised cause."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.kind}: {failure.message}")
        self.failure = failure


class TextNeeded(QwenRouteError):
    """A recorded request is asked for something in its words that the record does not tell."""


class CallFailed(QwenRouteError):
    """The call ended without an answer; `attempts` lists what was tried, `record` has the rest."""

    def __init__(self, message: str, record: Record) -> None:
        trail = _trail(record.attempts)
        super().__init__(f"{message}: {trail}" if trail else message)
        self.record = record
        self.attempts = record.attempts


class AllAttemptsFailed(CallFailed):
    """Every attempt that the plan allows failed."""


class NothingAvailable(CallFailed):
    """Every step of the plan is kept from being called just now; nothing was sent."""


class DeadlineExceeded(CallFailed):
    """The deadline passed, or what is left of it is too short for another attempt."""


class StreamInterrupted(CallFailed):
    """The stream broke after its first token; everything received was handed on."""


def _trail(attempts: Sequence[Attempt]) -> str:
    """Tell of every failed attempt, and of what it said unless the one before said the same."""
    told: list[str] = []
    before = ""
    for attempt in attempts:
        if attempt.failure is not None:
            said = attempt.failure.message
            told.append(
                f"`{attempt.deployment}` {attempt.failure.kind}" + (f" ({said})" if said and said != before else "")
            )
            before = said
    return " → ".join(told)
