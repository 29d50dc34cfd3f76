"""Decide in a situation that is stated instead of found: nothing is sent, and nothing is read but what is given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from qwenroute.analysis import analyse
from qwenroute.cases.case import Statement
from qwenroute.cases.scene import Purse, Scene, Weather
from qwenroute.domain.decision import Decision
from qwenroute.domain.request import Request
from qwenroute.policy import Alike, Policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide
from qwenroute.routing.assignment import Placed

_NOTHING_STATED = Statement()


class Rehearsal:
    """A policy on trial. What it can reach is worked out once for each day and environment."""

    def __init__(self, policy: Policy, registry: Registry, *, like: Rehearsal | None = None) -> None:
        """`like`: another with the same endpoints, whose deployments need not be worked out again."""
        self.policy = policy
        self.registry = registry
        self._like = like
        self._fleets: dict[tuple[date, frozenset[tuple[str, str]]], Fleet] = {}

    def fleet(self, environ: Mapping[str, str], on: date) -> Fleet:
        """Return what the policy reaches.

        Raises:
            MissingCredentials, ConfigurationError: as `Fleet.build` says.
        """
        key = (on, frozenset(environ.items()))
        found = self._fleets.get(key)
        if found is None:
            if self._like is None:
                found = Fleet.build(self.policy, self.registry, environ, on)
            else:
                there = self._like.fleet(environ, on)
                endpoints = there.endpoints.values()
                found = Fleet(self.policy, there.deployments, endpoints=endpoints, registry=self.registry, on=on)
            self._fleets[key] = found
        return found

    def decide(
        self,
        request: Request,
        scene: Scene,
        statement: Statement = _NOTHING_STATED,
        alike: Alike | None = None,
    ) -> Decision:
        """Return the choice for a request in this situation.

        Raises:
            QwenRouteError: what a caller would get instead.
        """
        fleet = self.fleet(scene.environ, scene.on)
        policy = self.policy
        weather = purse = None
        if scene.health:
            weather = Weather(scene.health, fleet.deployments, policy.resilience.objectives)
        if policy.budgets:
            purse = Purse(policy.budgets, scene.spent, policy.exchange.report, policy.local(scene.at, scene.on))
        return decide(
            request,
            statement.over(analyse(request)),
            policy,
            fleet,
            conditions=weather,
            funds=purse,
            at=scene.at,
            alike=alike,
            part=None if scene.arm is None else Placed(scene.arm),
        )
