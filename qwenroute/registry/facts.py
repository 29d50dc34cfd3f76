"""Every fact of a card on its own, with who says so and how sure that makes us."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pydantic import BaseModel

from qwenroute.registry.cards import Group, ModelCard
from qwenroute.registry.overlay import Override

_ABOUT_FACTS = frozenset({"sources", "confidence", "note", "doubts", "basis_sources", "quality_like"})
OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """One statement about a model."""

    path: str
    group: str
    """The part of the path that names what it belongs to and shares its sources with."""
    value: object
    sources: tuple[str, ...]
    confidence: str | None = None
    """A, B or C; `operator` for what an overlay states."""
    note: str | None = None


def facts(card: ModelCard, overrides: Iterable[Override] = ()) -> tuple[Fact, ...]:
    """Return every fact that is known of a model; what no source states is left out."""
    own = [o for o in overrides if o.model == card.id]
    return tuple(_marked(fact, own) for fact in _walk(card, (), (), card.sources, None, None, {}))


def _walk(
    value: object,
    path: tuple[str, ...],
    group: tuple[str, ...],
    sources: tuple[str, ...],
    confidence: str | None,
    note: str | None,
    doubts: dict[str, str],
) -> Iterator[Fact]:
    if isinstance(value, Group):
        sources = value.sources or sources
        confidence = value.confidence or confidence
        note, doubts, group = value.note, value.doubts, path
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            if name in _ABOUT_FACTS or (not path and name == "sources"):
                continue
            inner = getattr(value, name)
            doubt = doubts.get(name)
            yield from _walk(inner, (*path, name), group, sources, "C" if doubt else confidence, doubt or note, {})
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _walk(inner, (*path, key), group, sources, confidence, note, {})
    elif isinstance(value, tuple) and value and isinstance(value[0], BaseModel):
        for index, inner in enumerate(value):
            yield from _walk(inner, (*path, str(index)), group, sources, confidence, note, {})
    elif value is not None and value != ():
        yield Fact(
            path=".".join(path),
            group=".".join(group),
            value=value,
            sources=sources,
            confidence=confidence,
            note=note,
        )


def _marked(fact: Fact, overrides: Sequence[Override]) -> Fact:
    for override in overrides:
        stated = override.fact
        if not stated or fact.path == stated or fact.path.startswith(f"{stated}."):
            note = None if not stated else f"was {override.old!r}"
            return replace(fact, sources=(override.place,), confidence=OPERATOR, note=note)
    return fact
