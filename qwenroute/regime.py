"""One policy in force, with everything that follows from it.

A call keeps the regime that it began under, whatever comes into force meanwhile: it is decided,
performed and recorded by one policy. What a policy does not decide (connections, what is known of
the deployments) belongs to the router and outlives its regimes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date

from qwenroute.caching import KeptAnswers
from qwenroute.domain.endpoint import Endpoint
from qwenroute.domain.protocols import Provider, Transport
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.embedding import Encoder, Resemblance
from qwenroute.execution.backoff import backoff
from qwenroute.execution.hooks import Hooks
from qwenroute.execution.loop import Means
from qwenroute.policy import Alike, Policy, Wording
from qwenroute.providers import build_provider
from qwenroute.recording import Recording
from qwenroute.registry import Registry
from qwenroute.routing import Fleet
from qwenroute.state import Budgets, HealthBoard, MemoryLedger, limit_keys
from qwenroute.telemetry import log


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every regime of one router stands in."""

    registry: Registry
    environ: Mapping[str, str]
    hooks: Hooks
    connect: Callable[[], Transport]
    spent: MemoryLedger = field(default_factory=MemoryLedger)
    """Where policies without a file for it count: what was spent outlives them all."""


class Regime:
    """What calls are decided and performed with, as of one date.

    `before` is the regime that this one follows: what is the same in both is taken over.

    Raises:
        MissingCredentials, ConfigurationError: the environment does not fit the policy. Nothing was changed.
    """

    def __init__(self, policy: Policy, on: date, around: Surroundings, before: Regime | None = None) -> None:
        self.policy = policy
        self.fleet = Fleet.build(policy, around.registry, around.environ, on)
        self._around = around
        embedding = policy.embedding
        self._encoder_at = (
            None if embedding is None else embedding.place(around.environ, self.fleet.endpoints, policy.limits.regions)
        )
        self.providers: Mapping[Endpoint, Provider] = {}
        self.resemblance: Resemblance | None = None
        self.kept: KeptAnswers | None
        if before is not None:
            self.providers = before.providers
            if before.compared_with == self.compared_with:
                self.resemblance = before.resemblance
        if before is not None and before.policy.hash == policy.hash and before.fleet.endpoints == self.fleet.endpoints:
            self.kept = before.kept
        else:
            self.kept = None if policy.cache is None else KeptAnswers(policy, self.fleet.endpoints.values())
        self.budgets = self._open_budgets(before)
        self.recording: Recording | None
        if before is not None and before.policy.records == policy.records:
            self.recording = before.recording
        else:
            self.recording = None if policy.records is None else Recording(policy.records)
        self._means: Means | None = None

    def take_over(self, board: HealthBoard | None) -> HealthBoard:
        """Return the board of this regime: with what is known of the deployments that stay."""
        keys = limit_keys(self.fleet.endpoints.values())
        if board is None:
            return HealthBoard(self.fleet.deployments, keys, self.policy.resilience)
        board.adopt(self.fleet.deployments, keys, self.policy.resilience)
        return board

    def means(self, board: HealthBoard) -> Means:
        """Return what calls are performed with; connections are opened when they are first needed."""
        if self._means is None:
            transport, known = self._around.connect(), self.providers
            endpoints = self.fleet.endpoints
            self.providers = {e: known.get(e) or build_provider(e, transport) for e in endpoints.values()}
            self._means = Means(
                providers={name: self.providers[endpoint] for name, endpoint in endpoints.items()},
                gatekeeper=board,
                exchange=self.policy.exchange,
                backoff=backoff(self.policy.retries),
                on_attempt=log.attempt_ended,
                before_attempt=self._around.hooks.before_attempt,
                cashier=self.budgets,
            )
        return self._means

    def means_of_copies(self, board: HealthBoard) -> Means:
        """Return what copies for shadows are performed with: no hooks, and no budget pays for them."""
        return replace(self.means(board), before_attempt=None, cashier=None)

    def _open_budgets(self, before: Regime | None) -> Budgets | None:
        policy = self.policy
        if not policy.budgets:
            return None
        if before is not None and before.policy.hash == policy.hash:
            return before.budgets
        return Budgets(
            policy.budgets,
            policy.ledger,
            exchange=policy.exchange,
            zone=policy.timezone,
            clock=time.time,
            on_warning=log.budget_spent,
            on_failure=log.ledger_failed,
            before=None if before is None else before.budgets,
            memory=self._around.spent,
        )

    async def compare(self, request: Request, signals: Signals) -> Alike:
        """Ask the policy's encoder what a request is like, if that could matter."""
        wording = Wording(request)
        if not self.policy.compares(request, signals, wording):
            return Alike()
        if self._encoder_at is None:
            return Alike(silent="its encoder lacks an address or a key here")
        if self.resemblance is None:
            rules = self.policy.embedding
            assert rules is not None  # the loader sees to it
            base_url, api_key = self._encoder_at
            self.resemblance = Resemblance(
                Encoder(base_url, api_key, rules.model, self._around.connect()),
                self.policy.examples,
                at_least=rules.min_similarity,
                within_s=rules.timeout_s,
                tell=log.encoder_failed,
            )
        return await self.resemblance.compare(wording.text)

    async def aclose(self) -> None:
        """End what is under way here."""
        if self.resemblance is not None:
            await self.resemblance.aclose()
        for provider in self.providers.values():
            await provider.aclose()
        if self.kept is not None:
            self.kept.close()
        if self.budgets is not None:
            self.budgets.close()
        if self.recording is not None:
            self.recording.close()

    @property
    def compared_with(self) -> object:
        """What requests are compared with, and by whom."""
        return self.policy.embedding, self._encoder_at, self.policy.examples
