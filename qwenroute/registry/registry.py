"""The immutable index of everything that is known of models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter

from qwenroute.documents import nearest
from qwenroute.domain.capability import Deployment, Modality, Quality
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.errors import ConfigurationError
from qwenroute.registry import deployments as flat
from qwenroute.registry import lifecycle, quality, shipped
from qwenroute.registry.cards import ModelCard
from qwenroute.registry.facts import Fact, facts
from qwenroute.registry.lifecycle import LifecycleState
from qwenroute.registry.overlay import Override, lay
from qwenroute.registry.platform import Host, Platform, Region

DASHSCOPE = "dashscope"


@dataclass(frozen=True, slots=True)
class Found:
    """A card, and the id of it that was asked for."""

    card: ModelCard
    api_id: str


class Registry:
    """Every model card, by every name that it goes by."""

    def __init__(
        self,
        cards: Iterable[ModelCard],
        platform: Platform,
        hosts: Iterable[Host] = (),
        overrides: Sequence[Override] = (),
    ) -> None:
        """Index cards; `Registry.load` reads the shipped ones."""
        self.cards: Mapping[str, ModelCard] = MappingProxyType({card.id: card for card in cards})
        self.platform = platform
        self.hosts = tuple(hosts)
        self.overrides = tuple(overrides)
        self.regions: Mapping[str, Region] = MappingProxyType(dict(platform.regions))
        names: dict[str, Found] = {}
        for card in self.cards.values():
            for name in _names(card):
                names.setdefault(name, Found(card, name if "/" not in name else card.id))
        for card in self.cards.values():
            names[card.id] = Found(card, card.id)
        self._names = names

    @classmethod
    def load(cls, overlays: Sequence[str | Path] = ()) -> Registry:
        """Return the shipped facts, with an operator's files laid over them in their order.

        Raises:
            DocumentError: a file cannot be read, or has mistakes; all of them with their places.
        """
        return _shipped() if not overlays else _build(overlays)

    def find(self, name: str) -> Found | None:
        """Return the card that a registry id, an api id or a Hugging Face id names."""
        return self._names.get(name) or self._names.get(name.lower())

    def suggest(self, name: str) -> str | None:
        """Return the known id that a name most likely means."""
        return nearest(name.lower(), self._names)

    def base_url(self, region: str, workspace: str | None = None) -> str:
        """Return the OpenAI-compatible base URL of a region, or of a workspace in it.

        Raises:
            ConfigurationError: there is no such region, or it has hosts of workspaces only.
        """
        known = self.regions.get(region)
        if known is None:
            close = nearest(region, self.regions)
            hint = f"did you mean `{close}`?" if close else f"known: {', '.join(sorted(self.regions))}"
            raise ConfigurationError(f"there is no region `{region}`; {hint}")
        if workspace is not None and known.workspace_base_url is not None:
            return known.workspace_base_url.replace("{workspace_id}", workspace)
        if known.base_url is None:
            raise ConfigurationError(f"region `{region}` is reached through a workspace only: give its workspace id")
        return known.base_url

    def lifecycle(self, model: str, *, provider: str, region: str | None, on: date) -> LifecycleState:
        """Return what became of an id at a date, and what answers in its place.

        Raises:
            KeyError: the id is not known.
        """
        found = self.find(model)
        if found is None:
            raise KeyError(model)
        state = self._state(found, provider, region, on)
        if provider != DASHSCOPE or found.card.dashscope is None:
            return state
        return LifecycleState(
            status=state.status,
            retires_on=state.retires_on,
            replacements=self._living(found, region, on),
            note=state.note,
            sources=state.sources,
            confidence=state.confidence,
        )

    def deployments(self, endpoint: Endpoint, on: date) -> tuple[Deployment, ...]:
        """Return what an endpoint serves at a date.

        On DashScope without a list: every model that can be called there. With a list: what it
        names, whatever its lifecycle, so that a gate can say why it is passed over.

        Raises:
            ConfigurationError: the list names an unknown model, or is missing where it is needed.
        """
        if endpoint.provider == DASHSCOPE and endpoint.region is None:
            raise ConfigurationError(f"endpoint `{endpoint.name}` is on DashScope and names no region")
        if endpoint.served is None:
            if endpoint.provider != DASHSCOPE:
                raise ConfigurationError(f"endpoint `{endpoint.name}` does not say which models it serves")
            return tuple(self._callable(endpoint, on))
        made: dict[str, Deployment] = {}
        for served in endpoint.served:
            deployment = self._served(endpoint, served, on, made)
            made[deployment.id] = deployment
        return tuple(made.values())

    def _callable(self, endpoint: Endpoint, on: date) -> Iterable[Deployment]:
        suffix = self._suffix(endpoint)
        for card in self.cards.values():
            if card.dashscope is None or endpoint.region not in card.dashscope.regions:
                continue
            state = lifecycle.on_dashscope(card, card.id, endpoint.region, on, self.platform.retirement)
            if state.status.callable and _speaks_http(card):
                place = flat.Place(
                    endpoint=endpoint,
                    id=f"{card.id}@{endpoint.name}",
                    wire_model=card.id + suffix,
                    served=None,
                    state=state,
                    on=on,
                )
                yield flat.on_dashscope(card, place, self.platform, self._quality[card.id])

    def _suffix(self, endpoint: Endpoint) -> str:
        """Return what ids end in there: US ids have a suffix of their own (ms-openai)."""
        region = self.regions.get(endpoint.region or "")
        return "" if region is None else region.id_suffix

    def _served(self, endpoint: Endpoint, served: Served, on: date, made: Mapping[str, Deployment]) -> Deployment:
        found = self.find(served.model)
        if found is None:
            close = self.suggest(served.model)
            hint = f"did you mean `{close}`?" if close else "`qwenroute models` lists the ids"
            raise ConfigurationError(f"endpoint `{endpoint.name}` serves an unknown model `{served.model}`; {hint}")
        card = found.card
        host = self._host(endpoint, card, served)
        wire = served.wire_model or (host.litellm_model if host is not None else found.api_id)
        name = f"{card.id}@{endpoint.name}"
        if name in made:
            name = f"{wire}@{endpoint.name}"
        if name in made:
            raise ConfigurationError(f"endpoint `{endpoint.name}` lists `{wire}` twice")
        if endpoint.provider == DASHSCOPE:
            spoken = self.find(wire)
            asked = spoken if spoken is not None and spoken.card is card else found
            state = self._state(asked, DASHSCOPE, endpoint.region, on)
            if served.wire_model is None:
                wire += self._suffix(endpoint)
            place = flat.Place(endpoint=endpoint, id=name, wire_model=wire, served=served, state=state, on=on)
            return flat.on_dashscope(card, place, self.platform, self._quality[card.id])
        state = flat.hosted_state(lifecycle.elsewhere(card, on), host, on)
        place = flat.Place(endpoint=endpoint, id=name, wire_model=wire, served=served, state=state, on=on)
        return flat.on_a_server(card, place, host, self._quality[card.id])

    def _host(self, endpoint: Endpoint, card: ModelCard, served: Served) -> Host | None:
        """Return the third-party host of a litellm endpoint, if it is a known one."""
        if endpoint.provider != "litellm":
            return None
        known = [host for host in self.hosts if host.model == card.id]
        if served.wire_model is not None:
            return next((host for host in known if host.litellm_model == served.wire_model), None)
        named = next((host for host in known if host.host == endpoint.name), None)
        if named is None:
            examples = ", ".join(host.litellm_model for host in known) or "openrouter/qwen/…"
            raise ConfigurationError(
                f"endpoint `{endpoint.name}` does not say how litellm names `{card.id}`; "
                f"give its served name (known: {examples})"
            )
        return named

    def _state(self, found: Found, provider: str, region: str | None, on: date) -> LifecycleState:
        if provider != DASHSCOPE:
            return lifecycle.elsewhere(found.card, on)
        return lifecycle.on_dashscope(found.card, found.api_id, region, on, self.platform.retirement)

    def _living(self, found: Found, region: str | None, on: date) -> tuple[str, ...]:
        """Return what answers in place of an id, following replacements that have left themselves."""
        living: dict[str, None] = {}
        seen = {found.card.id}
        waiting = list(_successors(found.card))
        if found.api_id != found.card.id:
            # A snapshot's first successor is the alias that it was a snapshot of.
            waiting.insert(0, found.card.id)
            seen.clear()
        while waiting:
            name = waiting.pop(0)
            card = self.cards.get(name)
            if card is None or name in seen:
                continue
            seen.add(name)
            state = lifecycle.on_dashscope(card, name, region, on, self.platform.retirement)
            if state.status.callable:
                living[name] = None
            else:
                waiting += _successors(card)
        capable = [name for name in living if _covers(self.cards[name], found.card)]
        return tuple(capable or living)

    def facts(self, model: str) -> tuple[Fact, ...]:
        """Return every fact that is known of a model, with its sources.

        Raises:
            KeyError: the id is not known.
        """
        return facts(self.cards[model], self.overrides)

    def source(self, key: str) -> str:
        """Return what a source key stands for; a key of an operator's own stands for itself."""
        named = shipped.as_mapping(shipped.sources().get("sources"))
        return str(named.get(key, key))

    @cached_property
    def _quality(self) -> Mapping[str, Mapping[str, Quality]]:
        return quality.priors(self.cards)

    def quality(self, model: str) -> Mapping[str, Quality]:
        """Return the quality prior of a model, keyed `task/difficulty`."""
        return self._quality[model]


