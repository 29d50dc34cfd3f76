"""A policy of one's own: where to go when a model fails, and when a slow one gets a second beside it."""

import tempfile
from pathlib import Path

from qwenroute import Router

POLICY = """
version: 1
currency: {report: USD, rates: {CNY: 0.14}}
endpoints:
  dashscope:
    provider: dashscope
    region: {env: DASHSCOPE_REGION, default: intl-singapore}
    base_url: {env: DASHSCOPE_BASE_URL, optional: true}
    api_key: {env: DASHSCOPE_API_KEY}
routes:
  auto:
    # The first pool's deployments in order, then the next pool's; a fallback never loses a capability.
    - {rule: any, pool: general, fallback: [max]}
limits: {deadline_s: 30, max_attempts: 4}
# After 8 s, or once more is known: after the 95th percentile of the model's own recent waits.
hedge: {percentile: 95, after_s: 8}
"""

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    router = Router(path)

with router:
    answer = router.chat.completions.create(
        messages=[{"role": "user", "content": "Name three rivers."}],
        # qwenroute={"hedge": False} forbids a second attempt: where asking twice does harm.
    )
    print(answer.choices[0].message.content)
    print("plan: " + ", ".join(step.deployment.id for step in answer.route.decision.plan.steps))
    for attempt in answer.route.attempts:
        ended = "was not needed" if attempt.cancelled else attempt.failure.kind if attempt.failure else "answered"
        print(f"{attempt.number}. {attempt.deployment} {ended} after {attempt.ended_s - attempt.started_s:.2f} s")
    for health in router.health():
        if health.attempts:
            print(f"{health.deployment}: circuit {health.circuit}, {health.attempts} attempts lately")
