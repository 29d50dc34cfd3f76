"""Cases by hand: a small policy and what is written beside it."""

from __future__ import annotations

from pathlib import Path

from qwenroute.cases import Rehearsal, Report, Suite, load_cases, run
from qwenroute.policy import load_policy
from qwenroute.registry import Registry

POLICY = """\
version: 1
endpoints:
  cloud: {provider: dashscope, region: intl-singapore, api_key: {env: CLOUD_KEY}}
  own:
    provider: openai_compatible
    base_url: {env: OWN_URL}
    models: [qwen2.5-7b-instruct, qwen2.5-coder-7b-instruct]
routes:
  auto:
    - {rule: pictures, when: {input: image}, pool: vision}
    - {rule: gold, when: {tenant: gold, difficulty: hard}, pool: max, fallback: general, objective: quality}
    - {rule: rest, pool: general, fallback: coder}
"""
TRY = """\
pools: {newer: {models: [qwen-flash]}}
experiments: [{experiment: try, kind: canary, pool: newer, share: 0.05}]
"""
HEAD = """\
version: 1
on: 2026-11-24
environ: {CLOUD_KEY: set}
cases:
"""


def rehearsal(folder: Path, policy: str = POLICY) -> Rehearsal:
    """Return the policy on trial."""
    path = folder / "policy.yaml"
    path.write_text(policy, encoding="utf-8")
    return Rehearsal(load_policy(path), Registry.load())


def suite(folder: Path, cases: str, *, head: str = HEAD, policy: str = POLICY) -> tuple[Suite, Rehearsal]:
    """Read cases beside the policy."""
    on_trial = rehearsal(folder, policy)
    path = folder / "policy.cases.yaml"
    path.write_text(head + cases, encoding="utf-8")
    return load_cases(path, on_trial), on_trial


def report(folder: Path, cases: str, *, head: str = HEAD, policy: str = POLICY) -> Report:
    """Read cases and run them."""
    return run(*suite(folder, cases, head=head, policy=policy))
