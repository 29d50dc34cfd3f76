"""One deadline for a request and all of its attempts, and what the error carries when it passes."""

from qwenroute import DeadlineExceeded, Router
from qwenroute.testing import SlowFirstToken, simulator

QUESTION = [{"role": "user", "content": "How deep is the sea?"}]

# Your own service: `timeout`, as with the openai package, or `deadline_s`; the policy has the usual one.
with Router() as router:
    answer = router.chat.completions.create(messages=QUESTION, qwenroute={"deadline_s": 60})
    print(f"answered within {answer.route.latency_s:.1f} s by {answer.route.deployment}")

# A simulator whose models say nothing for a minute shows what happens else.
with simulator() as sim, Router(environ=sim.environ()) as router:
    sim.fail("*", SlowFirstToken(s=60))
    try:
        router.chat.completions.create(messages=QUESTION, timeout=0.5)
    except DeadlineExceeded as error:  # `except openai.APITimeoutError` catches it too
        print(f"given up after {error.record.latency_s:.2f} s")
        for attempt in error.attempts:
            print(f"  {attempt.deployment}: {attempt.failure.kind if attempt.failure else 'cancelled'}")
        print(f"  what it cost: {error.record.cost}")
