"""Write one record for each request, then ask what another policy would have done with them.

On the command line: `qwenroute stats records.jsonl`, `qwenroute replay records.jsonl --policy mine.yaml`, and
`qwenroute policy diff default mine.yaml --replay records.jsonl --html changes.html --fail-if 'cost>+10%'`.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from qwenroute import Router

QUESTIONS = (
    "What is the derivative of x**3?",
    "Write a function that reverses a list.",
    "Name three rivers that cross a border.",
)

with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "now.yaml").write_text("extends: default\nrecords: {path: records.jsonl}\n", encoding="utf-8")
    (folder / "thrifty.yaml").write_text("extends: default\nobjective: cheap\n", encoding="utf-8")

    with Router(folder / "now.yaml") as router:  # leaving it writes what is still waiting
        for question in QUESTIONS:
            router.chat.completions.create(
                messages=[{"role": "user", "content": question}], qwenroute={"tenant": "acme"}
            )

    def qwenroute(*arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "qwenroute.cli", *arguments], cwd=folder, check=True)

    print((folder / "records.jsonl").read_text(encoding="utf-8").splitlines()[0])
    qwenroute("stats", "records.jsonl")
    qwenroute("policy", "diff", "now.yaml", "thrifty.yaml", "--replay", "records.jsonl")
