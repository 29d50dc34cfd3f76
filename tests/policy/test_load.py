"""Policy files: what stands in them, and every mistake with its place and a way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from qwenroute.domain.capability import Role
from qwenroute.domain.endpoint import Endpoint, Served
from qwenroute.domain.failure import FailureKind
from qwenroute.domain.price import Price, Tier
from qwenroute.errors import ConfigurationError, DocumentError, MissingCredentials
from qwenroute.policy import Policy, Retired, load_policy
from qwenroute.policy.policy import USUAL
from qwenroute.registry import Registry
from tests.policy.smallest import SMALLEST

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a policy file."""

    def save(text: str) -> Path:
        path = tmp_path / "p.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return save


def mistakes(path: Path) -> list[str]:
    """What the loader finds, without the file's name, each on one line."""
    with pytest.raises(DocumentError) as caught:
        load_policy(path)
    return [str(d).removeprefix(f"{path}:").replace("\n  help: ", " | ") for d in caught.value.diagnostics]


def test_the_smallest_policy(write: Write) -> None:
    """Endpoints and routes are enough; the rest has defaults that are there to be relied on."""
    policy = load_policy(write(SMALLEST))
    assert policy.name == "p"
    assert set(policy.pools) == set(Role)
    assert [o.name for o in policy.objectives.values()] == ["quality", "balanced", "cheap"]
    assert policy.objective.name == "balanced"
    assert policy.retired is Retired.REPLACE
    assert policy.limits.max_attempts == 5
    [endpoint] = policy.endpoints_for({}, Registry.load())
    assert endpoint.base_url == "http://gpu:8000/v1"
    assert endpoint.api_key is None
    assert endpoint.served == (Served(model="qwen2.5-7b-instruct"),)


def test_everything_that_can_be_said(write: Write) -> None:
    """Each key of the file arrives where it is read."""
    policy = load_policy(
        write(
            """\
version: 1
currency: {report: CNY, rates: {USD: 6.97}}
endpoints:
  cn:
    provider: dashscope
    region: cn-beijing
    api_key: {file: keys/cn.txt}
    models: [qwen-plus]
  lite:
    provider: litellm
    models:
      - {model: qwen2.5-72b-instruct, served_as: deepinfra/Qwen/Qwen2.5-72B-Instruct, context_tokens: 32768,
         price: {currency: USD, input: 0.36, output: 0.4}}
pools:
  fast: {roles: general, endpoints: cn}
  big: {models: [Qwen/Qwen2.5-72B-Instruct@lite, qwen-plus]}
objectives:
  balanced: {quality: 2, cost: 0.5}
  slow: {quality: 1}
objective: slow
routes:
  auto:
    - rule: acme
      when: {tenant: acme, prompt_tokens: {at_least: 100}}
      pool: fast
      fallback: big
      objective: cheap
    - {rule: rest, pool: big}
limits: {deadline_s: 9.5, max_attempts: 2, max_cost_usd: 0.1, regions: [cn-beijing], licences: [qwen]}
timeouts: {connect_s: 1, first_token_s: null, between_tokens_s: 2}
retries: {per_step: 0, base_s: 0.1, cap_s: 1, retry_after_cap_s: 3}
fall_back_on: [content_filter]
retired: refuse
"""
        )
    )
    assert policy.usd_per("USD") == pytest.approx(1.0)
    assert policy.usd_per("CNY") == pytest.approx(1 / 6.97)
    assert policy.usd_per("EUR") is None
    assert policy.pools["fast"].endpoints == {"cn"}
    assert policy.pools["fast"].role is Role.GENERAL
    assert policy.pools["big"].models == ("qwen2.5-72b-instruct@lite", "qwen-plus")
    assert policy.objectives["balanced"].cost == 0.5
    rules = policy.routes["auto"].rules
    assert [(r.name, r.pool, r.fallback, r.objective.name) for r in rules] == [
        ("acme", "fast", ("big",), "cheap"),
        ("rest", "big", (), "slow"),
    ]
    assert [str(c) for c in rules[0].conditions] == ["tenant: acme", "prompt_tokens: at least 100"]
    assert (policy.limits.deadline_s, policy.limits.max_cost_usd) == (9.5, 0.1)
    assert policy.limits.regions == {"cn-beijing"}
    assert policy.limits.licences == {"qwen"}
    assert policy.timeouts.first_token_s is None
    assert policy.retries.per_step == 0
    assert policy.fall_back_on == {FailureKind.CONTENT_FILTER}
    assert policy.retired is Retired.REFUSE
    lite = policy.endpoints[1]
    assert lite.models == (
        Served(
            model="qwen2.5-72b-instruct",
            wire_model="deepinfra/Qwen/Qwen2.5-72B-Instruct",
            context_tokens=32_768,
            price=Price(currency="USD", tiers=(Tier(input=0.36, output=0.4),)),
        ),
    )


