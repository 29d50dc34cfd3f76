"""The breaker: its table, what failures mean to it, and its laws under any sequence of events."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qwenroute.domain.failure import FailureKind
from qwenroute.domain.health import Circuit
from qwenroute.domain.resilience import BreakerRules
from qwenroute.state.breaker import BLOCK_S, EFFECTS, NEXT, Breaker, Effect, Saw

RULES = BreakerRules(failures=3, open_s=10.0, open_cap_s=35.0)
HALF_OPEN = Breaker(circuit=Circuit.HALF_OPEN, openings=1, why="it failed")


def opened(rules: BreakerRules = RULES, now: float = 0.0) -> Breaker:
    """A breaker that has just opened."""
    breaker = Breaker()
    for _ in range(rules.failures):
        breaker = breaker.failed("gone", now, rules)
    return breaker


def test_every_failure_kind_has_an_effect() -> None:
    """The table of effects is total."""
    assert EFFECTS.keys() == set(FailureKind)


@pytest.mark.parametrize(
    ("effect", "kinds"),
    [
        (Effect.TRIPS, "connection timeout overloaded server_error stream_cut malformed"),
        (Effect.COOLS, "rate_limited tokens_limited burst_limited"),
        (Effect.BLOCKS_ENDPOINT, "authentication billing"),
        (Effect.BLOCKS_DEPLOYMENT, "model_gone permission configuration"),
    ],
)
def test_kinds_of_an_effect(effect: Effect, kinds: str) -> None:
    """What trips, cools and blocks is as written here; everything else shows that the host is well."""
    assert {kind for kind, it in EFFECTS.items() if it is effect} == {FailureKind(k) for k in kinds.split()}


def test_table_leads_back_to_closed_only_through_an_answered_probe() -> None:
    """No other sight closes a circuit."""
    assert [key for key, circuit in NEXT.items() if circuit is Circuit.CLOSED] == [
        (Circuit.HALF_OPEN, Saw.PROBE_ANSWERED)
    ]


def test_opens_after_failures_in_a_row() -> None:
    """The last of so many failures in a row opens it, and it says why and until when."""
    two = Breaker().failed("a", 0.0, RULES).failed("b", 0.0, RULES)
    assert two.circuit is Circuit.CLOSED
    three = two.failed("timeout: no answer", 1.0, RULES)
    assert three.circuit is Circuit.OPEN
    assert three.until == 11.0
    assert three.why == "3 failures in a row, the last: timeout: no answer"


def test_an_answer_ends_the_row() -> None:
    """Failures with an answer between them are not in a row."""
    breaker = Breaker().failed("a", 0.0, RULES).failed("b", 0.0, RULES).answered().failed("c", 0.0, RULES)
    assert breaker == Breaker(failures=1)


@pytest.mark.parametrize(("recent", "opens"), [((9, 9), False), ((10, 5), True), ((11, 5), False)])
def test_opens_at_an_error_rate(recent: tuple[int, int], opens: bool) -> None:
    """Half of at least ten attempts open it; fewer attempts or failures do not."""
    breaker = Breaker().failed("a", 0.0, BreakerRules(), recent=recent)
    assert (breaker.circuit is Circuit.OPEN) is opens


def test_half_open_when_its_time_is_over() -> None:
    """It is open until its instant, and half open from then on."""
    breaker = opened()
    assert breaker.at(9.99) is breaker
    assert breaker.at(10.0).circuit is Circuit.HALF_OPEN


def test_each_failed_probe_doubles_the_time_up_to_the_cap() -> None:
    """Ten seconds, twenty, then the cap."""
    breaker, now, lengths = opened(), 0.0, []
    for _ in range(4):
        assert breaker.until is not None
        lengths.append(breaker.until - now)
        now = breaker.until
        breaker = breaker.at(now).probe().failed("still gone", now, RULES, probe=True)
    assert lengths == [10.0, 20.0, 35.0, 35.0]


def test_an_answered_probe_starts_afresh() -> None:
    """The next opening is as short as the first."""
    assert HALF_OPEN.probe().answered(probe=True) == Breaker()


def test_a_cancelled_probe_makes_room_for_another() -> None:
    """It neither closes nor opens the circuit."""
    assert HALF_OPEN.probe().released() == HALF_OPEN


def test_late_outcomes_change_nothing() -> None:
    """Attempts from before the circuit opened end without moving it, however they end."""
    for breaker in (opened(), HALF_OPEN, HALF_OPEN.probe()):
        assert breaker.answered() == breaker
        assert breaker.failed("late", 5.0, RULES) == breaker


@pytest.mark.parametrize("breaker", [Breaker(), opened(), HALF_OPEN, HALF_OPEN.probe()])
def test_a_block_opens_from_every_state(breaker: Breaker) -> None:
    """What does not pass by itself opens at once, and keeps a probe's place while it is under way."""
    blocked = breaker.blocked("wrong key", 300.0)
    assert (blocked.circuit, blocked.until, blocked.why) == (Circuit.OPEN, 300.0, "wrong key")
    assert blocked.probing is breaker.probing


