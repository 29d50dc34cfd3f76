"""Teaching in decisions: what it changes, what is said of it, and that nothing is mixed up by what is kept."""

from __future__ import annotations

from qwenroute.domain.capability import Role
from qwenroute.domain.request import Hints, Request
from qwenroute.domain.signals import Task
from qwenroute.policy import Alike, Lesson, Policy, Rule
from qwenroute.policy.condition import condition
from qwenroute.policy.signs import Examples, Keywords
from qwenroute.routing import decide, explain
from tests.routing.fleets import BALANCED, deployment, fleet, policy, rule, signals


def taught_policy() -> Policy:
    """Code by a keyword or an example, leases by a rule of their own."""
    rules = (
        Rule(name="lease", conditions=(condition("keywords", ["lease"]),), pool="max", fallback=(), objective=BALANCED),
        Rule(name="code", conditions=(condition("task", ["code"]),), pool="coder", fallback=(), objective=BALANCED),
        rule("rest", "general"),
    )
    plain = policy({"auto": rules})
    return Policy(
        **{name: getattr(plain, name) for name in ("name", "hash", "endpoints", "objectives", "pools", "routes")},
        exchange=plain.exchange,
        objective=plain.objective,
        teach=(
            Lesson(task=Task.CODE, sign=Keywords(("terraform",))),
            Lesson(task=Task.CODE, sign=Examples(("a pod is stuck",))),
        ),
    )


POLICY = taught_policy()
FLEET = fleet(
    deployment("general"), deployment("coder", roles=(Role.CODER,)), deployment("max", roles=(Role.MAX,)), of=POLICY
)


def ask(text: str, hints: Hints | None = None) -> Request:
    """One turn."""
    return Request(messages=({"role": "user", "content": text},), hints=hints or Hints())


def test_requests_that_are_alike_but_for_their_words() -> None:
    """Each request goes by its own words, whatever was decided and kept before it."""
    for _ in range(2):
        for text, expected in (("so", "rest"), ("terraform", "code"), ("lease", "lease"), ("well", "rest")):
            decision = decide(ask(text), signals(), POLICY, FLEET, alike=Alike())
            assert decision.rule == expected
            assert ("as taught: keyword `terraform`" in decision.reason) is (text == "terraform")


def test_what_was_tried_tells_the_words() -> None:
    """A rule that looks for words says so where it does not hold, and explain tells what was taught."""
    decision = decide(ask("terraform"), signals(), POLICY, FLEET, alike=Alike())
    assert [(tried.rule, tried.failed) for tried in decision.rules_tried] == [
        ("lease", "keywords: lease"),
        ("code", None),
    ]
    assert "the task as taught by the policy: keyword `terraform`" in explain(decision)
    assert decision.signals.task is Task.CODE


def test_examples_that_were_not_consulted() -> None:
    """Without an encoder's word the decision warns, but only where an example could have mattered."""
    assert decide(ask("so"), signals(), POLICY, FLEET).warnings == (
        "the policy's examples were not consulted: nothing was sent to its encoder",
    )
    assert decide(ask("terraform"), signals(), POLICY, FLEET).warnings == ()
    hinted = ask("so", Hints(task=Task.GENERAL))
    assert decide(hinted, signals(), POLICY, FLEET).warnings == ()
    silent = decide(ask("so"), signals(), POLICY, FLEET, alike=Alike(silent="the encoder failed"))
    assert silent.warnings == ()
    assert silent.reason.endswith("; examples were not consulted: the encoder failed")


def test_an_example_decides() -> None:
    """What an encoder finds alike is of the task that the example stands for."""
    decision = decide(ask("so"), signals(), POLICY, FLEET, alike=Alike({"a pod is stuck": 0.8}))
    assert decision.rule == "code"
    assert decision.signals.taught == "like `a pod is stuck` (0.80)"
