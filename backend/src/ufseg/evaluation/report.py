"""An evaluation as a whole: every score, the summary, the comparison, and how they were made."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from ufseg.evaluation.case_scores import CaseResults
from ufseg.evaluation.comparison import TEST_METHOD, ComparisonRow, compare
from ufseg.evaluation.intervals import INTERVAL_METHOD, MeanInterval, mean_interval
from ufseg.evaluation.metrics import DICE, EMPTY_RULES, METRICS, Empty, Metric
from ufseg.evaluation.summary import Summary, summarise

CSV_COLUMNS = ("predictions", "case", "class", "metric", "unit", "value", "empty")


class Score(BaseModel):
    """One value: of a prediction, case, class and metric. ``value`` is None where it is not counted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictions: str
    case: str
    class_name: str
    metric: str
    unit: str
    value: float | None
    empty: Empty | None


class SummaryRow(BaseModel):
    """A metric over cases, of a class or (``class_name`` None) of each case's mean over its counted classes."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    predictions: str
    class_name: str | None
    metric: str
    unit: str
    over_cases: MeanInterval


class Report(Summary):
    """All there is to tell; JSON holds null and never NaN.

    The fields of `Summary` at its top are the first prediction's Dice.

    Args:
        predictions: names of the predictions, the one compared with last.
        tolerances_mm: class name → tolerance of surface Dice.
        empty_rules, interval_method, test_method: how empty masks are counted and intervals and p-values made.
        summary: over cases.
        comparison: first against second prediction; None where there is one.
        scores: every value.
    """

    predictions: list[str]
    tolerances_mm: dict[str, float]
    empty_rules: list[str]
    interval_method: str
    test_method: str | None
    summary: list[SummaryRow]
    comparison: list[ComparisonRow] | None
    scores: list[Score]

    def row(self, predictions: str, class_name: str | None, metric: Metric) -> MeanInterval:
        """The summary of one metric; raises KeyError."""
        for row in self.summary:
            if (row.predictions, row.class_name, row.metric) == (predictions, class_name, metric.name):
                return row.over_cases
        raise KeyError((predictions, class_name, metric.name))

    @property
    def rows(self) -> list[str | None]:
        """The classes, and None for their mean where there are several."""
        return list(dict.fromkeys(row.class_name for row in self.summary))

    def incomplete(self) -> dict[tuple[str, str], dict[str, Empty]]:
        """(predictions, class) → case → which mask is empty, of the cases in which exactly one is."""
        found: dict[tuple[str, str], dict[str, Empty]] = {}
        for score in self.scores:
            if score.empty in ("prediction", "reference"):
                found.setdefault((score.predictions, score.class_name), {})[score.case] = score.empty
        return found


def make_report(results: Mapping[str, CaseResults], tolerances: Mapping[str, float]) -> Report:
    """Put an evaluation together.

    Args:
        results: name of the prediction → scores; with a second one, the first is compared with it.
        tolerances: class name → tolerance of surface Dice in millimetres.

    Raises:
        ValueError: not one or two predictions.
        InputError: the two have different cases.
    """
    if not 1 <= len(results) <= 2:
        raise ValueError(f"a report is of one prediction or two; got {len(results)}")
    first, *others = results.values()
    dice = summarise({case: {n: s.values[DICE.name] for n, s in scores.items()} for case, scores in first.items()})
    return Report(
        **dice.model_dump(),
        predictions=list(results),
        tolerances_mm=dict(tolerances),
        empty_rules=list(EMPTY_RULES),
        interval_method=INTERVAL_METHOD,
        test_method=TEST_METHOD if others else None,
        summary=[row for name, cases in results.items() for row in _summary(name, cases)],
        comparison=compare(first, others[0]) if others else None,
        scores=[score for name, cases in results.items() for score in _scores(name, cases)],
    )


def to_csv(report: Report) -> str:
    """Every score in long form, one a line; an empty value is not counted, and ``empty`` says why."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for s in report.scores:
        value = "" if s.value is None else repr(s.value)
        writer.writerow([s.predictions, s.case, s.class_name, s.metric, s.unit, value, s.empty or ""])
    return text.getvalue()


def _scores(predictions: str, cases: CaseResults) -> list[Score]:
    return [
        Score(
            predictions=predictions,
            case=case,
            class_name=name,
            metric=metric.name,
            unit=metric.unit,
            value=scores.values[metric.name],
            empty=scores.empty,
        )
        for case, classes in cases.items()
        for name, scores in classes.items()
        for metric in METRICS
    ]


def _summary(predictions: str, cases: CaseResults) -> list[SummaryRow]:
    names = list(dict.fromkeys(name for classes in cases.values() for name in classes))
    rows = []
    for metric in METRICS:
        per_class: list[tuple[str | None, Sequence[float | None]]] = [
            (name, [classes[name].values[metric.name] for classes in cases.values()]) for name in names
        ]
        if len(names) > 1:
            means = [_case_mean([c.values[metric.name] for c in classes.values()]) for classes in cases.values()]
            per_class.append((None, means))
        for name, values in per_class:
            rows.append(
                SummaryRow(
                    predictions=predictions,
                    class_name=name,
                    metric=metric.name,
                    unit=metric.unit,
                    over_cases=mean_interval(values, metric.low, metric.high),
                )
            )
    return rows


def _case_mean(values: Sequence[float | None]) -> float | None:
    """Mean over the counted classes of a case."""
    counted = [v for v in values if v is not None]
    return fmean(counted) if counted else None
