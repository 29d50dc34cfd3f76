"""Pick the right Qwen model for each request, call it, survive its failures, and say why.

from qwenroute import Router

with Router() as router:
    answer = router.chat.completions.create(
        model="auto", messages=[{"role": "user", "content": "What is the derivative of x**3?"}]
    )
    print(answer.choices[0].message.content, answer.route.deployment)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qwenroute.client import AsyncRouter, Router
    from qwenroute.domain.budget import BudgetStanding
    from qwenroute.domain.capability import Deployment, Modality, Role
    from qwenroute.domain.decision import Decision, Plan, Rejection, Step
    from qwenroute.domain.failure import Failure, FailureKind
    from qwenroute.domain.health import Circuit, DeploymentHealth
    from qwenroute.domain.price import Money, Usage
    from qwenroute.domain.record import Attempt, Record, Splice
    from qwenroute.domain.signals import Difficulty, Signals, Task
    from qwenroute.errors import (
        AllAttemptsFailed,
        BudgetExceeded,
        CallFailed,
        ConfigurationError,
        DeadlineExceeded,
        DocumentError,
        HookFailed,
        InvalidRequest,
        MissingCredentials,
        ModelRetired,
        NoDeployment,
        NothingAvailable,
        QwenRouteError,
        StreamInterrupted,
        UnknownModel,
    )
    from qwenroute.execution.hooks import Arriving, Hook
    from qwenroute.policy import Policy, load_policy
    from qwenroute.registry import Registry
    from qwenroute.routing import explain
    from qwenroute.streams import AsyncStream, Stream

__version__ = "0.1.0"

# Name to module: loaded when first used, so that `import qwenroute` costs next to nothing.
_EXPORTS = {
    "AllAttemptsFailed": "errors",
    "Arriving": "execution.hooks",
    "AsyncRouter": "client",
    "AsyncStream": "streams",
    "Attempt": "domain.record",
    "BudgetExceeded": "errors",
    "BudgetStanding": "domain.budget",
    "CallFailed": "errors",
    "Circuit": "domain.health",
    "ConfigurationError": "errors",
    "DeadlineExceeded": "errors",
    "Decision": "domain.decision",
    "Deployment": "domain.capability",
    "DeploymentHealth": "domain.health",
    "Difficulty": "domain.signals",
    "DocumentError": "errors",
    "Failure": "domain.failure",
    "FailureKind": "domain.failure",
    "Hook": "execution.hooks",
    "HookFailed": "errors",
    "InvalidRequest": "errors",
    "MissingCredentials": "errors",
    "Modality": "domain.capability",
    "ModelRetired": "errors",
    "Money": "domain.price",
    "NoDeployment": "errors",
    "NothingAvailable": "errors",
    "Plan": "domain.decision",
    "Policy": "policy",
    "QwenRouteError": "errors",
    "Record": "domain.record",
    "Registry": "registry",
    "Rejection": "domain.decision",
    "Role": "domain.capability",
    "Router": "client",
    "Signals": "domain.signals",
    "Splice": "domain.record",
    "Step": "domain.decision",
    "Stream": "streams",
    "StreamInterrupted": "errors",
    "Task": "domain.signals",
    "UnknownModel": "errors",
    "Usage": "domain.price",
    "explain": "routing",
    "load_policy": "policy",
}

__all__ = [
    "AllAttemptsFailed",
    "Arriving",
    "AsyncRouter",
    "AsyncStream",
    "Attempt",
    "BudgetExceeded",
    "BudgetStanding",
    "CallFailed",
    "Circuit",
    "ConfigurationError",
    "DeadlineExceeded",
    "Decision",
    "Deployment",
    "DeploymentHealth",
    "Difficulty",
    "DocumentError",
    "Failure",
    "FailureKind",
    "Hook",
    "HookFailed",
    "InvalidRequest",
    "MissingCredentials",
    "Modality",
    "ModelRetired",
    "Money",
    "NoDeployment",
    "NothingAvailable",
    "Plan",
    "Policy",
    "QwenRouteError",
    "Record",
    "Registry",
    "Rejection",
    "Role",
    "Router",
    "Signals",
    "Splice",
    "Step",
    "Stream",
    "StreamInterrupted",
    "Task",
    "UnknownModel",
    "Usage",
    "__version__",
    "explain",
    "load_policy",
]


def __getattr__(name: str) -> object:
    if name not in _EXPORTS:
        raise AttributeError(f"module `qwenroute` has no attribute `{name}`")
    value: object = getattr(importlib.import_module(f"qwenroute.{_EXPORTS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
