"""What the chat template makes of a request: the texts that are counted, and what stands around them.

Counts are those of the template in `tokenizer_config.json` of Qwen2.5-7B-Instruct. Models after
Qwen2.5 have no default system message; for them the count is 21 tokens on the safe side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from qwenroute.analysis.parts import calls_of, parts_of
from qwenroute.domain.request import Kind, Request

TURN_TOKENS = 3
"""Start mark, end mark, and the line end after it; the role and its line end are text."""
GENERATION_TOKENS = 3
"""Start mark, `assistant`, line end."""
DEFAULT_SYSTEM_TOKENS = 21
"""The system message that stands in where the request has none."""
DEFAULT_SYSTEM_WITH_TOOLS_TOKENS = 20
"""The same with the heading of the tools, without its marks."""
TOOLS_TOKENS = 83
"""The sentences around the tool declarations."""
FIM_TOKENS = 3
"""The marks for prefix, suffix and middle."""


TURN_STARTS = frozenset({"system\n", "user\n", "assistant\n", "assistant", "user\n<tool_response>\n", ">\n"})
"""What stands before a text that does not continue the one before it."""


_PLAIN = {role: f"{role}\n" for role in ("system", "user", "assistant")}
"""What stands before a turn of one text, by the role whose turn it is."""


Piece = tuple[str, str, str]
"""A text as it stands in the prompt, between fixed strings: before, text, after."""

FRAME_TOKENS: Mapping[str, int] = {
    "": 0,
    "system\n": 2,
    "user\n": 2,
    "assistant\n": 2,
    "assistant": 1,
    "\n\n# Tools": 3,
    ">\n": 1,
    "\n": 1,
    "user\n<tool_response>\n": 6,
    "\n<tool_response>\n": 5,
    "\n</tool_response>": 5,
    '\n<tool_call>\n{"name": "': 9,
    '", "arguments": ': 5,
    "}\n</tool_call>": 5,
}
"""Tokens of the fixed strings, each counted alone."""


def pieces(request: Request) -> tuple[list[Piece], int]:
    """Return the texts of the prompt in order, and the tokens of the marks between them."""
    if request.kind is Kind.COMPLETION:
        if request.suffix is None:
            return [("", request.prompt, "")], 0
        return [("", request.prompt, ""), ("", request.suffix, "")], FIM_TOKENS
    found: list[Piece] = []
    messages = request.messages
    marks = TURN_TOKENS * len(messages) + GENERATION_TOKENS
    tools = request.params.get("tools")
    if tools:
        marks += _tools(found, request)
    elif messages and messages[0]["role"] != "system":
        marks += DEFAULT_SYSTEM_TOKENS
    previous = ""
    for index, message in enumerate(messages):
        role = message["role"]
        content = message.get("content")
        if role == "system" and tools and index == 0:
            continue
        if isinstance(content, str) and role in _PLAIN and "tool_calls" not in message:
            found.append((_PLAIN[role], content, ""))
        elif role == "tool":
            # Results in a row share one user turn.
            before = "user\n<tool_response>\n"
            if previous == "tool":
                before = "\n<tool_response>\n"
                marks -= TURN_TOKENS
            _content(found, before, content, "\n</tool_response>")
        else:
            calls = calls_of(message.get("tool_calls")) if role == "assistant" else ()
            if calls and not content:
                found.append(("assistant", "", ""))
            else:
                _content(found, f"{role}\n", content)
            for call in calls:
                function = call["function"]
                found.append(('\n<tool_call>\n{"name": "', function["name"], ""))
                found.append(('", "arguments": ', function.get("arguments", ""), "}\n</tool_call>"))
        previous = str(role)
    if messages and messages[-1].get("partial") is True:
        marks -= GENERATION_TOKENS + 2
    return found, marks


def _content(found: list[Piece], before: str, content: object, after: str = "") -> None:
    if isinstance(content, str):
        found.append((before, content, after))
        return
    texts = [part["text"] for part in parts_of(content) if part["type"] == "text"]
    found.append((before, texts[0] if texts else "", "" if texts[1:] else after))
    found.extend(("", text, "") for text in texts[1:-1])
    if texts[1:]:
        found.append(("", texts[-1], after))


def _tools(found: list[Piece], request: Request) -> int:
    """Add the system turn that declares the tools; return the marks that the turns do not count."""
    messages = request.messages
    marks = TOOLS_TOKENS
    if messages and messages[0]["role"] == "system":
        _content(found, "system\n", messages[0].get("content"), "\n\n# Tools")
    else:
        marks += DEFAULT_SYSTEM_WITH_TOOLS_TOKENS + TURN_TOKENS
    tools = request.params["tools"]
    if isinstance(tools, list | tuple):
        declared = "\n".join(json.dumps(tool, ensure_ascii=False, default=str) for tool in tools)
        found.append((">\n", declared, "\n"))
    return marks
