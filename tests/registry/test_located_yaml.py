"""The reader of operators' YAML: plain values, places, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwenroute.documents import MAX_BYTES, parse, read
from qwenroute.errors import DocumentError

TEXT = """\
models:
  one: {size: 7, name: "7"}
  two:
    - 1.5
    - no
    - ~
    - true
    - 1_000
    - |
      a block
"""


def test_scalars_are_those_of_yaml_1_2() -> None:
    """`no` is a word, quoted numbers are text, underscores may part thousands."""
    assert parse(TEXT, "f").value == {
        "models": {"one": {"size": 7, "name": "7"}, "two": [1.5, "no", None, True, 1000, "a block\n"]}
    }


@pytest.mark.parametrize(
    ("trail", "place"),
    [
        ((), (1, 1)),
        (("models",), (1, 1)),
        (("models", "one"), (2, 3)),
        (("models", "one", "name"), (2, 18)),
        (("models", "two", 1), (5, 7)),
        (("models", "two", 9), (3, 3)),
        (("models", "three", "size"), (1, 1)),
        (("models", "one", "size", "x"), (2, 9)),
    ],
)
def test_every_path_has_a_place(trail: tuple[str | int, ...], place: tuple[int, int]) -> None:
    """A key stands where it is written, an item where it begins, the unknown at its nearest parent."""
    assert parse(TEXT, "f").place(trail) == place


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: &x 1\nb: *x\n", "QR003 anchors and aliases are not taken"),
        ("a: !!int '3'\n", "f:1:4: QR003 the tag"),
        ("a: !secret {b: 1}\n", "QR003 the tag `!secret` is not taken"),
        ("a: 1\nb: 2\na: 3\n", "f:3:1: QR005 key `a` stands twice"),
        ("[1, 2]: x\n", "QR004 a key has to be a word"),
        ("a: [1\n", "QR002 not valid YAML"),
        ("a: b: c\n", "f:1:5: QR002"),
        ("\t- a\n", "QR002"),
        ("[" * 80 + "]" * 80, "QR002 nested deeper than 64 levels"),
        ("[" * 300_000, "QR002 nested deeper than 64 levels"),
        ("- " * 300_000, "QR002 nested deeper than 64 levels"),
        ("? " * 300_000, "QR002 nested deeper than 64 levels"),
        ("{a: " * 300_000, "QR002 nested deeper than 64 levels"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(2_500)), "QR002 nested deeper than 64 levels"),
    ],
)
def test_what_is_more_often_a_mistake_is_refused(text: str, message: str) -> None:
    """Anchors, tags, doubled keys, deep nesting and broken YAML each say where."""
    with pytest.raises(DocumentError) as caught:
        parse(text, "f")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: \xff\n", "not UTF-8"), (b"#" * (MAX_BYTES + 1), "larger than 4 MB"), (None, "cannot read the file")],
)
def test_a_file_that_is_no_document_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    """Bytes that are no text, too many of them, or none at all: one error with the file's name."""
    path = tmp_path / "overlay.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DocumentError) as caught:
        read(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_any_text_is_a_document_or_a_finding(text: str) -> None:
    """Whatever is given, the reader answers with a value or with diagnostics, never with a traceback."""
    try:
        document = parse(text, "f")
    except DocumentError as error:
        found = error.diagnostics
    else:
        found = (document.diagnostic((), "QR000", "it reads"),)
    assert all(item.line >= 1 and item.column >= 1 for item in found)
    assert found