def test_a_block_never_shortens() -> None:
    """A circuit that is open for longer stays so, for its own reason."""
    breaker = Breaker().blocked("wrong key", 300.0)
    assert breaker.blocked("model gone", 200.0) == breaker


class BreakerMachine(RuleBasedStateMachine):
    """Attempts that end in any order, and time that passes."""

    @initialize()
    def start(self) -> None:
        self.rules = RULES
        self.now = 0.0
        self.breaker = Breaker()
        self.ordinary = 0
        self.probes = 0

    @rule(seconds=st.floats(0.0, 50.0))
    def wait(self, seconds: float) -> None:
        before = self.breaker.at(self.now)
        self.now += seconds
        after = self.breaker.at(self.now)
        assert after.circuit is before.circuit or (before.circuit, after.circuit) == (Circuit.OPEN, Circuit.HALF_OPEN)

    @rule()
    def begin(self) -> None:
        self.breaker = self.breaker.at(self.now)
        if self.breaker.circuit is Circuit.CLOSED:
            self.ordinary += 1
        elif self.breaker.circuit is Circuit.HALF_OPEN and not self.breaker.probing:
            self.breaker = self.breaker.probe()
            self.probes += 1

    def end(self, probe: bool) -> None:
        if probe:
            self.probes -= 1
        else:
            self.ordinary -= 1
        self.before = self.breaker = self.breaker.at(self.now)

    @precondition(lambda self: self.ordinary or self.probes)
    @rule(data=st.data(), how=st.sampled_from(["answered", "failed", "blocked", "cancelled"]))
    def finish(self, data: st.DataObject, how: str) -> None:
        probe = self.probes > 0 and (not self.ordinary or data.draw(st.booleans()))
        self.end(probe)
        before = self.before
        if how == "answered":
            self.breaker = before.answered(probe=probe)
        elif how == "failed":
            self.breaker = before.failed("it failed", self.now, self.rules, probe=probe)
        elif how == "blocked":
            self.breaker = before.blocked("wrong key", self.now + BLOCK_S, probe=probe)
        elif probe:
            self.breaker = before.released()
        if before.circuit is not Circuit.CLOSED and self.breaker.circuit is Circuit.CLOSED:
            assert probe
            assert how == "answered"
        if before.until is not None:
            assert self.breaker.until is not None
            assert self.breaker.until >= before.until

    @invariant()
    def at_most_one_probe(self) -> None:
        assert self.probes in {0, 1}
        assert self.breaker.probing is (self.probes == 1)

    @invariant()
    def an_open_circuit_says_why_and_until_when(self) -> None:
        if self.breaker.circuit is Circuit.OPEN:
            assert self.breaker.why
            assert self.breaker.until is not None
        else:
            assert self.breaker.until is None


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=60, stateful_step_count=40)
