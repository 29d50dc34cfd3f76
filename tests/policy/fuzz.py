"""Mutate policies, and see that the loader takes each or says what is wrong with it: never a traceback, never a hang.

python -m tests.policy.fuzz --seconds 60 --seed 1
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from qwenroute.documents import parse
from qwenroute.domain.diagnostic import Diagnostic
from qwenroute.errors import DocumentError
from qwenroute.policy import load, load_policy
from qwenroute.policy.extends import shipped
from qwenroute.policy.schema import PolicyFile
from tests.policy.broken.unreadable import GOOD

LONGEST_S = 1.0
"""Of the processor's time, for one file."""
SPECIALS = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\t", b"\r", b"\n", b"\n---\n", b"\n...\n", b"%", b"&a ",
    b"*a", b"!!x ", b"<<: ", b"? ", b": ", b"- ", b"[", b"]", b"{", b"}", b"'", b'"', b"\\", b"|", b">", b"#", b"@",
    b"`", b",", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\x8b", b"\xf0\x9f\x98\x80",
)  # fmt: skip
WORDS: tuple[object, ...] = (
    None, True, False, 0, -1, 1, 2.5, 1e300, 10**30, -(10**30), 1e-300, "", " ", "no", "on", "off", "~", "null", "1e3",
    "012", "1:30", "2026-11-24", ".inf", ".nan", "auto", "general", "default", "present", "sk-abcdefghij", "x" * 300,
    "\u200b", "\x7f", "\u2028", "\x85", "😀", "../..", "/dev/null", "a\nb", "(a+)+b", "[", "08:00", "UTC", "inherited",
    "Europe/Berlin", "qwen-max", "qwen-max@own", "http://x/v1", "sqlite.db", [], {}, [[]], [{}], [None], {"": ""},
    {"env": "X"}, {"file": "x"}, {"env": "X", "default": "y", "optional": True}, {"at_least": 9, "at_most": 1},
    {"any": []}, {"not": {"not": {}}}, {"days": ["mon"], "from": "22:00", "to": "06:00"}, {"x-tier": "present"},
    ["a", "a"],
)  # fmt: skip
EVERYTHING = Path(__file__).parent / "broken" / "everything.yaml"
_TOKEN = re.compile(rb"\s+|[A-Za-z0-9_./-]+|.", re.DOTALL)
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def sources() -> list[bytes]:
    """What is mutated: every policy that comes with the package, a small one, and one that says all there is to say."""
    return [GOOD.encode(), EVERYTHING.read_bytes(), *(path.read_bytes() for path in shipped().values())]


def keys() -> list[str]:
    """Every key that the schema knows, and some that it does not."""
    found: set[str] = set()

    def walk(value: object) -> None:
        if isinstance(value, dict):
            properties = value.get("properties")
            found.update(properties if isinstance(properties, dict) else ())
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(PolicyFile.model_json_schema())
    return [*sorted(found), "", "<<", "~", "limts", "x" * 300]


def mutated(rng: Random, content: bytes, names: list[str]) -> bytes:
    """Return a policy with a few changes, of bytes, of tokens or of the tree that it says."""
    kind = rng.choice(("bytes", "tokens", "tree", "tree", "tree"))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        if kind == "bytes":
            content = _bytes(rng, content)
        elif kind == "tokens":
            content = _tokens(rng, content, names)
        else:
            content = _tree(rng, content, names)
    return content


def _bytes(rng: Random, content: bytes) -> bytes:
    at, length = rng.randrange(len(content) + 1), rng.choice((1, 1, 2, 10, 200))
    match rng.randrange(5):
        case 0:
            return content[:at] + content[at + length :]
        case 1:
            return content[:at] + rng.randbytes(length) + content[at:]
        case 2:
            return content[:at] + rng.choice(SPECIALS) + content[at:]
        case 3:
            return content[:at] + content[at : at + length] * rng.choice((2, 3, 50)) + content[at + length :]
        case _:
            return content[:at] if rng.random() < 0.3 else content[at : at + 1] + content


def _tokens(rng: Random, content: bytes, names: list[str]) -> bytes:
    tokens = _TOKEN.findall(content) or [b""]
    at = rng.randrange(len(tokens))
    match rng.randrange(5):
        case 0:
            del tokens[at : at + rng.randint(1, 4)]
        case 1:
            other = rng.randrange(len(tokens))
            tokens[at], tokens[other] = tokens[other], tokens[at]
        case 2:
            tokens[at] = rng.choice(names).encode()
        case 3:
            word = rng.choice(WORDS)
            tokens[at] = (word if isinstance(word, str) else json.dumps(word)).encode("utf-8", "replace")
        case _:
            tokens.insert(at, rng.choice((*SPECIALS, tokens[rng.randrange(len(tokens))])))
    return b"".join(tokens)


