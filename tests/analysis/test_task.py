"""The shipped model, on prompts written for this test and on the demo's."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest

from qwenroute.analysis import Judgement, View, analyse, read_request
from qwenroute.domain.signals import Difficulty, Signals, Task


def judge(*turns: str, system: str | None = None) -> Signals:
    messages = [{"role": ("user", "assistant")[index % 2], "content": text} for index, text in enumerate(turns)]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    return analyse(read_request({"messages": messages}))


WOLVES = (
    "All wolves are mammals. No mammals are fish. Every fish is cold-blooded.\n\n"
    "Is the following statement true, false, or unknown? Some wolves are fish."
)
ROAD = (
    "The council argues that the new road reduced accidents, because accidents fell after it opened.\n\n"
    "Which one of the following, if true, most seriously weakens the argument?\n(A) Traffic fell as well.\n"
    "(B) The road is popular.\n(C) The council built it.\n(D) Accidents are counted monthly."
)
PLAIN: list[tuple[str, Task]] = [
    ("Solve 3x + 7 = 22 for x.", Task.MATH),
    ("Prove that the square root of 3 is irrational.", Task.MATH),
    ("A baker sells 12 rolls per hour at $2 each. How much does she earn in 8 hours?", Task.MATH),
    ("Compute $\\int_0^1 x e^x \\, dx$.", Task.MATH),
    ("一个长方形的长是8厘米，宽是5厘米，它的面积是多少平方厘米？", Task.MATH),
    ("Ana tiene 15 manzanas y regala 6 a cada uno de sus 2 amigos. ¿Cuántas manzanas le quedan?", Task.MATH),
    ("Ein Zug fährt 240 km in 3 Stunden. Wie viele Kilometer fährt er in 5 Stunden insgesamt?", Task.MATH),
    ("Write a Python function that merges two sorted lists.", Task.CODE),
    ("Why does this fail?\n```js\nconst x = await fetch(url)\n```", Task.CODE),
    ("Write a SQL query that returns the ten customers with the most orders.", Task.CODE),
    ("用 Java 写一个函数，判断字符串是否为回文", Task.CODE),
    ("Écris une fonction Python qui compte les mots d'un fichier.", Task.CODE),
    ("Напишите функцию на Python, которая сортирует массив.", Task.CODE),
    (WOLVES, Task.REASONING),
    (ROAD, Task.REASONING),
    ("On an island, knights always tell the truth and knaves always lie. A says: B is a knave. Who is who?",
     Task.REASONING),
    ("Write a short poem about the first snow.", Task.GENERAL),
    ("Who wrote the novel Middlemarch?", Task.GENERAL),
    ("Translate into German: Where is the station?", Task.GENERAL),
    ("hi there", Task.GENERAL),
    ("帮我写一封感谢信给我的老师", Task.GENERAL),
    ("Escribe una carta para invitar a mis vecinos a una fiesta.", Task.GENERAL),
    ("اكتب قصة قصيرة عن البحر", Task.GENERAL),
    ("Give me tips for a job interview.", Task.GENERAL),
]  # fmt: skip


@pytest.mark.parametrize(("text", "task"), PLAIN)
def test_plain_prompts_are_told_apart(text: str, task: Task) -> None:
    """What is plain to a person is told, in several languages."""
    assert judge(text).task is task


def test_the_whole_conversation_counts() -> None:
    """A follow-up inherits the task of what it follows; a change of subject does not."""
    code = ("Write a quicksort in Python", "def quicksort(items): ...")
    assert judge(*code, "and now in Rust?").task is Task.CODE
    assert judge("What is 17 * 23 + 4?", "395", "are you sure?").task is Task.MATH
    assert judge(*code, "Thanks! Now write a birthday poem for my sister, she loves sailing.").task is Task.GENERAL


def test_a_system_prompt_weighs_less_than_the_request() -> None:
    """Talk of code in the system message does not make a greeting code."""
    assert judge("Who painted Guernica?", system="You are a helpful Python programming assistant.").task is Task.GENERAL


def test_a_long_document_does_not_drown_the_request() -> None:
    """The request at the end of a long text decides."""
    text = "The committee met at noon and spoke about the budget of the school. " * 200
    assert judge(f"{text}\n\nSummarize this meeting in three sentences.").task is Task.GENERAL


def test_tool_results_are_not_the_request() -> None:
    """What a tool gave back, code or numbers, does not change what the user wants."""
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    body = {
        "messages": [
            {"role": "user", "content": "Recommend a restaurant near the station and write an invitation to my aunt."},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {
                "role": "tool",
                "tool_call_id": "c1",
                "content": "def f(x):\n    return x ** 2\nSolve 3x + 7 = 22.\n" * 50,
            },
        ]
    }
    assert analyse(read_request(body)).task is Task.GENERAL


def test_code_around_a_question_counts_as_code() -> None:
    """A question that says little is about the code that stands with it."""
    code = "```python\nfor i in range(10):\n    print(items[i])\n```"
    assert judge(f"{code}\nWhy does this crash?").task is Task.CODE
    assert judge(f"What is wrong here?\n{code}").task is Task.CODE


VISUAL = [
    ("What is written on the door?", Task.VISION),
    ("Is there a boat in the harbour?", Task.VISION),
    ("How much does the soup cost?", Task.VISION),
    ("Was steht auf dem Zettel?", Task.VISION),
    ("照片里的人在做什么？", Task.VISION),
    ("Find the value of x.", Task.VISION_REASONING),
    ("What is the area of the shaded triangle?\n(A) 4\n(B) 6\n(C) 8\n(D) 10", Task.VISION_REASONING),
    ("Which piece completes the pattern?", Task.VISION_REASONING),
    ("如图，AB是⊙O的直径，∠A＝35°，求∠B的度数。", Task.VISION_REASONING),
    ("Calcule l'aire du triangle ABC.", Task.VISION_REASONING),
]


@pytest.mark.parametrize(("text", "task"), VISUAL)
def test_looking_and_reasoning_over_pictures_are_told_apart(text: str, task: Task) -> None:
    """To read and to describe is vision; to compute and to puzzle is visual reasoning."""
    picture = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    content = [picture, {"type": "text", "text": text}]
    assert analyse(read_request({"messages": [{"role": "user", "content": content}]})).task is task


def test_difficulty_follows_what_is_asked() -> None:
    """Sums are easy; olympiad proofs are hard."""
    assert judge("What is 2 + 2?").difficulty is Difficulty.EASY
    olympiad = (
        "Let $a, b, c$ be positive real numbers such that $abc = 1$. Prove that "
        "$\\frac{1}{a^3(b+c)} + \\frac{1}{b^3(c+a)} + \\frac{1}{c^3(a+b)} \\geq \\frac{3}{2}$."
    )
    assert judge(olympiad).difficulty is Difficulty.HARD


def test_a_doubtful_request_is_less_certain_than_a_plain_one() -> None:
    """Confidence says how plain a request is."""
    plain = judge("Write a Python function that reverses a linked list and returns its head.")
    assert plain.task_confidence > judge("How many players are in a team?").task_confidence
    assert judge("numbers").task_confidence < 0.97


def test_another_classifier_can_take_the_place() -> None:
    """The heuristic is a default; whatever judges a view can replace it."""

    class Always:
        def classify(self, view: View) -> Judgement:
            assert view.ask == "hello"
            return Judgement(Task.MATH, 0.5, Difficulty.HARD, 0.4)

    found = analyse(read_request({"messages": [{"role": "user", "content": "hello"}]}), Always())
    assert (found.task, found.task_confidence, found.difficulty, found.difficulty_confidence) == (
        Task.MATH, 0.5, Difficulty.HARD, 0.4,
    )  # fmt: skip


def test_the_demo_is_judged_as_its_datasets_label_it() -> None:
    """The demo has every task, permitted licences, and nine of ten prompts judged right."""
    lines = (files("qwenroute.cli") / "demo_prompts.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    found = [analyse(read_request({"messages": row["messages"], **row.get("request", {})})) for row in rows]
    assert len(rows) >= 36
    assert {row["task"] for row in rows} == set(Task)
    assert {row["license"].split(";")[0] for row in rows} <= {"MIT", "Apache-2.0", "CC-BY-4.0", "ODC-By-1.0"}
    assert sum(s.task == row["task"] for s, row in zip(found, rows, strict=True)) >= 0.9 * len(rows)