def test_the_shipped_policy_says_what_the_defaults_are() -> None:
    """The numbers that a reader sees in `default.yaml` are those that a file without them gets."""
    shipped = load_policy("default")
    for usual in USUAL:
        written = shipped.objectives[usual.name]
        assert (written.quality, written.cost, written.latency) == (usual.quality, usual.cost, usual.latency)
    assert shipped.name == "default"
    assert set(Role) <= set(shipped.routes)
    for route in shipped.routes.values():
        assert not route.rules[-1].conditions


def test_the_hash_names_the_content(write: Write) -> None:
    """Comments and layout change nothing, a number does."""
    one = load_policy(write(SMALLEST)).hash
    two = load_policy(write(SMALLEST.replace("version: 1", "# the same\nversion:   1"))).hash
    three = load_policy(write(SMALLEST + "limits: {max_attempts: 4}\n")).hash
    assert one == two != three


RULE = "    - {rule: all, pool: general}"
MISTAKES = [
    ("pool: general", "pool: generall", "9:19: QR201 unknown pool `generall` | did you mean `general`?"),
    (
        "pool: general", "pool: general, fallback: [maths]",
        "9:45: QR201 unknown pool `maths` | did you mean `math`?",
    ),
    (
        "pool: general", "pool: general, objective: ballanced",
        "9:34: QR202 unknown objective `ballanced` | did you mean `balanced`?",
    ),
    (
        RULE, f"    - {{rule: one, pool: math, when: {{taks: math}}}}\n{RULE}",
        "9:38: QR101 unknown key `taks` | did you mean `task`?",
    ),
    (
        RULE, f"    - {{rule: one, pool: math, when: {{task: maths}}}}\n{RULE}",
        "9:38: QR104 `routes.auto.0.when.task` cannot be `maths` | did you mean `math`?",
    ),
    (
        RULE, f"    - {{rule: one, pool: math, when: {{task: [code, maths]}}}}\n{RULE}",
        "9:51: QR104 `routes.auto.0.when.task.1` cannot be `maths` | did you mean `math`?",
    ),
    (
        RULE, f"    - {{rule: one, pool: math, when: {{tools: yes}}}}\n{RULE}",
        "9:38: QR103 `routes.auto.0.when.tools` has to be true or false, not the text `yes` | write `true`",
    ),
    ("{rule: all, pool: general}", "{pool: general}", "9:7: QR102 `rule` is missing"),
    (
        "provider: openai_compatible", "provider: openai",
        "4:5: QR104 `endpoints.own.provider` cannot be `openai` | one of: dashscope, openai_compatible, litellm",
    ),
    (
        "    models: [qwen2.5-7b-instruct]\n", "",
        "3:3: QR102 endpoint `own` needs `models` for the provider openai_compatible",
    ),
    ("qwen2.5-7b-instruct", "qwen2.5-8b-instruct", "6:14: QR205 unknown model `qwen2.5-8b-instruct` | did you "),
    (
        "routes:", "pools: {eyes: {roles: [visoin]}}\nroutes:",
        "7:24: QR104 `pools.eyes.roles.0` cannot be `visoin` | did you mean `vision`?",
    ),
    (
        "routes:", "pools: {eyes: {roles: visoin}}\nroutes:",
        "7:16: QR104 `pools.eyes.roles` cannot be `visoin` | did you mean `vision`?",
    ),
    (
        "routes:", "pools: {eyes: {roles: [vision], endpoints: [onw]}}\nroutes:",
        "7:45: QR203 unknown endpoint `onw` | did you mean `own`?",
    ),
    (
        "routes:", "pools: {eyes: {models: [qwen-maxx@own]}}\nroutes:",
        "7:25: QR205 unknown model `qwen-maxx` | did you mean `qwen-max`?",
    ),
    (
        "routes:", "pools: {eyes: {models: [qwen-max@onw]}}\nroutes:",
        "7:25: QR203 unknown endpoint `onw` | did you mean `own`?",
    ),
    (
        "routes:", "pools: {eyes: {endpoints: [own]}}\nroutes:",
        "7:9: QR206 pool `eyes` has neither `roles` nor `models` | say which deployments belong to it",
    ),
    (
        "routes:", "limits: {regions: [cn-bejing]}\nroutes:",
        "7:20: QR204 unknown region `cn-bejing` | did you mean `cn-beijing`?",
    ),
    (
        "routes:", "limits: {licences: [apache]}\nroutes:",
        "7:21: QR209 unknown licence `apache` | did you mean `apache-2.0`?",
    ),
    (
        "routes:", "limits: {deadline_s: 0}\nroutes:",
        "7:10: QR103 `limits.deadline_s` has to be above 0, not 0",
    ),
    (
        "routes:", "fall_back_on: [content_filtre]\nroutes:",
        "7:16: QR104 `fall_back_on.0` cannot be `content_filtre` | did you mean `content_filter`?",
    ),
    ("routes:", "retired: keep\nroutes:", "7:1: QR104 `retired` cannot be `keep` | one of: replace, refuse"),
    (
        "routes:", "objective: best\nroutes:",
        "7:1: QR202 unknown objective `best` | known: balanced, cheap, quality",
    ),
    ("version: 1", "version: 2", "1:1: QR104 `version` cannot be `2` | one of: 1"),
    (
        RULE, f"    - {{rule: first, pool: math}}\n{RULE}",
        "10:8: QR207 rule `all` can never match: rule `first` (line 9) takes everything",
    ),
    (
        RULE, f"    - {{rule: all, pool: math, when: {{tools: true}}}}\n{RULE}",
        "10:8: QR208 route `auto` has a rule `all` already (line 9)",
    ),
    (
        "pool: general", "pool: general, when: {tools: true}",
        "9:7: QR207 the last rule of route `auto` has conditions: a request that meets none has nowhere to go | end ",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES)
def test_a_mistake_has_a_place_and_a_way_out(write: Write, old: str, new: str, said: str) -> None:
    """One mistake gives one finding: line, column, code, what is wrong, and what was likely meant."""
    found = mistakes(write(SMALLEST.replace(old, new)))
    assert len(found) == 1
    assert found[0].startswith(said)


def test_all_mistakes_are_told_at_once(write: Write) -> None:
    """Nobody mends one per run: shape, names and order are checked in one go, in the order of the file."""
    found = mistakes(
        write(
            """\
version: 1
endpoints:
  cn:
    provider: dashscope
    region: cn-bejing
    api_key: sk-0123456789abcdef
    modles: [qwen-plus]
pools:
  eyes: {roles: [visoin]}
objectives:
  fast: {latency: much}
routes:
  auto:
    - rule: one
      pool: eys
      fallback: [mathh]
    - rule: two
      pool: math
      objective: fasst
"""
        )
    )
    assert [line.split(" | ")[0] for line in found] == [
        "5:5: QR204 unknown region `cn-bejing`",
        "6:5: QR110 a secret does not belong in this file",
        "7:5: QR101 unknown key `modles`",
        "9:18: QR104 `pools.eyes.roles.0` cannot be `visoin`",
        "11:10: QR103 `objectives.fast.latency` has to be a number, not the text `much`",
        "15:7: QR201 unknown pool `eys`",
        "16:18: QR201 unknown pool `mathh`",
        "17:7: QR207 rule `two` can never match: rule `one` (line 14) takes everything",
        "19:7: QR202 unknown objective `fasst`",
    ]


@pytest.mark.parametrize(
    "line", ["api_key: sk-0123456789abcdef", "api_key: anything", "base_url: https://host/v1?key=sk-0123456789abcdef"]
)
def test_a_secret_is_refused_and_not_repeated(write: Write, line: str) -> None:
    """A key in a file ends up in version control; the message does not spread it further."""
    text = SMALLEST.replace("base_url: http://gpu:8000/v1", line) if "base" in line else SMALLEST.replace(
        "    models", f"    {line}\n    models"
    )  # fmt: skip
    [found] = mistakes(write(text))
    assert "QR110 a secret does not belong in this file | write `api_key: {env: NAME}`" in found
    assert "sk-" not in found
    assert "anything" not in found


@pytest.mark.parametrize("text", ["", "[]", "just words", "version: [1", "version: 1\nversion: 1", "\t"])
def test_what_is_no_policy_gives_findings_not_a_traceback(write: Write, text: str) -> None:
    """Whatever stands in the file, the answer is a finding with a place."""
    assert mistakes(write(text))


def test_names_and_paths_are_told_apart(tmp_path: Path) -> None:
    """A bare name is a shipped policy, everything else a path."""
    with pytest.raises(ConfigurationError, match=r"no policy named `defalt` is shipped; did you mean `default`\?"):
        load_policy("defalt")
    with pytest.raises(DocumentError, match="cannot read the file"):
        load_policy(str(tmp_path / "absent.yaml"))


# Endpoints and the environment


def endpoints(policy: Policy, **environ: str) -> dict[str, object]:
    """The endpoints that an environment gives, by name."""
    return {e.name: e for e in policy.endpoints_for(environ, Registry.load())}


def test_no_key_names_the_variables_and_the_way_without_one() -> None:
    """Nothing is simulated in silence, and nobody has to search for the variable's name."""
    with pytest.raises(MissingCredentials) as caught:
        endpoints(load_policy("default"))
    text = str(caught.value)
    assert "dashscope: set DASHSCOPE_API_KEY" in text
    assert "self_hosted: set QWENROUTE_SELF_HOSTED_URL" in text
    assert "qwenroute simulate" in text
    assert "make demo" in text


def test_a_key_brings_its_endpoint_alone() -> None:
    """What has no variable is left out; region, workspace and proxy change the address."""
    policy = load_policy("default")
    found = endpoints(policy, DASHSCOPE_API_KEY="not-to-be-shown")
    assert list(found) == ["dashscope"]
    assert found["dashscope"].base_url == "https://dashscope-intl.aliyuncs.com/compatible-mode/v1"  # type: ignore[attr-defined]
    assert "not-to-be-shown" not in repr(found)
    cn = endpoints(policy, DASHSCOPE_API_KEY="k", DASHSCOPE_REGION="cn-beijing", DASHSCOPE_WORKSPACE_ID="w1")
    assert cn["dashscope"].base_url == "https://w1.cn-beijing.maas.aliyuncs.com/compatible-mode/v1"  # type: ignore[attr-defined]
    proxy = endpoints(policy, DASHSCOPE_API_KEY="k", DASHSCOPE_BASE_URL="http://127.0.0.1:9/v1/")
    assert proxy["dashscope"].base_url == "http://127.0.0.1:9/v1"  # type: ignore[attr-defined]


def test_an_empty_variable_is_not_set() -> None:
    """`DASHSCOPE_API_KEY=` in a file of variables is no key."""
    with pytest.raises(MissingCredentials):
        endpoints(load_policy("default"), DASHSCOPE_API_KEY="")


def test_a_server_says_what_it_serves_in_a_variable() -> None:
    """Ids between commas, with the served name where it differs; Hugging Face ids are known too."""
    found = endpoints(
        load_policy("default"),
        QWENROUTE_SELF_HOSTED_URL="http://gpu:8000/v1",
        QWENROUTE_SELF_HOSTED_MODELS="qwen2.5-7b-instruct, qwq-32b = my-qwq, Qwen/Qwen2.5-Math-7B-Instruct",
    )
    assert found["self_hosted"].served == (  # type: ignore[attr-defined]
        Served(model="qwen2.5-7b-instruct"),
        Served(model="qwq-32b", wire_model="my-qwq"),
        Served(model="qwen2.5-math-7b-instruct", wire_model="Qwen/Qwen2.5-Math-7B-Instruct"),
    )


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"DASHSCOPE_API_KEY": "k", "DASHSCOPE_REGION": "singapore"},
         "DASHSCOPE_REGION: there is no region `singapore`; did you mean `intl-singapore`"),
        ({"DASHSCOPE_API_KEY": "k", "DASHSCOPE_BASE_URL": "localhost:80"},
         "DASHSCOPE_BASE_URL: `localhost:80` is no address"),
        ({"QWENROUTE_SELF_HOSTED_URL": "http://gpu/v1"},
         "QWENROUTE_SELF_HOSTED_MODELS: endpoint `self_hosted` does not say what it serves"),
        ({"QWENROUTE_SELF_HOSTED_URL": "http://gpu/v1", "QWENROUTE_SELF_HOSTED_MODELS": "qwen2.5-8b-instruct"},
         "QWENROUTE_SELF_HOSTED_MODELS: there is no model `qwen2.5-8b-instruct`; did you mean"),
    ],
)  # fmt: skip
def test_a_variable_that_cannot_be_right_is_named(environ: dict[str, str], said: str) -> None:
    """A half-configured endpoint is an error that names the variable, not a silent gap."""
    with pytest.raises(ConfigurationError, match=said):
        endpoints(load_policy("default"), **environ)


