"""Measure a policy on labelled requests of your own (on the command line: `qwenroute eval FILE…`)."""

import json
import os
import tempfile
from datetime import date
from pathlib import Path

from qwenroute import Registry
from qwenroute.evaluation import evaluate, read_rows
from qwenroute.policy import load_policy
from qwenroute.routing import Fleet

LABELLED = [
    # task, difficulty (None: not known), language, text
    ("math", "easy", "en", "A ticket costs 12 euros and children pay half. What do two adults and three children pay?"),
    ("math", "hard", "en", "Prove that there are infinitely many primes of the form 4k + 3."),
    ("code", "medium", "en", "Write a Python function that merges overlapping intervals, with tests."),
    ("code", "easy", "de", "Schreibe eine SQL-Abfrage, die alle Kunden ohne Bestellung liefert."),
    ("reasoning", "medium", "en", "Ann sits left of Bob. Carl sits right of Bob. Who sits in the middle, and why?"),
    ("general", "easy", "en", "Suggest a vegetarian dinner for six guests."),
    ("general", None, "fr", "Écris un courriel pour remercier une collègue de son aide."),
]

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "ours.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, (task, difficulty, language, text) in enumerate(LABELLED):
            messages = [{"role": "user", "content": text}]
            row = {"id": f"ours/{number}", "task": task, "difficulty": difficulty, "lang": language}
            file.write(json.dumps({**row, "messages": messages}) + "\n")
    rows = read_rows([path])

policy, registry = load_policy("default"), Registry.load()
fleet = Fleet.build(policy, registry, os.environ, date.today())
report = evaluate(rows, policy=policy, fleet=fleet, registry=registry)

print(f"{report.text.rows} text requests, {report.text.accuracy:.0%} told right, macro-F1 {report.text.macro_f1:.2f}")
for mistake in report.mistakes:
    print(f"  {mistake.id} is {mistake.task}, told as {mistake.told} with confidence {mistake.confidence:.2f}")
for strategy in report.value.strategies:
    cost = "no price" if strategy.cost_usd is None else f"{strategy.cost_usd:.6f} USD"
    print(f"{strategy.name:30} quality {strategy.quality:.3f}, {cost} a request ({strategy.what})")
