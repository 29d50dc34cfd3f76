"""The shipped weights, and what they were learned from."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from qwenroute.analysis import weights
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
    """Each has a task, and none stands there twice."""
    found = list(rows.own())
    assert {row["task"] for row in found} <= set(Task)
    assert len({row["id"] for row in found}) == len(found) > 900


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`make train` writes what is shipped."""
    train = importlib.import_module("training.train")
    monkeypatch.setattr(train, "WEIGHTS", tmp_path / "weights.py")
    train.main()
    assert weights.__file__ is not None
    assert (tmp_path / "weights.py").read_bytes() == Path(weights.__file__).read_bytes()
