"""Correct a fact and add a model of your own, in an overlay file (on the command line: `--overlay FILE`)."""

import tempfile
from pathlib import Path

from qwenroute import Registry, Router

OVERLAY = """\
models:
  qwen3.8-flash:                  # a known id: what is stated here replaces what is shipped
    dashscope:
      regions:
        intl-singapore:
          rate_limits: {rpm: 1200}
  our-coder:                      # an unknown id: a model of your own; `like` takes another's facts to start from
    like: qwen2.5-coder-7b-instruct
    name: Our fine-tuned Coder
"""
# Which facts there are to state: `qwenroute models show qwen3.8-flash` prints the path of each.
# To call `our-coder`, say where it is served: QWENROUTE_SELF_HOSTED_MODELS=our-coder=its-name-at-the-server

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "mine.yaml"
    path.write_text(OVERLAY, encoding="utf-8")
    registry = Registry.load(overlays=[path])

for override in registry.overrides:
    print(override)

with Router(registry=registry) as router:
    decision = router.route(messages=[{"role": "user", "content": "Write a function that reverses a list."}])
    print(decision.first.deployment.id)
