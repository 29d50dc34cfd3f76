"""Speak to any OpenAI-compatible `/embeddings`."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from operator import mul

from qwenroute.domain.protocols import HttpRequest, Transport

Vector = Sequence[float]

BATCH = 10
"""Texts in one call: the fewest that a known encoder takes at most (DashScope's text-embedding-v3 and v4)."""


class Encoder:
    """One model at one address."""

    def __init__(self, base_url: str, api_key: str | None, model: str, transport: Transport) -> None:
        self._url = f"{base_url}/embeddings"
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if api_key is not None:
            self._headers["authorization"] = f"Bearer {api_key}"
        self._model = model
        self._transport = transport

    async def encode(self, texts: Sequence[str]) -> list[Vector]:
        """Return the direction of each text, a vector of length 1.

        Raises:
            AttemptFailed: the encoder cannot be reached.
            ValueError: it refused, or what it answered is no list of vectors.
        """
        asked = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        body = json.dumps(asked, ensure_ascii=False).encode(errors="replace")
        request = HttpRequest(method="POST", url=self._url, headers=self._headers, body=body)
        response = await self._transport.send(request)
        try:
            if response.status != 200:
                raise ValueError(f"it answered with status {response.status}")
            answer = await response.read()
        finally:
            await response.aclose()
        return _vectors(answer, len(texts))


def similarity(one: Vector, other: Vector) -> float:
    """Return the cosine of two vectors of length 1."""
    cosine: float = sum(map(mul, one, other))
    return cosine


def _vectors(answer: bytes, wanted: int) -> list[Vector]:
    try:
        data = json.loads(answer)["data"]
        places = {_place(entry, number): entry["embedding"] for number, entry in enumerate(data)}
        found = [_unit(places[number]) for number in range(wanted)]
    except (KeyError, TypeError, IndexError, UnicodeDecodeError, RecursionError, OverflowError) as error:
        raise ValueError("its answer holds no vector for each text") from error
    if len({len(vector) for vector in found}) != 1:
        raise ValueError("its vectors differ in length")
    return found


def _place(entry: Mapping[str, object], number: int) -> object:
    return entry.get("index", number)


def _unit(vector: Sequence[float]) -> Vector:
    length = math.sqrt(sum(map(mul, vector, vector)))
    if not (math.isfinite(length) and length > 0):
        raise ValueError("a vector of its answer has no direction")
    return [value / length for value in vector]
