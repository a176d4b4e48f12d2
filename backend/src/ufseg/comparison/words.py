"""What a comparison says about the Unified Focal loss, in a paragraph made from the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from ufseg.comparison.entrants import ASYMMETRIC
from ufseg.comparison.results import Results, Row, TrainingSummary
from ufseg.evaluation.metrics import DICE

LEVEL = 0.05
UNEQUAL_STEPS = 1.2
"""From this ratio of steps on, the difference is told."""


def paragraph(results: Results) -> str:
    """Rank, distance to the best, what is significant, how much seeds matter. Nothing is left out that speaks against
    the loss."""
    rows = [results.row(label, results.overall, DICE) for label in results.labels]
    judged = [row for row in rows if row.over_cases.mean is not None]
    if not judged:
        return "No loss could be judged: every training failed, or no test case holds any class."
    ordered = sorted(judged, key=lambda row: -_mean(row))
    own = next((row for row in ordered if row.label == results.reference), None)
    sentences = [_setting(results, ordered)]
    if own is not None:
        sentences += [_place(results, ordered, own), *_significance(ordered, own, results)]
    sentences += [_seeds(results, ordered), *_steps(results), *_failures(results.trainings)]
    return " ".join(sentences)


def counted(number: int, thing: str) -> str:
    """``1 loss``, ``2 losses``, ``3 values of γ``."""
    noun, *rest = thing.split(" of ")
    plural = noun if number == 1 else noun + ("es" if noun.endswith("s") else "s")
    return f"{number} {' of '.join([plural, *rest])}"


def _setting(results: Results, ordered: Sequence[Row]) -> str:
    request = results.request
    n = ordered[0].over_cases.n
    of = "the mean over classes" if results.overall is None else results.overall
    return (
        f"{request.dataset}: {counted(len(ordered), 'value of γ' if request.sweep else 'loss')} trained on "
        f"{counted(len(request.training), 'case')} for {request.effort} with {counted(results.seeds_finished, 'seed')}"
        f"{'' if len(ordered) == 1 else ' each'}, judged by the DSC of {of} on {counted(n, 'test case')}."
    )


def _place(results: Results, ordered: Sequence[Row], own: Row) -> str:
    name = _name(results)
    rank = 1 + sum(_mean(row) > _mean(own) for row in ordered)
    if len(ordered) == 1:
        return f"{name} reaches {_interval(own)}."
    if rank == 1:
        second = next(row for row in ordered if row is not own)
        return (
            f"{name} has the highest mean, {_interval(own)}; the next is {second.label} with "
            f"{_interval(second)}, {_amount(_mean(own) - _mean(second))} lower."
        )
    best = ordered[0]
    return (
        f"{name} comes in place {rank} of {len(ordered)} with {_interval(own)}; {best.label} has the highest mean, "
        f"{_interval(best)}, {_amount(_mean(best) - _mean(own))} higher."
    )


def _significance(ordered: Sequence[Row], own: Row, results: Results) -> list[str]:
    others = [row for row in ordered if row is not own]
    if not others:
        return []
    better = [r for r in others if _significant(r.signed_rank_holm) and _mean_difference(r) < 0]
    worse = [r for r in others if _significant(r.signed_rank_holm) and _mean_difference(r) > 0]
    open_ = len(others) - len(better) - len(worse)
    parts = []
    if better:
        parts.append(f"better than {_names(better)}")
    if worse:
        parts.append(f"worse than {_names(worse)}")
    told = f"it is significantly {' and '.join(parts)}" if parts else "it differs significantly from none of the others"
    remaining = f", and not told apart from {counted(open_, 'other')}" if parts and open_ else ""
    unpaired = sum(_significant(r.rank_sum_holm) for r in others)
    cases = own.over_cases.n
    few = []
    if 2.0 ** (1 - cases) * len(others) >= LEVEL:  # even if all cases agree
        few = [
            f"From {counted(cases, 'case')} no paired test of {len(others)} can become significant after correction."
        ]
    return [
        f"Paired by case (signed-rank, Holm-corrected) {told}{remaining}.",
        *few,
        f"The paper's unpaired rank-sum test (Holm-corrected) finds {unpaired} of {counted(len(others), 'difference')} "
        "significant.",
    ]


def _seeds(results: Results, ordered: Sequence[Row]) -> str:
    if results.seeds_finished < 2:
        return "With one seed nothing is known of how much the result depends on chance in training."
    spreads = []
    for training in results.trainings:
        known = [d for d in training.seed_dice if d is not None]
        if len(known) > 1:
            spreads.append(max(known) - min(known))
    if not spreads:
        return "No loss has two finished trainings, so that nothing is known of the spread between seeds."
    widest = max(spreads)
    text = f"Between seeds of the same loss the mean DSC differs by up to {widest:.3f}"
    if len(ordered) < 2:
        return text + "."
    distance = _mean(ordered[0]) - _mean(ordered[-1])
    return (
        f"{text}; between the best and the worst loss by {distance:.3f}, so that differences of the size of the former "
        "may be chance."
    )


def _steps(results: Results) -> list[str]:
    """Whether the budget was as much for every loss."""
    means = {t.entrant.label: fmean(t.steps) for t in results.trainings if t.steps and not t.failures}
    if len(means) < 2 or max(means.values()) <= UNEQUAL_STEPS * min(means.values()):
        return []
    few, many = min(means, key=means.__getitem__), max(means, key=means.__getitem__)
    return [
        f"In the same time {few} did {means[few]:.0f} steps and {many} {means[many]:.0f}: part of the differences is "
        "speed, of the loss or of a busy machine; with --epochs all do the same."
    ]


def _failures(trainings: Sequence[TrainingSummary]) -> list[str]:
    failed = [(t.entrant.label, len(t.failures)) for t in trainings if t.failures]
    return [f"{counted(count, 'training')} of {label} failed." for label, count in failed]


def _name(results: Results) -> str:
    entrant = next(t.entrant for t in results.trainings if t.entrant.label == results.reference)
    if results.request.sweep:
        return f"γ = {entrant.options['gamma']:g}"
    return "The asymmetric Unified Focal loss" if entrant.loss == ASYMMETRIC else f"The reference, {entrant.label},"


def _names(rows: Sequence[Row]) -> str:
    labels = [row.label for row in rows]
    return labels[0] if len(labels) == 1 else ", ".join(labels[:-1]) + " and " + labels[-1]


def _significant(p_value: float | None) -> bool:
    return p_value is not None and p_value < LEVEL


def _mean(row: Row) -> float:
    if row.over_cases.mean is None:
        raise ValueError(f"{row.label} was not judged")
    return row.over_cases.mean


def _mean_difference(row: Row) -> float:
    return 0.0 if row.difference is None or row.difference.mean is None else row.difference.mean


def _interval(row: Row) -> str:
    low, high = row.over_cases.low, row.over_cases.high
    ends = "" if low is None or high is None else f" [{low:.3f}, {high:.3f}]"
    return f"{_mean(row):.3f}{ends}"


def _amount(difference: float) -> str:
    return f"{difference:.3f}" if difference >= 0.0005 else "less than 0.001"
