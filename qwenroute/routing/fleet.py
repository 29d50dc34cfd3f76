"""Every deployment that a policy can reach, as of one date; immutable."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from qwenroute.domain.capability import Deployment, Lifecycle, Role
from qwenroute.domain.endpoint import Endpoint
from qwenroute.errors import ConfigurationError
from qwenroute.policy import Limits, Policy, Pool
from qwenroute.routing.target import Stage, Target

if TYPE_CHECKING:
    from qwenroute.registry import Registry

MAX_TARGETS = 1_024


class Fleet:
    """Deployments by id and by model, endpoints by name, and where each rule's pools lead.

    What it keeps beside that are results that follow from it, so that the same question is not
    worked out twice. They may be lost at any time, and computed twice by two threads.
    """

    __slots__ = (
        "_targets", "by_id", "by_model", "deployments", "endpoints", "on", "policy", "registry", "usd_per", "weights",
    )  # fmt: skip

    def __init__(
        self,
        policy: Policy,
        deployments: Iterable[Deployment],
        *,
        endpoints: Iterable[Endpoint] = (),
        registry: Registry | None = None,
        on: date,
    ) -> None:
        self.policy = policy
        self.deployments = tuple(deployments)
        self.by_id: Mapping[str, Deployment] = MappingProxyType({d.id: d for d in self.deployments})
        by_model: dict[str, list[Deployment]] = {}
        for deployment in self.deployments:
            by_model.setdefault(deployment.model, []).append(deployment)
        self.by_model: Mapping[str, tuple[Deployment, ...]] = MappingProxyType(
            {model: tuple(found) for model, found in by_model.items()}
        )
        self.endpoints: Mapping[str, Endpoint] = MappingProxyType({e.name: e for e in endpoints})
        self.weights: Mapping[str, float] = MappingProxyType({e.name: e.weight for e in self.endpoints.values()})
        """By the endpoint's name."""
        self.registry = registry
        self.on = on
        self.usd_per: Mapping[str, float] = MappingProxyType(_rates(policy, self.deployments))
        self._targets: dict[Hashable, Target] = {}

    @classmethod
    def build(cls, policy: Policy, registry: Registry, environ: Mapping[str, str], on: date) -> Fleet:
        """Return everything that the policy's endpoints serve on a date.

        Raises:
            MissingCredentials: no endpoint has a key.
            ConfigurationError: a variable cannot be right, or a price cannot be converted.
        """
        endpoints = policy.endpoints_for(environ, registry)
        deployments = [d for endpoint in endpoints for d in registry.deployments(endpoint, on)]
        return cls(policy, deployments, endpoints=endpoints, registry=registry, on=on)

    def pool(self, pool: Pool) -> tuple[Deployment, ...]:
        """Return the deployments that belong to a pool, in the order of the fleet."""
        roles, models = frozenset(pool.roles), frozenset(pool.models)
        tagged = None
        if pool.tags is not None:
            tagged = {e.name for e in self.endpoints.values() if not pool.tags.isdisjoint(e.tags)}
        return tuple(
            d
            for d in self.deployments
            if (not roles.isdisjoint(d.roles) or d.model in models or d.id in models)
            and (pool.endpoints is None or d.endpoint in pool.endpoints)
            and (pool.providers is None or d.provider in pool.providers)
            and (tagged is None or d.endpoint in tagged)
            and not (d.model in pool.without or d.id in pool.without)
        )

    def target(self, key: Hashable, find: Callable[[], Target]) -> Target:
        """Return what `find` finds for a key, looking only once."""
        found = self._targets.get(key)
        if found is None:
            found = find()
            if len(self._targets) >= MAX_TARGETS:
                self._targets.clear()
            self._targets[key] = found
        return found

    def chain(self, *names: str, limits: Limits | None = None, thinks: bool | None = None) -> Target:
        """Return where a chain of the policy's pools leads, within the policy's limits unless others are given.

        `thinks` is whether the first of them is asked to think, where its roles do not say.
        """
        pools = [self.policy.pools[name] for name in names]
        stages = tuple(stage for pool in pools for stage in self._stages(pool))
        if thinks is not None and pools[0].thinks is None:
            stages = tuple(replace(s, thinks=thinks) if s.pool == pools[0].name else s for s in stages)
        return Target(stages, longest_prompt=(limits or self.policy.limits).max_prompt_tokens)

    def _stages(self, pool: Pool) -> Iterator[Stage]:
        """Yield a pool in the order in which its deployments are to be considered.

        Those made for the role come before those that stand in for them; what nobody has confirmed
        to be alive comes last.
        """
        tiers: dict[int, list[Deployment]] = {}
        for deployment in self.pool(pool):
            tiers.setdefault(_tier(deployment, pool.role), []).append(deployment)
        for tier in sorted(tiers) or (0,):
            yield Stage(pool.name, pool.role, tuple(tiers.get(tier, ())), pool.thinks)


def _tier(deployment: Deployment, role: Role | None) -> int:
    if deployment.lifecycle is Lifecycle.UNKNOWN:
        return 2
    return 0 if role is None or deployment.roles[:1] == (role,) else 1


def _rates(policy: Policy, deployments: Iterable[Deployment]) -> dict[str, float]:
    """Return what one unit of each currency costs in USD."""
    rates: dict[str, float] = {}
    for deployment in deployments:
        if deployment.price is None or deployment.price.currency in rates:
            continue
        currency = deployment.price.currency
        rate = policy.usd_per(currency)
        if rate is None:
            wanted = currency if policy.exchange.report == "USD" else f"{currency} and USD"
            raise ConfigurationError(
                f"policy `{policy.name}`: `{deployment.id}` is priced in {currency}, and `currency.rates` does not say "
                f"what that is worth; add a rate for {wanted}"
            )
        rates[currency] = rate
    return rates
