"""What an encoder says of the examples, over the real transport; and what happens when it says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from qwenroute.embedding import Encoder, Resemblance
from qwenroute.embedding.resemblance import MAX_KEPT
from qwenroute.providers import AiohttpTransport
from tests.embedding.encoders import FakeEncoder, cosine, fake_encoder

EXAMPLES = ("sum up this lease", "who sits where at the table", *(f"unlike number {n} {n * 7}" for n in range(20)))


class Told(list[str]):
    """What was logged."""


@pytest.fixture
async def fake() -> AsyncIterator[FakeEncoder]:
    """A server of vectors."""
    async with fake_encoder() as served:
        yield served


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """The transport that is used in earnest."""
    opened = AiohttpTransport()
    yield opened
    await opened.aclose()


def resemblance(fake: FakeEncoder, transport: AiohttpTransport, told: Told, within_s: float = 5.0) -> Resemblance:
    """The examples over that server."""
    encoder = Encoder(fake.url, "k", "bag", transport)
    return Resemblance(encoder, EXAMPLES, at_least=0.7, within_s=within_s, tell=told.append)


async def test_the_nearest_are_found(fake: FakeEncoder, transport: AiohttpTransport) -> None:
    """What is near enough is there with its cosine, whatever the order of the answer; the rest is not."""
    near = resemblance(fake, transport, Told())
    alike = await near.compare("sum up this old lease")
    assert dict(alike.similarities) == {EXAMPLES[0]: pytest.approx(cosine("sum up this old lease", EXAMPLES[0]))}
    assert alike.silent is None
    assert (await near.compare("nothing alike at all")).similarities == {}
    assert set(fake.keys) == {"Bearer k"}
    await near.aclose()


async def test_examples_are_read_once_and_answers_kept(fake: FakeEncoder, transport: AiohttpTransport) -> None:
    """Examples go in batches the first time; the same text is not asked about twice."""
    near = resemblance(fake, transport, Told())
    first = await asyncio.gather(*(near.compare(f"text {n}") for n in range(3)))
    assert [len(texts) for texts in fake.asked] == [10, 10, 2, 1, 1, 1]
    assert await near.compare("text 1") is first[1]
    assert len(fake.asked) == 6
    await near.aclose()


async def test_what_is_kept_is_bounded(fake: FakeEncoder, transport: AiohttpTransport) -> None:
    """The least recently asked is let go of."""
    near = resemblance(fake, transport, Told())
    await near.compare("first")
    near._kept.update({n.to_bytes(16, "big"): near._kept.copy().popitem()[1] for n in range(MAX_KEPT - 1)})
    await near.compare("second")
    assert len(near._kept) == MAX_KEPT
    before = len(fake.asked)
    await near.compare("first")
    assert len(fake.asked) == before + 1
    await near.aclose()


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "no vector for each text"),
        ({"data": []}, "no vector for each text"),
        ({"data": [{"index": 0, "embedding": "x"}]}, "no vector for each text"),
        ({"data": [{"index": 0, "embedding": [0.0, 0.0]}]}, "no direction"),
        ({"data": [{"index": 0, "embedding": [1.0, 0.0]}]}, "differ in length from those of the examples"),
        ([], "no vector for each text"),
        ({"data": 3}, "no vector for each text"),
    ],
)
async def test_an_answer_that_is_none(fake: FakeEncoder, transport: AiohttpTransport, answer: object, why: str) -> None:
    """Nonsense from the encoder is counted and told, and nothing is raised."""
    told = Told()
    near = resemblance(fake, transport, told)
    await near.compare("well")
    fake.answer = answer
    alike = await near.compare("ill")
    assert alike.silent is not None
    assert why in alike.silent
    assert near.failures == len(told) == 1
    await near.aclose()


async def test_a_failing_encoder_is_left_alone_and_told_once(
    fake: FakeEncoder, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One failure is told, the next requests do not wait, and after a rest it is asked again."""
    told = Told()
    near = resemblance(fake, transport, told)
    fake.status = 500
    assert (await near.compare("a")).silent == "the encoder failed (it answered with status 500)"
    asked = len(fake.asked)
    assert (await near.compare("b")).silent == "the encoder failed a moment ago"
    assert len(fake.asked) == asked
    near._rest_until = 0.0
    await near.compare("c")
    assert near.failures == 2
    assert told == ["it answered with status 500"]
    near._rest_until, fake.status = 0.0, 200
    assert EXAMPLES[0] in (await near.compare(EXAMPLES[0])).similarities
    fake.status = 503
    await near.compare("d")
    assert len(told) == 2
    await near.aclose()


async def test_nobody_there(transport: AiohttpTransport) -> None:
    """A host that refuses the connection is a failure like any other."""
    told = Told()
    near = Resemblance(Encoder("http://127.0.0.1:9", None, "bag", transport), ("x",), at_least=0.5, within_s=5,
                       tell=told.append)  # fmt: skip
    assert "the encoder failed (" in str((await near.compare("a")).silent)
    assert near.failures == len(told) == 1
    await near.aclose()


async def test_a_slow_encoder_is_not_waited_for(fake: FakeEncoder, transport: AiohttpTransport) -> None:
    """While the examples are being read, and when an answer takes too long, requests go on without."""
    told = Told()
    near = resemblance(fake, transport, told, within_s=0.05)
    fake.held = asyncio.Event()
    assert (await near.compare("a")).silent == "the encoder has not read the examples yet"
    near._within_s = 1e9  # a second one would wait for ever
    assert (await near.compare("a")).silent == "the encoder has not read the examples yet"
    assert near.failures == 0
    fake.held.set()
    learning = near._learning
    assert learning is not None
    await learning
    near._within_s = 5.0
    assert (await near.compare("a")).silent is None
    fake.held, near._within_s = asyncio.Event(), 0.05
    assert (await near.compare("b")).silent == "the encoder failed (no answer within 50 ms)"
    assert told == ["no answer within 50 ms"]
    await near.aclose()


async def test_closing_ends_the_reading(fake: FakeEncoder, transport: AiohttpTransport) -> None:
    """Nothing is left running, and closing twice is closing."""
    near = resemblance(fake, transport, Told(), within_s=0.01)
    fake.held = asyncio.Event()
    await near.compare("a")
    await near.aclose()
    await near.aclose()
    assert near.failures == 0
