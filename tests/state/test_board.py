"""The board: everything that decides whether a deployment may be called, together."""

from __future__ import annotations

import os
import signal
import threading
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from qwenroute.domain.capability import Deployment, RateLimits, Role
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Circuit, Conditions, Gatekeeper, LatencyObjective, Obstacle, Timed
from qwenroute.domain.price import Usage
from qwenroute.domain.resilience import BreakerRules, OutlierRules, Resilience, RetryBudgetRules, WindowRules
from qwenroute.state import HealthBoard
from qwenroute.state.board import NOTHING, Admission
from tests.routing.fleets import deployment

A = deployment("qwen-a")
B = deployment("qwen-b")
NOW = 1_000.0
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
USAGE = Usage(prompt_tokens=50, completion_tokens=100)


def board(*deployments: Deployment, keys: dict[str, str] | None = None, **rules: object) -> HealthBoard:
    """A board of these deployments, or of A and B."""
    return HealthBoard(deployments or (A, B), keys, Resilience(**rules))  # type: ignore[arg-type]


def admitted(board: HealthBoard, to: Deployment = A, now: float = NOW, tokens: int = 0) -> Admission:
    """An attempt that has to be admitted."""
    ticket = board.admit(to, tokens, now)
    assert isinstance(ticket, Admission), ticket
    return ticket


def refused(board: HealthBoard, to: Deployment = A, now: float = NOW, tokens: int = 0) -> Obstacle:
    """What stands in the way of an attempt that must not be admitted."""
    obstacle = board.admit(to, tokens, now)
    assert isinstance(obstacle, Obstacle)
    return obstacle


def fail(
    board: HealthBoard, kind: FailureKind, to: Deployment = A, now: float = NOW, *, retry_after_s: float | None = None
) -> None:
    """One attempt that fails at once."""
    failure = Failure(kind=kind, message="it failed", retry_after_s=retry_after_s)
    board.settle(admitted(board, to, now), failure, None, now, cancelled=False)


def answer(
    board: HealthBoard,
    to: Deployment = A,
    now: float = NOW,
    *,
    ttft_s: float = 0.5,
    rate: float = 50.0,
) -> None:
    """One attempt that is answered, token by token, and ends at `now`."""
    end = now
    begun = end - ttft_s - USAGE.completion_tokens / rate
    ticket = admitted(board, to, begun)
    board.first_token(ticket, begun + ttft_s)
    board.settle(ticket, None, USAGE, end, cancelled=False)


def test_the_board_is_what_routing_and_the_loop_ask_for() -> None:
    """It has what both protocols name."""
    conditions: Conditions = board()
    gatekeeper: Gatekeeper = board()
    assert conditions.revision == 0
    assert gatekeeper.withdraw_retry(NOW)


def test_all_is_well_is_one_and_the_same_object() -> None:
    """Where nothing blocks, every question gets the same empty mapping."""
    it = board()
    answer(it)
    assert it.obstacles(NOW) is NOTHING
    assert it.obstacles(NOW + 100) is NOTHING


def test_a_dead_deployment_is_left_alone_and_tried_once_in_a_while() -> None:
    """After the failures it is refused and shown; then one probe goes, and its answer ends it."""
    it = board()
    for _ in range(5):
        fail(it, FailureKind.CONNECTION)
    obstacle = refused(it)
    assert (obstacle.gate, obstacle.until) == ("circuit", NOW + 10)
    assert it.obstacles(NOW) == {A.id: obstacle}
    assert it.obstacles(NOW + 10) == {}
    probe = admitted(it, A, NOW + 10)
    assert refused(it, A, NOW + 10).reason.startswith("a probe is under way")
    assert A.id in it.obstacles(NOW + 11)
    it.settle(probe, None, USAGE, NOW + 12, cancelled=False)
    assert it.obstacles(NOW + 12) is NOTHING
    assert admitted(it, A, NOW + 12)


def test_it_is_no_different_where_it_is_alone() -> None:
    """The only deployment there is gets no calls either while its circuit is open."""
    it = board(A)
    for _ in range(5):
        fail(it, FailureKind.SERVER_ERROR)
    assert refused(it).gate == "circuit"


