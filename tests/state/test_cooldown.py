"""Cooldowns: one reaction for each of the three limits, and no pause that a later failure shortens."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.resilience import CooldownRules
from qwenroute.state.cooldown import BURST_RECOVERY_S, Cooldown, Ramp

RULES = CooldownRules()
RATE, TOKENS, BURST = FailureKind.RATE_LIMITED, FailureKind.TOKENS_LIMITED, FailureKind.BURST_LIMITED


def limited(kind: FailureKind, retry_after_s: float | None = None) -> Failure:
    """A refusal for a limit."""
    return Failure(kind=kind, message="slow down", retry_after_s=retry_after_s)


def lengths(kind: FailureKind, times: int) -> list[float]:
    """How long each pause is where the first attempt after the last one is refused again."""
    cooldown, now, found = Cooldown(), 100.0, []
    for _ in range(times):
        cooldown = cooldown.after(limited(kind), began=now, now=now, rules=RULES)
        found.append(cooldown.until - now)
        now = cooldown.until
    return found


def test_requests_pause_shortly_and_longer_each_time() -> None:
    """A second, doubled with each repetition, up to the cap."""
    assert lengths(RATE, 8) == [1, 2, 4, 8, 16, 32, 60, 60]


def test_tokens_pause_until_the_minute_has_moved_on() -> None:
    """Twenty seconds, and never more than the minute."""
    assert lengths(TOKENS, 4) == [20, 40, 60, 60]


@pytest.mark.parametrize(("asked", "pause"), [(0.2, 1.0), (5.0, 5.0), (3600.0, 60.0)])
def test_retry_after_is_a_lower_bound_with_a_cap(asked: float, pause: float) -> None:
    """The server's wish lengthens a pause, up to the cap, and never shortens it."""
    assert Cooldown().after(limited(RATE, asked), began=0.0, now=0.0, rules=RULES).until == pause


def test_failures_that_were_under_way_together_count_once() -> None:
    """Fifty refusals of one moment are one event, and do not double the pause fifty times."""
    cooldown = Cooldown()
    for _ in range(50):
        cooldown = cooldown.after(limited(RATE), began=0.0, now=0.5, rules=RULES)
    assert cooldown.until == 1.5
    assert cooldown.in_a_row == 1


def test_a_later_failure_never_shortens() -> None:
    """A short pause within a long one changes nothing of it, and the reason stays."""
    long = Cooldown().after(limited(TOKENS), began=0.0, now=0.0, rules=RULES)
    assert long.after(limited(RATE), began=0.0, now=0.1, rules=RULES) == long


def test_an_answer_from_after_the_pause_ends_the_repetition() -> None:
    """One that was under way before it says nothing."""
    cooldown = Cooldown().after(limited(RATE), began=0.0, now=0.0, rules=RULES)
    assert cooldown.answered(began=0.5) is cooldown
    assert cooldown.answered(began=1.0) == Cooldown()


def test_reason_names_the_limit_and_the_wish() -> None:
    """People read why and for how long."""
    cooldown = Cooldown().after(limited(TOKENS, 30), began=0.0, now=0.0, rules=RULES)
    assert cooldown.why == "too many tokens: pausing for 30 s; the server asked for 30 s"


@given(
    st.lists(
        st.tuples(
            st.sampled_from([RATE, TOKENS, BURST, FailureKind.OVERLOADED]),
            st.none() | st.floats(0, 1000),
            st.floats(0, 30),
            st.floats(0, 5),
        ),
        max_size=30,
    )
)
def test_no_sequence_shortens_or_exceeds(events: list[tuple[FailureKind, float | None, float, float]]) -> None:
    """Whatever comes, the pause only grows, and ends at most a cap from now."""
    cooldown, now = Cooldown(), 0.0
    for kind, retry_after_s, passed, ago in events:
        now += passed
        before = cooldown.until
        cooldown = cooldown.after(limited(kind, retry_after_s), began=now - ago, now=now, rules=RULES)
        assert cooldown.until >= before
        assert cooldown.until <= max(before, now + RULES.cap_s)
        if retry_after_s is not None:
            assert cooldown.until >= now + min(retry_after_s, RULES.cap_s) - 1e-9


def test_a_burst_halves_the_rate_which_recovers_slowly() -> None:
    """Hit at twenty a second it goes on at ten, and is back at twenty after the recovery time."""
    ramp = Ramp.halved(None, 20.0, began=0.0, now=0.0)
    assert ramp.rate(0.0) == 10.0
    assert ramp.rate(BURST_RECOVERY_S) == pytest.approx(20.0)
    assert not ramp.over(BURST_RECOVERY_S)
    assert ramp.over(3 * BURST_RECOVERY_S)


def test_a_second_burst_halves_again_and_one_of_the_same_moment_does_not() -> None:
    """Only an attempt that began under the ramp can say that it is still too fast."""
    ramp = Ramp.halved(None, 20.0, began=0.0, now=1.0)
    assert Ramp.halved(ramp, 20.0, began=0.5, now=1.1) is ramp
    assert Ramp.halved(ramp, 20.0, began=1.5, now=1.6).per_s == pytest.approx(5.1)


def test_the_rate_is_never_halved_to_nothing() -> None:
    """It goes on at one call in two seconds at the least."""
    ramp = None
    for now in range(20):
        ramp = Ramp.halved(ramp, 1.0, began=float(now), now=float(now))
        assert ramp.per_s >= 0.5


def test_calls_under_the_ramp_are_spaced() -> None:
    """In ten seconds no more calls begin than the rate allows."""
    ramp, now, calls = Ramp.halved(None, 8.0, began=0.0, now=0.0), 0.0, 0
    while now < 10.0:
        if now >= ramp.next_at:
            ramp = ramp.took(now)
            calls += 1
        now += 0.01
    assert 40 <= calls <= 10 * ramp.rate(10.0)
