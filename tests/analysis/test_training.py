"""The shipped weights, and what they were learned from."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from qwenroute.analysis import lexicon, task, weights
from qwenroute.analysis.cues import words_of
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


def test_nothing_is_learned_from_the_unseen() -> None:
    """No prompt stands in both files, whatever its case, blanks and punctuation."""

    def bare(row: dict[str, object]) -> str:
        return "".join(filter(str.isalnum, str([message["content"] for message in row["messages"]]).lower()))  # type: ignore[attr-defined]

    unseen = set(map(bare, rows.read([HERE / "unseen_prompts.jsonl"])))
    assert len(unseen) == 420
    assert unseen.isdisjoint(map(bare, rows.read([rows.PROMPTS, rows.OWN])))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "p.jsonl:2: Expecting property name"),
        ('{"task": "maths"}', "p.jsonl:2: 'maths' is not a valid Task"),
        ('{"task": "math"}', "p.jsonl:2: the key 'messages' is missing; SOURCES.md says"),
        ('{"task": "math", "difficulty": null, "id": "a/1", "lang": "en", "messages": []}', "p.jsonl:2: `id`, `lang`"),
    ],
)
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    """One message with the place, not a traceback."""
    path = tmp_path / "p.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")
    with pytest.raises(SystemExit) as caught:
        list(rows.read([path]))
    assert str(caught.value).removeprefix(f"{tmp_path}/").startswith(said)


def test_a_word_of_the_lexicon_belongs_to_one_cue() -> None:
    """None stands there twice, each can be found in a text, and each cue has weights."""
    found = re.sub(r"^(#|\[).*$", "", lexicon.PATH.read_text(encoding="utf-8"), flags=re.M).split()
    words, inside = lexicon.read()
    assert len(found) == len(words) + len(inside)
    assert all(words_of(word) == {word} for word in words)
    known = {cue for table in weights.read().values() for cue in table.cues}
    assert {*words.values(), *inside.values()} <= known


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
