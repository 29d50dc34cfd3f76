"""A choice and the plan that follows from it: data that can be printed, compared and replayed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from qwenroute.domain.budget import Allowance
from qwenroute.domain.capability import Deployment, Role
from qwenroute.domain.experiment import Assignment
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.health import Pace
from qwenroute.domain.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A deployment that cannot serve the request, the gate that said so, and why."""

    deployment: str
    gate: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A deployment that passed every gate, and what its place was decided by."""

    deployment: str
    pool: str
    score: float
    quality: float
    expected_cost_usd: float | None
    """None where no price is known."""
    expected_latency_s: float
    pace: Pace | None = None
    """What it has been like lately, where that was known and counted."""
    missed: str | None = None
    """The latency objective that it missed lately, in words: it stands behind those of its pool that did not."""
    short_of: float | None = None
    """The quality that its objective wants and it is not expected to reach: it stands behind those that do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTried:
    """One rule of the route, and the condition that did not hold (None: it matched)."""

    rule: str
    failed: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """One limit per phase of an attempt, in seconds; None means no limit."""

    connect_s: float | None = 5.0
    first_token_s: float | None = 60.0
    """Of a streamed answer."""
    between_tokens_s: float | None = 30.0
    answer_s: float | None = 180.0
    """Of an answer that comes in one piece: nothing of it can be seen before its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """How often and how patiently one deployment is tried again."""

    per_step: int = 1
    base_s: float = 0.5
    cap_s: float = 8.0
    retry_after_cap_s: float = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeRules:
    """When a second attempt is made beside a slow first one.

    After `percentile` (0..100) of that deployment's own recent latency; `after_s` stands in until
    there is enough of it. None means: not before that.
    """

    percentile: float = 95.0
    after_s: float | None = None


class Resume(StrEnum):
    """What happens to a stream that breaks after its first token."""

    REPORT = "report"
    """The caller has what arrived, and gets an error."""
    CONTINUE = "continue"
    """A model that can continue a prefix goes on from what the caller has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the plan: a deployment, and how it is to be asked."""

    deployment: Deployment
    pool: str
    role: Role | None
    thinking: bool | None = None
    """On, off, or (None) as the model does by itself."""
    worst_cost_usd: float = 0.0
    """The most it can cost; known only where the plan has a ceiling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The ordered intent, and what all of its attempts may take together."""

    steps: tuple[Step, ...]
    deadline_s: float
    """Seconds from the start of the request."""
    max_attempts: int
    timeouts: Timeouts = field(default_factory=Timeouts)
    retry: RetryRules = field(default_factory=RetryRules)
    queue_s: float = 0.0
    """How long a known limit may be waited for where no other step is left."""
    hedge: HedgeRules | None = None
    resume: Resume = Resume.REPORT
    max_cost_usd: float | None = None
    """What all attempts together may cost."""
    max_output_tokens: int | None = None
    """What each answer is bounded to on the wire."""
    fall_back_on: frozenset[FailureKind] = frozenset()
    """Failures that end the call unless the policy names them here: refusals of the content,
    the credential or the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The explained choice. `plan` is empty of steps where nothing passed the gates."""

    route: str
    rule: str
    pool: str
    objective: str
    signals: Signals
    rules_tried: tuple[RuleTried, ...]
    candidates: Sequence[Candidate]
    """Best first. A sequence that may be worked out when it is looked at; equal to its tuple."""
    rejections: Sequence[Rejection]
    plan: Plan
    policy: str
    """The policy's name: that of its file, without the ending."""
    policy_hash: str
    assignment: Assignment | None = None
    """Its part in an experiment; None where the rule takes part in none."""
    warnings: tuple[str, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    """How the budgets that count the request stood."""
    reason: str = ""
    """In a few words, for people."""

    @property
    def first(self) -> Step:
        """The first choice."""
        return self.plan.steps[0]

    @property
    def rejected(self) -> Mapping[str, str]:
        """Deployment to `gate: reason`."""
        return {r.deployment: f"{r.gate}: {r.reason}" for r in self.rejections}
