"""Answers as they look on the wire: chat.completion, its chunks, and completions (facts: wire)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from itertools import islice

from qwenroute.simulator.answers import Answer
from qwenroute.simulator.call import Call
from qwenroute.simulator.error_table import encode
from qwenroute.simulator.tone import note, seconds

DONE = b"data: [DONE]\n\n"
AUDIO_TOKENS_PER_S = 25
ARGUMENT_CHARS = 24

Frame = tuple[bytes, int]
"""One event of a stream, and how many tokens it carries."""
Part = tuple[str, int]
"""A piece of text or a delta, and how many tokens it carries."""


def whole(call: Call, answers: Sequence[Answer], *, id_: str, created: int) -> bytes:
    """Return the body of an answer that is not streamed."""
    choices = []
    for index, answer in enumerate(answers):
        if call.prompt:
            choice: dict[str, object] = {"index": index, "text": "".join(answer.text)}
        else:
            message: dict[str, object] = {"role": "assistant", "content": "".join(answer.text)}
            if answer.thinking:
                message["reasoning_content"] = "".join(answer.thinking)
            if answer.tool_calls:
                message["tool_calls"] = [
                    {
                        "id": c.id,
                        "type": "function",
                        "index": i,
                        "function": {"name": c.name, "arguments": c.arguments},
                    }
                    for i, c in enumerate(answer.tool_calls)
                ]
            choice = {"index": index, "message": message}
        choices.append({**choice, "finish_reason": answer.finish_reason, "logprobs": None})
    return encode(
        {
            "id": id_,
            "object": "text_completion" if call.prompt else "chat.completion",
            "created": created,
            "model": call.model,
            "system_fingerprint": "simulated",
            "choices": choices,
            "usage": usage(call, answers),
        }
    )


def stream(call: Call, answers: Sequence[Answer], *, id_: str, created: int, tokens_a_chunk: int) -> Iterator[Frame]:
    """Yield the events of a streamed answer, the end marker included."""
    kind = "text_completion" if call.prompt else "chat.completion.chunk"
    head = (
        f'data: {{"id":{json.dumps(id_)},"object":"{kind}","created":{created},'
        f'"model":{json.dumps(call.model, ensure_ascii=False)},"system_fingerprint":"simulated",'
    )

    def event(index: int, inner: str, finish: str | None) -> bytes:
        reason = "null" if finish is None else f'"{finish}"'
        return (
            f'{head}"choices":[{{"index":{index},{inner},"finish_reason":{reason},"logprobs":null}}],"usage":null}}\n\n'
        ).encode()

    for index, answer in enumerate(answers):
        if call.prompt:
            for piece, tokens in _batches(answer.text, tokens_a_chunk):
                yield event(index, f'"text":{_text(piece)}', None), tokens
            yield event(index, '"text":""', answer.finish_reason), 0
            continue
        yield event(index, '"delta":{"role":"assistant","content":""}', None), 0
        for piece, tokens in _batches(answer.thinking, tokens_a_chunk):
            yield event(index, f'"delta":{{"content":null,"reasoning_content":{_text(piece)}}}', None), tokens
        for delta, tokens in _tool_deltas(answer):
            yield event(index, f'"delta":{delta}', None), tokens
        deltas = _speech_deltas if call.speech else _text_deltas
        for delta, tokens in deltas(answer, tokens_a_chunk):
            yield event(index, f'"delta":{delta}', None), tokens
        yield event(index, '"delta":{}', answer.finish_reason), 0
    if call.include_usage:
        yield f'{head}"choices":[],"usage":{json.dumps(usage(call, answers))}}}\n\n'.encode(), 0
    yield DONE, 0


def usage(call: Call, answers: Sequence[Answer]) -> dict[str, object]:
    """Return the tokens of a call."""
    prompt = call.prompt_tokens
    thinking = sum(len(a.thinking) for a in answers)
    total = sum(a.tokens for a in answers)
    spoken = sum(round(seconds(len(a.text)) * AUDIO_TOKENS_PER_S) for a in answers) if call.speech else 0
    given: dict[str, int] = {"text_tokens": total - thinking}
    if thinking:
        given["reasoning_tokens"] = thinking
    if spoken:
        given["audio_tokens"] = spoken
    taken = {"text_tokens": prompt.text, "cached_tokens": 0}
    for name in ("image", "video", "audio"):
        if weight := getattr(prompt, name):
            taken[f"{name}_tokens"] = weight
    return {
        "prompt_tokens": prompt.total,
        "completion_tokens": total + spoken,
        "total_tokens": prompt.total + total + spoken,
        "prompt_tokens_details": taken,
        "completion_tokens_details": given,
    }


def _batches(pieces: Sequence[str], size: int) -> Iterator[Part]:
    remaining = iter(pieces)
    while batch := list(islice(remaining, size)):
        yield "".join(batch), len(batch)


def _text_deltas(answer: Answer, size: int) -> Iterator[Part]:
    for piece, tokens in _batches(answer.text, size):
        yield f'{{"content":{_text(piece)}}}', tokens


def _speech_deltas(answer: Answer, size: int) -> Iterator[Part]:
    pitch = answer.pitch
    for piece, tokens in _batches(answer.text, size):
        yield f'{{"content":null,"audio":{{"transcript":{_text(piece)}}}}}', tokens
        samples = b"".join(note(pitch + i * i) for i in range(tokens))
        pitch += tokens
        data = base64.b64encode(samples).decode()
        yield f'{{"content":null,"audio":{{"data":"{data}"}}}}', 0


def _tool_deltas(answer: Answer) -> Iterator[Part]:
    for index, call in enumerate(answer.tool_calls):
        first = {"index": index, "id": call.id, "type": "function", "function": {"name": call.name, "arguments": ""}}
        yield f'{{"content":null,"tool_calls":[{json.dumps(first, ensure_ascii=False)}]}}', 2
        for start in range(0, len(call.arguments), ARGUMENT_CHARS):
            part = call.arguments[start : start + ARGUMENT_CHARS]
            # Later fragments carry an empty id and no name: only the index says whose they are.
            more = {"index": index, "id": "", "type": "function", "function": {"arguments": part}}
            yield f'{{"content":null,"tool_calls":[{json.dumps(more, ensure_ascii=False)}]}}', len(part) // 4


def _text(piece: str) -> str:
    return json.dumps(piece, ensure_ascii=False)
