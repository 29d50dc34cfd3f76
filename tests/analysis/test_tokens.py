"""Tokens: the estimate, its bound, and the exact count."""

from __future__ import annotations

import base64
import importlib.util
import json
import random
from importlib.resources import files

import pytest

from qwenroute.analysis import analyse, count_exactly, read_request
from qwenroute.analysis import vocabulary as vocabulary_room
from qwenroute.analysis.template import FRAME_TOKENS
from qwenroute.analysis.tokens import FEATURES, WEIGHTS, estimate
from qwenroute.analysis.vocabulary import count_text
from qwenroute.domain.request import Kind, Request

needs_vocabulary = pytest.mark.skipif(
    importlib.util.find_spec("dashscope") is None or importlib.util.find_spec("tiktoken") is None,
    reason="the `tokens` extra is not installed",
)
ENGLISH = "The river had risen overnight, and the ferry could not cross before the wind turned. "
CHINESE = "昨夜河水上涨，风向转变之前渡船无法过河，旅客们只好在岸边等待。"
TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "Weather of a city", "parameters": {
        "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}},
]  # fmt: skip


def chat(*turns: tuple[str, str], **params: object) -> Request:
    return read_request({"messages": [{"role": role, "content": text} for role, text in turns], **params})


def samples() -> dict[str, str]:
    chance = random.Random(7)
    return {
        "english": ENGLISH * 4,
        "chinese": CHINESE * 4,
        "thai": "แม่น้ำเอ่อล้นเมื่อคืนนี้ และเรือข้ามฟากไม่สามารถข้ามได้",
        "arabic": "ارتفع منسوب النهر خلال الليل ولم تتمكن العبارة من العبور",
        "russian": "Ночью река поднялась, и паром не мог переправиться на другой берег.",
        "hebrew": "הנהר עלה במהלך הלילה והמעבורת לא יכלה לחצות",
        "georgian": "ღამით მდინარემ იმატა და ბორანმა ვერ გადაკვეთა",
        "code": "def area(r):\n    if r < 0:\n        raise ValueError(r)\n    return 3.14159 * r ** 2\n" * 5,
        "json": json.dumps([{"id": i, "userName": "ann", "ok": i % 2 == 0, "score": i / 7} for i in range(40)]),
        "base64": base64.b64encode(chance.randbytes(900)).decode(),
        "digits": "".join(chance.choices("0123456789", k=800)),
        "emoji": "😀🎉🚀" * 60,
        "latex": "$\\frac{a^2}{b} + \\sqrt{x_1 + y_1} \\leq \\int_0^1 f(t)\\,dt$ " * 5,
        "blanks": " " * 900,
        "lines": "\n" * 900,
        "one letter": "a" * 900,
        "control": "\x00" * 300,
    }


@needs_vocabulary
@pytest.mark.parametrize("name", samples())
def test_the_bound_holds_for_every_kind_of_text(name: str) -> None:
    """No kind of text, noise included, has more tokens than its upper bound."""
    text = samples()[name]
    exact = count_text(text)
    assert exact is not None
    assert exact <= estimate([text]).upper


@needs_vocabulary
@pytest.mark.parametrize("name", ["english", "chinese", "russian", "code", "digits"])
def test_the_estimate_is_near(name: str) -> None:
    """Ordinary texts are estimated to within a quarter."""
    text = samples()[name]
    assert estimate([text]).tokens == pytest.approx(count_text(text), rel=0.25)


