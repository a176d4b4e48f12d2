"""The outcome of a comparison: means, intervals and tests of every loss."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from statistics import fmean

from pydantic import BaseModel, ConfigDict

from ufseg.comparison.entrants import Entrant, reference_of
from ufseg.comparison.pooling import COUNTING_RULE, POOLING_RULE, Pooled, pool
from ufseg.comparison.request import ComparisonRequest
from ufseg.comparison.runs import Run
from ufseg.comparison.scoring import FIELD_OF_VIEW_RULE
from ufseg.evaluation.case_scores import CaseResults, ClassScores
from ufseg.evaluation.comparison import ComparisonRow, compare
from ufseg.evaluation.intervals import INTERVAL_METHOD, MeanInterval, mean_interval
from ufseg.evaluation.metrics import DICE, EMPTY_RULES, IOU, METRICS, PRECISION, RECALL, Metric
from ufseg.evaluation.statistics import holm

PAPER_METRICS = (DICE, IOU, PRECISION, RECALL)
"""Those of the paper's tables."""

TEST_RULE = (
    "Each loss against the reference loss, two-sided, on the pooled case scores: Wilcoxon rank-sum (as in the paper, "
    "marked *) and signed-rank (paired by case, marked †); for each metric and class the p-values of each test are "
    "Holm-corrected over the losses; one sign p < 0.05, two p < 0.01, three p < 0.001 after correction."
)
CSV_COLUMNS = ("loss", "seed", "case", "class", "metric", "unit", "value", "empty")


class Row(BaseModel):
    """One metric of one class and loss, over the test cases.

    Args:
        label: of the loss.
        class_name: None for the mean over the classes of each case.
        metric: its name.
        over_cases: mean with 95 % confidence interval.
        best: whether no loss has a better mean.
        difference: of loss − reference, case by case; None for the reference itself.
        rank_sum_p, signed_rank_p: p-values as the tests give them.
        rank_sum_holm, signed_rank_holm: corrected over the losses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: str
    class_name: str | None
    metric: str
    over_cases: MeanInterval
    best: bool
    difference: MeanInterval | None = None
    rank_sum_p: float | None = None
    rank_sum_holm: float | None = None
    signed_rank_p: float | None = None
    signed_rank_holm: float | None = None


class TrainingSummary(BaseModel):
    """The trainings of one loss.

    Args:
        entrant: the loss.
        seed_dice: mean DSC over cases of each seed's model; None where it failed or nothing was counted.
        steps, seconds: of each seed's training.
        failures, notes: sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    entrant: Entrant
    seed_dice: list[float | None]
    steps: list[int]
    seconds: list[float]
    failures: list[str]
    notes: list[str]


class Results(BaseModel):
    """All there is to tell; JSON holds null and never NaN.

    Args:
        request: what was compared.
        seeds_finished: by every loss; only these are in the rows.
        reference: label of the loss that the others are tested against.
        trainings: in the order of the request.
        rows: by class (their mean last), metric, loss.
        pooled_dice: label → case → mean over the counted classes of the DSC pooled over seeds.
        rules: how all was computed, in sentences.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    request: ComparisonRequest
    seeds_finished: int
    reference: str
    trainings: list[TrainingSummary]
    rows: list[Row]
    pooled_dice: dict[str, dict[str, float | None]]
    rules: list[str]

    def row(self, label: str, class_name: str | None, metric: Metric) -> Row:
        """One row; raises KeyError."""
        for row in self.rows:
            if (row.label, row.class_name, row.metric) == (label, class_name, metric.name):
                return row
        raise KeyError((label, class_name, metric.name))

    @property
    def labels(self) -> list[str]:
        """Losses with a model, in the order of the request."""
        return list(dict.fromkeys(row.label for row in self.rows))

    @property
    def class_names(self) -> list[str | None]:
        """The classes, and None for their mean where there are several."""
        return list(dict.fromkeys(row.class_name for row in self.rows))

    @property
    def overall(self) -> str | None:
        """The class name of the rows that tell most: the mean over classes, or the only class."""
        return self.class_names[-1]


def make_results(request: ComparisonRequest, runs: Sequence[Run]) -> Results:
    """Put the finished runs together.

    Args:
        request: what was compared.
        runs: of one or more seeds, each of all losses.
    """
    pooled = pool(runs)
    reference = reference_of([e for e in request.entrants if e.label in pooled] or request.entrants).label
    return Results(
        request=request,
        seeds_finished=len({run.seed for run in runs}),
        reference=reference,
        trainings=[_training(entrant, runs) for entrant in request.entrants],
        rows=_rows(request, pooled, reference),
        pooled_dice={
            label: {case: case_mean(classes, DICE) for case, classes in cases.items()}
            for label, cases in pooled.items()
        },
        rules=[
            POOLING_RULE,
            COUNTING_RULE,
            INTERVAL_METHOD + ".",
            TEST_RULE,
            *EMPTY_RULES[:3],
            FIELD_OF_VIEW_RULE,
        ],
    )


def case_mean(classes: Mapping[str, ClassScores], metric: Metric) -> float | None:
    """Mean over the counted classes of a case."""
    counted = [v for scores in classes.values() if (v := scores.values[metric.name]) is not None]
    return fmean(counted) if counted else None


def to_csv(runs: Sequence[Run]) -> str:
    """Every score of every run in long form; an empty value is not counted, and ``empty`` says why."""
    units = {metric.name: metric.unit for metric in METRICS}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for run in runs:
        for case, classes in run.scores.items():
            for name, scores in classes.items():
                for metric, value in scores.values.items():
                    cell = "" if value is None else repr(value)
                    row = [run.entrant.label, run.seed, case, name, metric, units[metric], cell, scores.empty or ""]
                    writer.writerow(row)
    return buffer.getvalue()


class SweepPoint(BaseModel):
    """DSC of one γ: over cases (pooled over seeds), and of each seed's model (mean over classes and cases)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gamma: float
    class_name: str | None
    over_cases: MeanInterval
    seed_dice: list[float | None]


