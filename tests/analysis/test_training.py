"""The shipped weights, and what they were learned from."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from qwenroute.analysis import task, weights
from qwenroute.domain.signals import Task
from training import rows

HERE = Path(rows.__file__).parent


def test_every_prompt_kept_names_its_source_and_licence() -> None:
    """SOURCES.md tells of each dataset how many rows of which licence are kept, and the numbers add up."""
    table = re.findall(r"^\| (\S+) \| <(\S+)> \| (.+?) \| (\d+) \|$", (HERE / "SOURCES.md").read_text("utf-8"), re.M)
    told: dict[str, int] = {}
    for dataset, _, licence, many in table:
        assert rows.LICENCES.search(licence), licence
        told[dataset] = told.get(dataset, 0) + int(many)
    kept: dict[str, int] = {}
    for row in rows.read([rows.PROMPTS]):
        name = str(row["id"]).partition("/")[0]
        kept[name] = kept.get(name, 0) + 1
    assert kept == told


@pytest.mark.parametrize(
    "licence",
    ["CC-BY-NC-SA-4.0", "not stated in the repository", "MIT (questions by the LSAC)", "Creative Commons License",
     "not stated in the repository; upstream CC-BY-4.0 (to be checked)", "Apache-2.0 (problem texts from LeetCode)"],
)  # fmt: skip
def test_what_is_not_plainly_ours_to_keep_is_left_out(licence: str) -> None:
    """Non-commercial, unstated, unchecked and third-party texts stay out."""
    assert not rows.LICENCES.search(licence)


def test_our_own_prompts_are_well_formed() -> None:
    """Each has a task, ends with the user, shows a picture where it has to; and none stands there twice."""
    found = list(rows.read([rows.OWN]))
    assert {row["task"] for row in found} <= set(Task)
    assert (
        len({row["id"] for row in found}) == len({str(row["messages"]).lower() for row in found}) == len(found) > 9000
    )
    for row in found:
        messages = row["messages"]
        assert isinstance(messages, list)
        assert messages[-1]["role"] == "user", row["id"]
        pictured = any(isinstance(message["content"], list) for message in messages)
        assert pictured is str(row["task"]).startswith("vision"), row["id"]


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make train` writes what is shipped."""
    shipped = weights.PATH.read_bytes()
    train = importlib.import_module("training.train")
    monkeypatch.setattr(weights, "PATH", tmp_path / "weights.json")
    train.main()
    assert (tmp_path / "weights.json").read_bytes() == shipped


def test_what_is_shipped_is_what_training_would_write() -> None:
    """Reading the weights and writing them again changes no byte, so nobody edits them by hand unnoticed."""
    train = importlib.import_module("training.train")
    assert train.written(weights.read()).encode() == weights.PATH.read_bytes()


def test_every_row_has_a_weight_for_each_class() -> None:
    """Cues and words alike; the classes are those that the analysis knows, in its order."""
    classes = {"text": task.TEXT_TASKS, "visual": task.VISUAL_TASKS, "difficulty": task.LEVELS}
    tables = weights.read()
    assert {name: tuple(table.classes) for name, table in tables.items()} == classes
    for table in tables.values():
        assert "" in table.cues
        assert {len(row) for rows in (table.cues, table.words) for row in rows.values()} == {len(table.classes)}


def test_the_analysis_is_little_python_to_compile() -> None:
    """Where no bytecode is kept, loading takes as long as its source is: data lies in files of their own."""
    folder = weights.PATH.parent
    assert sum(path.stat().st_size for path in folder.glob("*.py")) < 200_000
    assert weights.PATH.stat().st_size > 100_000
