"""Make the prompts of `qwenroute demo` from labelled files: chosen rows, with media that we draw.

    python benchmarks/demo_prompts.py FILE.jsonl…

Writes `qwenroute/cli/demo_prompts.jsonl` and the table in `qwenroute/cli/DEMO_PROMPTS.md`. Only rows
under MIT, Apache-2.0, CC-BY-4.0 or ODC-By are taken. The files hold no media; pictures, frames and
tones are drawn here, so that every request is complete on the wire.
"""

from __future__ import annotations

import base64
import json
import math
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

CLI = Path(__file__).parent.parent / "qwenroute" / "cli"
PERMITTED = {
    "MIT", "Apache-2.0", "CC-BY-4.0", "ODC-By-1.0", "MIT; upstream CC-BY-4.0", "MIT; upstream Apache-2.0",
}  # fmt: skip

CHOSEN: dict[str, dict[str, object]] = {
    # Mathematics
    "gsm8k_train/4414": {},
    "gsm8k_train/6314": {},
    "mgsm/es-5": {},
    "mgsm/ru-84": {},
    "mgsm/ja-135": {},
    "agieval_gaokao_mathqa/23": {},
    "agieval_gaokao_mathqa/349": {"request": {"qwenroute": {"difficulty": "hard"}}},
    "agieval_gaokao_mathcloze/54": {},
    "mt_bench_101/550": {},
    # Code
    "sql_eval/sqlite-questions_gen-16ddad19": {},
    "sql_eval/postgres-instruct_advanced-35322185": {},
    "self_instruct_seed/en-69": {},
    "self_instruct_seed/en-41": {},
    "self_instruct_user/90": {},
    "self_instruct_seed/zh-140": {},
    "belle/701": {},
    "belle/13": {},
    # Reasoning
    "logicbench/first_order_logic-disjunctive_syllogism-6": {},
    "logicbench/propositional_logic-constructive_dilemma-14": {},
    "prontoqa/dev-ProntoQA_118": {},
    "proofwriter/dev-ProofWriter_AttNoneg-OWA-D5-492_Q6": {"request": {"qwenroute": {"difficulty": "hard"}}},
    # General
    "self_instruct_user/74": {},
    "self_instruct_user/187": {},
    "ifeval/446": {"request": {"qwenroute": {"quality": "top"}}},
    "ifeval/379": {},
    "self_instruct_seed/zh-59": {},
    "followbench/zh-format-7-4": {"request": {"qwenroute": {"quality": "top"}}},
    "llmzoo/ar-10": {},
    "llmzoo/es-4": {},
    "mt_bench_101/858": {},
    "qmsum/Product-val-15": {},
    "glaive_toolcall/en-203": {},
    "identity/1": {"request": {"modalities": ["text", "audio"], "audio": {"voice": "Cherry", "format": "wav"}}},
    # Vision
    "ocrbench/583": {"picture": "bars"},
    "ocrbench/373": {"picture": "button"},
    "pope/2045": {"picture": "plant"},
    "llava_coco/category-0": {"picture": "boxes"},
    "llava_coco/category-46": {"picture": "frames"},
    # Vision with reasoning
    "puzzlevqa/polygon_sides_number-62": {"picture": "cells"},
    "puzzlevqa/color_hexagon-22": {"picture": "discs"},
    "algopuzzlevqa/n_queens-54": {"picture": "board"},
    "algopuzzlevqa/maze-33": {"picture": "maze"},
    # Sound
    "mmau/dbad5f70-5533-4357-8bc1-f95b208f536c": {"tone_hz": 220},
    "mmau/239ec016-c087-4a7b-a64e-b99e4dece85e": {"tone_hz": 440},
    "mmau/7c58f831-316f-460d-a4b5-399b8490b245": {"tone_hz": 330},
}
PALETTE = ((255, 255, 255), (20, 20, 20), (200, 40, 40), (40, 90, 200), (40, 150, 70), (240, 180, 40), (150, 80, 170))
SIDE = 84
Paint = Callable[[int, int], int]


