"""Which models answer where, and on which day: the registry's facts, looked up by wire id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from qwenroute.domain.capability import Deployment, Modality
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.registry import Registry
from qwenroute.simulator.error_table import Refused

SELF_HOSTED = "self_hosted"


class Catalogue:
    """Finds the deployment that an id stands for, as of one date."""

    def __init__(self, registry: Registry, on: date, served: Sequence[Served] | None) -> None:
        self._registry = registry
        self._on = on
        self._served = None if served is None else {s.wire_model or s.model: s for s in served}
        self._found: dict[tuple[str, str], Deployment] = {}

    def find(self, region: str, name: str) -> Deployment:
        """Return what serves a wire id in a region, or on the self-hosted server.

        Raises:
            Refused: nothing there answers to the id on this date.
        """
        deployment = self._found.get((region, name))
        if deployment is None:
            deployment = self._hosted(name) if region == SELF_HOSTED else self._platform(region, name)
            self._found[region, name] = deployment
        return deployment

    def ids(self, region: str) -> list[str]:
        """Return the ids that a region or the self-hosted server lists."""
        if region == SELF_HOSTED:
            return sorted(self._served or ())
        endpoint = Endpoint(name=region, provider="dashscope", region=region)
        return sorted(d.wire_model for d in self._registry.deployments(endpoint, self._on))

    def _platform(self, region: str, name: str) -> Deployment:
        missing = Refused("model-not-found", f"The model `{name}` does not exist or you do not have access to it.")
        suffix = self._registry.regions[region].id_suffix
        bare = name.removesuffix(suffix)
        found = self._registry.find(bare)
        # Ids are lower case and the platform's own: no community name, no id of another region's form.
        if found is None or found.api_id != bare or not name.endswith(suffix):
            raise missing
        if not self._registry.lifecycle(bare, provider="dashscope", region=region, on=self._on).status.callable:
            raise missing
        if found.card.features.transport is not None:
            raise Refused("model-not-supported")
        served = (Served(model=found.card.id, wire_model=name),)
        endpoint = Endpoint(name=region, provider="dashscope", region=region, served=served)
        return self._registry.deployments(endpoint, self._on)[0]

    def _hosted(self, name: str) -> Deployment:
        missing = Refused("model-not-found", f"The model `{name}` does not exist.")
        found = self._registry.find(name)
        model = None if found is None else found.card.id
        served = Served(model=model, wire_model=name) if model is not None else None
        if self._served is not None:
            given = self._served.get(name) or self._served.get(model or "")
            served = None if given is None else replace(given, wire_model=name)
        if served is None:
            raise missing
        endpoint = Endpoint(name=SELF_HOSTED, provider="openai_compatible", served=(served,))
        deployment = self._registry.deployments(endpoint, self._on)[0]
        if not deployment.lifecycle.callable or Modality.TEXT not in deployment.output:
            raise missing
        return deployment
