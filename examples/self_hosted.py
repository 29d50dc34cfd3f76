"""Open weights on a server of your own (vLLM, Ollama, any OpenAI-compatible address).

    export QWENROUTE_SELF_HOSTED_URL=http://127.0.0.1:8000/v1
    export QWENROUTE_SELF_HOSTED_MODELS=qwen2.5-7b-instruct,qwen2.5-math-7b-instruct,qwq-32b

With these set the default policy uses the server beside DashScope, or alone where no
DASHSCOPE_API_KEY is set.
"""

from qwenroute import Router

with Router() as router:
    for name, deployment in router.fleet.by_id.items():
        if deployment.provider == "openai_compatible":
            print(f"{name}: {', '.join(deployment.roles)}; window of {deployment.context_tokens} tokens")

    # A model can also be asked for by its id; every gate still holds.
    answer = router.chat.completions.create(
        model="qwen2.5-7b-instruct",
        messages=[{"role": "user", "content": "Name three prime numbers."}],
    )
    print(f"answered by {answer.route.deployment}")
