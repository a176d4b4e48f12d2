"""One score per case, class and metric out of several seeds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ufseg.comparison.runs import Run
from ufseg.evaluation.case_scores import ClassScores
from ufseg.evaluation.metrics import METRICS

POOLING_RULE = (
    "The unit of every mean, interval and test is the case: the scores that a loss's seeds got on a case are averaged "
    "first, since trainings with other seeds are no further patients. Spread between seeds is told apart from it."
)
COUNTING_RULE = (
    "Every loss is judged on the same cases and classes: what any run of any loss counts is counted for all, and a run "
    "that rightly found nothing where another invented the class gets the best value."
)

Pooled = dict[str, dict[str, dict[str, ClassScores]]]
"""Loss label → case → class → scores averaged over seeds."""


def pool(runs: Sequence[Run]) -> Pooled:
    """Average over the seeds of each loss, by `POOLING_RULE` and `COUNTING_RULE`; failed runs are left out."""
    judged = [run for run in runs if run.failure is None]
    counted = {
        (case, name, metric)
        for run in judged
        for case, classes in run.scores.items()
        for name, scores in classes.items()
        for metric, value in scores.values.items()
        if value is not None
    }
    by_label: dict[str, list[Run]] = {}
    for run in judged:
        by_label.setdefault(run.entrant.label, []).append(run)
    return {
        label: {
            case: {name: _average(of_loss, case, name, counted) for name in classes}
            for case, classes in of_loss[0].scores.items()
        }
        for label, of_loss in by_label.items()
    }


def _average(runs: Sequence[Run], case: str, name: str, counted: set[tuple[str, str, str]]) -> ClassScores:
    values: dict[str, float | None] = {}
    for metric in METRICS:
        if (case, name, metric.name) not in counted:
            values[metric.name] = None
            continue
        given = [run.scores[case][name].values[metric.name] for run in runs]
        values[metric.name] = fmean(metric.best if value is None else value for value in given)
    # Which mask is empty may differ between seeds and is told in results.csv.
    return ClassScores(values=values, empty=None)