def png(paint: Paint) -> str:
    """Return a picture as a data URI; `paint` gives the colour of each pixel."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    lines = b"".join(b"\0" + bytes(paint(x, y) for x in range(SIDE)) for y in range(SIDE))
    data = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 3, 0, 0, 0))
        + chunk(b"PLTE", bytes(value for colour in PALETTE for value in colour))
        + chunk(b"IDAT", zlib.compress(lines, 9))
        + chunk(b"IEND", b"")
    )
    return "data:image/png;base64," + base64.b64encode(data).decode()


def tone(hertz: float) -> str:
    """Return 0.3 s of a tone as a WAV in a data URI: 4 kHz, 8 bits, one channel."""
    rate = 4000
    samples = bytes(int(128 + 90 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(rate * 3 // 10))
    head = (
        b"RIFF"
        + struct.pack("<I", 36 + len(samples))
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate, 1, 8)
    )
    data = head + b"data" + struct.pack("<I", len(samples)) + samples
    return "data:;base64," + base64.b64encode(data).decode()


def disc(x: int, y: int, at: tuple[int, int], radius: int) -> bool:
    return (x - at[0]) ** 2 + (y - at[1]) ** 2 <= radius**2


def bars(x: int, y: int) -> int:
    heights = (20, 44, 33, 62, 51)
    index, inside = divmod(x - 7, 15)
    return 3 if 0 <= index < 5 and inside < 10 and y > 78 - heights[index] and y < 78 else int(y == 78)


def button(x: int, y: int) -> int:
    if 10 <= x < 74 and 30 <= y < 54:
        # Three strokes for each of the letters G and O, seven pixels apart.
        return 0 if 36 <= y < 48 and (x - 28) % 14 in {0, 1, 8, 9} and 28 <= x < 56 else 2
    return 0


def plant(x: int, y: int) -> int:
    if 30 <= x < 54 and 58 <= y < 78:
        return 5
    return 4 if any(disc(x, y, at, 12) for at in ((42, 28), (30, 42), (54, 42))) else 0


def boxes(x: int, y: int) -> int:
    return 3 if 30 <= y < 70 and (8 <= x < 38 or 46 <= x < 76) else int(24 <= y < 30 and x % 38 in range(18, 30))


def cells(x: int, y: int) -> int:
    edge = x % 28 in {0, 27} or y % 28 in {0, 27}
    return 1 if edge else 5 if (x // 28 + y // 28) % 2 else 0


def discs(x: int, y: int) -> int:
    for index in range(6):
        angle = math.pi / 3 * index
        if disc(x, y, (42 + round(28 * math.cos(angle)), 42 + round(28 * math.sin(angle))), 12):
            return (2, 3, 4, 5, 6, 0)[index] if index < 5 else int(not disc(x, y, (56, 18), 10))
    return 0


def board(x: int, y: int) -> int:
    queens = ((0, 1), (1, 5), (2, 8), (3, 6), (4, 3), (5, 0), (6, 2))
    column, row = x * 9 // SIDE, y * 9 // SIDE
    if (row, column) in queens and disc(x, y, (column * SIDE // 9 + 5, row * SIDE // 9 + 5), 3):
        return 2
    return int((column + row) % 2)


def maze(x: int, y: int) -> int:
    rows = ("#########", "#.......#", "#.###.#.#", "#.#...#.#", "#.#.###.#", "#...#...#", "#########")
    return int(rows[min(6, y // 12)][min(8, x * 9 // SIDE)] == "#")


PICTURES: dict[str, Paint] = {
    paint.__name__: paint for paint in (bars, button, plant, boxes, cells, discs, board, maze)
}


def frames() -> list[str]:
    """Return four frames of a ball that moves."""

    def frame(step: int) -> Paint:
        return lambda x, y: 2 if disc(x, y, (14 + 18 * step, 60 - 12 * step), 9) else int(y == 70)

    return [png(frame(step)) for step in range(4)]


def make(row: dict[str, object], plan: dict[str, object]) -> dict[str, object]:
    """Return a prompt of the demo from a labelled row."""
    messages = json.loads(json.dumps(row["messages"]))
    made = {key: row[key] for key in ("id", "source", "license", "lang", "task", "difficulty")} | {"messages": messages}
    request = dict(plan.get("request", {}))
    for message in messages:
        for part in message["content"] if isinstance(message["content"], list) else ():
            if part["type"] == "image_url" and plan["picture"] == "frames":
                part.clear()
                part.update(type="video", video=frames(), fps=2)
                made["media"] = "ours: four frames drawn by benchmarks/demo_prompts.py; the row has a photograph"
            elif part["type"] == "image_url":
                part["image_url"]["url"] = png(PICTURES[str(plan["picture"])])
                made["media"] = "ours: a picture drawn by benchmarks/demo_prompts.py"
            elif part["type"] == "input_audio":
                part["input_audio"]["data"] = tone(float(str(plan["tone_hz"])))
                made["media"] = "ours: a tone made by benchmarks/demo_prompts.py"
    if row["id"].startswith("glaive_toolcall/"):
        system = messages.pop(0)["content"]
        request["tools"] = [{"type": "function", "function": one} for one in json.loads(system.partition("\n")[2])]
        made["adapted"] = "the functions of the system message stand in `tools`"
    if request:
        made["request"] = request
    return made


def main() -> None:
    rows = {}
    for path in map(Path, sys.argv[1:]):
        with path.open(encoding="utf-8") as file:
            rows.update((row["id"], row) for row in map(json.loads, file))
    made = []
    for name, plan in CHOSEN.items():
        row = rows[name]
        if row["license"] not in PERMITTED:
            sys.exit(f"{name}: `{row['license']}` is not among the permitted licences")
        made.append(make(row, plan))
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in made)
    (CLI / "demo_prompts.jsonl").write_text(text, encoding="utf-8")
    counts = Counter(
        (str(one["id"]).partition("/")[0], one["source"].partition(" ")[0], one["license"]) for one in made
    )
    page = CLI / "DEMO_PROMPTS.md"
    front = page.read_text(encoding="utf-8").partition("\n| dataset |")[0]
    table = "\n| dataset | source | licence | prompts |\n|---|---|---|---:|\n"
    table += "".join(f"| {d} | {s} | {lic} | {n} |\n" for (d, s, lic), n in sorted(counts.items()))
    page.write_text(front + table, encoding="utf-8")


if __name__ == "__main__":
    main()
