"""`extends`: what two files say together, where each part stands, and what cannot be put together."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import get_args

import pytest
from pydantic import BaseModel

from qwenroute.documents import read
from qwenroute.errors import DocumentError
from qwenroute.policy import Policy, load_policy
from qwenroute.policy.extends import NULL_SAYS_SOMETHING
from qwenroute.policy.schema import PolicyFile
from tests.policy.fuzz import EVERYTHING, printed

BASE = """\
version: 1
endpoints:
  own:
    provider: openai_compatible
    base_url: http://gpu:8000/v1
    api_key: {file: key.txt}
    models: [qwen2.5-7b-instruct]
pools:
  small: {models: [qwen2.5-7b-instruct], endpoints: own}
routes:
  auto:
    - {rule: all, pool: small}
  batch:
    - {rule: all, pool: small}
limits: {deadline_s: 60, max_attempts: 3}
timeouts: {connect_s: 1}
cache: {ttl_s: 60, path: answers.sqlite}
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".yaml").write_text(text, encoding="utf-8")


def load(folder: Path, name: str = "own") -> Policy:
    return load_policy(folder / f"{name}.yaml")


def mistakes(folder: Path, name: str = "own") -> list[str]:
    with pytest.raises(DocumentError) as caught:
        load(folder, name)
    return [str(d).removeprefix(f"{folder}/").replace("\n  help: ", " | ") for d in caught.value.diagnostics]


def test_mappings_merge_and_lists_replace(tmp_path: Path) -> None:
    """What the file does not say is as in its base; a route's rules are replaced as a whole."""
    own = """\
extends: base/base.yaml
limits: {deadline_s: 9}
endpoints:
  own: {models: [qwen2.5-7b-instruct, qwen2.5-14b-instruct]}
routes:
  auto: [{rule: mine, pool: general}]
"""
    write(tmp_path, base__base=BASE, own=own)
    policy = load(tmp_path)
    assert policy.name == "own"
    assert (policy.limits.deadline_s, policy.limits.max_attempts) == (9.0, 3)
    assert [rule.name for rule in policy.routes["auto"].rules] == ["mine"]
    assert [rule.name for rule in policy.routes["batch"].rules] == ["all"]
    [endpoint] = policy.endpoints
    assert endpoint.provider == "openai_compatible"
    assert len(endpoint.models) == 2  # type: ignore[arg-type]
    assert policy.files == (tmp_path / "own.yaml", tmp_path / "base/base.yaml")


def test_rules_before_the_inherited(tmp_path: Path) -> None:
    """`inherited` stands for the entries of the list below, through a chain, in every sort of list, in its place."""
    middle = """\
extends: base.yaml
routes: {auto: [{rule: first, when: {tags: a}, pool: small}, inherited]}
pools: {small: {models: [inherited, qwen2.5-3b-instruct], endpoints: [other, inherited]}}
endpoints: {other: {provider: openai_compatible, base_url: http://b/v1, models: [qwen2.5-7b-instruct]}}
"""
    own = """\
extends: middle.yaml
routes:
  auto:
    - {rule: before, when: {tags: b}, pool: small}
    - inherited
"""
    write(tmp_path, base=BASE, middle=middle, own=own)
    policy = load(tmp_path)
    assert [rule.name for rule in policy.routes["auto"].rules] == ["before", "first", "all"]
    assert [rule.name for rule in policy.routes["batch"].rules] == ["all"]
    [pool] = [pool for pool in policy.pools.values() if pool.name == "small"]
    assert sorted(pool.models) == ["qwen2.5-3b-instruct", "qwen2.5-7b-instruct"]
    assert sorted(pool.endpoints) == ["other", "own"]


def test_inherited_entries_are_told_where_they_stand(tmp_path: Path) -> None:
    """A mistake in a spliced list has the file and the line in which that entry is written."""
    base = BASE.replace("pool: small}\n  batch", "pool: smal}\n  batch")
    middle = "extends: base.yaml\nroutes:\n  auto: [{rule: first, pool: smaal, when: {tags: a}}, inherited]\n"
    own = "extends: middle.yaml\nroutes:\n  auto:\n    - {rule: one, pool: smol, when: {tags: b}}\n    - inherited\n"
    write(tmp_path, base=base, middle=middle, own=own)
    assert [one.split(" | ")[0] for one in mistakes(tmp_path)] == [
        "own.yaml:4:19: QR201 unknown pool `smol`",
        "middle.yaml:3:24: QR201 unknown pool `smaal`",
        "base.yaml:12:19: QR201 unknown pool `smal`",
    ]


