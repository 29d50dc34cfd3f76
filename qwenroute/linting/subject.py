"""What checks look at: a policy with its file, the facts, a date, and everything that could be deployed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qwenroute.documents import Trail
from qwenroute.domain.capability import Deployment
from qwenroute.domain.diagnostic import Diagnostic, Severity
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.price import Exchange
from qwenroute.errors import ConfigurationError
from qwenroute.linting import places
from qwenroute.policy import Loaded, Policy, Rule, schema
from qwenroute.policy.endpoints import EndpointTemplate
from qwenroute.routing.fleet import Fleet

if TYPE_CHECKING:
    from qwenroute.registry import Registry


@dataclass(frozen=True, kw_only=True, eq=False)
class Subject:
    """One policy under examination.

    `environ` fills in variables. Checks leave it empty: a file is as good in one place as in
    another.
    """

    loaded: Loaded
    registry: Registry
    on: date
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def policy(self) -> Policy:
        """The policy itself."""
        return self.loaded.policy

    def rules(self) -> Iterator[tuple[Trail, schema.Rule, Rule]]:
        """Yield every rule with its place: as it is written, and as it is compiled."""
        for route, entries in self.loaded.file.routes.items():
            for index, (written, rule) in enumerate(zip(entries, self.policy.routes[route].rules, strict=True)):
                yield ("routes", route, index), written, rule

    @cached_property
    def usual(self) -> Fleet:
        """What is served where the variables are set, and all that may be left out is left out."""
        return self._fleet(lambda template: places.usual(template, self.registry, self.environ))

    @cached_property
    def possible(self) -> Fleet:
        """What could be served, whatever the variables say. One id may stand there for several regions."""
        return self._fleet(lambda template: places.possible(template, self.registry, self.on))

    @cached_property
    def unusable(self) -> Mapping[str, str]:
        """Endpoints of which no deployment can be made, and why."""
        found: dict[str, str] = {}
        for template in self.policy.endpoints:
            try:
                self._deployments(places.usual(template, self.registry, self.environ))
            except ConfigurationError as error:
                found[template.name] = str(error)
        return found

    @cached_property
    def unconvertible(self) -> Mapping[str, str]:
        """Currencies without a rate, and a deployment that is priced in each."""
        priced = {d.price.currency: d.id for d in self._everything if d.price is not None}
        return {currency: id_ for currency, id_ in priced.items() if self.policy.usd_per(currency) is None}

    def own(self, *trail: str | int) -> bool:
        """Whether something stands in the file itself, not in one that it extends."""
        return self.loaded.document.own(trail)

    def warning(self, trail: Trail, code: str, message: str, hint: str | None = None) -> Diagnostic:
        """Return a finding that the policy works with all the same."""
        return self._finding(trail, code, message, hint, Severity.WARNING)

    def error(self, trail: Trail, code: str, message: str, hint: str | None = None) -> Diagnostic:
        """Return a finding with which the policy cannot do what it says."""
        return self._finding(trail, code, message, hint, Severity.ERROR)

    def _finding(self, trail: Trail, code: str, message: str, hint: str | None, severity: Severity) -> Diagnostic:
        document = self.loaded.document
        found = document.diagnostic(trail, code, message, hint)
        if found.file != document.name:
            # The file that it extends may be right by itself, and is often not the operator's to edit.
            where = f"{Path(found.file).name}, line {found.line}"
            found = document.diagnostic(("extends",), code, f"{message} ({where})", hint)
        return replace(found, severity=severity)

    @cached_property
    def _everything(self) -> tuple[Deployment, ...]:
        templates = [template for template in self.policy.endpoints if template.name not in self.unusable]
        endpoints = [e for template in templates for e in places.usual(template, self.registry, self.environ)]
        return self._deployments(endpoints)

    def _deployments(self, endpoints: Iterable[Endpoint]) -> tuple[Deployment, ...]:
        return tuple(d for endpoint in endpoints for d in self.registry.deployments(endpoint, self.on))

    def _fleet(self, fill: Callable[[EndpointTemplate], Iterable[Endpoint]]) -> Fleet:
        endpoints = [e for t in self.policy.endpoints if t.name not in self.unusable for e in fill(t)]
        deployments = self._deployments(endpoints)
        policy = self.policy
        lacking = {d.price.currency for d in deployments if d.price and policy.usd_per(d.price.currency) is None}
        if lacking:
            # A check tells it; the others go on as if it were worth as much.
            known = {**policy.exchange.rates, "USD": 1.0, **dict.fromkeys(lacking, 1.0)}
            policy = replace(policy, exchange=Exchange(report=policy.exchange.report, rates=known))
        return Fleet(policy, deployments, endpoints=endpoints, registry=self.registry, on=self.on)
