"""Two predictions of the same cases against each other: differences, their intervals and significance."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from ufseg.errors import InputError
from ufseg.evaluation.case_scores import CaseResults
from ufseg.evaluation.intervals import MeanInterval, mean_interval
from ufseg.evaluation.metrics import METRICS, Metric
from ufseg.evaluation.statistics import holm, paired_test, rank_sum_test

TEST_METHOD = (
    "Wilcoxon signed-rank (paired by case) and Wilcoxon rank-sum (as in the Unified Focal loss paper), two-sided; "
    "p-values of each test are Holm-corrected over the rows of one metric (the classes and their mean); "
    "* p < 0.05, ** p < 0.01, *** p < 0.001 after correction"
)


class ComparisonRow(BaseModel):
    """One metric of one class.

    Args:
        metric: metric name.
        class_name: class, or None for the mean over the classes of each case.
        first_mean, second_mean: means over the compared cases.
        difference: of first − second, case by case.
        signed_rank_p, rank_sum_p: p-values as the tests give them; None without cases.
        signed_rank_holm, rank_sum_holm: after Holm's correction over the metric's rows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    metric: str
    class_name: str | None
    first_mean: float | None
    second_mean: float | None
    difference: MeanInterval
    signed_rank_p: float | None
    signed_rank_holm: float | None
    rank_sum_p: float | None
    rank_sum_holm: float | None


def compare(first: CaseResults, second: CaseResults) -> list[ComparisonRow]:
    """Compare two predictions of the same cases by every metric, for each class and for the mean over classes.

    A class that neither prediction counts in a case is left out there. Where only one counts it, the other rightly
    found nothing and gets the metric's best value; else inventing a structure would go unpunished.

    Args:
        first, second: scores of the same cases and classes.

    Returns:
        Rows in the order of `metrics.METRICS`, within a metric by class, the mean over classes last where there are
        several.

    Raises:
        InputError: the cases differ.
    """
    if set(first) != set(second):
        missing = sorted(set(first) ^ set(second))
        raise InputError(
            f"The two predictions are of different cases ({len(first)} and {len(second)}; not in both: "
            f"{', '.join(missing[:5])}). Compare predictions of the same cases."
        )
    names = list(dict.fromkeys(name for case in first.values() for name in case))
    rows: list[ComparisonRow] = []
    for metric in METRICS:
        pairs = {case: _pairs(metric, first, second, case, names) for case in first}
        samples: list[tuple[str | None, list[tuple[float, float]]]] = [
            (name, [of_case[name] for of_case in pairs.values() if name in of_case]) for name in names
        ]
        if len(names) > 1:
            means = [_mean(list(of_case.values())) for of_case in pairs.values() if of_case]
            samples.append((None, means))
        rows += _rows(metric, samples)
    return rows


def significance(p_value: float | None) -> str:
    """Stars of a p-value."""
    if p_value is None:
        return ""
    return "***" if p_value < 0.001 else "**" if p_value < 0.01 else "*" if p_value < 0.05 else ""


def _pairs(
    metric: Metric, first: CaseResults, second: CaseResults, case: str, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Both values of each class that is counted in this case."""
    found = {}
    for name in names:
        a, b = first[case][name].values[metric.name], second[case][name].values[metric.name]
        if a is not None or b is not None:
            found[name] = (metric.best if a is None else a, metric.best if b is None else b)
    return found


def _mean(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    return fmean(a for a, _ in pairs), fmean(b for _, b in pairs)


def _rows(metric: Metric, samples: Sequence[tuple[str | None, Sequence[tuple[float, float]]]]) -> list[ComparisonRow]:
    tested = [number for number, (_, pairs) in enumerate(samples) if pairs]
    signed, summed = {}, {}
    for number in tested:
        a, b = [p[0] for p in samples[number][1]], [p[1] for p in samples[number][1]]
        signed[number] = paired_test(b, a).p_value
        summed[number] = rank_sum_test(a, b).p_value
    signed_holm = dict(zip(tested, holm([signed[n] for n in tested]), strict=True))
    summed_holm = dict(zip(tested, holm([summed[n] for n in tested]), strict=True))
    return [
        ComparisonRow(
            metric=metric.name,
            class_name=name,
            first_mean=fmean(a for a, _ in pairs) if pairs else None,
            second_mean=fmean(b for _, b in pairs) if pairs else None,
            difference=mean_interval([a - b for a, b in pairs]),
            signed_rank_p=signed.get(number),
            signed_rank_holm=signed_holm.get(number),
            rank_sum_p=summed.get(number),
            rank_sum_holm=summed_holm.get(number),
        )
        for number, (name, pairs) in enumerate(samples)
    ]
