"""Files that nobody can mean: each is refused with what is wrong, where, in plain words, and quickly."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from qwenroute.errors import DocumentError
from qwenroute.policy import load_policy
from tests.policy.broken.meanings import MEANINGS
from tests.policy.broken.unreadable import GOOD, SYNTAX, UNREADABLE
from tests.policy.broken.values import VALUES

JARGON = re.compile(
    r"pydantic|input should|instance of|valid (dictionary|string|integer|number|boolean|list)|type=|NoneType|\bNone\b"
    r"|\bdict\b|\bstr\b|\bint\b|\bfloat\b|\bbool\b|Error\b|PolicyFile|Traceback|object at|validation|tagged|union"
    r"|\bTrue\b|\bFalse\b|discriminator|found character|while parsing|did not find|could not find|mark\b"
)
QUOTED = re.compile(r"`[^`]*`")


def found(path: Path, content: bytes) -> list[str]:
    """What the loader says of a file, each on one line, once everything that holds for every message was seen to."""
    path.write_bytes(content)
    began = time.process_time()
    with pytest.raises(DocumentError) as caught:
        load_policy(path)
    assert time.process_time() - began < 2, "no file takes so long"
    lines = content.decode("utf-8", "replace").removeprefix("\ufeff")
    lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", lines.removesuffix("\n"))
    for one in caught.value.diagnostics:
        assert one.file == str(path)
        assert 1 <= one.line <= len(lines), one
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1, one
        for text in (one.message, one.help or ""):
            assert text.isprintable(), text
            assert len(text) <= 700, text
            assert not JARGON.search(QUOTED.sub("", text)), text
    return [
        f"{d.line}:{d.column} {d.code} {d.message}" + ("" if d.help is None else f" | {d.help}")
        for d in caught.value.diagnostics
    ]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_policy_file_at_all(tmp_path: Path, name: str) -> None:
    """Empty, binary, huge, deep, in another encoding or another language: told where it goes wrong."""
    content, said = UNREADABLE[name]
    messages = found(tmp_path / "p.yaml", content)
    assert any(one.startswith(said) for one in messages), messages[:3]


@pytest.mark.parametrize("name", SYNTAX)
def test_what_is_no_yaml_that_is_taken(tmp_path: Path, name: str) -> None:
    """Each slip of YAML is told in words for the one who made it."""
    text, said = SYNTAX[name]
    assert found(tmp_path / "p.yaml", text.encode())[0].startswith(said)


@pytest.mark.parametrize(
    ("line", "value", "said"),
    [
        pytest.param(line, value, said, id=f"{kind}: {value}")
        for kind, (line, values) in VALUES.items()
        for value, said in values.items()
    ],
)
def test_what_a_key_cannot_be(tmp_path: Path, line: str, value: str, said: str) -> None:
    """A value of another kind, or out of bounds, is told at its key with what to write instead."""
    before, _ = line.split("@")
    key = before.split(":")[0]
    kept = re.sub(rf"(?ms)^{key}:.*?(?=^\S|\Z)", "", GOOD)
    messages = found(tmp_path / "p.yaml", (kept + line.replace("@", value) + "\n").encode())
    last, start = kept.count("\n") + 1, re.search(r"\w+: $", before).start() + 1  # type: ignore[union-attr]
    inside = [one for one in messages if re.match(rf"{last}:\d+ {re.escape(said)}", one)]
    assert inside, messages
    assert not re.search("hunter2|0123456789", " ".join(messages)), "a secret is not repeated"
    assert int(inside[0].split(":")[1].split(" ")[0]) >= start


@pytest.mark.parametrize("name", MEANINGS)
def test_what_does_not_fit_together(tmp_path: Path, name: str) -> None:
    """Names that nothing has, numbers against each other, rules that never hold."""
    old, new, said = MEANINGS[name]
    assert GOOD.count(old) == 1
    messages = found(tmp_path / "p.yaml", GOOD.replace(old, new).encode())
    assert any(one.startswith(said) for one in messages), messages


def test_the_file_that_they_were_made_from_is_right(tmp_path: Path) -> None:
    """Each of them is wrong for one reason only; and there are enough of them."""
    path = tmp_path / "p.yaml"
    path.write_text(GOOD, encoding="utf-8")
    load_policy(path)
    assert len(UNREADABLE) + len(SYNTAX) + sum(len(values) for _, values in VALUES.values()) + len(MEANINGS) >= 200


@pytest.mark.parametrize("name", ["a folder", "nothing", "a ring of links", "a path that is none"])
def test_what_cannot_be_opened(tmp_path: Path, name: str) -> None:
    """What is no file at all gives the same kind of message."""
    path = tmp_path / "p.yaml"
    if name == "a folder":
        path.mkdir()
    elif name == "a ring of links":
        path.symlink_to(path)
    elif name == "a path that is none":
        path = tmp_path / "p\0.yaml"
    with pytest.raises(DocumentError) as caught:
        load_policy(path)
    [one] = caught.value.diagnostics
    assert (one.line, one.column, one.code) == (1, 1, "QR001")
