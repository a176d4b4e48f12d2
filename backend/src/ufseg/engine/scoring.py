"""Scores of models on whole, labelled volumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ufseg.errors import LabelError
from ufseg.evaluation.case_scores import ClassScores, score_case
from ufseg.evaluation.metrics import DICE, SURFACE_DICE
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.reading import crop, read_whole_case
from ufseg.inference.predictor import Predictor
from ufseg.progress import CancelCheck, Progress, ProgressCallback, raise_if_cancelled

Scores = dict[str, dict[str, float | None]]


@dataclass(frozen=True)
class ModelScores:
    """Of one model: case id → class name → score, None where the class is in neither map.

    Args:
        dice: of the volumes.
        surface: of the surfaces, within `ufseg.evaluation.metrics.DEFAULT_TOLERANCE` millimetres.
    """

    dice: Scores = field(default_factory=dict)
    surface: Scores = field(default_factory=dict)


def score_models(
    predictors: Sequence[Predictor],
    cases: Sequence[CaseFiles],
    classes: ClassTable,
    progress: ProgressCallback,
    cancelled: CancelCheck,
) -> list[ModelScores]:
    """Let several models segment the same cases and compare each with the label maps.

    Each case is read once. A model is not scored on classes that its own class table lacks.

    Args:
        predictors: the models.
        cases: labelled cases.
        classes: the task's classes.

    Raises:
        LabelError: a case has no label map.
    """
    scores = [ModelScores() for _ in predictors]
    total = len(predictors) * len(cases)
    for number, case in enumerate(cases):
        raise_if_cancelled(cancelled)
        image, whole_reference = read_whole_case(case, classes)
        if whole_reference is None:
            raise LabelError(f"The case {case.id} has no label map to be scored against. Label it first.")
        reference = crop(whole_reference, case)
        for which, predictor in enumerate(predictors):
            raise_if_cancelled(cancelled)
            stage = f"scoring validation case {number + 1} of {len(cases)}"
            within = _within(progress, stage, number * len(predictors) + which, total)
            within(Progress(0.0, stage))
            # Of the whole image, as the model will be used; what was not annotated is not judged.
            prediction = crop(predictor.predict(image, within, cancelled), case)
            raise_if_cancelled(cancelled)
            known = set(predictor.description.classes.names)
            found = {name: score for name, score in score_case(prediction, reference, classes).items() if name in known}
            scores[which].dice[case.id] = _of(found, DICE.name)
            scores[which].surface[case.id] = _of(found, SURFACE_DICE.name)
    return scores


def _within(progress: ProgressCallback, stage: str, done: int, total: int) -> ProgressCallback:
    """Progress of one of `total` predictions as that of all."""
    return lambda part: progress(Progress((done + part.fraction) / total, stage))


def _of(scores: dict[str, ClassScores], metric: str) -> dict[str, float | None]:
    return {name: score.values[metric] for name, score in scores.items()}