def test_a_secret_from_a_file(write: Write, tmp_path: Path) -> None:
    """The path counts from the policy; a file that cannot be read is named."""
    policy = load_policy(write(SMALLEST.replace("    models", "    api_key: {file: key.txt}\n    models")))
    with pytest.raises(ConfigurationError, match=r"key\.txt: cannot read this secret"):
        endpoints(policy)
    (tmp_path / "key.txt").write_text("s3cret\n")
    found = endpoints(policy)["own"]
    assert found.api_key == "s3cret"  # type: ignore[attr-defined]
    assert "s3cret" not in repr(found)


TAUGHT = SMALLEST.replace(
    "routes:",
    """\
teach:
  - {task: code, keywords: [kubernetes, terraform]}
  - {task: math, pattern: '\\bintegrate\\b'}
  - {task: reasoning, examples: [Which clause contradicts the others?]}
embedding: {base_url: "http://gpu:8080/v1/", model: bge-m3, api_key: {env: KEY, optional: true}, min_similarity: 0.7}
routes:""",
).replace(
    "    - {rule: all",
    "    - {rule: lease, when: {keywords: lease, examples: Sum up this lease}, pool: max}\n    - {rule: all",
)


def test_teaching(write: Write) -> None:
    """Each line of `teach` and each sign of a rule arrives, in order."""
    policy = load_policy(write(TAUGHT))
    assert [lesson.task for lesson in policy.teach] == ["code", "math", "reasoning"]
    assert policy.examples == ("Which clause contradicts the others?", "Sum up this lease")
    assert [str(c) for c in policy.routes["auto"].rules[0].conditions] == [
        "keywords: lease", "examples: Sum up this lease",
    ]  # fmt: skip
    assert policy.embedding is not None
    assert policy.embedding.place({"KEY": "k"}, {}, None) == ("http://gpu:8080/v1", "k")
    assert policy.embedding.place({}, {}, None) == ("http://gpu:8080/v1", None)
    assert policy.embedding.timeout_s == 0.2


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("keywords: [kubernetes, terraform]", "keywords: []",
         "8:18: QR103 `teach.0.keywords` is empty | name at least one, or leave the line out"),
        ("task: code", "task: coed", "8:6: QR104 `teach.0.task` cannot be `coed` | did you mean `code`?"),
        ("task: code", "task: audio",
         "8:6: QR213 `audio` cannot be taught: whether there is sound in a request settles it | leave the line out"),
        ("keywords: [kubernetes, terraform]", "keywords: [k8s], pattern: k8s",
         ("8:5: QR212 this line of `teach` has `keywords` and `pattern` | "
         "give each line one of `keywords`, `pattern`, `examples`")),
        (", keywords: [kubernetes, terraform]", "",
         ("8:5: QR212 this line of `teach` says for no request that it holds | "
         "give each line one of `keywords`, `pattern`, `examples`")),
        ("keywords: [kubernetes, terraform]", 'keywords: ["\\u200b "]',
         "8:29: QR215 a keyword that no text can match: nothing of it can be seen | leave it out"),
        ("keywords: [kubernetes, terraform]", "keywords: [k8s, K8S]",
         "8:34: QR216 `K8S` stands here already (line 8), and that counts"),
        ("pattern: '\\bintegrate\\b'", "pattern: '(a+)+b'",
         ("9:18: QR214 the pattern repeats `(a+)`, which itself can match in several ways | bound what repeats "
         "(`{1,20}`), follow it with a character that it cannot take, or use keywords")),
        ("pattern: '\\bintegrate\\b'", "pattern: '[a'",
         "9:18: QR214 the pattern is not a regular expression: unterminated character set at position 0"),
        ("{rule: lease, when: {keywords: lease, ", "{rule: lease, when: {pattern: '.*', ",
         "14:28: QR214 the pattern matches the empty text, so it holds for every request"),
        ("base_url: \"http://gpu:8080/v1/\", ", "",
         ("11:1: QR218 `embedding` needs one of `endpoint` and `base_url` | "
         "name one of the `endpoints`, or write the address of an encoder")),
        ("base_url: \"http://gpu:8080/v1/\", ", "endpoint: owm, model: x, min_similarity: 0.5}\n#",
         "11:13: QR203 unknown endpoint `owm` | did you mean `own`?"),
        ("base_url: \"http://gpu:8080/v1/\", ", "endpoint: own, ",
         "11:43: QR218 the endpoint's own key is used; a second one has no use"),
        ("{env: KEY, optional: true}", "abc",
         ("11:61: QR110 a secret does not belong in this file | write `api_key: {env: NAME}` or "
         "`api_key: {file: PATH}`, and revoke the key if the file was shared")),
        ("routes:", "limits: {regions: [cn-beijing]}\nroutes:",
         ("11:13: QR218 `limits.regions` keeps prompts in their regions, and this address states none | "
         "name an `endpoint` with a region, or leave `embedding` out")),
        (", min_similarity: 0.7", "", "11:1: QR102 `min_similarity` is missing"),
    ],
)  # fmt: skip
def test_a_mistake_in_teaching(write: Write, before: str, after: str, expected: str) -> None:
    """Each mistake in what is taught has its place, and says what to do."""
    assert before in TAUGHT
    assert mistakes(write(TAUGHT.replace(before, after, 1))) == [expected]