def test_a_file_that_adds_nothing_changes_nothing(tmp_path: Path) -> None:
    """What a file puts before the inherited on purpose is as right in the files above it."""
    teach = "\nteach: [{task: math, keywords: [foo]}]\n"
    middle = """\
extends: base.yaml
teach: [{task: code, keywords: [foo]}, inherited]
budgets: [{budget: x, amount: 1, window: day}, inherited]
"""
    budgets = "budgets: []\n"
    write(tmp_path, base=BASE + teach + budgets, middle=middle, own="extends: middle.yaml\nobjective: cheap\n")
    assert [lesson.task for lesson in load(tmp_path).teach] == ["code", "math"]
    write(tmp_path, base=BASE + teach + budgets.replace("[]", "[{budget: x, amount: 2, window: day}]"))
    assert mistakes(tmp_path) == [
        "middle.yaml:3:12: QR230 there is a budget `x` already (line 20 of base.yaml) | two would share one count"
    ]


def test_a_lone_value_that_is_inherited_is_told_where_it_stands(tmp_path: Path) -> None:
    """One value may stand for a list of one, in the base too."""
    base = BASE.replace("models: [qwen2.5-7b-instruct], e", "models: qwen-bogus, e")
    own = "extends: base.yaml\npools: {small: {models: [inherited, qwen2.5-7b-instruct]}}\n"
    write(tmp_path, base=base, own=own)
    assert [one.split(" ")[0] for one in mistakes(tmp_path)] == ["base.yaml:9:11:"]


def test_an_entry_that_lacks_a_key_is_not_sought_in_the_list_that_it_replaces(tmp_path: Path) -> None:
    """The first rule of the file and the first rule of its base have nothing to do with each other."""
    write(tmp_path, base=BASE, own="extends: base.yaml\nroutes:\n  auto:\n    - {rule: one}\n")
    [found] = mistakes(tmp_path)
    assert found.startswith("own.yaml:4:7: ")


def test_paths_are_those_of_the_file_they_stand_in(tmp_path: Path) -> None:
    """A base keeps its key files and its cache in its own folder, wherever it is extended."""
    write(
        tmp_path, base__base=BASE, own="extends: base/base.yaml\n", other="extends: base/base.yaml\ncache: {path: x}\n"
    )
    policy, other = load(tmp_path), load(tmp_path, "other")
    assert policy.endpoints[0].api_key is not None
    assert policy.endpoints[0].api_key.file == tmp_path / "base/key.txt"
    assert policy.cache is not None
    assert policy.cache.path == str(tmp_path / "base/answers.sqlite")
    assert other.cache is not None
    assert (other.cache.path, other.cache.ttl_s) == (str(tmp_path / "x"), 60.0)


def test_null_takes_back(tmp_path: Path) -> None:
    """What is null is as if the base had not said it; where null is a value, it is that."""
    own = (
        "extends: base.yaml\nroutes: {batch: null}\nlimits: {deadline_s: null}\ntimeouts: {connect_s: null}\ncache: ~\n"
    )
    write(tmp_path, base=BASE, own=own)
    policy = load(tmp_path)
    assert list(policy.routes) == ["auto"]
    assert (policy.limits.deadline_s, policy.limits.max_attempts) == (300.0, 3)
    assert policy.timeouts.connect_s is None
    assert policy.cache is None


