"""`qwenroute policy test`: run the golden cases of policies."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qwenroute.cli import exits, options
from qwenroute.errors import ConfigurationError

if TYPE_CHECKING:
    from rich.console import Console

    from qwenroute.cases import Outcome, Report
    from qwenroute.policy.load import Loaded
    from qwenroute.registry import Registry


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """What became of one policy's cases."""

    policy: str
    report: Report
    seconds: float

    def uncovered(self, *, wanted: bool) -> bool:
        """Whether a rule is left that no case reaches."""
        return wanted and bool(self.report.coverage.rules)


def run_cases(
    policies: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|NAME]…", help="Policies; without any, those of this folder that have cases."),
    ] = None,
    cases: Annotated[
        Path | None, typer.Option("--cases", metavar="FILE", help="The cases, if they do not lie beside the policy.")
    ] = None,
    only: Annotated[
        str | None, typer.Option("-k", metavar="WORDS", help="Only cases whose name holds these words; no coverage.")
    ] = None,
    no_coverage: Annotated[bool, typer.Option("--no-coverage", help="Allow rules that no case reaches.")] = False,
    overlay: options.Overlay = None,
    as_json: options.Json = False,
) -> None:
    r"""Run the golden cases of policies: `x.cases.yaml` beside `x.yaml`.

    Nothing is called, no key is needed. A case says what is asked, in which
    situation, and what has to become of it:

      version: 1
      on: 2026-11-24            # the day at which models are alive or retired
      environ: {DASHSCOPE_API_KEY: set}   # all that is set; keys: the word set
      cases:
        - case: a proof goes to a model for mathematics
          ask: Prove that there are infinitely many primes.
          signals: {task: math, difficulty: hard}     # stated, not guessed
          expect: {rule: mathematics, pools: \[math, reasoning, general]}
        - case: a picture finds its way around an open breaker
          image: 1024x768
          health: {qwen3.8-flash: open}
          expect: {rule: images, rejected: {qwen3.8-flash: circuit}}

    Asked: ask, model, tools, image (size), audio, video (seconds), speak,
    hints (qwenroute={…}); or request, all of it as the OpenAI API has it.

    Situation: signals, like, on, at, environ, spent (of budgets), arm (of an
    experiment: control, variant), health (open, ejected, cooldown, burst, busy,
    quota, or figures).

    Expected: route, rule, pool, objective, deployment, model, endpoint, role,
    thinking, plan, plan_starts, pools, never, rejected, refused, warnings,
    reason, max_cost_usd, max_output_tokens, max_attempts, deadline_s, hedge,
    cost_at_most_usd, latency_at_most_s, quality_at_least.

    Ends with 1 where a case fails, or where a rule of the file is reached by none;
    those that it inherits by `extends` need not be.
    """
    known = options.registry(overlay)
    named = list(policies or _here())
    if cases is not None and len(named) > 1:
        raise ConfigurationError(f"`--cases {cases}` belongs to one policy, and {len(named)} are named")
    tested = [_test(name, cases, only, known) for name in named]
    coverage = not no_coverage and only is None
    if as_json:
        print(json.dumps([_fields(one) for one in tested], ensure_ascii=False, indent=2))
    else:
        from rich.console import Console  # noqa: PLC0415 - `--json` does without

        console = Console(highlight=False, soft_wrap=True)
        for one in tested:
            _print(console, one, coverage=coverage)
    if any(one.report.failed or one.uncovered(wanted=coverage) for one in tested):
        raise typer.Exit(exits.FAILED)


def _here() -> Sequence[str]:
    """Return the policies of this folder that have cases beside them."""
    from qwenroute.cases import CASES  # noqa: PLC0415

    found = sorted(path.name.removesuffix(CASES) + ".yaml" for path in Path().glob(f"*{CASES}"))
    if not found:
        raise ConfigurationError(
            f"no `*{CASES}` lies in this folder; name a policy file, or a shipped one: `qwenroute policy test default`"
        )
    return found