def test_examples_without_an_encoder_and_an_encoder_without_examples(write: Write) -> None:
    """Neither is of use without the other."""
    without = "\n".join(line for line in TAUGHT.splitlines() if not line.startswith("embedding"))
    assert mistakes(write(without)) == [
        (
            "10:34: QR217 examples need an encoder, and this policy has no `embedding` | "
            "add `embedding: {base_url, model, min_similarity}`"
        )
    ]
    alone = TAUGHT.replace("examples: [Which clause contradicts the others?]", "keywords: [clause]").replace(
        ", examples: Sum up this lease", ""
    )
    assert mistakes(write(alone)) == ["11:1: QR217 nothing here has `examples`, so no encoder is ever asked"]


def test_too_many_examples(write: Write) -> None:
    """Each request is compared with every example; there is a bound, and it is told."""
    many = ", ".join(f"example {number}" for number in range(501))
    [found] = mistakes(write(TAUGHT.replace("Which clause contradicts the others?", many)))
    assert "QR217 there are 502 examples, and 500 can be compared" in found


def test_an_encoder_outside_the_regions_allowed_is_refused(write: Write) -> None:
    """What keeps prompts in a region keeps them from an encoder elsewhere too."""
    policy = load_policy(
        write(
            TAUGHT.replace('base_url: "http://gpu:8080/v1/", ', "endpoint: own, ").replace(
                "api_key: {env: KEY, optional: true}, ", ""
            )
        )
    )
    assert policy.embedding is not None
    endpoints = {"own": Endpoint(name="own", provider="openai_compatible", base_url="http://gpu", region="cn-beijing")}
    assert policy.embedding.place({}, endpoints, frozenset({"cn-beijing"})) == ("http://gpu", None)
    assert policy.embedding.place({}, {}, None) is None
    with pytest.raises(ConfigurationError, match=r"to the endpoint `own` in cn-beijing, which `limits\.regions`"):
        policy.embedding.place({}, endpoints, frozenset({"us-virginia"}))