def test_old_failures_do_not_reopen_what_a_probe_closed() -> None:
    """After an answered probe one failure is one failure."""
    it = board(breaker=BreakerRules(failures=100))
    for n in range(10):
        (fail(it, FailureKind.SERVER_ERROR) if n % 2 else answer(it))
    assert refused(it).gate == "circuit"
    it.settle(admitted(it, A, NOW + 10), None, USAGE, NOW + 11, cancelled=False)
    fail(it, FailureKind.SERVER_ERROR, A, NOW + 12)
    assert admitted(it, A, NOW + 12)


def test_a_cancelled_probe_is_followed_by_another() -> None:
    """A probe whose caller left says nothing: the next attempt is the probe."""
    it = board()
    for _ in range(5):
        fail(it, FailureKind.TIMEOUT)
    it.settle(admitted(it, A, NOW + 10), None, None, NOW + 11, cancelled=True)
    assert admitted(it, A, NOW + 11).probe


@pytest.mark.parametrize("kind", [FailureKind.INVALID_REQUEST, FailureKind.CONTENT_FILTER, FailureKind.BAD_MEDIA])
def test_a_refused_request_shows_that_the_host_is_well(kind: FailureKind) -> None:
    """However many callers send nonsense, the deployment stays available, and its row of failures ends."""
    it = board()
    for n in range(20):
        fail(it, FailureKind.SERVER_ERROR if n % 4 == 0 else kind)
    assert it.obstacles(NOW) is NOTHING


def test_cancelled_attempts_count_as_neither() -> None:
    """They neither open a circuit nor end a row of failures."""
    it = board()
    for _ in range(20):
        it.settle(admitted(it), None, None, NOW + 1, cancelled=True)
    assert it.obstacles(NOW + 1) is NOTHING
    for _ in range(4):
        fail(it, FailureKind.CONNECTION)
        it.settle(admitted(it), None, None, NOW, cancelled=True)
    fail(it, FailureKind.CONNECTION)
    assert refused(it).gate == "circuit"


@pytest.mark.parametrize(
    ("kind", "everywhere"),
    [(FailureKind.AUTHENTICATION, True), (FailureKind.BILLING, True), (FailureKind.MODEL_GONE, False)],
)
def test_what_does_not_pass_by_itself_blocks_for_long(kind: FailureKind, everywhere: bool) -> None:
    """A wrong key blocks the endpoint, a missing model only itself, and other endpoints never."""
    other = deployment("qwen-a", endpoint="elsewhere")
    it = board(A, B, other)
    fail(it, kind)
    assert it.obstacles(NOW + 299).keys() == ({A.id, B.id} if everywhere else {A.id})
    assert it.obstacles(NOW + 300) == {}


def test_a_timeout_sooner_than_it_usually_answers_says_nothing_of_it() -> None:
    """Callers in a hurry do not open a circuit; those who waited as long as usual do."""
    it = board()
    for _ in range(20):
        answer(it)
    hurried = Failure(kind=FailureKind.TIMEOUT, message="no answer before the deadline")
    for _ in range(10):
        it.settle(admitted(it), hurried, None, NOW + 0.2, cancelled=False)
    assert it.obstacles(NOW + 0.2) is NOTHING
    for _ in range(5):
        it.settle(admitted(it), hurried, None, NOW + 2, cancelled=False)
    assert A.id in it.obstacles(NOW + 2)


def test_a_limit_cools_every_deployment_that_shares_it() -> None:
    """Same account, model and region: through whichever endpoint; another model goes on."""
    twin = deployment("qwen-a", endpoint="second")
    it = board(A, twin, B, keys={"dashscope": "one account", "second": "one account"})
    fail(it, FailureKind.RATE_LIMITED, retry_after_s=7)
    assert it.obstacles(NOW).keys() == {A.id, twin.id}
    assert refused(it, twin).until == NOW + 7
    assert it.obstacles(NOW + 7) == {}


