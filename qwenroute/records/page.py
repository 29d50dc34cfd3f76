"""Comparisons and statistics as pages with plots."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from qwenroute.pages.document import document, figure, heading, paragraph, table
from qwenroute.pages.svg import bars, columns, grid
from qwenroute.records.changes import Difference
from qwenroute.records.compare import Change, Comparison, Part
from qwenroute.records.stats import Group, Stats, ordered, percentiles
from qwenroute.records.words import EXPECTED, left_out, money, percent, seconds, share, usd

MOST_ROWS = 200
MOST_NAMES = 12


def comparison_page(found: Comparison, differences: Sequence[Difference]) -> str:
    """Return what two policies do with the same requests."""
    total = found.total
    parts = [
        heading(f"From {found.old} to {found.new}", 1),
        paragraph(
            f"{total.requests:,} recorded requests, {share(total.moved_share)} of them go elsewhere. {EXPECTED}"
            + "".join(f" {one}" for one in left_out(found))
        ),
        heading("What is different"),
        table(
            ("where", "before", "after"),
            ((d.where, d.before or "–", d.after or "–") for d in differences),
            words=True,
        )
        if differences
        else paragraph("Both say the same."),
        heading("By route"),
        table(
            (
                "route",
                "requests",
                "moved",
                "refused",
                "USD a request",
                "seconds",
                "quality",
                "paid, USD",
            ),
            [*(_row(name, part) for name, part in sorted(found.routes.items())), _row("all", total)],
        ),
        figure(
            "cost",
            bars([(name, _both(part.cost)) for name, part in _largest(found)], "Expected cost by route"),
            "Expected USD a request, before (faint) and after.",
        ),
        figure(
            "latency",
            bars([(name, _both(part.latency)) for name, part in _largest(found)], "Expected latency by route"),
            "Expected seconds a request, before (faint) and after.",
        ),
        heading("By model"),
        figure(
            "models",
            bars(
                [
                    (name, [(b, f"{b:,}"), (a, f"{a:,}")])
                    for name, (b, a) in sorted(found.models.items(), key=lambda item: -max(item[1]))[:MOST_NAMES]
                ],
                "Requests by the first choice's model",
            ),
            "Requests by the model of the first choice, before (faint) and after.",
        ),
        *_flows(found),
    ]
    return document(f"qwenroute policy diff: {found.old}, {found.new}", parts)


def _flows(found: Comparison) -> Iterable[str]:
    moves = found.moves()
    if not moves:
        return
    counts: dict[tuple[str, str], int] = {}
    for flow, count in found.flows.items():
        counts[flow.old, flow.new] = counts.get((flow.old, flow.new), 0) + count
    olds = _most({old: sum(n for (o, _), n in counts.items() if o == old) for old, _ in counts})
    news = _most({new: sum(n for (_, w), n in counts.items() if w == new) for _, new in counts})
    yield heading("What moves where")
    yield figure(
        "flows",
        grid(
            olds,
            news,
            [[counts.get((old, new), 0) for new in news] for old in olds],
            "From first choice to first choice",
        ),
        "Requests by their first choice before (down) and after (across); what stays is blue.",
    )
    yield table(
        ("route", "from", "to", "requests"),
        ((f.route, f.old, f.new, f"{count:,}") for f, count in moves[:MOST_ROWS]),
        words=True,
        notes=["" if f.old_rule == f.new_rule else f"{f.old_rule} → {f.new_rule}" for f, _ in moves[:MOST_ROWS]],
    )
    if len(moves) > MOST_ROWS:
        yield paragraph(f"{len(moves) - MOST_ROWS:,} more are in what --json prints.")


def _most(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))[:MOST_NAMES]


def _largest(found: Comparison) -> list[tuple[str, Part]]:
    routes = sorted(found.routes.items(), key=lambda item: (-item[1].requests, item[0]))
    return [*routes[:MOST_NAMES], ("all", found.total)]


def _both(change: Change) -> list[tuple[float, str]]:
    return [(value or 0.0, "–" if value is None else f"{value:.6g}") for value in (change.before, change.after)]


def _row(name: str, part: Part) -> tuple[str, ...]:
    return (
        name,
        f"{part.requests:,}",
        share(part.moved_share),
        f"{part.old.refused:,} → {part.new.refused:,}",
        f"{usd(part.cost.before)} → {usd(part.cost.after)} ({percent(part.cost)})",
        f"{seconds(part.latency.before)} → {seconds(part.latency.after)} ({percent(part.latency)})",
        "–"
        if part.quality.before is None
        else f"{part.quality.before:.3f} → {part.quality.after:.3f} ({percent(part.quality)})",
        usd(part.paid_usd if part.paid else None),
    )


def stats_page(found: Stats) -> str:
    """Return what there is to say of records."""
    total = found.total
    step, slots = found.curve(120)
    parts = [
        heading("Records", 1),
        paragraph(
            f"{total.requests:,} requests from {found.first or '–'} to {found.last or '–'}; "
            f"{total.errors:,} refused or failed, "
            f"{total.fallbacks:,} answered by a fallback, {total.cached:,} from the cache; {money(total.cost)}."
            + (f" {found.lost:,} records could not be written." if found.lost else "")
            + (f" {found.broken:,} lines could not be read." if found.broken else "")
        ),
    ]
    if slots:
        begin = min(found.times)
        parts.append(
            figure(
                "time",
                columns(
                    [(slot.requests, slot.errors) for slot in slots],
                    "Requests over time",
                    (_at(begin), _at(begin + step * len(slots))),
                ),
                f"Requests in stretches of {step // 60:,} min, errors in the other colour.",
            )
        )
    for by, groups in found.groups.items():
        most = ordered(groups)
        parts += [
            heading(f"By {by}"),
            figure(
                f"by-{by}",
                bars([(name, [(g.requests, f"{g.requests:,}")]) for name, g in most[:MOST_NAMES]], f"Requests by {by}"),
                "Requests.",
            ),
            table(
                (
                    by,
                    "requests",
                    "share",
                    "cost",
                    "p50 s",
                    "p95 s",
                    "p99 s",
                    "TTFT p50 s",
                    "fallbacks",
                    "errors",
                    "cached",
                ),
                (_stats_row(name, group, total.requests) for name, group in [*most[:MOST_ROWS], ("all", total)]),
            ),
        ]
    if total.failures:
        parts += [
            heading("Failed attempts"),
            table(("failure", "attempts"), ((kind, f"{n:,}") for kind, n in total.failures.most_common())),
        ]
    return document("qwenroute stats", parts)


def _stats_row(name: str, group: Group, total: int) -> tuple[str, ...]:
    latency, ttft = percentiles(group.latencies), percentiles(group.ttfts)
    return (
        name,
        f"{group.requests:,}",
        share(group.requests / total if total else 0.0),
        money(group.cost),
        *(seconds(None if latency is None else latency[p]) for p in ("p50", "p95", "p99")),
        seconds(None if ttft is None else ttft["p50"]),
        f"{group.fallbacks:,}",
        f"{group.errors:,}",
        f"{group.cached:,}",
    )


def _at(when: int) -> str:
    return datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%d %H:%M")