@needs_vocabulary
@pytest.mark.parametrize("times", [20, 200, 3000])
def test_long_texts_are_estimated_from_samples(times: int) -> None:
    """A long mixture of prose, code and another script is estimated to within a fifth, and bounded."""
    kinds = samples()
    text = "".join(kinds[name] for name in ("english", "code", "chinese", "json")) * (times // 4)
    exact = count_text(text)
    assert exact is not None
    found = estimate([text])
    assert found.tokens == pytest.approx(exact, rel=0.2)
    assert exact <= found.upper


def test_texts_are_sampled_across_their_borders() -> None:
    """Splitting a long text into messages changes its estimate little."""
    text = (ENGLISH + CHINESE) * 200
    pieces = [text[start : start + 700] for start in range(0, len(text), 700)]
    assert estimate(pieces).tokens == pytest.approx(estimate([text]).tokens, rel=0.1)


def test_nothing_has_no_tokens_and_bytes_are_the_most() -> None:
    """The estimate stays between nothing and one token for a byte."""
    assert estimate([]) == (0.0, 0.0)
    assert estimate(["", ""]) == (0.0, 0.0)
    assert estimate(["a"]).upper <= 1


def test_every_feature_has_a_weight_in_the_same_order() -> None:
    """Weights are looked up by place, so the table and the features must agree."""
    assert tuple(WEIGHTS) == FEATURES


@needs_vocabulary
def test_fixed_strings_of_the_template_count_what_is_written() -> None:
    """The table of fixed strings agrees with the vocabulary."""
    assert {text: count_text(text) for text in FRAME_TOKENS} == dict(FRAME_TOKENS)


@needs_vocabulary
@pytest.mark.parametrize(
    ("request_", "tokens"),
    [
        # As DashScope reports for Qwen2.5: the default system message and the marks come to 29.
        (chat(("user", "hi")), 30),
        (chat(("system", "hi"), ("user", "hi")), 15),
        (chat(("user", "hi"), ("assistant", "hi"), ("user", "hi")), 42),
        (Request(kind=Kind.COMPLETION, prompt="hi"), 1),
        (Request(kind=Kind.COMPLETION, prompt="hi", suffix="hi"), 5),
    ],
)
def test_the_chat_template_is_counted(request_: Request, tokens: int) -> None:
    """Marks, roles, the default system message and the start of the answer count too."""
    assert count_exactly(request_) == tokens
    found = analyse(request_)
    assert found.text_tokens == pytest.approx(tokens, abs=2)
    assert tokens <= found.text_tokens_upper


@needs_vocabulary
def test_tools_and_their_calls_are_counted() -> None:
    """Declarations, calls and results are part of the prompt."""
    call = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Bern"}'}}
    conversation = {
        "messages": [
            {"role": "user", "content": "Weather in Bern and Basel?"},
            {"role": "assistant", "content": None, "tool_calls": [call, call]},
            {"role": "tool", "tool_call_id": "c", "content": "12 degrees"},
            {"role": "tool", "tool_call_id": "c", "content": "14 degrees"},
        ],
        "tools": TOOLS,
    }
    request = read_request(conversation)
    exact = count_exactly(request)
    bare = count_exactly(chat(("user", "Weather in Bern and Basel?")))
    assert exact is not None
    assert bare is not None
    assert exact > bare + 150
    found = analyse(request)
    assert found.text_tokens == pytest.approx(exact, rel=0.1)
    assert exact <= found.text_tokens_upper


@needs_vocabulary
@pytest.mark.parametrize("unit", ["a", " ", "\n", "字", "a ", "😀", "\ud800"])
def test_long_runs_can_be_counted(unit: str) -> None:
    """Runs that overflow the pattern engine's stack are counted in stretches."""
    assert count_text(unit * 300_000) is not None


@needs_vocabulary
def test_counting_in_stretches_changes_nothing() -> None:
    """A text cut between words has the tokens of the whole."""
    text = ENGLISH * 900
    vocabulary = vocabulary_room._vocabulary()
    assert vocabulary is not None
    assert count_text(text) == len(vocabulary.encode_ordinary(text))


def test_without_the_extra_there_is_no_exact_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the vocabulary is not installed the answer is None, not a guess."""
    monkeypatch.setattr(vocabulary_room, "_vocabulary", lambda: None)
    assert count_exactly(chat(("user", "hi"))) is None


@needs_vocabulary
def test_the_bound_holds_for_the_demo() -> None:
    """On the prompts that the demo sends, estimates are near and no bound is passed."""
    for line in (files("qwenroute.cli") / "demo_prompts.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        request = read_request({"messages": row["messages"], **row.get("request", {})})
        exact = count_exactly(request)
        found = analyse(request)
        assert exact is not None
        assert found.text_tokens == pytest.approx(exact, rel=0.25), row["id"]
        assert exact <= found.text_tokens_upper, row["id"]
