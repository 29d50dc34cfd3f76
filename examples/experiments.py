"""A newcomer gets a fifth of the traffic, breaks, and is taken back by itself; nobody who asked noticed.

Runs against a simulator of its own, for it has to break a model. `qwenroute experiment report` makes a
table of the records.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from qwenroute import Router
from qwenroute.testing import Status, simulator

POLICY = """
version: 1
endpoints:
  dashscope:
    provider: dashscope
    region: intl-singapore
    base_url: {env: DASHSCOPE_BASE_URL, optional: true}
    api_key: {env: DASHSCOPE_API_KEY}
    rate_limits: {rpm: 60000, tpm: 100000000}
pools:
  today: {models: [qwen-plus]}
  newcomer: {models: [qwen-flash]}
routes:
  auto:
    - {rule: everything, pool: today, experiment: try-flash}
experiments:
  - experiment: try-flash
    kind: canary
    pool: newcomer
    share: 0.2
    sticky: tenant
    rollback: {error_rate: 0.05, latency: null, cost: null}
breaker: {failures: 1000, min_attempts: 1000}   # so that the experiment is what ends it here
records: {path: records.jsonl}
"""

with simulator(time_scale=0) as sim, tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    with Router(path, environ=sim.environ()) as router:
        for number in range(400):
            if number == 200:
                sim.fail("qwen-flash", Status(code=500))
            router.chat.completions.create(
                messages=[{"role": "user", "content": "What do herons eat?"}],
                qwenroute={"tenant": f"tenant-{number % 50}"},
            )
        [state] = router.experiments()
    print(
        f"newcomer: {state.variant.requests} requests, {state.variant.failures} failed; "
        f"control: {state.control.requests}, {state.control.failures}"
    )
    print(f"rolled back: {state.rolled_back}")
    command = [sys.executable, "-m", "qwenroute.cli", "experiment", "report", f"{folder}/records.jsonl"]
    print(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
