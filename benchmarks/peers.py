"""The same call made four ways. Each peer is opened once, and kept warm.

`RawAiohttp` is the yardstick: the least that a person could write who wants the text of the answer
(dump the body, post it, parse what comes back). Libraries are imported in `open`, so that what an
import costs can be measured apart.
"""

from __future__ import annotations

import json
import os
from typing import Any, Protocol

from benchmarks.prompts import Messages

MODEL = "qwen-plus"


class Peer(Protocol):
    """One way to call; `stream` returns how many chunks with text arrived."""

    async def open(self, url: str) -> None: ...
    async def call(self, messages: Messages) -> str: ...
    async def stream(self, messages: Messages) -> int: ...
    async def close(self) -> None: ...


class RawAiohttp:
    """aiohttp and json, nothing else."""

    async def open(self, url: str) -> None:
        import aiohttp

        self.url = f"{url}/chat/completions"
        self.session = aiohttp.ClientSession(
            headers={"Authorization": "Bearer none", "Content-Type": "application/json"},
            connector=aiohttp.TCPConnector(limit=0),
        )

    async def call(self, messages: Messages) -> str:
        body = json.dumps({"model": MODEL, "messages": messages}).encode()
        async with self.session.post(self.url, data=body) as response:
            answer = json.loads(await response.read())
        text: str = answer["choices"][0]["message"]["content"]
        return text

    async def stream(self, messages: Messages) -> int:
        body = json.dumps({"model": MODEL, "messages": messages, "stream": True}).encode()
        count = 0
        rest = b""
        async with self.session.post(self.url, data=body) as response:
            async for data in response.content.iter_any():
                *events, rest = (rest + data).split(b"\n\n")
                for event in events:
                    if event == b"data: [DONE]":
                        continue
                    choices = json.loads(event[6:])["choices"]
                    if choices and choices[0]["delta"].get("content"):
                        count += 1
        return count

    async def close(self) -> None:
        await self.session.close()


class OpenAiSdk:
    """The `openai` package by itself: one model, no routing, no retries."""

    async def open(self, url: str) -> None:
        import openai

        self.client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)

    async def call(self, messages: Messages) -> str:
        arguments: Any = messages
        answer = await self.client.chat.completions.create(model=MODEL, messages=arguments)
        return answer.choices[0].message.content or ""

    async def stream(self, messages: Messages) -> int:
        arguments: Any = messages
        chunks = await self.client.chat.completions.create(model=MODEL, messages=arguments, stream=True)
        return len([1 async for chunk in chunks if chunk.choices and chunk.choices[0].delta.content])

    async def close(self) -> None:
        await self.client.close()


def import_litellm() -> Any:
    """Import litellm with its local price map, which saves it a request to the internet."""
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import litellm

    litellm.suppress_debug_info = True
    litellm.telemetry = False
    return litellm


class LitellmRouter:
    """litellm's Router with one deployment of an OpenAI-compatible host, no retries."""

    async def open(self, url: str) -> None:
        litellm = import_litellm()
        params = {"model": f"openai/{MODEL}", "api_base": url, "api_key": "none"}
        self.router = litellm.Router(model_list=[{"model_name": MODEL, "litellm_params": params}], num_retries=0)

    async def call(self, messages: Messages) -> str:
        answer = await self.router.acompletion(model=MODEL, messages=messages)
        text: str = answer.choices[0].message.content
        return text

    async def stream(self, messages: Messages) -> int:
        chunks = await self.router.acompletion(model=MODEL, messages=messages, stream=True)
        return len([1 async for chunk in chunks if chunk.choices and chunk.choices[0].delta.content])

    async def close(self) -> None:
        pass


class Qwenroute:
    """`AsyncRouter` with the default policy: analysis, decision, plan, call and record."""

    async def open(self, url: str) -> None:
        from qwenroute import AsyncRouter

        os.environ["DASHSCOPE_API_KEY"] = "none"
        os.environ["DASHSCOPE_BASE_URL"] = url
        self.router = AsyncRouter()

    async def call(self, messages: Messages) -> str:
        # A thinking model would be streamed upstream, and the canned server measures whole answers here.
        answer = await self.router.chat.completions.create(messages=messages, qwenroute={"thinking": False})
        assert answer.route.answered_by is not None
        return answer.choices[0].message.content or ""

    async def stream(self, messages: Messages) -> int:
        chunks = await self.router.chat.completions.create(model="auto", messages=messages, stream=True)
        return len([1 async for chunk in chunks if chunk.choices and chunk.choices[0].delta.content])

    async def close(self) -> None:
        await self.router.aclose()


PEERS: dict[str, type[Peer]] = {
    "aiohttp": RawAiohttp,
    "qwenroute": Qwenroute,
    "openai": OpenAiSdk,
    "litellm": LitellmRouter,
}
