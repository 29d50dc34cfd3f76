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
  - {task: reasoning, examples: [Which of these clauses contradicts the others?]}

embedding:                      # who tells what is like an example; any OpenAI-compatible /embeddings
  endpoint: dashscope
  model: text-embedding-v4      # offered in Singapore, Beijing and Hong Kong
  min_similarity: 0.75          # every encoder has a scale of its own: try it on your own requests
  timeout_ms: 2000

routes:
  auto:
    - {rule: contracts, when: {keywords: [contract, lease, 合同]}, pool: max, fallback: general}
    - {rule: code, when: {task: code, min_confidence: 0.5}, pool: coder, fallback: general}
    - {rule: mathematics, when: {task: math, min_confidence: 0.5}, pool: math, fallback: [reasoning, general]}
    - {rule: reasoning, when: {task: reasoning, min_confidence: 0.5}, pool: reasoning, fallback: general}
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

        # What a request is like is asked when it is called: `route` sends nothing, and says so in `warnings`.
        answer = router.chat.completions.create(
            messages=[{"role": "user", "content": "Which of these two clauses contradicts the others?"}]
        )
        decision = answer.route.decision
        print(f"called: {decision.rule}, {decision.signals.taught or decision.reason}")