class Sweep(BaseModel):
    """The paper's figure 3 in numbers: DSC against γ of the asymmetric Unified Focal loss."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    points: list[SweepPoint]


def make_sweep(results: Results) -> Sweep:
    """The points of a sweep, by class and then γ as given."""
    trainings = {t.entrant.label: t for t in results.trainings}
    points = [
        SweepPoint(
            gamma=trainings[label].entrant.options["gamma"],
            class_name=name,
            over_cases=results.row(label, name, DICE).over_cases,
            seed_dice=trainings[label].seed_dice,
        )
        for name in results.class_names
        for label in results.labels
    ]
    return Sweep(dataset=results.request.dataset, points=points)


def _rows(request: ComparisonRequest, pooled: Pooled, reference: str) -> list[Row]:
    tests = {label: _tests(cases, pooled[reference]) for label, cases in pooled.items() if label != reference}
    names: list[str | None] = [*request.classes.names, *([None] if len(request.classes.names) > 1 else [])]
    rows: list[Row] = []
    for name in names:
        for metric in METRICS:
            means = {label: _over_cases(cases, name, metric) for label, cases in pooled.items()}
            best = _best([m.mean for m in means.values()], metric)
            found = {label: of_loss[metric.name, name] for label, of_loss in tests.items()}
            summed = _corrected({label: row.rank_sum_p for label, row in found.items()})
            signed = _corrected({label: row.signed_rank_p for label, row in found.items()})
            for label, mean in means.items():
                test = found.get(label)
                rows.append(
                    Row(
                        label=label,
                        class_name=name,
                        metric=metric.name,
                        over_cases=mean,
                        best=best is not None and mean.mean == best,
                        difference=None if test is None else test.difference,
                        rank_sum_p=None if test is None else test.rank_sum_p,
                        rank_sum_holm=summed.get(label),
                        signed_rank_p=None if test is None else test.signed_rank_p,
                        signed_rank_holm=signed.get(label),
                    )
                )
    return rows


def _tests(cases: CaseResults, reference: CaseResults) -> dict[tuple[str, str | None], ComparisonRow]:
    rows = compare(cases, reference)
    return {(row.metric, row.class_name): row for row in rows}


def _corrected(p_values: Mapping[str, float | None]) -> dict[str, float]:
    tested = {label: p for label, p in p_values.items() if p is not None}
    return dict(zip(tested, holm(list(tested.values())), strict=True))


def _over_cases(cases: CaseResults, name: str | None, metric: Metric) -> MeanInterval:
    values = [
        case_mean(classes, metric) if name is None else classes[name].values[metric.name] for classes in cases.values()
    ]
    return mean_interval(values, metric.low, metric.high)


def _best(means: Sequence[float | None], metric: Metric) -> float | None:
    counted = [m for m in means if m is not None]
    if not counted:
        return None
    if metric.better == "nearer 0":
        return min(counted, key=abs)
    return max(counted) if metric.better == "higher" else min(counted)


def _training(entrant: Entrant, runs: Sequence[Run]) -> TrainingSummary:
    own = [run for run in runs if run.entrant == entrant]
    return TrainingSummary(
        entrant=entrant,
        seed_dice=[_mean_dice(run) for run in own],
        steps=[run.steps for run in own],
        seconds=[run.seconds for run in own],
        failures=[f"seed {run.seed}: {run.failure}" for run in own if run.failure is not None],
        notes=[f"seed {run.seed}: {note}" for run in own for note in run.notes],
    )


def _mean_dice(run: Run) -> float | None:
    counted = [m for classes in run.scores.values() if (m := case_mean(classes, DICE)) is not None]
    return fmean(counted) if counted else None