def test_endpoints_of_different_accounts_do_not_share() -> None:
    """Where nothing is said, each endpoint is an account of its own."""
    other = deployment("qwen-a", endpoint="second")
    it = board(A, other)
    fail(it, FailureKind.RATE_LIMITED)
    assert it.obstacles(NOW).keys() == {A.id}


def test_a_later_failure_never_shortens_a_cooldown() -> None:
    """A short pause that begins within a long one ends with the long one."""
    it = board()
    late = admitted(it)
    fail(it, FailureKind.TOKENS_LIMITED)
    it.settle(late, Failure(kind=FailureKind.RATE_LIMITED, message="later"), None, NOW + 1, cancelled=False)
    assert refused(it, A, NOW + 2).until == NOW + 20


def test_a_burst_slows_down_and_recovers() -> None:
    """After the pause calls are spaced at half the rate; when it has recovered nothing is left of it."""
    it = board(A)
    tickets = [admitted(it) for _ in range(20)]
    for ticket in tickets:
        it.settle(ticket, Failure(kind=FailureKind.BURST_LIMITED, message="slow"), None, NOW + 0.5, cancelled=False)
    assert refused(it, A, NOW + 1.4).gate == "cooldown"
    admitted(it, A, NOW + 1.5)
    obstacle = refused(it, A, NOW + 1.5)
    assert obstacle.gate == "burst"
    assert obstacle.until is not None
    assert obstacle.until == pytest.approx(NOW + 1.6, abs=0.01)
    assert it.obstacles(NOW + 1.5).keys() == {A.id}
    for _ in range(30):
        admitted(it, A, NOW + 200)
    assert it.obstacles(NOW + 200) is NOTHING


def test_retry_after_of_an_overloaded_server_is_respected() -> None:
    """It is no limit, but the server has asked for time."""
    it = board()
    fail(it, FailureKind.OVERLOADED, retry_after_s=3)
    assert refused(it).until == NOW + 3


def test_known_limits_are_not_run_into() -> None:
    """What does not fit into this second is refused with the instant at which it will, for all that share it."""
    limited = deployment("qwen-a", rate_limits=RateLimits(rpm=120, tpm=60_000))
    it = board(limited, B)
    first = admitted(it, limited, tokens=400)
    obstacle = refused(it, limited, tokens=700)
    assert (obstacle.gate, obstacle.until) == ("quota", NOW + 1)
    assert (
        obstacle.reason == "its limit of 120 requests and 60,000 tokens a minute (a sixtieth of it a second) is reached"
    )
    assert it.obstacles(NOW) == {}  # a small one would still pass
    admitted(it, limited, tokens=600)
    assert it.obstacles(NOW).keys() == {limited.id}
    assert it.obstacles(NOW + 1) == {}
    it.settle(first, None, Usage(prompt_tokens=1, completion_tokens=1), NOW + 1, cancelled=False)


def test_a_refused_attempt_gives_its_tokens_back() -> None:
    """A failure before the first token has used none."""
    limited = deployment("qwen-a", rate_limits=RateLimits(tpm=60_000))
    it = board(limited)
    ticket = admitted(it, limited, tokens=1_000)
    it.settle(ticket, Failure(kind=FailureKind.SERVER_ERROR, message="no"), None, NOW, cancelled=False)
    assert admitted(it, limited, tokens=1_000)


def test_bulkhead_and_shedding() -> None:
    """One deployment takes so many at a time, and all together so many; a place that is free is free at once."""
    it = board(max_in_flight=2, max_in_flight_total=3)
    first, _ = admitted(it), admitted(it)
    assert refused(it).gate == "bulkhead"
    assert it.obstacles(NOW).keys() == {A.id}
    admitted(it, B)
    assert refused(it, B).gate == "shed"
    assert it.obstacles(NOW).keys() == {A.id, B.id}
    it.settle(first, None, USAGE, NOW, cancelled=False)
    assert it.obstacles(NOW) == {}
    assert admitted(it)


def test_shedding_shows_at_once() -> None:
    """Also where everything was well a moment ago."""
    it = board(max_in_flight_total=1)
    assert it.obstacles(NOW) is NOTHING
    admitted(it)
    assert it.obstacles(NOW).keys() == {A.id, B.id}


