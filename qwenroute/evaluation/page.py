"""An evaluation as one HTML page that needs nothing beside itself: no network, no scripts."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from qwenroute.evaluation.metrics import Point
from qwenroute.evaluation.outcomes import ORACLE, RANDOM, Part
from qwenroute.evaluation.plots import confusion_plot, curve_plot, language_plot, reliability_plot
from qwenroute.evaluation.report import Report
from qwenroute.evaluation.worth import Curve, Kind, Value
from qwenroute.pages.document import document, figure, paragraph, table


def page(report: Report) -> str:
    """Return the page. It holds texts of prompts only where the report does."""
    parts = [
        f"<h1>Evaluation of the policy {escape(report.policy)}</h1>",
        paragraph(
            f"{report.rows:,} labelled rows, {report.unread:,} of them could not be analysed, {report.taught:,} told "
            f"by what the policy teaches; as of {report.on}, "
            f"endpoints: {', '.join(report.endpoints)}; policy {report.policy_hash}. Nothing was called."
        ),
        "<h2>Tasks</h2>",
        _tasks(report),
        figure("confusion", confusion_plot(report.confusion, "Confusion of tasks"), "Told against true tasks."),
        "<h2>Confidence</h2>",
        paragraph(
            "Expected calibration error: the sum over ten bins of the bin's share of rows times the distance of its "
            "accuracy from its mean confidence. The darker a bar, the more rows; dots stand at the mean confidence."
        ),
        '<div class="pair">',
        *(
            figure(
                f"reliability-{name}",
                reliability_plot(found, f"Reliability, {name}"),
                f"{name}: expected calibration error {found.error:.3f}.",
            )
            for name, found in report.calibration.items()
            if found.error is not None and name != "all"
        ),
        "</div>",
        "<h2>Languages</h2>",
        figure("languages", language_plot(report.languages, "Accuracy by language"), "Rows whose task was told."),
        *_difficulty(report),
        "<h2>Expected quality and cost</h2>",
        *_value(report.value),
        *(piece for i, part in enumerate(report.outcomes, 1) for piece in _part(part, f"outcomes-{i}")),
        "<h2>Datasets</h2>",
        table(
            ("dataset", "rows", "accuracy", "text F1", "visual F1", "difficulty", "language"),
            (
                (
                    name,
                    f"{s.rows:,}",
                    *map(
                        _share,
                        (
                            s.accuracy,
                            s.text_macro_f1,
                            s.visual_macro_f1,
                            s.difficulty_accuracy,
                            s.language_accuracy,
                        ),
                    ),
                )
                for name, s in report.sources.items()
            ),
        ),
        *_mistakes(report),
    ]
    return document(f"qwenroute eval: {report.policy}", parts)


def _tasks(report: Report) -> str:
    overall = [("text tasks", report.text), ("visual tasks", report.visual), ("all", report.all)]
    rows = [
        (name, f"{score.rows:,}", _share(score.accuracy), "", "", f"{_share(score.macro_f1)} macro")
        for name, score in overall
        if score.rows
    ]
    rows += [
        (name, f"{s.rows:,}", "", _share(s.precision), _share(s.recall), _share(s.f1))
        for name, s in report.tasks.items()
    ]
    return table(("task", "rows", "accuracy", "precision", "recall", "F1"), rows)


def _difficulty(report: Report) -> Iterable[str]:
    found = report.difficulty
    if found.rows:
        yield "<h2>Difficulty</h2>"
        yield figure(
            "difficulty",
            confusion_plot(found.confusion, "Confusion of difficulties"),
            f"Told against true difficulty: accuracy {_share(found.accuracy)}, macro-F1 {_share(found.macro_f1)} over "
            f"{found.rows:,} rows that have one.",
        )


def _value(value: Value) -> Iterable[str]:
    yield paragraph(
        "By published scores and list prices, with the true labels; common rows are the "
        f"{value.common_rows:,} that every one of these can serve."
        + (f" Own hardware counts at the list prices of {value.list_prices_of}." if value.list_prices_of else "")
    )
    yield table(
        ("", "served", "quality", "USD", "quality, common", "USD, common"),
        (
            (
                s.name,
                f"{s.served:,}",
                _share(s.quality),
                _usd(s.cost_usd),
                _share(s.quality_common),
                _usd(s.cost_common_usd),
            )
            for s in value.strategies
        ),
        notes=[
            "; ".join(
                [
                    s.what,
                    *(f"cannot serve {count:,} {task}" for task, count in s.unserved.items()),
                    *([f"{s.unpriced:,} at no known price"] if s.unpriced else []),
                ]
            )
            for s in value.strategies
        ],
    )
    points = [(s.name, s.point) for s in value.strategies if s.point is not None]
    if points:
        curves = {
            "router": [s.point for s in value.strategies if s.kind is Kind.OBJECTIVE and s.point is not None],
            "single": [s.point for s in value.strategies if s.kind is Kind.SINGLE and s.point is not None],
        }
        yield figure(
            "curve",
            curve_plot(points, curves, "Cost and expected quality", "expected quality"),
            "Over the common rows. Line: the policy's objectives; dashed: mixtures of single models. "
            + _areas(value.curve),
        )


def _part(part: Part, name: str) -> Iterable[str]:
    yield f"<h2>Real outcomes: {escape(part.name)}</h2>"
    yield paragraph(
        f"{part.rows:,} rows, {part.choice_rows:,} with a choice of models; "
        + (f"list prices of {part.region}." if part.region else "no prices.")
    )
    singles = [
        (
            single.name + ("" if single.model is not None else " (not in the registry)"),
            f"{single.rows:,}",
            _share(single.score),
            _share(single.prior),
            _usd(single.cost_usd),
        )
        for single in part.singles
    ]
    choosers = [(c.name, f"{part.choice_rows:,}", _share(c.score), "", _usd(c.cost_usd)) for c in part.choosers]
    yield table(("", "rows", "score", "prior", "USD"), [*singles, *choosers])
    ours = [(c.name, c.point) for c in part.choosers if c.point is not None]
    alone = [(s.name, s.point) for s in part.singles if s.point is not None]
    if ours and part.curve is not None:
        router: list[Point] = [point for chooser, point in ours if chooser not in {RANDOM, ORACLE}]
        yield figure(
            name,
            curve_plot(
                [*ours, *alone],
                {"router": router, "single": [point for _, point in alone]},
                f"Cost and real score, {part.name}",
                "real score",
            ),
            f"Line: the policy's objectives; dashed: mixtures of single models. {_areas(part.curve)}",
        )


def _areas(curve: Curve) -> str:
    if curve.area_router is None:
        return ""
    return (
        f"Mean quality from {_usd(curve.low_usd)} to {_usd(curve.high_usd)} USD: {_share(curve.area_router)} along the "
        f"line, {_share(curve.area_single_models)} along the dashed one."
    )


def _mistakes(report: Report) -> Iterable[str]:
    if report.mistakes:
        yield "<h2>Surest mistakes</h2>"
        yield table(
            ("row", "true", "told", "confidence"),
            ((m.id, m.task, m.told, f"{m.confidence:.2f}") for m in report.mistakes),
            notes=[m.text or "" for m in report.mistakes],
        )


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:.6f}"
