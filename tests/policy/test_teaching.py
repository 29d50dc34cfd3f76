"""Teaching without training: what is found in a request's words, and what goes before what."""

from __future__ import annotations

import pytest

from qwenroute.domain.capability import Modality
from qwenroute.domain.request import Hints, Kind, Request
from qwenroute.domain.signals import Task
from qwenroute.policy.signs import Examples, Keywords, Patterns
from qwenroute.policy.teaching import Lesson, taught
from qwenroute.policy.wording import WINDOW_CHARS, Alike, Wording
from tests.routing.fleets import signals

TEXT, IMAGE, AUDIO = Modality.TEXT, Modality.IMAGE, Modality.AUDIO


def ask(*turns: str, hints: Hints | None = None) -> Request:
    """A conversation whose last turn is the user's."""
    roles = ["user" if number % 2 == 0 else "assistant" for number in range(len(turns))][::-1]
    messages = [{"role": role, "content": text} for role, text in zip(reversed(roles), turns, strict=True)]
    return Request(messages=tuple(messages), hints=hints or Hints())


def finds(keyword: str, text: str) -> bool:
    """Whether a keyword is found in a text."""
    return Keywords((keyword,)).found(Wording(ask(text))) is not None


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("terraform", "Why does Terraform say no?"),
        ("Terraform", "TERRAFORM!"),
        ("kubernetes", "用kubernetes部署一个服务"),
        ("部署", "怎么部署这个服务"),
        ("코드", "이 코드를 고쳐 줘"),
        ("สัญญา", "สรุปสัญญานี้"),
        ("purchase order", "a purchase\n  ORDER of May"),
        ("C++", "Is C++ faster?"),
        (".net", "port it to .NET, please"),
        ("Straße", "die STRASSE ist lang"),
        ("ＡＰＩ", "an api"),
        ("cafe\u0301", "un café"),
        ("कोड", "यह कोड ठीक करो"),
        ("invoice", "an in\u200bvoice"),
        ("node.js", "in Node.js"),
        ("код", "исправь код!"),
    ],
)
def test_keyword_found(keyword: str, text: str) -> None:
    """Case, width, blanks and invisible characters make no difference; scripts without blanks are searched inside."""
    assert finds(keyword, text)


@pytest.mark.parametrize(
    ("keyword", "text"),
    [
        ("form", "terraform"),
        ("terra", "terraform"),
        ("c++", "c+ and objc++"),
        ("purchase order", "purchase ordering"),
        ("code", "code_review"),
        ("कोड", "कोडिंग"),
        ("lease", "nothing of the kind"),
    ],
)
def test_keyword_not_found(keyword: str, text: str) -> None:
    """Part of a longer word is another word."""
    assert not finds(keyword, text)


def test_only_the_last_user_turn_is_read() -> None:
    """What was said before, or by others, sets nothing off."""
    request = Request(
        messages=(
            {"role": "system", "content": "You know kubernetes."},
            {"role": "user", "content": "kubernetes?"},
            {"role": "assistant", "content": "kubernetes!"},
            {"role": "user", "content": [{"type": "text", "text": "And terraform?"}]},
            {"role": "tool", "content": "kubernetes", "tool_call_id": "1"},
        )
    )
    wording = Wording(request)
    assert wording.text == "And terraform?"
    assert Keywords(("kubernetes", "terraform")).found(wording) == "keyword `terraform`"


def test_a_conversation_without_a_user_says_nothing() -> None:
    """No user turn, no words."""
    assert Wording(Request(messages=({"role": "system", "content": "lease"},))).text == ""


def test_a_completion_is_read_by_its_prompt() -> None:
    """Plain completions have no turns."""
    assert Wording(Request(kind=Kind.COMPLETION, prompt="def f(")).text == "def f("


def test_the_window_is_bounded() -> None:
    """A long turn is its beginning and its end."""
    wording = Wording(ask("terraform " + "x " * 500_000 + "kubernetes"))
    assert len(wording.text) <= WINDOW_CHARS
    assert Keywords(("kubernetes",)).found(wording)
    assert Keywords(("terraform",)).found(wording)
    assert not Keywords(("lease",)).found(Wording(ask("x " * 2_000 + "lease" + " x" * 2_000)))


LESSONS = (
    Lesson(task=Task.CODE, sign=Keywords(("terraform",))),
    Lesson(task=Task.MATH, sign=Patterns((r"\bintegrate\b",))),
    Lesson(task=Task.REASONING, sign=Examples(("who sits where", "which clause contradicts"))),
    Lesson(task=Task.MATH, sign=Examples(("how much is it",))),
    Lesson(task=Task.VISION_REASONING, sign=Keywords(("floor plan",))),
)


def task_of(request: Request, alike: Alike | None = None, **facts: object) -> tuple[Task, float, str | None]:
    """What the lessons make of a request that the model calls general."""
    learnt = taught(LESSONS, request, signals(**facts), Wording(request, alike))
    return learnt.task, learnt.task_confidence, learnt.taught


NEAR = Alike({"who sits where": 0.8, "how much is it": 0.9})


def test_words_go_before_examples_and_examples_before_the_model() -> None:
    """Hint, keyword or pattern, example, model: each where the stronger ones say nothing."""
    assert task_of(ask("integrate terraform"), NEAR, task=Task.GENERAL) == (Task.CODE, 1.0, "keyword `terraform`")
    assert task_of(ask("Integrate it"), NEAR) == (Task.MATH, 1.0, r"pattern `\bintegrate\b`")
    assert task_of(ask("what now"), NEAR) == (Task.MATH, 1.0, "like `how much is it` (0.90)")
    assert task_of(ask("what now"), Alike({"who sits where": 0.8})) == (
        Task.REASONING, 1.0, "like `who sits where` (0.80)",
    )  # fmt: skip
    assert task_of(ask("what now"), Alike()) == (Task.GENERAL, 0.9, None)
    assert task_of(ask("what now")) == (Task.GENERAL, 0.9, None)


def test_the_application_goes_before_all_of_it() -> None:
    """A hint is what the caller knows; nothing in the text outdoes it."""
    hinted = ask("integrate terraform", hints=Hints(task=Task.GENERAL))
    assert task_of(hinted, NEAR, task_confidence=1.0) == (Task.GENERAL, 1.0, None)


def test_what_a_request_carries_settles_what_can_be_taught() -> None:
    """A picture is not made code by a word, a sound nothing at all, and no text is made a picture."""
    picture = {"task": Task.VISION, "input": frozenset({TEXT, IMAGE})}
    assert task_of(ask("terraform"), **picture)[0] is Task.VISION
    assert task_of(ask("this floor plan"), **picture)[0] is Task.VISION_REASONING
    assert task_of(ask("a floor plan"))[0] is Task.GENERAL
    assert task_of(ask("terraform"), task=Task.AUDIO, input=frozenset({TEXT, AUDIO}))[0] is Task.AUDIO
    assert task_of(ask("integrate"), task=Task.CODE, fim=True)[0] is Task.CODE


def test_a_long_example_is_shown_short() -> None:
    """A decision is read by people."""
    text = "Summarise this contract\nand list every obligation of the tenant"
    found = Examples((text,)).found(Wording(ask("x"), Alike({text: 0.876})))
    assert found == "like `Summarise this contract and list every …` (0.88)"