def test_an_answer_longer_than_reserved_uses_up_the_limit() -> None:
    """What is known only at the end closes the deployment until it is made good."""
    limited = deployment("qwen-a", rate_limits=RateLimits(tpm=6_000))
    it = board(limited)
    it.settle(admitted(it, limited, tokens=10), None, USAGE, NOW + 3, cancelled=False)
    assert it.obstacles(NOW + 3)[limited.id].until == pytest.approx(NOW + 4.4)


def test_settling_twice_counts_once() -> None:
    """The second settling of a ticket changes nothing."""
    it = board()
    ticket = admitted(it)
    for _ in range(2):
        it.settle(ticket, Failure(kind=FailureKind.TIMEOUT, message="slow"), None, NOW, cancelled=False)
    assert it.in_flight(A.id) == it.open_tickets == 0
    assert it.snapshot(NOW, NOON)[0].attempts == 1


def fill(it: HealthBoard, to: Deployment, now: float = NOW, *, ttft_s: float = 0.5, count: int = 25) -> None:
    """Enough answers to be known by."""
    for n in range(count):
        answer(it, to, now + n * 0.1, ttft_s=ttft_s)


def test_paces_appear_when_enough_is_known() -> None:
    """Nineteen attempts say nothing; twenty do, in steps."""
    it = board()
    fill(it, A, count=19)
    assert (it.paces, it.revision) == ({}, 0)
    fill(it, A, NOW + 3, count=20)
    assert it.paces[A.id].ttft_s == 0.5
    assert it.paces[A.id].tokens_per_s == pytest.approx(50, rel=0.1)
    assert it.paces[A.id].error_rate == 0
    assert it.revision == 1


def test_a_missed_objective_is_told_with_what_it_took() -> None:
    """The percentile asked for counts, of the first token or of the whole, and one that is met is not mentioned."""
    soon = LatencyObjective(of=Timed.FIRST_TOKEN, percentile=90.0, within_s=1.0)
    slack = LatencyObjective(of=Timed.FIRST_TOKEN, percentile=50.0, within_s=1.0)
    whole = LatencyObjective(of=Timed.ANSWER, percentile=50.0, within_s=2.0)
    it = board(objectives=(soon, slack, whole))
    fill(it, A, ttft_s=0.5, count=25)
    assert [one for one, _ in it.paces[A.id].missed] == [whole]
    fill(it, A, NOW + 5, ttft_s=4.0, count=15)
    assert [one for one, _ in it.paces[A.id].missed] == [soon, whole]
    took = dict(it.paces[A.id].missed)[soon]
    assert took == pytest.approx(4.0, rel=0.1)
    assert B.id not in it.paces


def test_a_revision_stays_while_paces_do() -> None:
    """Small changes do not show; a deployment that became four times slower does."""
    it = board()
    fill(it, A, count=60)
    before, revision = it.paces, it.revision
    fill(it, A, NOW + 10, ttft_s=0.52, count=60)
    assert it.paces is before
    assert it.revision == revision
    fill(it, A, NOW + 100, ttft_s=2.0, count=60)
    assert it.revision > revision
    assert it.paces[A.id].ttft_s == 2.0


def test_a_pace_is_forgotten_when_nobody_calls() -> None:
    """What was slow an hour ago is given another chance."""
    it = board()
    fill(it, A, ttft_s=8.0, count=40)
    assert A.id in it.paces
    it.obstacles(NOW + 3_600)
    assert it.paces == {}


def test_an_answer_in_one_piece_is_measured_against_what_was_expected() -> None:
    """Twice as slow as expected in all is taken to be twice as slow in each part."""
    it = board()
    for n in range(30):
        ticket = admitted(it, A, NOW + n)
        it.first_token(ticket, NOW + n + 5.0)  # expected: 0.5 s and 100 tokens at 50 a second
        it.settle(ticket, None, USAGE, NOW + n + 5.0, cancelled=False)
    assert it.paces[A.id].ttft_s == 1.0
    assert it.paces[A.id].tokens_per_s == pytest.approx(25, rel=0.1)


