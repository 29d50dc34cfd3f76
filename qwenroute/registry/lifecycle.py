"""Whether an id answers at a date: evaluated, never stored."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date, timedelta

from qwenroute.domain.capability import Lifecycle
from qwenroute.registry.cards import DashScope, ModelCard, Snapshot
from qwenroute.registry.cards import Lifecycle as Facts
from qwenroute.registry.platform import Retirement

_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{4})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleState:
    """What became of an id at a date, on a platform and in a region."""

    status: Lifecycle
    retires_on: date | None = None
    """The day from which calls fail, where it is known."""
    replacements: tuple[str, ...] = ()
    """Registry ids that answer there at that date, best first."""
    note: str | None = None
    sources: tuple[str, ...] = ()
    confidence: str | None = None


def on_dashscope(card: ModelCard, api_id: str, region: str | None, on: date, rules: Retirement) -> LifecycleState:
    """Return the state of an id on DashScope; replacements are left to who knows the other cards."""
    place = card.dashscope
    if place is None:
        status = Lifecycle.SELF_HOST_ONLY if card.open_weights else Lifecycle.NOT_OFFERED
        return LifecycleState(status=status, note="not on DashScope", sources=card.sources)
    if region is not None and region not in place.regions:
        offered = ", ".join(place.regions)
        return LifecycleState(
            status=Lifecycle.NOT_OFFERED, note=f"not offered in {region}, only in {offered}", sources=card.sources
        )
    facts = _facts(place, api_id, region)
    said = tuple(filter(None, (facts.note, facts.offline_note)))

    def state(status: Lifecycle, *notes: str, retires_on: date | None = None) -> LifecycleState:
        return LifecycleState(
            status=status,
            retires_on=retires_on,
            note="; ".join((*notes, *said)) or None,
            sources=facts.sources or card.sources,
            confidence=facts.confidence,
        )

    released = _released(card, place, api_id)
    if released is not None and on < released:
        return state(Lifecycle.NOT_YET_RELEASED, f"released on {released}, or later")
    if facts.offline_on is not None:
        if on >= facts.offline_on:
            return state(Lifecycle.RETIRED, f"left on {facts.offline_on}", retires_on=facts.offline_on)
        if on >= _notice(api_id, facts.offline_on, rules):
            return state(Lifecycle.RETIRING, f"leaves on {facts.offline_on}", retires_on=facts.offline_on)
        return state(Lifecycle.ACTIVE, retires_on=facts.offline_on)
    if facts.retired_between is not None:
        first, last = facts.retired_between
        if on < first:
            return state(Lifecycle.ACTIVE)
        return state(Lifecycle.UNKNOWN if on < last else Lifecycle.RETIRED)
    if facts.status in {"retired", "likely_retired"}:
        return state(Lifecycle.RETIRED)
    if facts.status == "active":
        return state(Lifecycle.ACTIVE)
    if facts.known_active_until is not None and on <= facts.known_active_until:
        return state(Lifecycle.ACTIVE)
    return state(Lifecycle.UNKNOWN, "no source says whether it still answers; a call will tell")


def elsewhere(card: ModelCard, on: date) -> LifecycleState:
    """Return the state of the weights anywhere but on DashScope."""
    if not card.open_weights:
        return LifecycleState(status=Lifecycle.NOT_OFFERED, note="its weights are not published", sources=card.sources)
    released = card.released.day or card.released.not_before
    if released is not None and on < released:
        return LifecycleState(
            status=Lifecycle.NOT_YET_RELEASED, note=f"released on {released}, or later", sources=card.sources
        )
    return LifecycleState(status=Lifecycle.ACTIVE, sources=card.sources)


def _facts(place: DashScope, api_id: str, region: str | None) -> Facts:
    """Return what is known of this id: its own facts, over those of the region, over the card's."""
    known = place.lifecycle
    regional = place.regions[region].lifecycle if region is not None else None
    for more in (regional, place.snapshots.get(api_id)):
        if more is None or (more.offline_on is None and more.status is None and more.known_active_until is None):
            continue
        known = more
    return known


def _released(card: ModelCard, place: DashScope, api_id: str) -> date | None:
    snapshot: Snapshot | None = place.snapshots.get(api_id)
    if snapshot is not None and snapshot.released is not None:
        return snapshot.released
    return place.since or card.released.day or card.released.not_before


def _notice(api_id: str, offline: date, rules: Retirement) -> date:
    """Return the day of the notice: days before for a dated snapshot, months before for the rest."""
    if _DATED.search(api_id) or api_id.endswith("-latest"):
        return offline - timedelta(days=rules.snapshot_notice_days)
    months = offline.year * 12 + offline.month - 1 - rules.mainline_notice_months
    year, month = months // 12, months % 12 + 1
    return date(year, month, min(offline.day, calendar.monthrange(year, month)[1]))
