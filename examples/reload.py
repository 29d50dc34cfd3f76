"""A policy is edited while the application runs: the next call goes by it, and a mistake changes nothing.

Here the application asks for it with `reload()`. `Router("my.yaml", reload_on=["change", "sighup"])` does
it by itself when the file changes (`pip install 'qwenroute[watch]'`), or at `kill -HUP`.
"""

import tempfile
from pathlib import Path

from qwenroute import DocumentError, Router

POLICY = """
version: 1
endpoints:
  dashscope:
    {provider: dashscope, region: intl-singapore, base_url: {env: DASHSCOPE_BASE_URL, optional: true},
     api_key: {env: DASHSCOPE_API_KEY}}
routes:
  auto: [{rule: everything, pool: general}]
"""
QUESTION = [{"role": "user", "content": "What is a good name for a heron?"}]

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "my.yaml"
    path.write_text(POLICY, encoding="utf-8")
    with Router(path) as router:
        before = router.chat.completions.create(messages=QUESTION)
        print(f"policy {before.route.decision.policy_hash}: {before.route.deployment}")

        path.write_text(POLICY.replace("pool: general", "pool: maks"), encoding="utf-8")
        try:
            router.reload()
        except DocumentError as error:
            print(f"not reloaded:\n{error}".replace(f"{folder}/", ""))

        path.write_text(POLICY.replace("pool: general", "pool: max"), encoding="utf-8")
        router.reload()
        after = router.chat.completions.create(messages=QUESTION)
        print(f"policy {after.route.decision.policy_hash}: {after.route.deployment}")