def test_hedging_waits_for_a_percentile_of_its_own_past() -> None:
    """None before there is enough of it."""
    it = board()
    fill(it, A, count=19)
    assert it.hedge_after_s(A, 95) is None
    for n in range(1, 21):
        answer(it, B, NOW + 10, ttft_s=n / 10)
    assert it.hedge_after_s(B, 95) == pytest.approx(1.9)


def test_waits_that_were_given_up_count_as_that_long() -> None:
    """Or hedging would see only the quick ones, and hedge ever sooner; callers who leave at once do not count."""
    it = board()
    fill(it, A, ttft_s=1.0, count=20)
    for _ in range(20):
        it.settle(admitted(it, A, NOW + 5), None, None, NOW + 8, cancelled=True)
        it.settle(admitted(it, A, NOW + 5), None, None, NOW + 5.1, cancelled=True)
    assert it.hedge_after_s(A, 95) == pytest.approx(3.0)
    assert it.hedge_after_s(A, 0) == pytest.approx(1.0)


def test_the_worst_of_its_peers_is_ejected_for_a_while() -> None:
    """It is told why, and comes back by itself."""
    it = board(breaker=BreakerRules(failures=100, error_rate=1.0))
    fill(it, B, count=40)
    for n in range(21):
        (fail(it, FailureKind.SERVER_ERROR, A, NOW + n) if n % 2 else answer(it, A, NOW + n))
        if it.obstacles(NOW + n):
            break
    obstacle = it.obstacles(NOW + n)[A.id]
    assert obstacle.gate == "ejected"
    assert "of its attempts fail, 0% of its peers'" in obstacle.reason
    back = NOW + n + 30
    assert obstacle.until == back
    fail(it, FailureKind.SERVER_ERROR, A, back)
    answer(it, B, back)
    assert it.obstacles(back) == {}  # judged by what it does now


def test_nobody_is_compared_with_what_was_long_ago() -> None:
    """Peers that nobody has called within the window are no measure."""
    it = board(breaker=BreakerRules(failures=100, error_rate=1.0))
    fill(it, B, count=40)
    for n in range(100, 140):
        (fail(it, FailureKind.SERVER_ERROR, A, NOW + n) if n % 2 else answer(it, A, NOW + n))
    assert it.obstacles(NOW + 140) == {}


@pytest.mark.parametrize("roles", [(Role.GENERAL,), (Role.GENERAL, Role.MATH)])
def test_the_last_of_a_role_is_never_ejected(roles: tuple[Role, ...]) -> None:
    """One of two may go, but not where the other is out, nor where it alone serves some role."""
    bad = deployment("qwen-bad", roles=roles)
    it = board(bad, B, breaker=BreakerRules(failures=100, error_rate=1.0))
    fill(it, B, count=40)
    if roles == (Role.GENERAL,):
        fail(it, FailureKind.MODEL_GONE, B, NOW + 4)
    for n in range(40):
        (fail(it, FailureKind.SERVER_ERROR, bad, NOW + n) if n % 2 else answer(it, bad, NOW + n))
    assert bad.id not in it.obstacles(NOW + 40)


def test_retries_are_a_share_of_requests() -> None:
    """A hundred requests pay for ten, beside the floor."""
    it = board(retry_budget=RetryBudgetRules(share=0.1, floor_per_s=0.0))
    assert not it.withdraw_retry(NOW)
    for n in range(100):
        it.request_began(NOW + n * 0.01)
    assert sum(it.withdraw_retry(NOW + 1) for _ in range(50)) == 10
    assert not it.withdraw_retry(NOW + 30)


def test_snapshot_says_why_and_until_when() -> None:
    """In words and in local time."""
    it = board()
    fill(it, B)
    for _ in range(5):
        fail(it, FailureKind.CONNECTION)
    broken, well = it.snapshot(NOW + 4, NOON)
    assert (broken.circuit, broken.available, broken.error_rate) == (Circuit.OPEN, False, 1.0)
    assert broken.why == "circuit: 5 failures in a row, the last: connection: it failed"
    assert broken.until == "2026-11-24T12:00:06+00:00"
    assert broken.last_failure == "connection: it failed"
    assert (well.circuit, well.available, well.why, well.until) == (Circuit.CLOSED, True, None, None)
    assert (well.attempts, well.error_rate, well.ttft_p50_s) == (25, 0.0, pytest.approx(0.5))
    assert well.tokens_per_s_p50 == pytest.approx(50)