def test_null_is_a_value_where_the_loader_thinks_so() -> None:
    """A key that can be null and is something else when it is left out stands in a section that keeps its nulls."""

    def meaningful(model: type[BaseModel]) -> set[str]:
        return {
            name
            for name, field in model.model_fields.items()
            if type(None) in get_args(field.annotation) and field.get_default(call_default_factory=True) is not None
        }

    def inside(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
        for field in model.model_fields.values():
            pending = [field.annotation]
            while pending:
                one = pending.pop()
                pending += get_args(one)
                if isinstance(one, type) and issubclass(one, BaseModel) and one not in seen:
                    seen.add(one)
                    inside(one, seen)
        return seen

    sections = {
        name
        for name, field in PolicyFile.model_fields.items()
        for model in inside(type("Root", (BaseModel,), {"__annotations__": {"x": field.annotation}}), set())
        if meaningful(model)
    }
    assert sections == NULL_SAYS_SOMETHING
    assert not meaningful(PolicyFile)


def test_a_reference_is_replaced_as_one(tmp_path: Path) -> None:
    """`{file: …}` and `{env: …}` are one value each, not two halves to put together."""
    write(tmp_path, base=BASE, own="extends: base.yaml\nendpoints: {own: {api_key: {env: KEY}}}\n")
    key = load(tmp_path).endpoints[0].api_key
    assert key is not None
    assert (key.env, key.file) == ("KEY", None)


def test_a_shipped_policy_can_be_extended(tmp_path: Path) -> None:
    """By its name; the hash is that of what the two say together."""
    write(tmp_path, own="extends: default\nlimits: {max_cost_usd: 0.5}\n", same="extends: default\n")
    policy, same, default = load(tmp_path), load(tmp_path, "same"), load_policy("default")
    assert policy.limits.max_cost_usd == 0.5
    assert set(policy.routes) == set(default.routes)
    assert same.hash == default.hash
    assert policy.hash != default.hash


def test_a_chain(tmp_path: Path) -> None:
    """The nearest file has the last word, and every part of the content counts for the hash."""
    write(tmp_path, base=BASE, middle="extends: base.yaml\nlimits: {deadline_s: 20}\n", own="extends: middle.yaml\n")
    first = load(tmp_path)
    assert first.limits.deadline_s == 20.0
    write(tmp_path, middle="extends: base.yaml\nlimits: {deadline_s: 21}\n")
    assert load(tmp_path).hash != first.hash


def test_mistakes_are_told_where_they_stand(tmp_path: Path) -> None:
    """All of them at once, this file's own first, those of its base with the base's name and place."""
    base = BASE.replace("deadline_s: 60", "deadlin_s: 60").replace("endpoints: own}", "endpoints: owm}")
    write(tmp_path, base=base, own="extends: base.yaml\nlimits:\n  max_attempts: 0\npools:\n  small: {tags: eu}\n")
    found = mistakes(tmp_path)
    assert [one.split(" ")[0] for one in found] == [
        "own.yaml:3:3:",
        "own.yaml:5:11:",
        "base.yaml:9:42:",
        "base.yaml:15:10:",
    ]
    assert "`deadlin_s` | did you mean `deadline_s`?" in found[3]


def test_a_secret_is_found_where_it_is_overridden(tmp_path: Path) -> None:
    """A key that stands in a base is no secret any more, whether it is used or not."""
    base = BASE.replace("{file: key.txt}", "sk-abcdefgh1234")
    write(tmp_path, base=base, own="extends: base.yaml\nendpoints: {own: {api_key: {env: KEY}}}\n")
    assert mistakes(tmp_path)[0].startswith("base.yaml:6:5: QR110 ")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ("extends: own.yaml", "own.yaml:1:1: QR226 the file extends itself: own.yaml → own.yaml | "),
        ("extends: ./a.yaml", "b.yaml:1:1: QR226 the file extends itself: a.yaml → b.yaml → a.yaml | "),
        ("version: 1\nextends: nowhere.yaml", "own.yaml:2:1: QR226 the file `nowhere.yaml` does not exist | "),
        ("extends: ./folder", "own.yaml:1:1: QR226 the file `./folder` is a folder | "),
        ("extends: defualt", "own.yaml:1:1: QR226 no policy named `defualt` is shipped | did you mean `default`?"),
        ("extends: base", "own.yaml:1:1: QR226 no policy named `base` is shipped | for the file beside this"),
        (f"extends: {'x' * 300}", "own.yaml:1:1: QR226 no policy named `xxx"),
        (f"extends: ./{'x' * 300}.yaml", "own.yaml:1:1: QR226 the file `./xxx"),
        ("extends: zzz", "own.yaml:1:1: QR226 no policy named `zzz` is shipped | shipped: "),
        ("extends: empty.yaml", "empty.yaml:1:1: QR226 `own.yaml` extends this file, and it is empty"),
        ("extends: list.yaml", "list.yaml:1:1: QR226 `own.yaml` extends this file, and it holds no keys"),
        ("extends: bad.yaml", "bad.yaml:1:1: QR002 "),
        ('extends: "a\\0b/c"', "own.yaml:1:1: QR226 the file `a"),
        ("extends: c9.yaml", "c3.yaml:1:1: QR226 more than 8 files extend each other | put some of them together"),
        ("extends: base.yaml\nroutes: {bach: ~}", "own.yaml:2:10: QR226 `bach: null` takes nothing back: "),
        ("extends: base.yaml\nlimits: {queue_s: ~}", "own.yaml:2:10: QR226 `queue_s: null` takes nothing back"),
        ("extends: base.yaml\nteach: [inherited]", "own.yaml:2:9: QR226 `inherited` stands for this list"),
        (BASE.replace("[qwen2.5-7b-instruct], e", "[inherited], e"), "own.yaml:9:20: QR226 `inherited`"),
        ("extends: base.yaml\nroutes: {auto: [%s]}" % ("inherited, " * 5000), "own.yaml:2:28: QR226 `inherited`"),
        ("extends: base.yaml\nendpoints: {own: {models: {env: M}}}\nroutes: {auto: inherited}",
         "own.yaml:3:10: QR226 `inherited` stands in a list, beside entries of this file | leave the line out"),
        ("extends: base.yaml\nroutes: {auto: [{rule: x, when: {fim: true}, pool: small}, inheritd]}",
         "own.yaml:2:60: QR226 `inheritd` is no entry of this list | did you mean `- inherited`?"),
        ("extends: base.yaml\nroutes: {auto: [~, inherited]}", "own.yaml:2:17: QR103 `routes.auto.0` is empty"),
        ("extends: base.yaml\npools: {small: {endpoints: [inherited, owm]}}", "own.yaml:2:40: QR203 unknown"),
        ("extends: base.yaml\nroutes: {auto: [{rule: all, when: {fim: true}, pool: small}, inherited]}",
         "own.yaml:2:18: QR208 route `auto` has a rule `all` already (line 12 of base.yaml)"),
        ("extends: base.yaml\nroutes: {auto: [{rule: mine, pool: small}, inherited]}",
         "own.yaml:2:18: QR207 rule `mine` takes everything, so what is inherited after it (line 12 of base.yaml) can"),
        ("extends: base.yaml\nroutes: {auto: [inherited, {rule: mine, pool: small}]}",
         "own.yaml:2:29: QR207 rule `mine` can never match: rule `all` (line 12 of base.yaml) takes everything"),
    ],
)  # fmt: skip
def test_what_cannot_be_extended(tmp_path: Path, own: str, said: str) -> None:
    """One message, at the line that cannot be right, whatever is wrong with it."""
    chain = {f"c{i}": f"extends: c{i - 1}.yaml\n" for i in range(1, 10)}
    write(
        tmp_path, base=BASE, own=own, a="extends: b.yaml\n", b="extends: ./a.yaml\n", empty="# nothing\n",
        list="- 1\n", bad="\t{", folder__x="", **chain, c0=BASE,
    )  # fmt: skip
    [found] = mistakes(tmp_path)
    assert found.startswith(said)


@pytest.mark.parametrize("seed", range(20))
def test_a_policy_in_two_files_is_that_policy(tmp_path: Path, seed: int) -> None:
    """However its keys are shared out, overridden and merged, the two say together what the one said."""
    rng = Random(seed)

    def split(whole: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
        base: dict[str, object] = {}
        own: dict[str, object] = {}
        for key, value in whole.items():
            match rng.choice(("base", "own", "both")):
                case "base":
                    base[key] = value
                case "own":
                    own[key] = value
                case _ if isinstance(value, dict) and not {"env", "file"} & value.keys():
                    base[key], own[key] = split(value)
                case _ if isinstance(value, list) and len(value) > 1 and rng.random() < 0.7:
                    first, last = sorted(rng.sample(range(len(value) + 1), 2))
                    base[key], own[key] = value[first:last], [*value[:first], "inherited", *value[last:]]
                case _:
                    base[key], own[key] = rng.choice(([], 7, {"env": "OTHER"})), value
        return base, own

    whole = read(EVERYTHING).value
    assert isinstance(whole, dict)
    base, own = split(whole)
    write(tmp_path, base=printed(base), own=printed({"extends": "base.yaml", **own}))
    assert load(tmp_path).hash == load_policy(EVERYTHING).hash
