"""Vectors for texts, in the form of DashScope's `/embeddings`: bags of words, so that alike texts come out alike.

Models, dimensions, batch and regions: https://www.alibabacloud.com/help/en/model-studio/text-embedding-synchronous-api
and https://docs.qwencloud.com/api-reference/text-embedding/openai-embedding (read on 2026-11-24).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from types import MappingProxyType

from qwenroute.simulator.error_table import Refused, encode

DIMENSIONS: Mapping[str, Sequence[int]] = MappingProxyType(
    {"text-embedding-v4": (1024, 2048, 1536, 768, 512, 256, 128, 64), "text-embedding-v3": (1024, 768, 512)}
)
"""What can be asked of each model, its usual one first."""
REGIONS = frozenset({"intl-singapore", "cn-beijing", "cn-hongkong"})
MOST_TEXTS = 10
MOST_TOKENS = 8_192
"""Of one text; what is beyond is not read."""
CHARS_PER_TOKEN = 4
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Texts that will be answered with a vector each."""

    model: str
    texts: tuple[str, ...]
    dimensions: int

    @property
    def tokens(self) -> int:
        """What is billed."""
        return sum(-(-len(text) // CHARS_PER_TOKEN) for text in self.texts)


def read_batch(body: Mapping[str, object], model: str, *, region: str | None) -> Batch:
    """Check a request and return what is asked for; a self-hosted server (None) takes any model and any number.

    Raises:
        Refused: the platform would not serve it.
    """
    if region is not None and (region not in REGIONS or model not in DIMENSIONS):
        raise Refused("model-not-found", f"The model `{model}` does not exist or you do not have access to it.")
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise Refused("malformed-request", "input must be a string or a list of strings")
    if not texts or not all(texts):
        raise Refused("empty-input", "input is missing, or holds an empty string")
    if region is not None and len(texts) > MOST_TEXTS:
        raise Refused("batch-size")
    possible = DIMENSIONS.get(model, DIMENSIONS["text-embedding-v4"])
    dimensions = body.get("dimensions")
    if dimensions is None:
        dimensions = possible[0]
    if not isinstance(dimensions, int) or dimensions not in possible:
        raise Refused("parameter-range", f"dimensions must be one of {', '.join(map(str, sorted(possible)))}")
    most = MOST_TOKENS * CHARS_PER_TOKEN
    return Batch(model=model, texts=tuple(text[:most] for text in texts), dimensions=dimensions)


def vectors(batch: Batch, *, id_: str) -> bytes:
    """Return the answer's body."""
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(text, batch.dimensions)}
        for index, text in enumerate(batch.texts)
    ]
    usage = {"prompt_tokens": batch.tokens, "total_tokens": batch.tokens}
    return encode({"object": "list", "data": data, "model": batch.model, "usage": usage, "id": id_})


def _vector(text: str, dimensions: int) -> list[float]:
    """Return a direction, of length 1: each word adds to one place, which its hash names."""
    words = Counter(_WORD.findall(text.casefold()) or [text])
    places = [0.0] * dimensions
    for word, times in words.items():
        places[int.from_bytes(blake2b(word.encode(errors="replace"), digest_size=8).digest()) % dimensions] += times
    length = math.hypot(*places)
    return [round(place / length, 6) for place in places]
