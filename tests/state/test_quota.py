"""Quotas: reserved before, settled after, in slices of a second, and nothing leaks."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qwenroute.domain.capability import RateLimits
from qwenroute.state.quota import GRAINS, Ledger, Meter, Reservation


def ledger(rpm: int | None = None, tpm: int | None = None) -> Ledger:
    """The ledger of one limit."""
    return Ledger(RateLimits(rpm=rpm, tpm=tpm))


def test_a_sixtieth_of_the_requests_each_second() -> None:
    """Of 300 a minute five pass at once, and the sixth when the second is over."""
    book = ledger(rpm=300)
    assert all(book.reserve(0, 10.0) for _ in range(5))
    assert book.full
    assert book.reserve(0, 10.5) is None
    assert book.free_at(0, 10.5) == 11.0
    assert book.reserve(0, 11.0)


def test_the_minute_counts_too() -> None:
    """Of two a minute, which is one a second, the third has to wait for the minute."""
    book = ledger(rpm=2)
    assert book.reserve(0, 0.0)
    assert book.reserve(0, 10.0)
    assert book.reserve(0, 20.0) is None
    assert book.free_at(0, 20.0) == 60.0


def test_tokens_of_a_second() -> None:
    """Of 6,000 tokens a minute a hundred pass each second, in calls of any size."""
    book = ledger(tpm=6_000)
    assert book.reserve(60, 0.0)
    assert book.reserve(60, 0.1) is None
    assert book.reserve(40, 0.1)
    assert book.free_at(60, 0.1) == 1.0
    assert book.free_at(61, 0.1) == 1.1


def test_a_prompt_larger_than_the_slice_passes_alone_and_is_in_debt() -> None:
    """300 tokens at 100 a second pass when nothing else is there, and close three seconds."""
    book = ledger(tpm=6_000)
    assert book.reserve(300, 0.0)
    assert book.free_at(1, 0.0) == 3.0
    assert book.free_at(300, 0.0) == 3.0
    assert book.reserve(1, 3.0)
    assert book.reserve(300, 3.5) is None
    assert book.free_at(300, 3.5) == 4.0


def test_what_was_reserved_too_much_comes_back() -> None:
    """A call that used less than thought makes room at once, and its debt is shorter."""
    book = ledger(tpm=6_000)
    reservation = book.reserve(1_000, 0.0)
    assert reservation is not None
    assert book.free_at(1, 0.5) == 10.0
    book.settle(reservation, 50, 0.5)
    assert book.free_at(50, 0.5) == 0.5
    assert book.free_at(51, 0.5) == 1.0


def test_what_was_used_beyond_the_reservation_is_counted() -> None:
    """The rest is spent when it is known, though it does not fit."""
    book = ledger(tpm=6_000)
    reservation = book.reserve(50, 0.0)
    assert reservation is not None
    book.settle(reservation, 350, 5.0)
    assert book.free_at(1, 5.0) == 8.0


def test_what_comes_to_light_within_a_debt_does_not_shorten_it() -> None:
    """A call that used more than reserved adds to what is spent, and leaves the debt as long as it was."""
    book = ledger(tpm=6_000)
    small = book.reserve(0, 0.0)
    assert small is not None
    assert book.reserve(1_000, 0.0)
    book.settle(small, 50, 0.02)
    assert book.free_at(60, 0.02) == 10.0


def test_settling_late_changes_nothing_of_windows_that_passed() -> None:
    """What has left its window cannot be given back."""
    book = ledger(tpm=6_000)
    reservation = book.reserve(100, 0.0)
    assert reservation is not None
    assert book.reserve(100, 70.0)
    book.settle(reservation, 0, 70.0)
    assert book.free_at(1, 70.0) == 71.0


def test_no_limits_no_waiting() -> None:
    """Where no limit is known everything passes."""
    assert ledger().free_at(10**9, 0.0) == 0.0
    assert ledger().reserve(10**9, 0.0)


def test_a_meter_stays_small() -> None:
    """A hundred thousand calls in a window are kept in as many grains as it has."""
    meter = Meter(10**9, 60.0)
    for n in range(100_000):
        meter.spend(1, n * 0.0006)
    assert len(meter._entries) <= GRAINS + 1
    assert meter.used == 100_000


class QuotaMachine(RuleBasedStateMachine):
    """Calls of any size that are settled as anything, and time that passes."""

    @initialize(rpm=st.sampled_from([None, 1, 30, 90, 600]), tpm=st.sampled_from([None, 60, 600, 6_000]))
    def start(self, rpm: int | None, tpm: int | None) -> None:
        self.limits = RateLimits(rpm=rpm, tpm=tpm)
        self.book = Ledger(self.limits)
        self.now = 0.0
        self.calls: list[float] = []
        self.tokens: list[list[float]] = []  # when, how many
        self.open: list[tuple[Reservation, list[float]]] = []
        self.overdrawn = False

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 1.0, 7.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(tokens=st.integers(0, 150))
    def reserve(self, tokens: int) -> None:
        free_at = self.book.free_at(tokens, self.now)
        reservation = self.book.reserve(tokens, self.now)
        assert (reservation is not None) is (free_at <= self.now)
        if reservation is None:
            return
        self.calls.append(self.now)
        self.tokens.append([self.now, tokens])
        self.open.append((reservation, self.tokens[-1]))
        self.within_limits(tokens)

    def within_limits(self, tokens: int) -> None:
        """Check every window that ends now against what was really admitted."""
        for seconds, share in ((1.0, 60), (60.0, 1)):
            if self.limits.rpm is not None:
                begun = sum(at > self.now - seconds + 1e-6 for at in self.calls)
                assert begun <= max(1, math.ceil(self.limits.rpm / share))
            if self.limits.tpm is not None and not self.overdrawn:
                limit = max(1, math.ceil(self.limits.tpm / share))
                spent = sum(amount for at, amount in self.tokens if at > self.now - seconds + 1e-6)
                assert spent <= limit or spent == tokens  # alone, and so in debt

    @precondition(lambda self: self.open)
    @rule(data=st.data(), used=st.floats(0, 2))
    def settle(self, data: st.DataObject, used: float) -> None:
        reservation, entry = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        actual = int(reservation.tokens * used)
        self.book.settle(reservation, actual, self.now)
        if actual > reservation.tokens:
            self.tokens.append([self.now, actual - reservation.tokens])
            self.overdrawn = True
        else:
            entry[1] = actual

    @precondition(lambda self: self.open)
    @rule(used=st.integers(0, 0))
    def forget(self, used: int) -> None:
        self.open.pop()  # cancelled: its reservation expires by itself

    @precondition(lambda self: self.limits.rpm or self.limits.tpm)
    @rule(tokens=st.integers(1, 150))
    def waiting_as_long_as_told_is_enough(self, tokens: int) -> None:
        self.now = self.book.free_at(tokens, self.now)
        assert self.book.free_at(tokens, self.now) == self.now

    @invariant()
    def what_is_used_is_what_is_written_down(self) -> None:
        for meter in self.book._meters:
            assert meter.used == sum(entry.amount for entry in meter._entries)
            assert all(entry.amount >= 0 for entry in meter._entries)

    def teardown(self) -> None:
        if not hasattr(self, "book"):
            return
        for meter in self.book._meters:
            assert meter.has_room(meter.limit, self.now + 100_000.0)
            assert meter.used == 0
            assert not meter._entries


TestQuotaMachine = QuotaMachine.TestCase
TestQuotaMachine.settings = settings(max_examples=60, stateful_step_count=40)
