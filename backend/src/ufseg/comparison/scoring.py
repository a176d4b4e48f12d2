"""Scores of a model on test cases."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ufseg.errors import LabelError
from ufseg.evaluation.case_scores import ClassScores, score_case
from ufseg.evaluation.metrics import METRICS
from ufseg.images.case_files import CaseFiles
from ufseg.images.class_table import ClassTable
from ufseg.images.image import LabelMap
from ufseg.images.reading import crop, read_field_of_view, read_whole_case
from ufseg.inference.predictor import Predictor
from ufseg.progress import CancelCheck, Progress, ProgressCallback, raise_if_cancelled

FIELD_OF_VIEW_RULE = (
    "Where a case has a field-of-view mask (DRIVE), what lies outside it is background in prediction and reference "
    "alike and so not judged; the paper names no such masks."
)


def score_model(
    predictor: Predictor,
    cases: Sequence[CaseFiles],
    classes: ClassTable,
    progress: ProgressCallback,
    cancelled: CancelCheck,
) -> dict[str, dict[str, ClassScores]]:
    """Let a model segment whole images and score it where they are annotated.

    Returns:
        Case id → class name → scores. A class that the annotator of a case did not know is not counted there.

    Raises:
        LabelError: a case has no label map.
        CancelledError: `cancelled` said so.
    """
    scores = {}
    for number, case in enumerate(cases):
        raise_if_cancelled(cancelled)
        progress(Progress(number / len(cases), f"scoring test case {number + 1} of {len(cases)}"))
        image, reference = read_whole_case(case, classes)
        if reference is None:
            raise LabelError(f"The case {case.id} has no label map to be scored against. Label it first.")
        prediction = predictor.predict(image, cancelled=cancelled)
        seen = read_field_of_view(case, image.geometry)
        if seen is not None:
            prediction, reference = (
                LabelMap(np.where(seen, label.array, 0).astype(label.array.dtype), label.geometry)
                for label in (prediction, reference)
            )
        of_case = score_case(crop(prediction, case), crop(reference, case), classes)
        if case.classes is not None:
            nothing = ClassScores(values={metric.name: None for metric in METRICS}, empty="both")
            of_case = {name: s if name in case.classes else nothing for name, s in of_case.items()}
        scores[case.id] = of_case
    progress(Progress(1.0, "scoring test cases"))
    return scores
