"""Whatever a file holds, the loader takes it or says what is wrong with it: quickly, and never with a traceback."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qwenroute.documents import parse
from qwenroute.policy import load, load_policy
from qwenroute.policy.extends import shipped
from tests.policy.broken.unreadable import GOOD
from tests.policy.fuzz import EVERYTHING, WORDS, examined, keys, mutated, printed, sources

BOUNDED = settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
SLOW_S = 4.0
"""The bound is one second; a slow machine is no finding."""
NAMES, SOURCES = keys(), sources()

scalars = (
    st.sampled_from(WORDS) | st.text(max_size=20) | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=30,
)


@BOUNDED
@given(content=st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes(tmp_path: Path, content: bytes) -> None:
    """No file is too strange to be told what is wrong with it."""
    examined(tmp_path, content, SLOW_S)


@pytest.mark.slow
@BOUNDED
@given(tree=st.dictionaries(st.sampled_from(NAMES), trees, max_size=8))
def test_any_tree_of_keys(tmp_path: Path, tree: dict[str, object]) -> None:
    """Keys of the schema in places and with values that nobody thought of."""
    small = parse(GOOD, "p").value
    assert isinstance(small, dict)
    text = printed({**small, **tree}).encode("utf-8", "surrogatepass")
    examined(tmp_path, text, SLOW_S)


@BOUNDED
@given(seed=st.integers(0, 2**64), which=st.integers(0, len(SOURCES) - 1))
def test_any_change_of_a_policy(tmp_path: Path, seed: int, which: int) -> None:
    """Bytes, tokens or the tree of a good policy, changed a few times."""
    examined(tmp_path, mutated(Random(seed), SOURCES[which], NAMES), SLOW_S)


@pytest.mark.parametrize("path", [EVERYTHING, *shipped().values()], ids=lambda path: path.stem)
def test_a_policy_that_is_printed_reads_the_same(tmp_path: Path, path: Path) -> None:
    """Load, print and load again: the same values, the same hash."""
    loaded, again = load(path), tmp_path / path.name
    again.write_text(printed(loaded.document.value), encoding="utf-8")
    second = load(again)
    assert second.document.value == loaded.document.value
    assert second.policy.hash == loaded.policy.hash


@pytest.mark.parametrize("path", shipped().values(), ids=lambda path: path.stem)
def test_a_shipped_policy_loads_in_no_time(path: Path) -> None:
    """Its own size is far from the bound on parts."""
    assert load_policy(path).hash
    text = path.read_text(encoding="utf-8")
    assert sum(map(text.count, ",\n[{")) < 20_000 / 4


def many(count: int, line: str) -> str:
    return "".join(line.replace("@", str(n)) for n in range(count))


LAST = "    - {rule: rest"
LARGE = {
    "unknown keys": GOOD + many(9_000, "k@: 1\n"),
    "endpoints": GOOD.replace("pools:", many(2_500, "  e@: {provider: litellm, models: [qwen-max]}\n") + "pools:"),
    "pools on no endpoint": GOOD.replace("routes:", many(2_500, "  p@: {roles: max, endpoints: e@}\n") + "routes:"),
    "many pools, and none that is meant": GOOD.replace(
        "routes:\n",
        many(2_000, "  pool-@: {roles: max}\n") + "routes:\n" + many(1_000, "  r@: [{rule: a, pool: pol-@}]\n"),
    ),
    "unknown models": GOOD.replace("[qwen2.5-7b-instruct]\n", f"[{', '.join(f'qwen-{n}' for n in range(9_000))}]\n"),
    "routes": GOOD.replace("limits:", many(2_500, "  r@: [{rule: a, pool: general}]\n") + "limits:"),
    "routes to unknown pools": GOOD.replace("limits:", many(2_500, "  r@: [{rule: a, pool: genral}]\n") + "limits:"),
    "rules": GOOD.replace(LAST, many(2_000, "    - {rule: a@, when: {task: code}, pool: max}\n") + LAST),
    "rules that never hold": GOOD.replace("limits:", many(3_000, "    - {rule: rest, pool: small}\n") + "limits:"),
    "any of many": GOOD.replace("{task: code}", f"{{any: [{', '.join('{task: code}' for _ in range(6_000))}]}}"),
    "patterns": GOOD.replace("{task: code}", f"{{pattern: [{', '.join(f'a{n}+b*c{n}' for n in range(5_000))}]}}"),
    "keywords": GOOD.replace("{task: code}", f"{{keywords: [{', '.join(f'w{n}' for n in range(15_000))}]}}"),
    "mistaken values": GOOD + "fall_back_on: [" + "x, " * 15_000 + "y]\n",
    "the same key": GOOD + "hedge: off\n" * 15_000,
    "lists in lists": GOOD + "fall_back_on: [" + "[[[[x]]]], " * 2_000 + "]\n",
    "a long text": GOOD.replace("{task: code}", "{keywords: [" + "x" * 900_000 + "]}"),
    "a long pattern": GOOD.replace("{task: code}", "{pattern: '" + "(a|b)" * 150_000 + "'}"),
    "a long name": GOOD.replace("small", "s" * 300_000),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("what", LARGE)
def test_no_large_file_hangs(tmp_path: Path, what: str) -> None:
    """As many parts as a file may have, of one kind, right or wrong: nobody gives up before it is read."""
    examined(tmp_path, LARGE[what].encode(), 5 * SLOW_S)


@pytest.mark.slow
def test_the_fuzzer_runs_from_the_command_line(tmp_path: Path) -> None:
    """It says what it did; everything that is found with it is repeated by its seed."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "tests.policy.fuzz", "--seconds", "1", "--seed", "7"],
        capture_output=True, text=True, cwd=root, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("seed 7: ")
    assert not math.isnan(float(done.stdout.split("slowest ")[1].split(" s")[0]))
