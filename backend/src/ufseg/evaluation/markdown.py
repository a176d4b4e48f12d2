"""An evaluation as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from ufseg.evaluation.comparison import significance
from ufseg.evaluation.intervals import MeanInterval
from ufseg.evaluation.metrics import METRICS, Metric
from ufseg.evaluation.report import Report

MEAN_ROW = "mean over classes"


def to_markdown(report: Report) -> str:
    """Means with their intervals by class and metric, the comparison, one-sided empty masks, and the methods."""
    parts = ["# Evaluation", "", f"{len(report.per_case)} cases. Mean [95 % confidence interval].", ""]
    for name in report.predictions:
        if len(report.predictions) > 1:
            parts += [f"## {escaped(name)}", ""]
        parts += [*_table(*summary_table(report, name)), ""]
    if report.comparison is not None:
        first, second = map(escaped, report.predictions)
        parts += [f"## Difference: {first} − {second}", "", *_table(*comparison_table(report)), ""]
    lines = incomplete_lines(report)
    if lines:
        parts += ["## Structures not found or invented", "", *[f"- {escaped(line)}" for line in lines], ""]
    parts += ["## How it was computed", ""]
    tolerances = ", ".join(f"{n} {t:g} mm" for n, t in report.tolerances_mm.items())
    methods = [
        report.interval_method + ".",
        *([report.test_method + "."] if report.test_method else []),
        f"Tolerance of surface Dice: {tolerances}.",
        *report.empty_rules,
    ]
    return "\n".join([*parts, *[f"- {escaped(m)}" for m in methods], ""])


def summary_table(report: Report, predictions: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row a class, a column a metric."""
    rows = [
        [name or MEAN_ROW, *[interval_text(report.row(predictions, name, metric), metric) for metric in METRICS]]
        for name in report.rows
    ]
    return ["class", *[metric.label for metric in METRICS]], rows


def comparison_table(report: Report) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a report of two predictions: a row a metric and class, p-values after correction."""
    by_name = {metric.name: metric for metric in METRICS}
    header = ["metric", "class", "cases", *report.predictions, "difference", "p signed-rank", "p rank-sum"]
    rows = []
    for row in report.comparison or []:
        metric = by_name[row.metric]
        rows.append(
            [
                metric.label,
                row.class_name or MEAN_ROW,
                str(row.difference.n),
                _number(row.first_mean, metric),
                _number(row.second_mean, metric),
                interval_text(row.difference, metric),
                _p_value(row.signed_rank_holm),
                _p_value(row.rank_sum_holm),
            ]
        )
    return header, rows


def interval_text(interval: MeanInterval, metric: Metric) -> str:
    """``0.812 [0.790, 0.834]``."""
    if interval.low is None or interval.high is None:
        return _number(interval.mean, metric)
    ends = f"[{_number(interval.low, metric)}, {_number(interval.high, metric)}]"
    return f"{_number(interval.mean, metric)} {ends}"


def _number(value: float | None, metric: Metric) -> str:
    return "–" if value is None else f"{value:.{metric.decimals}f}"


def _p_value(value: float | None) -> str:
    if value is None:
        return "–"
    shown = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return f"{shown} {significance(value)}".rstrip()


def incomplete_lines(report: Report) -> list[str]:
    """The cases in which only one of the masks is empty, by name: there HD95 is the image's diagonal."""
    lines = []
    for (predictions, name), cases in report.incomplete().items():
        whose = f"{predictions}, " if len(report.predictions) > 1 else ""
        for which, what in (("prediction", "not found in"), ("reference", "invented in")):
            found = [case for case, empty in cases.items() if empty == which]
            if found:
                lines.append(f"{whose}{name}: {what} {', '.join(found)}")
    return lines


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(escaped(c) for c in row) + " |" for row in cells]


def escaped(text: str) -> str:
    """Names as they are, where Markdown would take them for markup."""
    for sign in "\\|*_`<>":
        text = text.replace(sign, "\\" + sign)
    return text