def _test(name: str, cases: Path | None, only: str | None, known: Registry) -> Tested:
    from qwenroute.cases import CASES, Rehearsal, cases_beside, load_cases, run  # noqa: PLC0415
    from qwenroute.policy import load  # noqa: PLC0415

    if name.endswith(CASES):
        cases, name = cases or Path(name), name.removesuffix(CASES) + ".yaml"
    loaded = load(name if "/" in name or not name.endswith((".yaml", ".yml")) else Path(name), known)
    path = cases or cases_beside(Path(loaded.document.name))
    if cases is None and not path.is_file():
        raise ConfigurationError(
            f"policy `{name}` has no cases: `{path}` is not there; `qwenroute policy test --help` shows what to write"
        )
    began = time.perf_counter()
    rehearsal = Rehearsal(loaded.policy, known)
    suite = load_cases(path, rehearsal)
    if only is not None:
        suite = suite.only(only)
        if not suite.cases:
            raise ConfigurationError(f"`-k {only}`: the name of no case in `{path}` holds these words")
    report = run(suite, rehearsal, inherited=_inherited(loaded))
    return Tested(policy=name, report=report, seconds=time.perf_counter() - began)


def _inherited(loaded: Loaded) -> set[tuple[str, str]]:
    """Return the rules, with their routes, that stand in a policy which this one extends."""
    document = loaded.document
    return {
        (route.name, rule.name)
        for route in loaded.policy.routes.values()
        for index, rule in enumerate(route.rules)
        if not document.own(("routes", route.name, index))
    }


def _fields(tested: Tested) -> dict[str, object]:
    report = tested.report
    return {
        "policy": tested.policy,
        "file": report.suite.file,
        "cases": len(report.outcomes),
        "failed": [
            {
                "case": outcome.case.name,
                "line": outcome.case.line,
                "mismatches": [
                    {"key": m.key, "expected": m.expected, "got": m.got, "because": list(m.because)}
                    for m in outcome.mismatches
                ],
            }
            for outcome in report.failed
        ],
        "rules": [
            {"route": route, "rule": rule, "cases": count} for (route, rule), count in report.coverage.reached.items()
        ],
        "conditions_never_failed": [
            {"route": one.route, "rule": one.rule, "condition": one.condition} for one in report.coverage.conditions
        ],
    }


def _print(console: Console, tested: Tested, *, coverage: bool) -> None:
    from rich.markup import escape  # noqa: PLC0415

    report = tested.report
    for outcome in report.failed:
        for line in _failure(outcome, report.suite.file):
            console.print(line)
    if coverage:
        for missing in report.coverage.rules:
            console.print(f"[red]not covered[/] no case reaches the rule {_rule(missing.route, missing.rule)}")
        for missing in report.coverage.conditions:
            rule = _rule(missing.route, missing.rule)
            console.print(f"[yellow]untried[/] no case is kept out of {rule} by {escape(str(missing.condition))}")
    count, failed = len(report.outcomes), len(report.failed)
    rules = report.coverage.reached
    said = f"{count - failed} of {count} cases passed"
    if coverage and rules:
        said += f", {sum(map(bool, rules.values()))} of {len(rules)} rules reached"
    bad = failed or tested.uncovered(wanted=coverage)
    console.print(f"{escape(tested.policy)}: [{'red' if bad else 'green'}]{said}[/] ({tested.seconds:.2f} s)")


def _failure(outcome: Outcome, file: str) -> Iterator[str]:
    from rich.markup import escape  # noqa: PLC0415

    yield f"[red]failed[/] {escape(file)}:{outcome.case.line}: [bold]{escape(outcome.case.name)}[/]"
    for mismatch in outcome.mismatches:
        yield f"  {mismatch.key}: expected [green]{escape(mismatch.expected)}[/], got [red]{escape(mismatch.got)}[/]"
        for line in mismatch.because:
            yield f"    [dim]{escape(line)}[/]"


def _rule(route: str, rule: str) -> str:
    from rich.markup import escape  # noqa: PLC0415

    return f"`{escape(rule)}` of the route `{escape(route)}`"
