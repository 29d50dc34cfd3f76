"""A policy, checked and compiled: frozen data that routing reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, tzinfo
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from qwenroute.domain.budget import Budget, LedgerRules
from qwenroute.domain.capability import Role
from qwenroute.domain.decision import HedgeRules, Resume, RetryRules, RuleTried, Timeouts
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.experiment import Experiment
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.health import LatencyObjective
from qwenroute.domain.price import Exchange
from qwenroute.domain.recording import RecordRules
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.resilience import CacheRules, Choice, Resilience
from qwenroute.domain.signals import Signals
from qwenroute.errors import MissingCredentials
from qwenroute.policy.condition import HEADERS, Condition
from qwenroute.policy.encoder import Embedding
from qwenroute.policy.endpoints import EndpointTemplate
from qwenroute.policy.signs import Examples, Sign
from qwenroute.policy.teaching import Lesson, written
from qwenroute.policy.wording import Wording

if TYPE_CHECKING:
    from qwenroute.registry import Registry


NOON = time(12)


class Retired(StrEnum):
    """What to do with a request that names a model which has left its platform."""

    REPLACE = "replace"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Objective:
    """What to prefer among deployments that can serve a request.

    `cost` and `latency` say how much quality (in 0..1) one would give up to pay, or to wait, a
    tenth.
    """

    name: str
    quality: float
    cost: float
    latency: float
    min_quality: float = 0.0
    """Good enough: what is not expected to reach it comes after what is, the best first."""


USUAL: tuple[Objective, ...] = (
    Objective(name="quality", quality=1.0, cost=0.0, latency=0.01),
    Objective(name="balanced", quality=1.0, cost=0.1, latency=0.03),
    Objective(name="cheap", quality=1.0, cost=0.6, latency=0.03),
)
"""There in every policy, unless it gives one of these names another meaning."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pool:
    """A named set of deployments: those of its roles and models, on its endpoints and providers."""

    name: str
    roles: tuple[Role, ...] = ()
    models: tuple[str, ...] = ()
    """Registry ids, or `model@endpoint`."""
    endpoints: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    """Of endpoints, one of which has to be there."""
    without: frozenset[str] = frozenset()
    """Registry ids, or `model@endpoint`, that do not belong to it."""

    @property
    def role(self) -> Role | None:
        """What its deployments are asked for, where that is one thing."""
        return self.roles[0] if len(self.roles) == 1 else None

    @property
    def thinks(self) -> bool | None:
        """Whether they are asked to think: as its roles agree; None where there are none, or they do not."""
        wishes = {role.thinks for role in self.roles}
        return wishes.pop() if len(wishes) == 1 else None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Rule:
    """A name, conditions that all have to hold, and where the request goes then."""

    name: str
    conditions: tuple[Condition, ...]
    pool: str
    fallback: tuple[str, ...]
    objective: Objective
    hedge: HedgeRules | None = None
    """Its own, or the policy's; None: off."""
    limits: Limits | None = None
    """The policy's, narrowed by its own; None: the policy's as they are."""
    experiment: Experiment | None = None
    latency: LatencyObjective | None = None
    matched: RuleTried = field(init=False, repr=False)
    failed: tuple[RuleTried, ...] = field(init=False, repr=False)
    """What to report, for each condition, where it does not hold."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "matched", RuleTried(rule=self.name, failed=None))
        failed = tuple(RuleTried(rule=self.name, failed=str(c)) for c in self.conditions)
        object.__setattr__(self, "failed", failed)

    def check(self, signals: Signals, hints: Hints, wording: Wording, at: datetime | None) -> RuleTried:
        """Return the first condition that does not hold, or that the rule matched."""
        for index, condition in enumerate(self.conditions):
            if not condition.holds(signals, hints, wording, at):
                if condition.parts:
                    return RuleTried(rule=self.name, failed=condition.why(signals, hints, wording, at))
                return self.failed[index]
        return self.matched


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Route:
    """A name that callers ask for, and its rules in order. The last rule has no conditions."""

    name: str
    rules: tuple[Rule, ...]

    def match(
        self, signals: Signals, hints: Hints, wording: Wording, at: datetime | None
    ) -> tuple[Rule, tuple[RuleTried, ...]]:
        """Return the first rule that holds, and what was tried up to it."""
        tried: list[RuleTried] = []
        for rule in self.rules:
            outcome = rule.check(signals, hints, wording, at)
            tried.append(outcome)
            if outcome is rule.matched:
                return rule, tuple(tried)
        raise AssertionError("a route's last rule has no conditions; the loader sees to it")


Number = TypeVar("Number", int, float)


def _lower(one: Number | None, other: Number | None) -> Number | None:
    return other if one is None else one if other is None else min(one, other)


def _shared(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return other if one is None else one if other is None else one & other


def _shared_models(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """Return the models that both allow; `model@endpoint` is within `model`."""
    if one is None or other is None:
        return _shared(one, other)
    within = {name for name in one if name in other or name.partition("@")[0] in other}
    return frozenset(within | {name for name in other if name.partition("@")[0] in one})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What every request has to stay within. None allows all."""

    deadline_s: float = 300.0
    max_attempts: int = 5
    max_cost_usd: float | None = None
    queue_s: float = 2.0
    """How long a known limit is waited for where nothing else is left to call."""
    regions: frozenset[str] | None = None
    licences: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    models: frozenset[str] | None = None
    """Registry ids, or `model@endpoint`."""
    max_output_tokens: int | None = None
    """What an answer is bounded to where its caller asks for more, or does not say."""
    max_prompt_tokens: int | None = None

    def narrowed(self, by: Limits) -> Limits:
        """Return what stays within both; how often and how patiently to try is as it was."""
        return replace(
            self,
            deadline_s=min(self.deadline_s, by.deadline_s),
            max_cost_usd=_lower(self.max_cost_usd, by.max_cost_usd),
            regions=_shared(self.regions, by.regions),
            licences=_shared(self.licences, by.licences),
            providers=_shared(self.providers, by.providers),
            models=_shared_models(self.models, by.models),
            max_output_tokens=_lower(self.max_output_tokens, by.max_output_tokens),
            max_prompt_tokens=_lower(self.max_prompt_tokens, by.max_prompt_tokens),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Policy:
    """Everything that operators decide, from one file. `hash` names its content."""

    name: str
    hash: str
    files: tuple[Path, ...] = ()
    """The file that it was read from, and those that this one extends."""
    endpoints: tuple[EndpointTemplate, ...]
    objectives: Mapping[str, Objective]
    pools: Mapping[str, Pool]
    """The file's own, and one of its own name for each role."""
    routes: Mapping[str, Route]
    exchange: Exchange
    limits: Limits = field(default_factory=Limits)
    budgets: tuple[Budget, ...] = ()
    ledger: LedgerRules = field(default_factory=LedgerRules)
    experiments: tuple[Experiment, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    retries: RetryRules = field(default_factory=RetryRules)
    hedge: HedgeRules | None = None
    """Where no rule has been asked; None: off."""
    resume: Resume = Resume.REPORT
    resilience: Resilience = field(default_factory=Resilience)
    choice: Choice = field(default_factory=Choice)
    cache: CacheRules | None = None
    """None: off."""
    records: RecordRules | None = None
    """Where one record for each request is written; None: nowhere."""
    fall_back_on: frozenset[FailureKind] = frozenset()
    retired: Retired = Retired.REPLACE
    timezone: tzinfo = UTC
    objective: Objective
    """Where neither a rule nor the caller says."""
    teach: tuple[Lesson, ...] = ()
    embedding: Embedding | None = None
    """Who tells which examples a request is like; None: nobody."""
    examples: tuple[str, ...] = field(init=False, repr=False)
    """Every example there is, once each."""
    timely: bool = field(init=False, repr=False)
    """Whether any rule asks what time it is."""
    headers: frozenset[str] = field(init=False, repr=False)
    """Those that any rule asks for."""
    signs: tuple[Sign, ...] = field(init=False, repr=False)
    """All that is looked for in a request's words, by lessons and by rules."""
    _rules_compare: bool = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rules = (rule for route in self.routes.values() for rule in route.rules)
        conditions = [leaf for rule in rules for condition in rule.conditions for leaf in condition.leaves()]
        compared = [text for c in conditions if isinstance(c.sign, Examples) for text in c.sign.texts]
        lessons = [text for one in self.teach if isinstance(one.sign, Examples) for text in one.sign.texts]
        object.__setattr__(self, "examples", tuple(dict.fromkeys([*lessons, *compared])))
        signs = [*(one.sign for one in self.teach), *(c.sign for c in conditions if c.sign is not None)]
        object.__setattr__(self, "signs", tuple({sign.name: sign for sign in signs}.values()))
        object.__setattr__(self, "_rules_compare", bool(compared))
        object.__setattr__(self, "timely", any(c.key == "time" for c in conditions))
        asked = (c.key.removeprefix(HEADERS) for c in conditions if c.key.startswith(HEADERS))
        object.__setattr__(self, "headers", frozenset(asked))

    def compares(self, request: Request, signals: Signals, wording: Wording) -> bool:
        """Whether being like an example could change where a request goes."""
        if self._rules_compare:
            return True
        if not self.examples or request.hints.task is not None:
            return False
        fitting = any(isinstance(one.sign, Examples) and one.fits(signals) for one in self.teach)
        return fitting and written(self.teach, signals, wording) is None

    def local(self, at: datetime | None, day: date) -> datetime:
        """Return a time in the policy's time zone; noon of that day where none is known."""
        if at is None:
            return datetime.combine(day, NOON, self.timezone)
        return at.replace(tzinfo=self.timezone) if at.tzinfo is None else at.astimezone(self.timezone)

    @property
    def encoder(self) -> str | None:
        """Who says which examples a request is like, and how near counts, in one word."""
        embedding = self.embedding
        return None if embedding is None else f"{embedding.model}>={embedding.min_similarity:g}"

    def usd_per(self, currency: str) -> float | None:
        """Return what one unit of a currency costs in USD, or None where the rates do not say."""
        report = self.exchange.report
        into = 1.0 if currency == report else self.exchange.rates.get(currency)
        dollar = 1.0 if report == "USD" else self.exchange.rates.get("USD")
        return None if into is None or dollar is None else into / dollar

    def endpoints_for(self, environ: Mapping[str, str], registry: Registry) -> tuple[Endpoint, ...]:
        """Return the endpoints that the environment holds everything for.

        Raises:
            MissingCredentials: none is left.
            ConfigurationError: a variable has a value that cannot be right.
        """
        found: list[Endpoint] = []
        lacking: list[str] = []
        for template in self.endpoints:
            missing = template.missing(environ)
            if missing:
                lacking.append(f"  {template.name}: set {' and '.join(missing)}")
            else:
                found.append(template.fill(environ, registry))
        if not found:
            raise MissingCredentials(
                f"no endpoint of the policy `{self.name}` has what it needs; set one of\n"
                + "\n".join(lacking)
                + "\n`qwenroute simulate` is a local server that needs no key, and `make demo` shows it at work"
            )
        return tuple(found)
