"""The event parser: however the bytes are cut, the events are the same."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from qwenroute.providers.sse import EventParser


def parse(*pieces: bytes) -> list[bytes]:
    parser = EventParser()
    return [event for piece in pieces for event in parser.feed(piece)] + parser.close()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(p % (len(data) + 1) for p in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


STREAM = (
    b": heartbeat\r\n\r\n"
    b'data: {"a": "\xe4\xbd\xa0\xe5\xa5\xbd"}\r\n\r\n'
    b'event: result\nid: 4\ndata:{"b":1}\n\n'
    b":HTTP_STATUS/200\n"
    b"data: first line\ndata: second line\n\n"
    b"data:  two spaces\r\r"
    b"retry: 5\n\n"
    b"data\n\n"
    b"data: [DONE]\n\n"
)
EVENTS = [
    b'{"a": "\xe4\xbd\xa0\xe5\xa5\xbd"}',
    b'{"b":1}',
    b"first line\nsecond line",
    b" two spaces",
    b"",
    b"[DONE]",
]


def test_a_stream_of_every_form_is_read():
    """Both spellings of `data:`, all line ends, comments, other fields and long events are read."""
    assert parse(STREAM) == EVENTS


@given(st.lists(st.integers(min_value=0, max_value=1000), max_size=30))
def test_any_cut_gives_the_same_events(places: list[int]):
    """Where the network cuts the stream makes no difference, not within CRLF nor a character."""
    assert parse(*cut(STREAM, places)) == EVENTS


def test_one_byte_at_a_time_gives_the_same_events():
    """The finest cut of all."""
    assert parse(*(STREAM[i : i + 1] for i in range(len(STREAM)))) == EVENTS


@given(
    st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"").replace(b"\r", b"")), max_size=8),
    st.lists(st.integers(min_value=0, max_value=2000), max_size=20),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
)
def test_what_is_written_is_what_is_read(payloads: list[bytes], places: list[int], end: bytes):
    """Any bytes survive the way through the format."""
    written = b"".join(b"data: " + p + end + end for p in payloads)
    assert parse(*cut(written, places)) == payloads


def test_a_last_event_without_its_line_end_is_read_at_the_close():
    """A host that closes the connection right after the last byte loses nothing."""
    assert parse(b"data: a\n\ndata: b") == [b"a", b"b"]
    assert parse(b"data: a\n\ndata: b\n") == [b"a", b"b"]


def test_an_event_is_handed_on_as_soon_as_it_is_whole():
    """Nothing waits for the next event."""
    parser = EventParser()
    assert parser.feed(b"data: a\n") == []
    assert parser.feed(b"\ndata: b") == [b"a"]
