"""Many requests, some at a time: answers in order, progress, and what they cost together."""

import asyncio

from qwenroute import AsyncRouter, CallFailed

QUESTIONS = [f"What is {n} times {n}?" for n in range(1, 21)]
AT_ONCE = 5  # the provider's limits are respected anyway: this bounds what is in memory and in flight


async def main() -> None:
    async with AsyncRouter() as router:
        room = asyncio.Semaphore(AT_ONCE)
        done = 0

        async def ask(question: str) -> tuple[str, float]:
            nonlocal done
            async with room:
                try:
                    answer = await router.chat.completions.create(messages=[{"role": "user", "content": question}])
                    text, cost = answer.choices[0].message.content or "", answer.route.cost
                except CallFailed as error:  # one failure does not end the batch
                    text, cost = f"failed: {error}", error.record.cost
            done += 1
            print(f"{done} of {len(QUESTIONS)}", end="\r", flush=True)
            return text, 0.0 if cost is None else cost.amount

        results = await asyncio.gather(*(ask(question) for question in QUESTIONS))

    for question, (text, _) in zip(QUESTIONS, results, strict=True):
        print(f"{question} {text[:60]}")
    print(f"{len(results)} answers for {sum(cost for _, cost in results):.6f} {router.policy.exchange.report}")


asyncio.run(main())
