"""What checks look at: a policy with its file, the facts, a date, and everything that could be deployed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from qwenroute.documents import Trail
from qwenroute.domain.diagnostic import Diagnostic, Severity
from qwenroute.policy import Loaded, Policy

if TYPE_CHECKING:
    from qwenroute.registry import Registry


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One policy under examination."""

    loaded: Loaded
    registry: Registry
    on: date

    @property
    def policy(self) -> Policy:
        """The policy itself."""
        return self.loaded.policy

    def warning(self, trail: Trail, code: str, message: str, hint: str | None = None) -> Diagnostic:
        """Return a finding that the policy works with all the same."""
        return self._finding(trail, code, message, hint, Severity.WARNING)

    def error(self, trail: Trail, code: str, message: str, hint: str | None = None) -> Diagnostic:
        """Return a finding with which the policy cannot do what it says."""
        return self._finding(trail, code, message, hint, Severity.ERROR)

    def _finding(self, trail: Trail, code: str, message: str, hint: str | None, severity: Severity) -> Diagnostic:
        return replace(self.loaded.document.diagnostic(trail, code, message, hint), severity=severity)
