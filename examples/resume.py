"""A stream that is cut goes on at another model: the reader sees one answer.

Runs against a simulator of its own, for it has to cut a stream; with `resume: continue` in your
policy the same happens anywhere.
"""

import tempfile
from pathlib import Path

from qwenroute import Router
from qwenroute.testing import Cut, simulator

POLICY = """
version: 1
currency: {report: USD, rates: {CNY: 0.14}}
endpoints:
  singapore:
    {provider: dashscope, region: intl-singapore, base_url: {env: SINGAPORE_URL}, api_key: {env: DASHSCOPE_API_KEY}}
  beijing:
    {provider: dashscope, region: cn-beijing, base_url: {env: BEIJING_URL}, api_key: {env: DASHSCOPE_API_KEY}}
pools:
  first: {models: [qwen-plus@singapore]}
  second: {models: [qwen-plus@beijing]}
routes:
  auto: [{rule: any, pool: first, fallback: [second]}]
retries: {per_step: 0}
resume: continue
"""

with simulator() as sim, tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "policy.yaml"
    path.write_text(POLICY, encoding="utf-8")
    environ = {
        "SINGAPORE_URL": sim.dashscope_url("intl-singapore"),
        "BEIJING_URL": sim.dashscope_url("cn-beijing"),
        "DASHSCOPE_API_KEY": "sk-simulated",
    }
    sim.fail("qwen-plus", Cut(after_chunks=3), region="intl-singapore")
    with Router(path, environ=environ) as router:
        stream = router.chat.completions.create(
            messages=[{"role": "user", "content": "Tell me of the sea."}],
            stream=True,
        )
        answer = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

print(answer)
for splice in stream.route.splices:
    print(
        f"after {splice.after_characters} characters {splice.broken} broke ({splice.failure}), "
        f"and {splice.continued_by} went on: “…{answer[splice.after_characters :][:40]}…”"
    )
