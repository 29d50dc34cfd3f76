"""Reading labelled requests, and what is said of those that have mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from qwenroute.domain.signals import Task
from qwenroute.errors import DocumentError
from qwenroute.evaluation import read_rows
from qwenroute.evaluation.rows import MOST_MISTAKES
from tests.evaluation.labelled import row, write


def test_a_row_is_read_whole(tmp_path: Path) -> None:
    """Labels, place, source, outcomes; what is not there has a default, blank lines do not count as rows."""
    outcomes = {"outcomes": {"qwen2.5-7b-instruct": 1, "other": 0.5}, "output_chars": {"qwen2.5-7b-instruct": 40}}
    bare = {"messages": [], "task": "math"}
    path = write(tmp_path / "few.jsonl", row("code", id="mbpp/3", **outcomes), "", bare)
    full, least = read_rows([path])
    assert (full.source, full.task, full.difficulty, full.language) == ("mbpp", "code", "easy", "en")
    assert full.outcomes == {"qwen2.5-7b-instruct": 1.0, "other": 0.5}
    assert full.place == f"{path}:1"
    assert (least.id, least.place, least.language, least.difficulty) == ("few/3", f"{path}:3", "und", None)


def test_limit_counts_rows_of_each_file(tmp_path: Path) -> None:
    """Two of each file, however many there are; what comes after is not even read."""
    one = write(tmp_path / "one.jsonl", row(), row(), row(), "not JSON")
    two = write(tmp_path / "two.jsonl", row("math"))
    assert [r.task for r in read_rows([one, two], limit=2)] == ["general", "general", "math"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"messages": [], "task": ', "QR002 not valid JSON"),
        ("[]", "QR104 the line is an array, not a JSON object"),
        ('{"messages": []}', "QR102 `task` is missing\n  help: label it with one of math, code"),
        ('{"task": null}', "QR102 `task` is missing"),
        ('{"task": "maths"}', "QR104 unknown task `maths`\n  help: did you mean `math`?"),
        ('{"task": ["math"]}', "QR104 unknown task `['math']`\n  help: known: math, code"),
        ('{"task": "math", "difficulty": "trivial"}', "QR104 unknown difficulty `trivial`\n  help: known: easy"),
        ('{"task": "math", "lang": 3}', "QR104 `lang` is a number, not a string"),
        ('{"task": "math", "outcomes": [1]}', "QR104 `outcomes` is an array, not an object"),
        ('{"task": "math", "outcomes": {"m": 1.5}}', "QR104 `outcomes.m` is 1.5, not a number from 0 to 1"),
        ('{"task": "math", "outcomes": {"m": NaN}}', "QR104 `outcomes.m` is nan, not a number from 0 to 1"),
        ('{"task": "math", "output_chars": {"m": 1e999}}', "QR104 `output_chars.m` is inf, not a number of at least 0"),
        (f'{{"task": "math", "output_chars": {{"m": {"9" * 400}}}}}', "QR104 `output_chars.m` is 999"),
        ('{"task": "math", "output_chars": {"m": "x"}}', "QR104 `output_chars.m` is 'x', not a number of at least 0"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, line: str, says: str) -> None:
    """File and line, what is wrong, and what it may be."""
    path = write(tmp_path / "bad.jsonl", row(), line)
    with pytest.raises(DocumentError) as found:
        read_rows([path])
    assert str(found.value).startswith(f"{path}:2:1: {says}")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Some editors write one."""
    path = tmp_path / "marked.jsonl"
    path.write_text('{"task": "math", "messages": []}\n', encoding="utf-8-sig")
    assert read_rows([path])[0].task is Task.MATH


def test_all_mistakes_are_told_at_once_up_to_a_few(tmp_path: Path) -> None:
    """Of several files too; a file that is wrong throughout does not fill the screen."""
    one = write(tmp_path / "one.jsonl", row(), "x")
    two = write(tmp_path / "two.jsonl", *["x"] * 50)
    with pytest.raises(DocumentError) as found:
        read_rows([one, two])
    assert [d.file for d in found.value.diagnostics].count(str(one)) == 1
    assert len(found.value.diagnostics) == MOST_MISTAKES


def test_files_that_hold_no_rows(tmp_path: Path) -> None:
    """Empty, absent, a folder, not text: each is said, with the file's name."""
    (tmp_path / "empty.jsonl").write_text("\n\n", encoding="utf-8")
    (tmp_path / "image.jsonl").write_bytes(b"\x89PNG\r\n")
    for name, says in [
        ("empty.jsonl", "QR102 the file is empty"),
        ("image.jsonl", "QR001 the file is not UTF-8 text"),
        ("none.jsonl", "QR001 cannot read the file: No such file or directory"),
        (".", "QR001 cannot read the file: Is a directory"),
    ]:
        with pytest.raises(DocumentError) as found:
            read_rows([tmp_path / name])
        assert str(found.value).startswith(f"{tmp_path / name}:1:1: {says}")
