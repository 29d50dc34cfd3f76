"""The state of every deployment in memory: routing reads it, and every attempt passes through it.

One lock, held for microseconds. Every method gets the time, on one monotonic clock.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from qwenroute.domain.capability import Deployment, Role
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.health import Circuit, DeploymentHealth, LatencyObjective, Obstacle, Pace, Ticket, Timed
from qwenroute.domain.price import Usage
from qwenroute.domain.resilience import Resilience
from qwenroute.state.breaker import BLOCK_S, EFFECTS, Breaker, Effect
from qwenroute.state.cooldown import Cooldown, Ramp
from qwenroute.state.outliers import MIN_ERROR_RATE, Standing, may_eject, worse
from qwenroute.state.pace import pace, stepped
from qwenroute.state.quota import Ledger, Reservation
from qwenroute.state.retry_budget import RetryBudget
from qwenroute.state.window import MIN_SAMPLES, Figure, Tally, Window

NOTHING: Mapping[str, Obstacle] = MappingProxyType({})
"""What stands in the way where all is well: one and the same object."""
LOOK_EVERY_S = 1.0
"""How often the figures of a deployment in use are looked at."""
ONE_PIECE = 0.02
"""An answer whose tokens took less of its time than this came in one piece."""
MEASURABLE_TOKENS = 16
"""Fewer do not tell how fast they came."""
SAID_CHARS = 200


class _Limit:
    """What deployments share that are counted together: one account, model and region."""

    __slots__ = ("_before", "_second", "_seen", "cooldown", "ledger", "members", "ramp")

    def __init__(self, deployment: Deployment) -> None:
        self.cooldown = Cooldown()
        self.ramp: Ramp | None = None
        self.ledger: Ledger | None = None
        self.members: list[_State] = []
        self._second = 0
        self._seen = 0
        self._before = 0
        self.take_limits(deployment)

    def take_limits(self, deployment: Deployment) -> None:
        """Take over the limits of a deployment, and what is known of them if they are the same."""
        limits = deployment.rate_limits
        if limits.rpm is None and limits.tpm is None:
            self.ledger = None
        elif self.ledger is None or self.ledger.limits != limits:
            self.ledger = Ledger(limits)

    def count(self, now: float) -> None:
        """Count one call."""
        second = int(now)
        if second != self._second:
            self._before = self._seen if second == self._second + 1 else 0
            self._second = second
            self._seen = 0
        self._seen += 1

    @property
    def calls_per_s(self) -> float:
        """The rate of calls just now."""
        return max(self._seen, self._before)


class _State:
    """One deployment."""

    __slots__ = (
        "breaker", "deployment", "eject_why", "ejected_until", "in_flight", "last_failure", "limit", "look_at",
        "recent", "standing", "suspect", "window",
    )  # fmt: skip

    def __init__(self, deployment: Deployment, limit: _Limit, rules: Resilience) -> None:
        self.deployment = deployment
        self.limit = limit
        self.breaker = Breaker()
        self.recent = Tally(rules.breaker.window_s)
        self.window = Window(rules.window)
        self.in_flight = 0
        self.ejected_until = -math.inf
        self.eject_why = ""
        self.last_failure: str | None = None
        self.look_at = -math.inf
        self.standing: Standing | None = None
        self.suspect = False


class Admission:
    """One admitted attempt, until it is settled."""

    __slots__ = ("_ledger", "_reservation", "_state", "began", "deployment", "first_at", "probe", "settled")

    def __init__(
        self,
        deployment: Deployment,
        state: _State,
        began: float,
        ledger: Ledger | None,
        reservation: Reservation | None,
        *,
        probe: bool,
    ) -> None:
        self.deployment = deployment
        self._state = state
        self.began = began
        self.first_at: float | None = None
        self.probe = probe
        self._ledger = ledger
        self._reservation = reservation
        self.settled = False


class HealthBoard:
    """What may be called now, and what it has been like: `Conditions` and `Gatekeeper` in one.

    `limit_keys`: from endpoint names to what their limits are counted under (see `limit_keys` in
    `account.py`).
    """

    def __init__(
        self,
        deployments: Iterable[Deployment],
        limit_keys: Mapping[str, str] | None = None,
        rules: Resilience | None = None,
    ) -> None:
        self.rules = rules or Resilience()
        self._most = _most(self.rules)
        self._lock = threading.Lock()
        self._keys: Mapping[str, str] = dict(limit_keys or {})
        self._states: dict[str, _State] = {}
        self._limits: dict[tuple[str, str], _Limit] = {}
        self._suspects: dict[str, _State] = {}
        self._blocked: Mapping[str, Obstacle] | None = None
        self._blocked_until = -math.inf
        self._budget = RetryBudget(self.rules.retry_budget)
        self._unpaid = 0
        self._unpaid_since = 0.0
        self._pay_at = -math.inf
        self._in_flight = 0
        self._paces: Mapping[str, Pace] = MappingProxyType({})
        self._revision = 0
        self._sweep_at = -math.inf
        self._latest = 0.0
        for deployment in deployments:
            self._add(deployment)
        _boards.add(self)

    # --- what routing reads ---

    @property
    def revision(self) -> int:
        """Rises whenever `paces` changes."""
        return self._revision

    @property
    def paces(self) -> Mapping[str, Pace]:
        """Live figures of the deployments that have any, by id; a new mapping for every revision."""
        return self._paces

    def obstacles(self, now: float) -> Mapping[str, Obstacle]:
        """Return what stands in the way, by deployment id; `NOTHING` itself where all is well."""
        if not self._suspects and now < self._sweep_at and self._in_flight < self._most:
            return NOTHING
        with self._lock:
            if now >= self._sweep_at:
                self._sweep(now)
            if self._in_flight >= self._most:
                return dict.fromkeys(self._states, self._shedding())
            if self._blocked is None or now >= self._blocked_until:
                self._blocked = self._collect(now)
            return self._blocked

    def in_flight(self, deployment: str) -> int:
        """Return how many attempts are under way there."""
        state = self._states.get(deployment)
        return 0 if state is None else state.in_flight

    @property
    def open_tickets(self) -> int:
        """How many attempts were admitted and not settled yet."""
        return self._in_flight

    # --- what every attempt passes through ---

    def admit(self, deployment: Deployment, tokens: int, now: float) -> Admission | Obstacle:
        """Reserve a place and the quota for one attempt, or say what stands in the way."""
        with self._lock:
            self._latest = now
            state = self._states.get(deployment.id)
            if state is None:  # planned before the fleet of a new day
                state = self._add(deployment)
            if self._in_flight >= self._most:
                return self._shedding()
            obstacle = self._standing_in_way(state, now)
            limit = state.limit
            ledger = limit.ledger
            reservation = None
            if obstacle is None and ledger is not None:
                reservation = ledger.reserve(tokens, now)
                if reservation is None:
                    obstacle = Obstacle(gate="quota", reason=_quota_reason(ledger), until=ledger.free_at(tokens, now))
                    self._suspect_all(limit)
            if obstacle is not None:
                self._suspect(state)
                return obstacle
            probe = state.breaker.circuit is Circuit.HALF_OPEN
            if probe:
                state.breaker = state.breaker.probe()
            if ledger is not None and ledger.full:
                self._suspect_all(limit)
            limit.count(now)
            if limit.ramp is not None:
                limit.ramp = limit.ramp.took(now)
                self._suspect_all(limit)
            state.in_flight += 1
            self._in_flight += 1
            if probe or state.in_flight == self.rules.max_in_flight:
                self._suspect(state)
            elif state.suspect:
                self._blocked = None
            return Admission(deployment, state, now, ledger, reservation, probe=probe)

    def first_token(self, ticket: Ticket, now: float) -> None:
        """Take note of a first token."""
        assert isinstance(ticket, Admission)
        if ticket.first_at is None:
            ticket.first_at = now

    def settle(
        self, ticket: Ticket, failure: Failure | None, usage: Usage | None, now: float, *, cancelled: bool
    ) -> None:
        """Give back what was reserved and learn from the outcome. Idempotent."""
        assert isinstance(ticket, Admission)
        with self._lock:
            if ticket.settled:
                return
            ticket.settled = True
            state = ticket._state  # noqa: SLF001 - the ticket is this board's own
            state.in_flight -= 1
            self._in_flight -= 1
            if state.suspect:
                self._blocked = None
            reservation, ledger = ticket._reservation, ticket._ledger  # noqa: SLF001
            if reservation is not None and ledger is not None:
                if usage is not None:
                    ledger.settle(reservation, usage.total_tokens, now)
                    if ledger.full:
                        self._suspect_all(state.limit)
                elif failure is not None and not cancelled:
                    ledger.settle(reservation, 0, now)  # refused or lost: nothing was produced
            if cancelled or (failure is not None and self._hurried(ticket, state, failure, now)):
                self._given_up(ticket, state, now)
            elif failure is None:
                self._answered(ticket, state, now)
                self._measure(ticket, state, usage, now)
            else:
                self._failed(ticket, state, failure, now)
            if now >= state.look_at:
                self._look(state, now)

    def request_began(self, now: float) -> None:
        """Pay a request's share into the retry budget."""
        with self._lock:
            if now >= self._pay_at:
                self._pay()
                self._unpaid_since = now
                self._pay_at = now + self.rules.retry_budget.window_s / 100
            self._unpaid += 1

    def withdraw_retry(self, now: float) -> bool:
        """Pay for a retry or a hedge; False where the budget is spent."""
        with self._lock:
            self._pay()
            after = self._budget.withdraw(now)
            if after is None:
                return False
            self._budget = after
            return True

    def hedge_after_s(self, deployment: Deployment, percentile: float) -> float | None:
        """Return that percentile of how long it lately took to say anything; None before there is enough."""
        with self._lock:
            state = self._states.get(deployment.id)
            if state is None or state.window.count(Figure.WAIT, self._latest) < MIN_SAMPLES:
                return None
            return state.window.percentile(Figure.WAIT, percentile, self._latest)

    # --- what people and the router ask ---

    def snapshot(self, now: float, wall_now: datetime) -> tuple[DeploymentHealth, ...]:
        """Return the state of every deployment. `wall_now` is `now` on the wall, in the zone to tell times in."""
        told = []
        for state in list(self._states.values()):
            with self._lock:  # one at a time: percentiles take longer than an attempt may wait
                told.append(self._told(state, now, wall_now))
        return tuple(told)

    def adopt(
        self,
        deployments: Iterable[Deployment],
        limit_keys: Mapping[str, str] | None = None,
        rules: Resilience | None = None,
    ) -> None:
        """Take another fleet's deployments, or other rules, and keep what is known of those that stay."""
        with self._lock:
            if rules is not None and rules != self.rules:
                self._take_rules(rules)
            if limit_keys is not None:
                self._keys = dict(limit_keys)
            before, limits = self._states, self._limits
            self._states, self._limits = {}, {}
            for deployment in deployments:
                known = before.get(deployment.id)
                key = self._key(deployment)
                limit = limits.get(key)
                if limit is not None and key not in self._limits:
                    limit.members = []
                    limit.take_limits(deployment)
                    self._limits[key] = limit
                state = self._add(deployment)
                if known is not None:
                    known.deployment, known.limit = deployment, state.limit
                    state.limit.members[-1] = known
                    self._states[deployment.id] = known
            self._suspects = {}
            for state in self._states.values():
                self._suspect(state)
            gone = self._paces.keys() - self._states.keys()
            if gone:
                self._tell({id_: told for id_, told in self._paces.items() if id_ not in gone})

    def leave_behind(self) -> None:
        """After a fork: what was under way is the parent's, and so is whoever held the lock."""
        self._lock = threading.Lock()
        self._in_flight = 0
        for state in self._states.values():
            state.in_flight = 0
            state.breaker = state.breaker.released()
            self._suspect(state)

    # --- inside, under the lock ---

    def _take_rules(self, rules: Resilience) -> None:
        """Go by other rules from now on; what was counted over windows of another length is counted anew."""
        before, self.rules = self.rules, rules
        self._most = _most(rules)
        if rules.retry_budget != before.retry_budget:
            self._budget = RetryBudget(rules.retry_budget)
        for state in self._states.values():
            if rules.breaker.window_s != before.breaker.window_s:
                state.recent = Tally(rules.breaker.window_s)
            if rules.window != before.window:
                state.window = Window(rules.window)

    def _key(self, deployment: Deployment) -> tuple[str, str]:
        return self._keys.get(deployment.endpoint, deployment.endpoint), deployment.model

    def _add(self, deployment: Deployment) -> _State:
        key = self._key(deployment)
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = _Limit(deployment)
        state = self._states[deployment.id] = _State(deployment, limit, self.rules)
        limit.members.append(state)
        return state

    def _suspect(self, state: _State) -> None:
        """Remember that something may stand in its way."""
        self._blocked = None
        state.suspect = True
        if self._states.get(state.deployment.id) is state:
            self._suspects[state.deployment.id] = state

    def _suspect_all(self, limit: _Limit) -> None:
        for member in limit.members:
            self._suspect(member)

    def _shedding(self) -> Obstacle:
        return Obstacle(gate="shed", reason=f"{self._in_flight} attempts are under way, as many as may be")

    def _standing_in_way(self, state: _State, now: float) -> Obstacle | None:
        """Return what stands in the way of any attempt there, but for its quota."""
        breaker = state.breaker
        if breaker.circuit is not Circuit.CLOSED:
            state.breaker = breaker = breaker.at(now)
            if breaker.circuit is Circuit.OPEN:
                return Obstacle(gate="circuit", reason=breaker.why or "", until=breaker.until)
            if breaker.probing:
                return Obstacle(gate="circuit", reason=f"a probe is under way; {breaker.why}")
        if now < state.ejected_until:
            return Obstacle(gate="ejected", reason=state.eject_why, until=state.ejected_until)
        limit = state.limit
        if now < limit.cooldown.until:
            return Obstacle(gate="cooldown", reason=limit.cooldown.why, until=limit.cooldown.until)
        ramp = limit.ramp
        if ramp is not None:
            if ramp.over(now):
                limit.ramp = None
            elif now < ramp.next_at:
                reason = f"traffic rose too fast: {ramp.rate(now):.2g} calls a second for now"
                return Obstacle(gate="burst", reason=reason, until=ramp.next_at)
        most = self.rules.max_in_flight
        if most is not None and state.in_flight >= most:
            return Obstacle(gate="bulkhead", reason=f"{state.in_flight} attempts are under way, as many as may be")
        return None

    def _obstacle(self, state: _State, now: float) -> Obstacle | None:
        """Return what stands in the way of the smallest attempt."""
        obstacle = self._standing_in_way(state, now)
        ledger = state.limit.ledger
        if obstacle is None and ledger is not None:
            free_at = ledger.free_at(1, now)
            if free_at > now:
                return Obstacle(gate="quota", reason=_quota_reason(ledger), until=free_at)
        return obstacle

    def _collect(self, now: float) -> Mapping[str, Obstacle]:
        """Look at everything that may be blocked, and forget what is not any more."""
        blocked: dict[str, Obstacle] = {}
        until = math.inf
        for id_, state in list(self._suspects.items()):
            obstacle = self._obstacle(state, now)
            if obstacle is not None:
                blocked[id_] = obstacle
                until = min(until, math.inf if obstacle.until is None else obstacle.until)
            elif state.breaker.circuit is Circuit.CLOSED:
                state.suspect = False
                del self._suspects[id_]
        self._blocked_until = until
        return MappingProxyType(blocked) if blocked else NOTHING

    def _answered(self, ticket: Admission, state: _State, now: float) -> None:
        """Learn that the host is well."""
        state.recent.add(now, failed=False)
        state.window.tally.add(now, failed=False)
        if ticket.probe:
            state.breaker = state.breaker.at(now).answered(probe=True)
            state.recent.clear()  # or what opened it would open it again, or have it ejected
            state.window.tally.clear()
            self._suspect(state)
        elif state.breaker.failures:
            state.breaker = state.breaker.answered()
        limit = state.limit
        if limit.cooldown.kind is not None:
            limit.cooldown = limit.cooldown.answered(began=ticket.began)

    def _given_up(self, ticket: Admission, state: _State, now: float) -> None:
        """Learn no more from an attempt that nobody waited for than that it took at least that long."""
        if ticket.probe:
            state.breaker = state.breaker.at(now).released()
            self._suspect(state)
        if ticket.first_at is None:
            waited = now - ticket.began
            usual = state.window.percentile(Figure.WAIT, 50, now)
            if usual is not None and waited > usual:
                # Without these, hedging would see only what it won, and hedge ever sooner.
                state.window.record(now, wait_s=waited)

    def _hurried(self, ticket: Admission, state: _State, failure: Failure, now: float) -> bool:
        """Whether it timed out before it usually answers: that says something of the caller only."""
        if failure.kind is not FailureKind.TIMEOUT or ticket.first_at is not None:
            return False
        if state.window.count(Figure.TTFT, now) < MIN_SAMPLES:
            return False
        usual = state.window.percentile(Figure.TTFT, 50, now)
        return usual is not None and now - ticket.began < usual

    def _failed(self, ticket: Admission, state: _State, failure: Failure, now: float) -> None:
        rules, limit = self.rules, state.limit
        said = f"{failure.kind}: {failure.message}"[:SAID_CHARS]
        state.last_failure = said
        effect = EFFECTS[failure.kind]
        match effect:
            case Effect.ANSWERED:
                self._answered(ticket, state, now)
                return
            case Effect.COOLS:
                if ticket.probe:
                    state.breaker = state.breaker.at(now).released()
                if failure.kind is FailureKind.BURST_LIMITED:
                    limit.ramp = Ramp.halved(limit.ramp, limit.calls_per_s, began=ticket.began, now=now)
            case Effect.TRIPS:
                state.recent.add(now, failed=True)
                state.window.tally.add(now, failed=True)
                state.breaker = state.breaker.at(now).failed(
                    said, now, rules.breaker, probe=ticket.probe, recent=state.recent.counts(now)
                )
            case Effect.BLOCKS_DEPLOYMENT | Effect.BLOCKS_ENDPOINT:
                until = now + BLOCK_S
                state.breaker = state.breaker.at(now).blocked(said, until, probe=ticket.probe)
                if effect is Effect.BLOCKS_ENDPOINT:
                    endpoint = state.deployment.endpoint
                    for other in self._states.values():
                        if other is not state and other.deployment.endpoint == endpoint:
                            other.breaker = other.breaker.at(now).blocked(f"of the endpoint: {said}", until)
                            self._suspect(other)
        if effect is Effect.COOLS or failure.retry_after_s is not None:
            limit.cooldown = limit.cooldown.after(failure, began=ticket.began, now=now, rules=rules.cooldown)
            self._suspect_all(limit)
        self._suspect(state)

    def _measure(self, ticket: Admission, state: _State, usage: Usage | None, now: float) -> None:
        """Record what an answered attempt took."""
        began, first_at = ticket.began, ticket.first_at
        e2e = now - began
        if first_at is None:
            state.window.record(now, wait_s=e2e, e2e_s=e2e)
            return
        wait = first_at - began
        tokens = 0 if usage is None else usage.completion_tokens
        writing = now - first_at
        if writing > ONE_PIECE * e2e:
            rate = tokens / writing if tokens >= MEASURABLE_TOKENS else None
            state.window.record(now, wait_s=wait, ttft_s=wait, tokens_per_s=rate, e2e_s=e2e)
            return
        # Nothing can be told of its parts: each is taken to be as far from what was expected as the whole.
        speed = state.deployment.speed
        expected = speed.ttft_s + tokens / speed.tokens_per_s
        share = e2e / expected if expected > 0 else 1.0
        rate = speed.tokens_per_s / share if tokens >= MEASURABLE_TOKENS and share > 0 else None
        state.window.record(now, wait_s=wait, ttft_s=speed.ttft_s * share, tokens_per_s=rate, e2e_s=e2e)

    def _look(self, state: _State, now: float) -> None:
        """Bring the figures of a deployment up to date, and see whether it is an outlier."""
        state.look_at = now + LOOK_EVERY_S
        window, speed, least = state.window, state.deployment.speed, MIN_SAMPLES
        attempts, failures = window.tally.counts(now)
        if attempts < min(least, self.rules.outliers.min_attempts):
            state.standing = None
            self._pace(state, None)
            return
        error_rate = failures / attempts
        ttft = window.percentile(Figure.TTFT, 50, now) if window.count(Figure.TTFT, now) >= least else None
        state.standing = Standing(attempts, error_rate, ttft, speed.ttft_s)
        if attempts >= least:
            rate = (
                window.percentile(Figure.TOKENS_PER_S, 50, now)
                if window.count(Figure.TOKENS_PER_S, now) >= least
                else None
            )
            told = pace(
                speed.ttft_s if ttft is None else ttft,
                speed.tokens_per_s if rate is None else rate,
                error_rate,
                self._paces.get(state.deployment.id),
                self._missed(state, now),
            )
            self._pace(state, told)
        self._eject(state, now)

    def _missed(self, state: _State, now: float) -> tuple[tuple[LatencyObjective, float], ...]:
        """Return the objectives that a deployment misses, and what it takes instead."""
        window, found = state.window, []
        for objective in self.rules.objectives:
            figure = Figure.TTFT if objective.of is Timed.FIRST_TOKEN else Figure.E2E
            if window.count(figure, now) < MIN_SAMPLES:
                continue
            took = window.percentile(figure, objective.percentile, now)
            if took is not None and took > objective.within_s:
                found.append((objective, stepped(took, None)))
        return tuple(found)

    def _eject(self, state: _State, now: float) -> None:
        """Leave it out for a while if it is much worse than its peers, and enough of them remain."""
        own, rules = state.standing, self.rules.outliers
        slow = own is not None and own.ttft_s is not None and own.ttft_s >= rules.factor * own.expected_ttft_s
        if own is None or now < state.ejected_until or not (slow or own.error_rate >= MIN_ERROR_RATE):
            return
        roles = frozenset(state.deployment.roles)
        peers = [s for s in self._states.values() if s is not state and not roles.isdisjoint(s.deployment.roles)]
        fresh = now - self.rules.window.seconds
        known = [s.standing for s in peers if s.standing is not None and s.look_at > fresh]
        why = worse(own, known, rules)
        if why is None or not all(self._spared(role, peers, now) for role in roles):
            return
        state.ejected_until = now + rules.eject_s
        state.eject_why = f"left out for {rules.eject_s:g} s: {why}"
        state.standing = None
        state.window.clear()  # afterwards it is judged by what it does then
        self._suspect(state)

    def _spared(self, role: Role, peers: Iterable[_State], now: float) -> bool:
        """Whether a role can do without it."""
        sharing = [s for s in peers if role in s.deployment.roles]
        out = sum(now < s.ejected_until or s.breaker.at(now).circuit is not Circuit.CLOSED for s in sharing)
        return may_eject(out, len(sharing) + 1, self.rules.outliers)

    def _pace(self, state: _State, told: Pace | None) -> None:
        id_ = state.deployment.id
        if self._paces.get(id_) == told or self._states.get(id_) is not state:
            return
        paces = {other: known for other, known in self._paces.items() if other != id_}
        if told is not None:
            paces[id_] = told
        self._tell(paces)

    def _tell(self, paces: dict[str, Pace]) -> None:
        self._paces = MappingProxyType(paces)
        self._revision += 1

    def _sweep(self, now: float) -> None:
        """Forget the figures of deployments that nobody has called for a whole window."""
        self._sweep_at = now + LOOK_EVERY_S
        for id_ in self._paces:
            state = self._states[id_]
            if now - state.look_at >= self.rules.window.seconds:
                state.standing = None
                self._pace(state, None)

    def _pay(self) -> None:
        """Bring what requests have paid since the last time into the budget."""
        if self._unpaid:
            self._budget = self._budget.deposit(self._unpaid, self._unpaid_since)
            self._unpaid = 0

    def _told(self, state: _State, now: float, wall_now: datetime) -> DeploymentHealth:
        obstacle = self._shedding() if self._in_flight >= self._most else self._obstacle(state, now)
        until = None
        if obstacle is not None and obstacle.until is not None:
            until = (wall_now + timedelta(seconds=obstacle.until - now)).isoformat(timespec="seconds")
        attempts, failures = state.window.tally.counts(now)
        percentile = state.window.percentile
        return DeploymentHealth(
            deployment=state.deployment.id,
            circuit=state.breaker.at(now).circuit,
            available=obstacle is None,
            why=None if obstacle is None else f"{obstacle.gate}: {obstacle.reason}",
            until=until,
            in_flight=state.in_flight,
            attempts=attempts,
            error_rate=failures / attempts if attempts else None,
            ttft_p50_s=percentile(Figure.TTFT, 50, now),
            ttft_p95_s=percentile(Figure.TTFT, 95, now),
            ttft_p99_s=percentile(Figure.TTFT, 99, now),
            tokens_per_s_p50=percentile(Figure.TOKENS_PER_S, 50, now),
            last_failure=state.last_failure,
        )


def _most(rules: Resilience) -> float:
    return math.inf if rules.max_in_flight_total is None else rules.max_in_flight_total


_boards: weakref.WeakSet[HealthBoard] = weakref.WeakSet()


def _leave_behind() -> None:
    for board in list(_boards):
        board.leave_behind()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_behind)


def _quota_reason(ledger: Ledger) -> str:
    limits = ledger.limits
    told = [f"{limit:,} {what}" for limit, what in ((limits.rpm, "requests"), (limits.tpm, "tokens")) if limit]
    return f"its limit of {' and '.join(told)} a minute (a sixtieth of it a second) is reached"
