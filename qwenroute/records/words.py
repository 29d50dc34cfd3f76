"""Figures of records as people read them, the same on the screen and on a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qwenroute.records.compare import Change, Comparison

EXPECTED = (
    "Costs, latencies and quality are what is expected of each first choice, by the registry's prices, speeds and "
    "scores, over the requests that both can serve; health and budgets are not replayed."
)


def left_out(found: Comparison) -> Iterator[str]:
    """Yield a sentence for each kind of request that is not counted, or counted with a doubt."""
    if found.needs_text:
        yield (
            f"{found.needs_text:,} more cannot be judged: a rule asks for words in them, and the records hold neither "
            "their text nor whether these stand in it."
        )
    if found.unread:
        yield f"{found.unread:,} more were refused for their shape, whatever the policy."
    if found.other_hash:
        yield f"{found.other_hash:,} were recorded under another policy than {found.old} as it is now."


def usd(value: float | None) -> str:
    """Return an amount in USD."""
    return "–" if value is None else f"{value:,.2f}" if abs(value) >= 1 else f"{value:.6f}"


def seconds(value: float | None) -> str:
    """Return seconds."""
    return "–" if value is None else f"{value:,.2f}"


def quality(value: float | None) -> str:
    """Return a quality, from 0 to 1."""
    return "–" if value is None else f"{value:.3f}"


def share(value: float) -> str:
    """Return a share in percent."""
    return f"{value:.1%}"


def percent(change: Change) -> str:
    """Return a change in percent."""
    relative = change.relative
    return "–" if relative is None else "new" if abs(relative) == float("inf") else f"{relative:+.1%}"


def money(cost: Mapping[str, float]) -> str:
    """Return amounts in their currencies."""
    return ", ".join(f"{usd(amount)} {currency}" for currency, amount in sorted(cost.items())) or "–"