def test_what_stays_in_the_fleet_keeps_its_state() -> None:
    """Of those that go nothing is left; tickets of either are settled as ever."""
    it = board()
    staying, going = admitted(it, A), admitted(it, B)
    fail(it, FailureKind.TOKENS_LIMITED, A)
    fill(it, B)
    new = deployment("qwen-c")
    it.adopt((A, new))
    assert it.obstacles(NOW).keys() == {A.id}
    assert it.paces == {}
    assert [health.deployment for health in it.snapshot(NOW, NOON)] == [A.id, new.id]
    for ticket in (staying, going):
        it.settle(ticket, None, USAGE, NOW + 30, cancelled=False)
    assert it.in_flight(A.id) == it.open_tickets == 0
    assert it.obstacles(NOW + 30) is NOTHING


def test_changed_limits_are_counted_afresh() -> None:
    """A ticket reserved under the old limits gives nothing back to the new ones."""
    it = board(deployment("qwen-a", rate_limits=RateLimits(tpm=60_000)))
    old = admitted(it, A, tokens=900)
    it.adopt((deployment("qwen-a", rate_limits=RateLimits(tpm=6_000)),))
    admitted(it, A, tokens=100)
    it.settle(old, None, Usage(), NOW, cancelled=False)
    assert refused(it, A, tokens=1).gate == "quota"


def test_a_plan_from_before_the_fleet_changed_still_passes() -> None:
    """A deployment that the board does not know is admitted and settled."""
    it = board(B)
    it.settle(admitted(it, A), None, USAGE, NOW, cancelled=False)
    assert it.open_tickets == 0


def test_many_threads_leave_nothing_behind() -> None:
    """Whoever calls at the same time, what was admitted is settled."""
    it = board(max_in_flight=3)

    def call() -> None:
        for n in range(500):
            ticket = it.admit(A, 0, NOW + n)
            it.obstacles(NOW + n)
            if isinstance(ticket, Admission):
                it.settle(ticket, None, USAGE, NOW + n, cancelled=n % 3 == 0)

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert it.open_tickets == it.in_flight(A.id) == 0
    assert it.obstacles(NOW + 1_000) is NOTHING


FLEET = (
    deployment("qwen-a", rate_limits=RateLimits(rpm=300, tpm=60_000)),
    deployment("qwen-a", endpoint="second", rate_limits=RateLimits(rpm=300, tpm=60_000)),
    deployment("qwen-b"),
    deployment("qwen-c", endpoint="third", roles=(Role.CODER,)),
)


