"""`qwenroute eval` from the command line: tables, JSON, the page, and mistakes."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qwenroute import cli
from qwenroute.cli.app import app
from tests.evaluation.labelled import SAID, row, write

RUN = CliRunner()
ALL_TASKS = [row(task, id=f"{task}/1") for task in SAID]
SCORED = row("math", id="scored/1", outcomes={"qwen2.5-7b-instruct": 0, "qwen2.5-72b-instruct": 1})
VOID = {"meta", "br", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Collects what a page holds, and fails where its elements do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.figures: dict[str, str] = {}
        self.addresses: list[str] = []
        self.words: list[str] = []
        self.elements: set[str] = set()
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)
        values = dict(attrs)
        self.addresses += [str(v) for k, v in attrs if k in {"href", "src", "xlink:href", "srcset", "action"}]
        if tag == "figure":
            self.figures[str(values["id"])] = ""
        if tag == "svg":
            self.figures[list(self.figures)[-1]] = str(values["aria-label"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def run(*arguments: str | Path) -> str:
    result = RUN.invoke(app, ["eval", *map(str, arguments)], env={"COLUMNS": "160", "DASHSCOPE_API_KEY": ""})
    assert result.exit_code == 0, result.output
    return result.stdout


def test_tables_are_for_people(tmp_path: Path) -> None:
    """Tasks, languages, sources, difficulty, value and outcomes, and which models the baselines are."""
    shown = run(write(tmp_path / "rows.jsonl", *ALL_TASKS, SCORED), "--on", "2026-11-24")
    for part in (
        "8 rows", "text tasks", "By language", "By source", "difficulty: accuracy", "expected calibration error",
        "always Max", "qwen4-max@dashscope", "cannot serve 1 audio", "best per label", "Real outcomes: scored",
    ):  # fmt: skip
        assert part in shown, part


def test_json_is_everything(tmp_path: Path) -> None:
    """One document on stdout, notes on stderr."""
    path = write(tmp_path / "rows.jsonl", *ALL_TASKS, SCORED)
    shown = json.loads(run(path, "--json", "--on", "2026-11-24"))
    assert shown["text"]["rows"] == 5
    assert shown["calibration"]["text"]["bins"][9]["high"] == 1.0
    assert [part["name"] for part in shown["outcomes"]] == ["scored"]
    assert {s["name"] for s in shown["value"]["strategies"]} >= {"policy", "policy, cheap", "always 7B", "random"}
    assert json.loads(run(path, "--json", "--limit", "3"))["rows"] == 3


def test_the_page_stands_alone(tmp_path: Path) -> None:
    """Well-formed, with every plot, without scripts or anything fetched, and without prompts."""
    out = tmp_path / "out.html"
    secret = "Please write to my neighbour Zebulon about the hedge."
    path = write(tmp_path / "rows.jsonl", *ALL_TASKS, SCORED, row("math", text=secret, id="x/1"))
    run(path, "--html", out, "--on", "2026-11-24")
    text = out.read_text(encoding="utf-8")
    page = Page(text)
    assert page.figures.keys() >= {
        "confusion", "reliability-text", "reliability-difficulty", "languages", "difficulty", "curve", "outcomes-1",
    }  # fmt: skip
    assert all(page.figures.values())
    assert not page.addresses
    assert not page.elements & {"script", "link", "img", "iframe", "object"}
    assert not {"http:", "https:", "@import", "url("} & {
        part for part in ("http:", "https:", "@import", "url(") if part in text
    }
    assert "prefers-color-scheme: dark" in text
    assert "Zebulon" not in text
    run(path, "--html", out, "--with-text")
    assert "Zebulon" in out.read_text(encoding="utf-8")


def test_what_rows_say_is_escaped(tmp_path: Path) -> None:
    """Ids, languages, model names and prompts are text, whatever they look like."""
    evil = "<script>alert(1)</script>"
    odd = row("math", text=f"Write a note about {evil}", id=f"{evil}/1", lang=evil, subtask=evil, outcomes={evil: 1.0})
    out = tmp_path / "out.html"
    run(write(tmp_path / "rows.jsonl", odd), "--html", out, "--with-text")
    page = Page(out.read_text(encoding="utf-8"))
    assert "script" not in page.elements
    assert any(evil in words for words in page.words)
    assert "[bold]" in run(write(tmp_path / "rows.jsonl", row(id="[bold]/1")))


FREE = """
version: 1
endpoints:
  mine:
    provider: openai_compatible
    base_url: http://127.0.0.1:9/v1
    models:
      - {model: qwen2.5-7b-instruct, price: {currency: USD, input: 0, output: 0}}
routes:
  auto:
    - {rule: all, pool: general}
"""


def test_a_price_of_nothing_is_a_price(tmp_path: Path) -> None:
    """An operator who says that it is free is believed, and the curve is drawn all the same."""
    policy, out = tmp_path / "free.yaml", tmp_path / "out.html"
    policy.write_text(FREE, encoding="utf-8")
    path = write(tmp_path / "rows.jsonl", row("math"), row("general"))
    shown = json.loads(run(path, "--json", "--policy", policy, "--html", out))
    assert {s["cost_usd"] for s in shown["value"]["strategies"]} == {0.0}
    assert shown["value"]["list_prices_of"] is None
    assert "curve" in Page(out.read_text(encoding="utf-8")).figures


def test_a_server_that_is_only_thought_of(tmp_path: Path) -> None:
    """--self-hosted needs no server and no key, and the platform is not there then."""
    path = write(tmp_path / "rows.jsonl", row("math"), row("code"))
    shown = json.loads(run(path, "--json", "--self-hosted", "qwen2.5-7b-instruct,qwen2.5-72b-instruct"))
    assert shown["endpoints"] == ["self_hosted"]
    what = {s["name"]: s["what"] for s in shown["value"]["strategies"]}
    assert what["always 72B"] == "`qwen2.5-72b-instruct@self_hosted`"


@pytest.mark.parametrize(
    ("line", "arguments", "says"),
    [
        ("not JSON", [], "rows.jsonl:2:1: QR002 not valid JSON"),
        ('{"messages": []}', [], "rows.jsonl:2:1: QR102 `task` is missing"),
        ('{"task": "maths"}', [], "did you mean `math`?"),
        ('{"task": "math"}', ["--html", "/nowhere-at-all/out.html"], "there is no folder `/nowhere-at-all`"),
        ('{"task": "math"}', ["--self-hosted", "qwen2.5-7b-instrct"], "did you mean `qwen2.5-7b-instruct`?"),
        ('{"task": "math"}', ["--policy", "defalt"], "defalt"),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    line: str,
    arguments: list[str],
    says: str,
) -> None:
    """With file and line where a row is meant; nothing on stdout."""
    path = write(tmp_path / "rows.jsonl", row(), line)
    monkeypatch.setattr("sys.argv", ["qwenroute", "eval", str(path), *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert not shown.out


def test_rows_that_cannot_be_analysed_are_said(tmp_path: Path) -> None:
    """Their number and the first of them, with the place; the rest is measured."""
    shown = run(write(tmp_path / "rows.jsonl", row(), row(messages=[])))
    assert "2 rows, 1 of them could not be analysed" in shown
    assert "rows.jsonl:2: " in shown


def test_help_tells_the_exit_codes() -> None:
    """As every command does."""
    assert "130 interrupted" in RUN.invoke(app, ["eval", "--help"], terminal_width=80).stdout
