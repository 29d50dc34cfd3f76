"""Compare requests with the policy's examples, within a time limit and without ever failing a request."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType

from qwenroute.embedding.encoder import BATCH, Encoder, Vector, similarity
from qwenroute.errors import QwenRouteError
from qwenroute.policy import Alike

LEARNING_S = 30.0
"""How long a batch of examples may take, which no request waits for beyond its own limit."""
REST_S, REST_CAP_S = 1.0, 60.0
"""How long an encoder that failed is left alone: doubled with each failure, up to the cap."""
MAX_KEPT = 2_000
COMPARED_AT_ONCE = 32
"""After so many comparisons the loop gets a turn."""

UNREAD = "the encoder has not read the examples yet"

Tell = Callable[[str], None]


class Resemblance:
    """The examples of one policy, their vectors once they are known, and what was compared lately.

    `failures` counts questions to the encoder that were not answered in time, or not well; the
    first of a row is told.
    """

    def __init__(
        self, encoder: Encoder, examples: Sequence[str], *, at_least: float, within_s: float, tell: Tell
    ) -> None:
        self._encoder = encoder
        self._examples = tuple(examples)
        self._at_least = at_least
        self._within_s = within_s
        self._tell = tell
        self._known: Mapping[str, Vector] | None = None
        self._learning: asyncio.Task[Mapping[str, Vector]] | None = None
        self._kept: OrderedDict[bytes, Alike] = OrderedDict()
        self._rest_until = 0.0
        self._rest_s = REST_S
        self._failing = False
        self._waited = False
        self.failures = 0

    async def compare(self, text: str) -> Alike:
        """Return the examples that a text is like; `silent` says why where that could not be found out."""
        key = blake2b(text.encode(errors="backslashreplace"), digest_size=16).digest()
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        now = asyncio.get_running_loop().time()
        if now < self._rest_until:
            return Alike(silent="the encoder failed a moment ago")
        learning = self._learning
        if self._known is None and self._waited and learning is not None and not learning.done():
            return Alike(silent=UNREAD)  # one request waited for the examples in vain; the next ones need not
        try:
            async with asyncio.timeout(self._within_s):
                known = self._known
                if known is None:
                    known = await asyncio.shield(self._learn())
                [asked] = await self._encoder.encode([text])
                alike = await self._near(asked, known)
        except TimeoutError:
            if self._known is None:
                self._waited = True
                return Alike(silent=UNREAD)
            return self._failed(f"no answer within {self._within_s * 1000:g} ms")
        except (QwenRouteError, ValueError) as error:
            return self._failed(str(error))
        self._failing, self._rest_s = False, REST_S
        self._kept[key] = alike
        if len(self._kept) > MAX_KEPT:
            self._kept.popitem(last=False)
        return alike

    @property
    def learning(self) -> bool:
        """Whether the examples are being read."""
        return self._learning is not None and not self._learning.done()

    async def aclose(self) -> None:
        """End what is under way. Idempotent."""
        learning, self._learning = self._learning, None
        if learning is not None and learning.get_loop() is asyncio.get_running_loop():
            learning.cancel()
            await asyncio.gather(learning, return_exceptions=True)

    def _learn(self) -> asyncio.Task[Mapping[str, Vector]]:
        """Return the task that has the examples encoded, started anew where the last one failed."""
        learning = self._learning
        if learning is None or learning.done() or learning.get_loop() is not asyncio.get_running_loop():
            learning = self._learning = asyncio.create_task(self._read_examples())
            learning.add_done_callback(self._learnt)
        return learning

    async def _read_examples(self) -> Mapping[str, Vector]:
        vectors: list[Vector] = []
        for start in range(0, len(self._examples), BATCH):
            async with asyncio.timeout(LEARNING_S):
                vectors += await self._encoder.encode(self._examples[start : start + BATCH])
        return MappingProxyType(dict(zip(self._examples, vectors, strict=True)))

    def _learnt(self, learning: asyncio.Task[Mapping[str, Vector]]) -> None:
        if learning.cancelled():
            return
        error = learning.exception()
        if error is None:
            self._known = learning.result()
        else:
            self._failed(str(error) or f"no answer within {LEARNING_S:g} s")

    async def _near(self, asked: Vector, known: Mapping[str, Vector]) -> Alike:
        near: dict[str, float] = {}
        for number, (text, vector) in enumerate(known.items(), start=1):
            if len(vector) != len(asked):
                raise ValueError("its vectors differ in length from those of the examples")
            how = similarity(asked, vector)
            if how >= self._at_least:
                near[text] = how
            if number % COMPARED_AT_ONCE == 0:
                await asyncio.sleep(0)
        return Alike(MappingProxyType(near))

    def _failed(self, why: str) -> Alike:
        now = asyncio.get_running_loop().time()
        if now >= self._rest_until:
            self.failures += 1
            self._rest_until = now + self._rest_s
            self._rest_s = min(2 * self._rest_s, REST_CAP_S)
        if not self._failing:
            self._failing = True
            self._tell(why)
        return Alike(silent=f"the encoder failed ({why})")
