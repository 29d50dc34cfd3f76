"""Choosing a deployment among many, without calling it: ours, and litellm's simple shuffle.

Ours does more: it reads the request, gates and scores every deployment, and writes down the plan
with a reason for each that was rejected. litellm's picks one at random of those with the name asked for.
"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import date
from typing import Any, Protocol

from benchmarks.peers import import_litellm
from benchmarks.prompts import Messages

MODEL = "qwen-plus"
PER_HOST = 10
NEW = 3
ON = date(2026, 11, 1)


class Chooser(Protocol):
    """Chooses among a number of deployments; returns seconds of CPU per choice, by step."""

    def choose(self, asked: list[Messages], deployments: int) -> dict[str, float]: ...


class QwenrouteChooser:
    """Analysis and decision under the default policy, every deployment a candidate for the rule."""

    def __init__(self) -> None:
        from qwenroute import Registry, load_policy

        self.registry = Registry.load()
        self.policy = load_policy("default")
        self.fleets: dict[int, Any] = {}

    def choose(self, asked: list[Messages], deployments: int) -> dict[str, float]:
        from qwenroute.analysis import analyse, count_exactly, read_request
        from qwenroute.routing import Fleet, decide

        if deployments not in self.fleets:
            self.fleets[deployments] = self._fleet(deployments)
        policy, fleet = self.fleets[deployments]
        clock = time.process_time
        spent = dict.fromkeys(("analyse", "decide", "decide_new", "reasons"), 0.0)
        decisions = []
        for messages in asked:
            began = clock()
            request = read_request({"model": "auto", "messages": messages})
            signals = analyse(request)
            analysed = clock()
            decisions.append(decide(request, signals, policy, fleet, count_exactly=count_exactly))
            spent["analyse"] += analysed - began
            spent["decide"] += clock() - analysed
        # Reasons and scores are written out for whoever reads them; no call needs to.
        began = clock()
        for decision in decisions:
            assert len(decision.candidates) + len(decision.rejections) >= deployments
        spent["reasons"] = clock() - began
        # A fleet remembers what alike requests came to: a new one has to look at every deployment.
        some = asked[:NEW]
        for messages in some:
            fresh = Fleet.build(policy, self.registry, {}, ON)
            request = read_request({"model": "auto", "messages": messages})
            signals = analyse(request)
            began = clock()
            decide(request, signals, policy, fresh, count_exactly=count_exactly)
            spent["decide_new"] += (clock() - began) * len(asked) / len(some)
        return {step: seconds / len(asked) for step, seconds in spent.items()}

    def _fleet(self, deployments: int) -> Any:
        """Build self-hosted servers with ten general models each."""
        from qwenroute.domain.capability import Role
        from qwenroute.domain.endpoint import Endpoint, Served
        from qwenroute.policy.endpoints import EndpointTemplate, Setting
        from qwenroute.routing import Fleet

        every = Endpoint(
            name="any",
            provider="openai_compatible",
            base_url="http://127.0.0.1:1/v1",
            served=tuple(
                Served(model=name) for name, card in self.registry.cards.items() if Role.GENERAL in card.roles
            ),
        )
        names = [d.model for d in self.registry.deployments(every, ON) if d.lifecycle.callable][:PER_HOST]
        served = tuple(Served(model=name) for name in names)
        hosts = tuple(
            EndpointTemplate(
                name=f"host-{number:03}",
                provider="openai_compatible",
                base_url=Setting(literal=f"http://127.0.0.1:{number + 1}/v1"),
                models=served,
            )
            for number in range(deployments // len(served))
        )
        policy = replace(self.policy, endpoints=hosts)
        return policy, Fleet.build(policy, self.registry, {}, ON)


class LitellmChooser:
    """litellm's Router with the same number of deployments of one model, its default strategy."""

    def __init__(self) -> None:
        self.litellm = import_litellm()
        self.routers: dict[int, Any] = {}

    def choose(self, asked: list[Messages], deployments: int) -> dict[str, float]:
        if deployments not in self.routers:
            models = [
                {
                    "model_name": MODEL,
                    "litellm_params": {
                        "model": f"openai/{MODEL}",
                        "api_base": f"http://127.0.0.1:{number + 1}/v1",
                        "api_key": "none",
                    },
                }
                for number in range(deployments)
            ]
            self.routers[deployments] = self.litellm.Router(model_list=models, num_retries=0)
        router = self.routers[deployments]
        began = time.process_time()
        for messages in asked:
            router.get_available_deployment(model=MODEL, messages=messages)
        return {"decide": (time.process_time() - began) / len(asked)}


CHOOSERS: dict[str, type[Chooser]] = {"choose-qwenroute": QwenrouteChooser, "choose-litellm": LitellmChooser}
