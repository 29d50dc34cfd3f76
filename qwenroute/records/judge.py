"""Decide recorded requests again: no network, no key, no health, no budgets."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING

from qwenroute.domain.decision import Decision
from qwenroute.domain.experiment import Assignment, Experiment
from qwenroute.domain.request import Hints
from qwenroute.domain.resilience import ChoiceBy
from qwenroute.errors import NoDeployment, QwenRouteError, TextNeeded
from qwenroute.policy import Alike, Policy, Recalled
from qwenroute.records.line import Recorded, Row
from qwenroute.routing import Fleet, decide
from qwenroute.routing.assignment import Drawn
from qwenroute.routing.needs import thinks
from qwenroute.routing.score import forecast, rate

if TYPE_CHECKING:
    from qwenroute.registry import Registry

BY_CHANCE = frozenset({ChoiceBy.WEIGHT, ChoiceBy.POWER_OF_TWO})
_NOTHING_NEAR = Alike()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a policy makes of a request."""

    route: str
    rule: str | None
    deployment: str | None
    """None where nothing could serve it."""
    model: str | None
    reason: str
    cost_usd: float | None
    """Expected of the first choice, at the registry's prices; None where no price is known."""
    latency_s: float | None
    quality: float | None
    needs_text: bool = False
    """It asks for something in the request's words that the record does not tell."""

    @property
    def served(self) -> bool:
        """Whether there is something to call."""
        return self.deployment is not None


class Judge:
    """One policy, with the deployments of each day that is asked for.

    `on` is the day at which models are alive or retired; None: the day of each record.
    """

    def __init__(self, policy: Policy, registry: Registry, environ: Mapping[str, str], on: date | None = None) -> None:
        """Build the fleet of `on`, or of today, so that what is wrong with the environment shows at once."""
        self.policy = policy
        self._registry = registry
        self._environ = environ
        self._on = on
        today = on or date.today()
        self._fleets = {today: Fleet.build(policy, registry, environ, today)}

    def judge(self, one: Recorded) -> Verdict:
        """Return what the policy makes of a recorded request."""
        try:
            decision = self.decide(one)
        except TextNeeded:
            return _nothing(one, "its words are needed", needs_text=True)
        except NoDeployment as refused:
            return _nothing(one, "nothing can serve it", refused.decision)
        except QwenRouteError as error:
            return _nothing(one, str(error))
        step = decision.first
        deployment = step.deployment
        expected = rate(
            forecast(decision.signals),
            deployment,
            self.policy.objectives[decision.objective],
            self.fleet(one).usd_per,
            pool=step.pool,
            thinks=thinks(deployment, step.thinking),
        )
        return Verdict(
            route=decision.route,
            rule=decision.rule,
            deployment=deployment.id,
            model=deployment.model,
            reason=decision.reason,
            cost_usd=expected.expected_cost_usd,
            latency_s=expected.expected_latency_s,
            quality=expected.quality,
        )

    def decide(self, one: Recorded) -> Decision:
        """Return the whole decision.

        Raises:
            TextNeeded: the record does not tell enough of the request's words.
            QwenRouteError: as `decide` says.
        """
        policy, exact = self.policy, one.exact_tokens
        known = one.known
        if known and one.encoder != policy.encoder:
            known = {name: held for name, held in known.items() if not name.startswith("examples:")}
        return decide(
            one.request,
            one.signals,
            policy,
            self.fleet(one),
            count_exactly=None if exact is None else lambda _: exact,
            at=one.at,
            chance=random.Random(one.id).random if policy.choice.by in BY_CHANCE else None,
            alike=_NOTHING_NEAR,
            part=None if one.part is None else partial(_as_then, one.part),
            wording=Recalled(one.request, known, one.text),
        )

    def fleet(self, one: Recorded) -> Fleet:
        """Return what there is to choose from for a request."""
        day = self._on or one.day
        found = self._fleets.get(day)
        if found is None:
            found = Fleet.build(self.policy, self._registry, self._environ, day)
            for other in self._fleets.values():
                if other.deployments == found.deployments:  # and what it has worked out is known there
                    found = other
                    break
            self._fleets[day] = found
        return found


def kind(row: Row, *policies: Policy) -> bytes:
    """Return a digest of all that verdicts depend on: rows that these policies judge alike have the same."""
    timely = any(policy.timely for policy in policies)
    chance = any(policy.choice.by in BY_CHANCE for policy in policies)
    worded = any(policy.signs for policy in policies)
    content = (
        row.get("request"),
        row["signals"],
        row.get("found"),
        row.get("encoder"),
        row.get("text") if worded and row.get("whole") else None,
        (row.get("decision") or {}).get("exact_tokens"),
        row["at"][: 16 if timely else 10],
        row.get("id") if chance else None,
        (row.get("decision") or {}).get("experiment"),
    )
    return blake2b(repr(content).encode(errors="backslashreplace"), digest_size=16).digest()


def _as_then(part: Assignment, experiment: Experiment, hints: Hints) -> Assignment | None:
    """Return the part that a request had in an experiment, or would have in another."""
    return part if experiment.name == part.experiment else Drawn()(experiment, hints)


def _nothing(one: Recorded, reason: str, decision: Decision | None = None, *, needs_text: bool = False) -> Verdict:
    return Verdict(
        route=one.route or one.request.model if decision is None else decision.route,
        rule=None if decision is None else decision.rule,
        deployment=None,
        model=None,
        reason=reason,
        cost_usd=None,
        latency_s=None,
        quality=None,
        needs_text=needs_text,
    )
