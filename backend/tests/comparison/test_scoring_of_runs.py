"""Scores of a real predictor whose network finds class 1 everywhere."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
import torch
from torch import Tensor, nn

from ufseg.comparison.scoring import score_model
from ufseg.errors import CancelledError, LabelError
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.plans.plan import Plan, ZScore
from ufseg.progress import ignore_progress, never_cancelled

CLASSES = ClassTable.of({"vessel": 1, "bleeding": 2})
SHAPE = (16, 32)


class EverywhereOne(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        logits = torch.zeros(image.shape[0], 3, *image.shape[2:])
        logits[:, 1] = 5
        return logits


@pytest.fixture
def predictor() -> Predictor:
    plan = Plan(
        dimension=2,
        modality="other",
        spacing=(1.0, 1.0),
        patch_size=(16, 16),
        batch_size=1,
        features=(4, 4, 4),
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        normalisation=(ZScore(),),
        classes=3,
    )
    description = ModelDescription(
        name="m",
        task="t",
        plan=plan,
        classes=CLASSES,
        channel_names=["grey"],
        loss=LossChoice(name="dice"),
        trained_on=[],
        seconds=0,
        device="cpu",
        created=datetime.now(timezone.utc),
        ufseg_version="0",
    )
    return Predictor(description, EverywhereOne(), choose_device("cpu"))


@pytest.fixture
def case(tmp_path: Path) -> CaseFiles:
    """128 of 512 pixels are class 1, the left quarter; the field of view is the left half."""
    random = np.random.default_rng(0)
    label, seen = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    label[:, :8], seen[:, :16] = 1, 255
    arrays = {"image": random.integers(0, 255, SHAPE, dtype=np.uint8), "label": label, "seen": seen}
    for name, array in arrays.items():
        sitk.WriteImage(sitk.GetImageFromArray(array), str(tmp_path / f"{name}.png"))
    return CaseFiles(id="c", subject="c", images=(tmp_path / "image.png",), label=tmp_path / "label.png")


def precision(predictor: Predictor, case: CaseFiles) -> float | None:
    scores = score_model(predictor, [case], CLASSES, ignore_progress, never_cancelled)
    return scores["c"]["vessel"].values["precision"]


def test_the_whole_image_is_judged(predictor: Predictor, case: CaseFiles) -> None:
    assert precision(predictor, case) == 0.25


def test_outside_the_field_of_view_nothing_is_judged(predictor: Predictor, case: CaseFiles, tmp_path: Path) -> None:
    assert precision(predictor, case.model_copy(update={"field_of_view": tmp_path / "seen.png"})) == 0.5


def test_outside_the_annotated_region_nothing_is_judged(predictor: Predictor, case: CaseFiles) -> None:
    region = Region(start=(0, 0), stop=(8, 16))
    assert precision(predictor, case.model_copy(update={"region": region})) == 1.0


def test_classes_that_the_annotator_did_not_know_are_not_counted(predictor: Predictor, case: CaseFiles) -> None:
    assert precision(predictor, case.model_copy(update={"classes": ("bleeding",)})) is None


def test_unlabelled_cases_and_a_stop(predictor: Predictor, case: CaseFiles) -> None:
    with pytest.raises(LabelError, match="no label map"):
        precision(predictor, case.model_copy(update={"label": None}))
    with pytest.raises(CancelledError):
        score_model(predictor, [case], CLASSES, ignore_progress, lambda: True)
