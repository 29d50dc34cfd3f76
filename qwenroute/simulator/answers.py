"""What the simulated model says: it owns up to being simulated, and names the prompt it answers.

An answer reads `[simulated MODEL] answer DIGEST to "first words…":` and then filler. The digest
is `prompt_digest` of the last user message, so that a test can tell whose answer it holds.
One word counts as one token. The length follows from the seed and the prompt.

A tool is called when tools are given, `tool_choice` is not `none`, and one of these holds:
`tool_choice` names it; `tool_choice` is `required` (the tool that the last user message names, else
the first); or the last message is the user's and names it. Arguments are the smallest that the
tool's schema takes. With `parallel_tool_calls` every tool named is called.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

from qwenroute.domain.capability import SystemMessage
from qwenroute.simulator.call import Body, Call, Messages, text_of
from qwenroute.simulator.schema_example import example

FILLER = (
    "the plan holds because each step follows from facts that were given and nothing else is assumed here so "
    "a reader can check it line by line while the numbers stay small enough to follow without paper"
)
WORDS = tuple(FILLER.split())
QUOTED_CHARS = 32
CHARS_A_PIECE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Shortest and longest answer and thinking, in tokens of filler."""

    answer: tuple[int, int] = (24, 72)
    thinking: tuple[int, int] = (12, 36)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """One call of a tool; `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One choice. Pieces join to the text; each counts as one token."""

    thinking: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = "stop"
    pitch: int = 0
    """Where the tune of a spoken answer begins."""

    @property
    def tokens(self) -> int:
        """Tokens of the whole answer, thinking included."""
        calls = sum(2 + len(c.arguments) // 4 for c in self.tool_calls)
        return len(self.thinking) + len(self.text) + calls


def prompt_digest(messages: Messages) -> str:
    """Return eight characters that stand for the text of the last user message."""
    return _digest(_last_user_text(messages))


def compose(call: Call, *, seed: int, index: int = 0, lengths: Lengths) -> Answer:
    """Return the answer to a call; equal calls and seeds give equal answers."""
    deaf = call.deployment.system_message is SystemMessage.IGNORED
    asked = call.prompt or _last_user_text(call.messages)
    digest = _digest(asked)
    heard = [m for m in call.messages if not (deaf and m.get("role") == "system")]
    chance = random.Random(f"{seed}:{index}:{call.model}:{digest}:{len(heard)}")
    thinking = _think(call, chance, lengths) if call.thinking else ()
    calls = _tool_calls(call, asked, chance)
    if calls:
        return Answer(thinking=thinking, tool_calls=calls, finish_reason="tool_calls")
    pieces = _text(call, asked, digest, chance, lengths)
    if call.deployment.thinking_in_answer and thinking:
        # The previews think aloud: there is no second channel to keep it apart (facts: features.thinking).
        pieces, thinking = [*thinking, "\n\n", *pieces], ()
    return _bounded(call, thinking, pieces, chance)


def _last_user_text(messages: Messages) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            return text_of(message)
    return ""


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "replace"), digest_size=4).hexdigest()


def _think(call: Call, chance: random.Random, lengths: Lengths) -> tuple[str, ...]:
    wanted = chance.randint(*lengths.thinking)
    if call.thinking_tokens is not None:
        wanted = min(wanted, call.thinking_tokens)
    return tuple([f"[simulated thinking of {call.model}]", *_filler(chance, wanted - 1)][:wanted])


def _text(call: Call, asked: str, digest: str, chance: random.Random, lengths: Lengths) -> list[str]:
    if call.response_format != "text":
        return _json(call, digest)
    wanted = chance.randint(*lengths.answer)
    if call.prompt:
        return [f"# [simulated {call.model}]", f" middle {digest}\n", *_filler(chance, wanted)]
    if call.prefix is not None:
        return [f" [simulated {call.model}]", f" continuation {digest}:", *_filler(chance, wanted)]
    quoted = " ".join(asked.split())
    shown = quoted if len(quoted) <= QUOTED_CHARS else f"{quoted[:QUOTED_CHARS]}…"
    return [f"[simulated {call.model}]", f" answer {digest}", f' to "{shown}":', *_filler(chance, wanted)]


def _json(call: Call, digest: str) -> list[str]:
    if call.response_format == "json_schema":
        value = example(call.schema, text=f"[simulated {call.model}] {digest}")
    else:
        value = {"simulated": call.model, "answer": digest}
    text = json.dumps(value, ensure_ascii=False)
    return [text[i : i + CHARS_A_PIECE] for i in range(0, len(text), CHARS_A_PIECE)]


def _filler(chance: random.Random, words: int) -> list[str]:
    start = chance.randrange(len(WORDS))
    return [f" {WORDS[(start + i) % len(WORDS)]}" for i in range(words)]


def _bounded(call: Call, thinking: tuple[str, ...], pieces: list[str], chance: random.Random) -> Answer:
    pieces = _stopped(pieces, call.stop)
    finish = "stop"
    if call.max_tokens is not None:
        room = call.max_tokens
        if call.bounds_thinking:
            if len(thinking) > room:
                thinking, finish = thinking[:room], "length"
            room -= len(thinking)
        if len(pieces) > room:
            pieces, finish = pieces[:room], "length"
    return Answer(thinking=thinking, text=tuple(pieces), finish_reason=finish, pitch=chance.randrange(7))


def _stopped(pieces: list[str], stop: Sequence[str]) -> list[str]:
    """Cut the text before the first stop sequence."""
    if not stop:
        return pieces
    text = "".join(pieces)
    end = min((at for at in (text.find(s) for s in stop if s) if at >= 0), default=None)
    if end is None:
        return pieces
    kept: list[str] = []
    for piece in pieces:
        if end <= 0:
            break
        kept.append(piece[:end])
        end -= len(piece)
    return kept


def _tool_calls(call: Call, asked: str, chance: random.Random) -> tuple[ToolCall, ...]:
    if not call.tools or call.tool_choice == "none":
        return ()
    chosen = _chosen_tools(call, asked)
    return tuple(
        ToolCall(
            id=f"call_{chance.getrandbits(64):016x}",
            name=str(function["name"]),
            arguments=json.dumps(example(function.get("parameters") or {"type": "object"}), ensure_ascii=False),
        )
        for function in chosen
    )


def _chosen_tools(call: Call, asked: str) -> Sequence[Body]:
    if call.tool_choice == "named":
        return [f for f in call.tools if f["name"] == call.tool_named][:1]
    text = asked.lower()
    if call.tool_choice == "auto" and call.messages[-1].get("role") != "user":
        return []
    mentioned = [f for f in call.tools if str(f["name"]).lower() in text]
    if mentioned:
        return mentioned if call.parallel_tools else mentioned[:1]
    return call.tools[:1] if call.tool_choice == "required" else []
