"""Teach the router about requests of your own: words, patterns and examples in the policy file."""

import tempfile
from pathlib import Path

from qwenroute import Router

POLICY = """\
version: 1
endpoints:
  dashscope:
    provider: dashscope
    region: {env: DASHSCOPE_REGION, default: intl-singapore}
    base_url: {env: DASHSCOPE_BASE_URL, optional: true}
    api_key: {env: DASHSCOPE_API_KEY}

teach:                          # which task a request is; the first line that holds
  - {task: code, keywords: [kubernetes, terraform, 部署]}
  - {task: math, pattern: '\\bintegrate (x|sin|cos)\\b'}
  # With an encoder, requests that are like these; see `embedding` in the default policy.
  # - {task: reasoning, examples: [Which of these clauses contradicts the others?]}

routes:
  auto:
    - {rule: contracts, when: {keywords: [contract, lease, 合同]}, pool: max, fallback: general}
    - {rule: code, when: {task: code, min_confidence: 0.5}, pool: coder, fallback: general}
    - {rule: mathematics, when: {task: math, min_confidence: 0.5}, pool: math, fallback: [reasoning, general]}
    - {rule: anything-else, pool: general}
"""

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "taught.yaml"
    path.write_text(POLICY, encoding="utf-8")
    with Router(path) as router:
        for text in (
            "Terraform wants to replace my database. Why?",
            "Integrate sin from 0 to pi.",
            "What does this lease say about pets?",
            "What should I cook tonight?",
        ):
            decision = router.route(messages=[{"role": "user", "content": text}])
            print(f"{text}\n  {decision.rule}: {decision.first.deployment.id}, {decision.reason}")

        # What the application says goes before all of it.
        decision = router.route(
            messages=[{"role": "user", "content": "A haiku about terraform, please."}], qwenroute={"task": "general"}
        )
        print(f"hinted: {decision.rule}")
