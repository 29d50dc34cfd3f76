"""Several streams at once, each piece printed as it arrives."""

import asyncio

from qwenroute import AsyncRouter

QUESTIONS = ["Write a haiku about rain.", "用一句话解释递归。"]


async def ask(router: AsyncRouter, question: str) -> None:
    stream = await router.chat.completions.create(
        messages=[{"role": "user", "content": question}],
        stream=True,
    )
    async with stream:
        async for chunk in stream:
            print(chunk.choices[0].delta.content or "", end="", flush=True)
    print(f"\n— {stream.route.deployment}, first token after {stream.route.ttft_s:.2f} s")


async def main() -> None:
    async with AsyncRouter() as router:
        await asyncio.gather(*(ask(router, question) for question in QUESTIONS))


asyncio.run(main())
