"""Pack the rows that may be learned from: `python -m training.collect FILE.jsonl…`.

Writes `prompts.jsonl.xz` and the table in `SOURCES.md`. Only whoever holds the whole development set needs this.
"""

from __future__ import annotations

import json
import lzma
import sys
from collections import Counter
from pathlib import Path

from training.rows import HERE, LICENCES, PROMPTS, bare, read

LONGEST = 4000
"""Characters kept of a text, from its beginning and its end: more is never read of an ask."""
OURS = """`own_prompts.jsonl` was written
for this project and is under its licence, and so is `unseen_prompts.jsonl`, from which nothing is learned.

To teach it more, add lines to `own_prompts.jsonl`, one JSON object each, and run `make train`, which writes
`qwenroute/analysis/weights.json`: `id` (`own_FAMILY/KEY`; words are learned that three families use, so keep families
to some 15 rows), `lang` (ISO 639-1), `task`, perhaps `difficulty` (`easy`, `medium`, `hard`) and `messages` as OpenAI
has them, ending with the user's; a picture is any `image_url`. Then `python -m training.evaluate` judges the public
datasets, each by weights that learned nothing from it, and `qwenroute eval training/unseen_prompts.jsonl` what stands.
"""
LEFT_OUT = """
Media are placeholders, texts beyond 4,000 characters are cut in their middle, and system messages beyond 1,200
at their end; otherwise the rows are as their sources have them, in OpenAI's message shape, with a label for the
task and, where the source gives a basis, for the difficulty. Share-alike rows (CC-BY-SA) stay under their own
licence; the fitted weights hold single words and numbers, no text of any row. Rows were left out whose licence
is non-commercial, not stated by the repository they lie in, still to be checked, or whose texts belong to a
third party (LSAC, LeetCode, MAA).
"""


def short(text: str, longest: int = LONGEST) -> str:
    """Return a text without its middle."""
    return text if len(text) <= longest else text[: longest // 2] + "\n" + text[-longest // 2 :]


def main() -> None:
    """Write both files."""
    kept: list[dict[str, object]] = []
    sources: Counter[tuple[str, str, str]] = Counter()
    for row in read(map(Path, sys.argv[1:])):
        if not LICENCES.search(str(row["license"])):
            continue
        messages = []
        for message in map(bare, row["messages"]):  # type: ignore[arg-type]
            content = message["content"]
            if isinstance(content, str):
                message["content"] = content[:1200] if message["role"] == "system" else short(content)
            elif isinstance(content, list):
                message["content"] = [
                    {**part, "text": short(part["text"])} if part["type"] == "text" else part for part in content
                ]
            messages.append(message)
        kept.append(
            {"id": row["id"], "lang": row["lang"], "messages": messages, "task": row["task"],
             "difficulty": row["difficulty"]}
        )  # fmt: skip
        name = str(row["id"]).partition("/")[0]
        sources[name, str(row["source"]).partition(":")[0].partition(" ")[0], str(row["license"])] += 1
    kept.sort(key=lambda row: str(row["id"]))
    lines = "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in kept)
    PROMPTS.write_bytes(lzma.compress(lines.encode("utf-8", "surrogatepass"), preset=9 | lzma.PRESET_EXTREME))
    grouped: dict[tuple[str, str, str], int] = {}
    for (name, source, licence), many in sources.items():
        repository = "/".join(source.removeprefix("https://github.com/").split("/")[:2])
        grouped[name, repository, licence] = grouped.get((name, repository, licence), 0) + many
    table = [
        f"| {name} | <https://github.com/{repository}> | {licence} | {many} |"
        for (name, repository, licence), many in sorted(grouped.items())
    ]
    (HERE / "SOURCES.md").write_text(
        f"# Where the prompts come from\n\n`prompts.jsonl.xz` holds {len(kept)} prompts of public datasets. "
        + OURS + LEFT_OUT
        + "\n| dataset | repository | licence | rows |\n| --- | --- | --- | ---: |\n" + "\n".join(table) + "\n",
        encoding="utf-8",
    )  # fmt: skip


if __name__ == "__main__":
    main()
