"""Windows of the calendar: every instant is in exactly one, and it begins and ends where people expect."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.budget import Window

BERLIN, KOLKATA, LORD_HOWE = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata"), ZoneInfo("Australia/Lord_Howe")
ZONES = (UTC, BERLIN, KOLKATA, LORD_HOWE, ZoneInfo("Africa/Cairo"), ZoneInfo("America/New_York"))
FROM, TO = datetime(2025, 1, 1, tzinfo=UTC).timestamp(), datetime(2031, 1, 1, tzinfo=UTC).timestamp()


def local(zone: tzinfo, *when: int) -> float:
    """An instant by the clock on the wall."""
    return datetime(*when, tzinfo=zone).timestamp()  # type: ignore[arg-type, misc]


@given(st.floats(FROM, TO), st.sampled_from(Window), st.sampled_from(ZONES))
def test_every_instant_is_in_its_window_and_both_ends_agree(at: float, window: Window, zone: tzinfo) -> None:
    """A window holds its first instant and the one asked for, and not its end."""
    begins, ends = window.around(at, zone)
    assert begins <= at < ends
    assert window.around(begins, zone)[0] == begins
    assert window.around(ends - 1, zone)[0] == begins
    assert window.around(ends, zone)[0] == ends


@pytest.mark.parametrize(
    ("window", "zone", "at", "begins", "ends"),
    [
        (Window.MINUTE, UTC, (2026, 11, 24, 8, 5, 59), (2026, 11, 24, 8, 5), (2026, 11, 24, 8, 6)),
        (Window.HOUR, KOLKATA, (2026, 11, 24, 8, 29), (2026, 11, 24, 8, 0), (2026, 11, 24, 9, 0)),
        (Window.DAY, BERLIN, (2026, 11, 24, 0, 0), (2026, 11, 24), (2026, 11, 25)),
        (Window.DAY, BERLIN, (2026, 11, 23, 23, 59, 59), (2026, 11, 23), (2026, 11, 24)),
        (Window.WEEK, BERLIN, (2026, 11, 24, 12), (2026, 11, 23), (2026, 11, 30)),
        (Window.WEEK, BERLIN, (2026, 11, 29, 23, 59), (2026, 11, 23), (2026, 11, 30)),
        (Window.MONTH, BERLIN, (2026, 12, 31, 23, 59), (2026, 12, 1), (2027, 1, 1)),
        (Window.MONTH, UTC, (2028, 2, 29, 1), (2028, 2, 1), (2028, 3, 1)),
    ],
)
def test_windows(
    window: Window, zone: tzinfo, at: tuple[int, ...], begins: tuple[int, ...], ends: tuple[int, ...]
) -> None:
    """Minutes and hours begin on the clock, days at midnight, weeks on Monday, months on the first."""
    dates = [(*when, *(1, 1)[: 3 - len(when)]) for when in (at, begins, ends)]
    assert window.around(local(zone, *dates[0]), zone) == (local(zone, *dates[1]), local(zone, *dates[2]))


def test_a_day_with_a_change_of_the_clock_is_an_hour_shorter_or_longer() -> None:
    """The day on which clocks go forward has 23 hours, the one on which they go back 25."""
    lengths = {}
    for day in (datetime(2026, 3, 29, 12), datetime(2026, 10, 25, 12), datetime(2026, 10, 26, 12)):
        begins, ends = Window.DAY.around(day.replace(tzinfo=BERLIN).timestamp(), BERLIN)
        lengths[day.day] = timedelta(seconds=ends - begins)
    assert lengths == {29: timedelta(hours=23), 25: timedelta(hours=25), 26: timedelta(hours=24)}


def test_an_hour_that_comes_twice_is_two_windows() -> None:
    """When clocks go back, the second 02:00 begins anew: a budget for an hour is not one for two."""
    first = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=0).timestamp()
    second = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1).timestamp()
    assert second - first == 3_600
    assert Window.HOUR.around(first, BERLIN)[1] == Window.HOUR.around(second, BERLIN)[0]


def test_a_zone_that_moves_by_half_an_hour_still_has_hours() -> None:
    """Lord Howe changes by 30 minutes: no instant is without a window there."""
    change = datetime(2026, 4, 4, 15, tzinfo=UTC).timestamp()
    for minutes in range(-90, 91, 10):
        begins, ends = Window.HOUR.around(change + 60 * minutes, LORD_HOWE)
        assert begins <= change + 60 * minutes < ends