class BoardMachine(RuleBasedStateMachine):
    """Attempts anywhere that end in any way, and time that passes."""

    @initialize(most=st.sampled_from([None, 2]), total=st.sampled_from([None, 5]))
    def start(self, most: int | None, total: int | None) -> None:
        rules = Resilience(
            breaker=BreakerRules(failures=2, min_attempts=4),
            outliers=OutlierRules(min_attempts=5),
            window=WindowRules(seconds=30.0, samples=16),
            max_in_flight=most,
            max_in_flight_total=total,
        )
        self.board = HealthBoard(FLEET, {"dashscope": "one", "second": "one"}, rules)
        self.now = NOW
        self.open: list[Admission] = []
        self.done: list[Admission] = []

    @rule(seconds=st.sampled_from([0.0, 0.05, 0.5, 2.0, 15.0, 130.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 3), tokens=st.integers(0, 3_000))
    def begin(self, which: int, tokens: int) -> None:
        blocked = self.board.obstacles(self.now)
        ticket = self.board.admit(FLEET[which], tokens, self.now)
        if isinstance(ticket, Admission):
            assert FLEET[which].id not in blocked
            self.open.append(ticket)
        else:
            assert ticket.until is None or ticket.until > self.now
            assert ticket.gate == "quota" or FLEET[which].id in blocked

    @precondition(lambda self: self.open)
    @rule(data=st.data(), kind=st.none() | st.sampled_from(FailureKind), cancelled=st.booleans(), token=st.booleans())
    def end(self, data: st.DataObject, kind: FailureKind | None, cancelled: bool, token: bool) -> None:
        ticket = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
        if token:
            self.board.first_token(ticket, self.now)
        failure = None
        if kind is not None:
            wanted = data.draw(st.none() | st.floats(0, 100))
            failure = Failure(kind=kind, message="it failed", retry_after_s=wanted)
        before = {id_: o for id_, o in self.board.obstacles(self.now).items() if o.gate in {"cooldown", "ejected"}}
        self.board.settle(ticket, failure, USAGE if token else None, self.now, cancelled=cancelled)
        after = self.board.obstacles(self.now)
        for id_, obstacle in before.items():  # a circuit may have opened before it, but nothing was shortened
            if after[id_].gate == obstacle.gate:
                assert obstacle.until is not None
                assert (after[id_].until or 0) >= obstacle.until
        self.done.append(ticket)

    @precondition(lambda self: self.done)
    @rule()
    def end_again(self) -> None:
        before = self.board.snapshot(self.now, NOON)
        failure = Failure(kind=FailureKind.BILLING, message="again")
        self.board.settle(self.done[-1], failure, None, self.now, cancelled=False)
        assert self.board.snapshot(self.now, NOON) == before

    @rule(gone=st.integers(0, 3))
    def another_day(self, gone: int) -> None:
        kept = {d.id for d in FLEET[:gone] + FLEET[gone + 1 :]}
        before = {id_: o for id_, o in self.board.obstacles(self.now).items() if id_ in kept and o.gate != "shed"}
        self.board.adopt([d for d in FLEET if d.id in kept])
        after = self.board.obstacles(self.now)
        assert before.items() <= after.items()
        # The fleet of the rules above is whole: it comes back with nothing known of it.
        self.board.adopt(FLEET)
        orphans = [t for t in self.open if t.deployment.id not in kept]
        for ticket in orphans:
            self.board.settle(ticket, None, None, self.now, cancelled=True)
            self.open.remove(ticket)

    @invariant()
    def tickets_are_conserved(self) -> None:
        assert self.board.open_tickets == len(self.open)
        for one in FLEET:
            assert self.board.in_flight(one.id) == sum(t.deployment.id == one.id for t in self.open)

    @invariant()
    def at_most_one_probe_each(self) -> None:
        for one in FLEET:
            assert sum(t.probe and t.deployment.id == one.id for t in self.open) <= 1

    @invariant()
    def obstacles_and_snapshot_agree(self) -> None:
        blocked = self.board.obstacles(self.now)
        told = self.board.snapshot(self.now, NOON)
        assert {health.deployment for health in told if not health.available} == blocked.keys()
        assert all(o.until is None or o.until > self.now for o in blocked.values())
        assert blocked or blocked is NOTHING

    def teardown(self) -> None:
        if not hasattr(self, "board"):
            return
        for ticket in self.open:
            self.board.settle(ticket, None, None, self.now, cancelled=True)
        assert self.board.open_tickets == 0
        assert all(self.board.in_flight(one.id) == 0 for one in FLEET)
        assert self.board.obstacles(self.now + 10_000) is NOTHING
        assert self.board.paces == {}


TestBoardMachine = BoardMachine.TestCase
TestBoardMachine.settings = settings(max_examples=40, stateful_step_count=40)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_waits_for_nothing_of_its_parents() -> None:
    """Neither for a lock that a thread of the parent held, nor for the parent's attempts and probes to end."""
    tested = board(A, max_in_flight=1, max_in_flight_total=1)
    admitted(tested)
    with tested._lock:  # as a thread of the parent would
        child = os.fork()
        if child == 0:
            code = 1
            try:
                signal.alarm(5)
                admitted(tested)
                code = 0
            finally:
                os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    refused(tested)
