"""Dice of a model on whole, labelled volumes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ufseg.errors import LabelError
from ufseg.evaluation.dice import dice_per_class
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.reading import crop, read_whole_case
from ufseg.inference.predictor import Predictor
from ufseg.progress import CancelCheck, Progress, ProgressCallback, raise_if_cancelled

Scores = dict[str, dict[str, float | None]]


def score_models(
    predictors: Sequence[Predictor],
    cases: Sequence[CaseFiles],
    classes: ClassTable,
    progress: ProgressCallback,
    cancelled: CancelCheck,
) -> list[Scores]:
    """Let several models segment the same cases and compare each with the label maps.

    Each case is read once. A model is not scored on classes that its own class table lacks.

    Args:
        predictors: the models.
        cases: labelled cases.
        classes: the task's classes.

    Returns:
        For each model: case id → class name → Dice, None where the class is in neither map.

    Raises:
        LabelError: a case has no label map.
    """
    scores: list[Scores] = [{} for _ in predictors]
    total = len(predictors) * len(cases)
    for number, case in enumerate(cases):
        image, whole_reference = read_whole_case(case, classes)
        if whole_reference is None:
            raise LabelError(f"The case {case.id} has no label map to be scored against. Label it first.")
        reference = crop(whole_reference, case)
        for which, predictor in enumerate(predictors):
            raise_if_cancelled(cancelled)
            done = number * len(predictors) + which
            progress(Progress(done / total, f"scoring validation case {number + 1} of {len(cases)}"))
            # Of the whole image, as the model will be used; what was not annotated is not judged.
            prediction = crop(predictor.predict(image, cancelled=cancelled), case)
            known = set(predictor.description.classes.names)
            dice = dice_per_class(prediction, reference, classes)
            scores[which][case.id] = {
                name: None if math.isnan(value) else value for name, value in dice.items() if name in known
            }
    return scores
