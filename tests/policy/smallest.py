"""The least that a policy file can say."""

SMALLEST = """\
version: 1
endpoints:
  own:
    provider: openai_compatible
    base_url: http://gpu:8000/v1
    models: [qwen2.5-7b-instruct]
routes:
  auto:
    - {rule: all, pool: general}
"""