def _names(card: ModelCard) -> Iterable[str]:
    yield card.id
    if card.dashscope is not None:
        yield from card.dashscope.snapshots
    if card.weights is not None and card.weights.hugging_face is not None:
        yield card.weights.hugging_face
        yield card.weights.hugging_face.lower()


def _successors(card: ModelCard) -> tuple[str, ...]:
    return () if card.dashscope is None else card.dashscope.lifecycle.replacements


def _covers(new: ModelCard, old: ModelCard) -> bool:
    """Return whether a model takes and gives everything that another did."""
    return set(old.modalities.input) <= set(new.modalities.input) and set(old.modalities.output) <= set(
        new.modalities.output
    )


def _speaks_http(card: ModelCard) -> bool:
    """Return whether it can be called by HTTP at all: not over a WebSocket, and answering in words."""
    return card.features.transport is None and Modality.TEXT in card.modalities.output


@cache
def _shipped() -> Registry:
    return _build(())


def _build(overlays: Sequence[str | Path]) -> Registry:
    raw = shipped.read()
    laid = lay([Path(overlay) for overlay in overlays], raw.models, raw.platform)
    cards = TypeAdapter(list[ModelCard]).validate_python(list(laid.models.values()))
    hosts = TypeAdapter(list[Host]).validate_python(raw.hosts)
    return Registry(cards, Platform.model_validate(laid.platform), hosts, laid.overrides)
