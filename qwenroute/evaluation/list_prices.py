"""What models cost by the platform's list, for those that have no price where they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qwenroute.domain.capability import Deployment
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.policy import Policy
from qwenroute.registry import Registry
from qwenroute.routing import Fleet


def listed(
    models: Iterable[str], policy: Policy, fleet: Fleet, registry: Registry
) -> tuple[str | None, Mapping[str, Deployment]]:
    """Return the region that prices most of the models, and a deployment of each of them there.

    Whether they are still offered there or not; a model that has no price there has none here. `None` for the
    region: nowhere is any of them priced.
    """
    models = list(models)
    prices = {
        model: {
            region
            for region, offer in ({} if card.dashscope is None else card.dashscope.regions).items()
            if offer.price is not None and policy.usd_per(offer.price.currency) is not None
        }
        for model in models
        for card in [registry.cards[model]]
    }
    ours = {e.region for e in fleet.endpoints.values()}
    regions = sorted({region for found in prices.values() for region in found})
    best = max(regions, key=lambda r: (sum(r in found for found in prices.values()), r in ours), default=None)

    def there(provider: str, region: str | None, served: Iterable[str]) -> Iterable[Deployment]:
        models = tuple(Served(model=model) for model in served)
        return registry.deployments(Endpoint(name="list", provider=provider, region=region, served=models), fleet.on)

    here = [model for model in models if best in prices[model]]
    others = [model for model in models if model not in here]
    found = [*there("dashscope", best, here)] if here else []
    found += there("openai_compatible", None, others) if others else ()
    return best, {deployment.model: deployment for deployment in found}