def _tree(rng: Random, content: bytes, names: list[str]) -> bytes:
    try:
        tree = parse(content.decode("utf-8"), "p").value
    except (UnicodeDecodeError, DocumentError):
        return content
    places: list[tuple[dict[str, object] | list[object], str | int]] = []

    def walk(value: object) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                places.append((value, key))
                walk(inner)
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                places.append((value, index))
                walk(inner)

    walk(tree)
    if not places:
        return content
    (holder, key), (other, there) = rng.choice(places), rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]  # type: ignore[arg-type]
        case 1:
            holder[key] = json.loads(json.dumps(rng.choice(WORDS)))  # type: ignore[index]
        case 2:
            holder[key] = json.loads(json.dumps(other[there]))  # type: ignore[index]
        case 3 if isinstance(holder, dict):
            holder[rng.choice(names)] = holder.pop(str(key))
        case 4 if isinstance(holder, dict):
            holder[rng.choice(names)] = json.loads(json.dumps(rng.choice(WORDS)))
        case 5:
            holder[key] = rng.choice(([holder[key]], {rng.choice(names): holder[key]}))  # type: ignore[index]
        case _:
            pass
    return printed(tree).encode()


def printed(value: object) -> str:
    """Return plain values as YAML that reads back as the same; JSON is, once what ends a line is escaped."""
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False))


def examined(folder: Path, content: bytes, within_s: float = LONGEST_S) -> str:
    """Load a file; return `loads` or the first code of what is wrong. Everything else is an AssertionError.

    What loads says the same once it was printed and is read again.
    """
    path, again = folder / "p.yaml", folder / "again.yaml"
    path.write_bytes(content)
    began = time.process_time()
    found: tuple[Diagnostic, ...] = ()
    try:
        loaded = load(path)
    except DocumentError as error:
        found = error.diagnostics
        refused = True
    else:
        refused = False
    took = time.process_time() - began
    assert took < within_s, f"took {took:.2f} s"
    if not refused:
        again.write_text(printed(loaded.document.value), encoding="utf-8")
        assert load_policy(again).hash == loaded.policy.hash, "printed and read again, it is another policy"
        return "loads"
    assert found, "refused without a word"
    for one in found:
        text = Path(one.file).read_bytes().decode("utf-8-sig", "replace")
        lines = re.split("\r\n|[\n\r\x85\u2028\u2029]", text)
        assert 1 <= one.line <= len(lines), f"{one} is not in the file"
        assert 1 <= one.column <= len(lines[one.line - 1]) + 1, f"{one} is not in its line"
        assert str(one).replace("\n", "").isprintable(), "it would harm a terminal"
    return found[0].code


def main() -> int:
    """Mutate for a while; say what came of it. The exit code is 1 if anything but a finding did."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    arguments.add_argument("--seconds", type=float, default=60.0)
    arguments.add_argument("--seed", type=int, default=0)
    given = arguments.parse_args()
    ends, runs, slowest = time.monotonic() + given.seconds, 0, 0.0
    outcomes: Counter[str] = Counter()
    begun, names = sources(), keys()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "base.yaml").write_text(GOOD, encoding="utf-8")
        while time.monotonic() < ends:
            rng = Random(f"{given.seed}/{runs}")
            content = mutated(rng, rng.choice(begun), names)
            if rng.random() < 0.1:
                base = rng.choice(("base.yaml", "default", "p.yaml", "nowhere.yaml"))
                content = f"extends: {base}\n".encode() + content
            faulthandler.dump_traceback_later(30, exit=True)
            began = time.process_time()
            try:
                outcomes[examined(folder, content)] += 1
            except Exception:  # noqa: BLE001 - which is what is looked for
                outcomes["FAILED"] += 1
                kept = Path(f"fuzz-{given.seed}-{runs}.yaml")
                kept.write_bytes(content)
                sys.stderr.write(f"run {runs}, kept as {kept}:\n{traceback.format_exc()}\n")
            faulthandler.cancel_dump_traceback_later()
            slowest = max(slowest, time.process_time() - began)
            runs += 1
    counts = ", ".join(f"{code} {count:,}" for code, count in outcomes.most_common())
    sys.stdout.write(f"seed {given.seed}: {runs:,} files in {given.seconds:g} s, slowest {slowest:.3f} s\n{counts}\n")
    return 1 if outcomes["FAILED"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
