"""Make records as a month of traffic would leave them: real prompts, decisions of a policy, drawn outcomes.

    python -m benchmarks.make_records records.jsonl --count 100000 --seed 7

The prompts are those of the demo and of `training/`; sizes, tenants, times, failures and durations are
drawn. Equal arguments give equal files.
"""

from __future__ import annotations

import argparse
import json
import lzma
import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from qwenroute.analysis import analyse, read_request
from qwenroute.domain.decision import Decision
from qwenroute.domain.failure import Failure, FailureKind
from qwenroute.domain.price import Usage
from qwenroute.domain.record import Attempt, Record
from qwenroute.domain.request import Request
from qwenroute.domain.signals import Signals
from qwenroute.errors import NoDeployment
from qwenroute.policy import Policy, load_policy
from qwenroute.records import line
from qwenroute.registry import Registry
from qwenroute.routing import Fleet, decide

ROOT = Path(__file__).parent.parent
BEGINS = datetime(2026, 10, 24, tzinfo=UTC).timestamp()
DAYS = 31
TENANTS = ("acme", "borealis", "cumulus", None)
ENVIRON = {"DASHSCOPE_API_KEY": "not-set"}


def prompts(most: int = 2_000) -> list[dict[str, object]]:
    """Return request bodies: the demo's, attachments included, and texts of the training files."""
    found: list[dict[str, object]] = []
    for text in (ROOT / "qwenroute" / "cli" / "demo_prompts.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(text)
        found.append({"messages": item["messages"], **item.get("request", {})})
    with lzma.open(ROOT / "training" / "prompts.jsonl.xz", "rt", encoding="utf-8") as file:
        for text in islice(file, 0, 40 * most, 40):
            messages = json.loads(text).get("messages")
            if messages:
                found.append({"messages": messages})
    return found


def make(count: int, seed: int, policy: Policy | None = None) -> Iterator[bytes]:
    """Yield lines."""
    chance = random.Random(seed)
    policy = policy or load_policy("default")
    registry = Registry.load()
    fleets: dict[int, Fleet] = {}
    known: list[tuple[Request, Signals]] = []
    for body in prompts():
        request = read_request(body)
        known.append((request, analyse(request)))
    for number in range(count):
        request, signals = chance.choice(known)
        at = BEGINS + DAYS * 86_400 * number / count
        day = int(at // 86_400)
        if day not in fleets:
            fleets[day] = Fleet.build(policy, registry, ENVIRON, datetime.fromtimestamp(at, UTC).date())
        request, signals = _varied(chance, request, signals)
        row = line.head(at, f"{seed:04x}{number:028x}", policy.name, policy.hash)
        row["request"] = _shape(request)
        row["signals"] = line.compact(signals)
        try:
            decision = decide(request, signals, policy, fleets[day], at=datetime.fromtimestamp(at, UTC))
        except NoDeployment as refused:
            row["decision"] = line.decided(refused.decision, line.by_gate(refused.decision.rejections))
            row |= {"latency_s": 0.0005, "error": "NoDeployment"}
        else:
            row["decision"] = line.decided(decision, {})
            record = _ended(chance, str(row["id"]), decision)
            row |= line.ended(record)
            if record.answered is None:
                row["error"] = "AllAttemptsFailed"
        yield line.line(row)


def _varied(chance: random.Random, request: Request, signals: Signals) -> tuple[Request, Signals]:
    """Return a request like this one, of another size and from another caller."""
    factor = chance.lognormvariate(0.0, 0.7)
    signals = replace(
        signals,
        text_tokens=max(1, round(signals.text_tokens * factor)),
        text_tokens_upper=max(1, round(signals.text_tokens_upper * factor)),
        stream=chance.random() < 0.4,
        max_output_tokens=chance.choice((None, None, None, 256, 2_048)),
    )
    hints: dict[str, object] = {"tenant": chance.choice(TENANTS)}
    if chance.random() < 0.05:
        hints["quality"] = "top"
    if chance.random() < 0.05:
        hints["objective"] = chance.choice(("cheap", "quality"))
    model = chance.choices(("auto", "coder", "general", "qwen-plus"), (90, 4, 4, 2))[0]
    return (
        replace(request, model=model, stream=signals.stream, hints=replace(request.hints, **hints)),  # type: ignore[arg-type]
        signals,
    )


def _shape(request: Request) -> Mapping[str, object]:
    row: dict[str, object] = {"model": request.model, "hints": line.compact(request.hints)}
    if request.stream:
        row["stream"] = True
    return row


def _ended(chance: random.Random, id_: str, decision: Decision) -> Record:
    """Return how it went: now and then a deployment fails, and the next one answers."""
    attempts: list[Attempt] = []
    started, answered = 0.0006, None
    for number, step in enumerate(decision.plan.steps, start=1):
        deployment = step.deployment
        usage = Usage(
            prompt_tokens=decision.signals.text_tokens, completion_tokens=round(chance.lognormvariate(5.5, 0.8))
        )
        first = started + deployment.speed.ttft_s * chance.lognormvariate(0.0, 0.4)
        fails = chance.random() < 0.03
        ends = first if fails else first + usage.completion_tokens / deployment.speed.tokens_per_s
        kind = chance.choice((FailureKind.RATE_LIMITED, FailureKind.SERVER_ERROR, FailureKind.TIMEOUT))
        attempts.append(
            Attempt(
                number=number,
                deployment=deployment.id,
                model=deployment.model,
                started_s=started,
                first_token_s=None if fails else first,
                ended_s=ends,
                failure=Failure(kind=kind, message="drawn") if fails else None,
                usage=None if fails else usage,
                cost=None if fails or deployment.price is None else deployment.price.cost(usage),
            )
        )
        if not fails:
            answered = number
            break
        started = ends
    last = attempts[-1]
    return Record(
        id=id_,
        decision=decision,
        attempts=tuple(attempts),
        answered=answered,
        latency_s=last.ended_s,
        ttft_s=None if answered is None else last.first_token_s,
        usage=last.usage,
        cost=last.cost,
        simulated=True,
    )


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.make_records", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--policy", default="default", help="a shipped policy, or a policy file (%(default)s)")
    arguments = parser.parse_args()
    with arguments.file.open("wb") as file:
        file.writelines(make(arguments.count, arguments.seed, load_policy(arguments.policy)))
    print(f"wrote {arguments.count:,} records to {arguments.file}")


if __name__ == "__main__":
    main()
