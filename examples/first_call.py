"""A first call: the router picks the model, the answer says which one and why.

Needs DASHSCOPE_API_KEY, or the simulator: run `qwenroute simulate` and export what it prints.
"""

from qwenroute import Router

with Router() as router:
    answer = router.chat.completions.create(
        model="auto",
        messages=[{"role": "user", "content": "Solve for x: 2x + 6 = 20. Show each step."}],
    )

print(answer.choices[0].message.content)
print(f"answered by {answer.route.deployment}: {answer.route.decision.reason}")
if answer.route.cost is not None:
    print(f"cost: {answer.route.cost.amount:.6f} {answer.route.cost.currency}")
