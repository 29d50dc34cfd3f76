"""What the endpoints of a policy could serve, whether or not this machine has their keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.policy.endpoints import EndpointTemplate, Setting

if TYPE_CHECKING:
    from datetime import date

    from qwenroute.registry import Registry

DASHSCOPE = "dashscope"


def usual(template: EndpointTemplate, registry: Registry, environ: Mapping[str, str]) -> Iterator[Endpoint]:
    """Yield the endpoint as the file and its defaults have it.

    Where nothing says in which region it is, it is yielded for each. What only a variable says to
    be served there, and the variable is not set, is nothing.
    """
    told = None if template.region is None else template.region.read(environ)
    served = _served(template, registry, environ)
    for region in _regions(template, registry, told):
        yield _endpoint(template, region, () if served is None and template.provider != DASHSCOPE else served)


def possible(template: EndpointTemplate, registry: Registry, on: date) -> Iterator[Endpoint]:
    """Yield the endpoint in each way that variables could make of it."""
    fixed = None if template.region is None else template.region.literal
    served = _served(template, registry, {})
    if served is None and template.provider != DASHSCOPE:
        served = tuple(
            Served(model=card.id, wire_model=card.id)
            for card in registry.cards.values()
            if registry.lifecycle(card.id, provider=template.provider, region=None, on=on).status.callable
        )
    for region in _regions(template, registry, fixed):
        yield _endpoint(template, region, served)


def _regions(template: EndpointTemplate, registry: Registry, told: str | None) -> tuple[str | None, ...]:
    if told is not None or template.region is None:
        return (told,)
    return tuple(registry.regions)


def _served(template: EndpointTemplate, registry: Registry, environ: Mapping[str, str]) -> tuple[Served, ...] | None:
    """Return what is stated to be served; None where nothing is stated."""
    if not isinstance(template.models, Setting):
        return template.models
    if template.models.read(environ) is None:
        return None
    return template.served(environ, registry)


def _endpoint(template: EndpointTemplate, region: str | None, served: tuple[Served, ...] | None) -> Endpoint:
    return Endpoint(
        name=template.name,
        provider=template.provider,
        region=region,
        served=served,
        weight=template.weight,
        rate_limits=template.rate_limits,
        tags=template.tags,
    )
