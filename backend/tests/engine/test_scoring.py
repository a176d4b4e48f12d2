"""Scoring on label maps of which only a region was annotated."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ufseg import __version__
from ufseg.engine.scoring import ModelScores, score_models
from ufseg.images.case_files import CaseFiles, Region
from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.plans.plan import Plan, ZScore
from ufseg.progress import ignore_progress, never_cancelled

CLASSES = ClassTable.of({"bright": 2})
GRID = Geometry(size=(16, 16, 8), spacing=(1, 1, 1), origin=(0, 0, 0), direction=(-1, 0, 0, 0, 1, 0, 0, 0, -1))


class _AboveOne(nn.Module):
    """Marks what is more than a standard deviation brighter than the mean."""

    def forward(self, image: Tensor) -> Tensor:
        return torch.cat([torch.ones_like(image), image], dim=1)


def _predictor() -> Predictor:
    ones, twos = (1, 1, 1), (2, 2, 2)
    plan = Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0, 1.0, 1.0),
        patch_size=(8, 8, 8),
        batch_size=1,
        features=(4, 8, 8),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=(ones, twos, twos),
        normalisation=(ZScore(),),
        classes=2,
    )
    description = ModelDescription(
        name="m",
        task="t",
        plan=plan,
        classes=CLASSES,
        channel_names=["image"],
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=[],
        seconds=0.0,
        device="CPU",
        created=datetime(2025, 1, 1, tzinfo=timezone.utc),
        ufseg_version=__version__,
    )
    return Predictor(description, _AboveOne(), choose_device("cpu"))


def test_a_region_is_judged_by_what_the_model_makes_of_the_whole_image(tmp_path: Path) -> None:
    label = np.zeros(GRID.array_shape, np.uint8)
    label[2:6, 4:9, 3:8] = 2
    image = np.random.default_rng(0).normal(0, 0.1, label.shape) + 10 * (label == 2)
    # Outside the region everything is left unlabelled, which must not count as background.
    annotated = np.zeros_like(label)
    box = (slice(2, 6), slice(4, 10), slice(4, 8))
    annotated[box] = label[box]
    write_image(tmp_path / "i.nrrd", Image(image[np.newaxis].astype(np.float32), GRID))
    write_label_map(tmp_path / "l.nrrd", LabelMap(annotated, GRID))
    case = CaseFiles(
        id="c",
        subject="c",
        images=(tmp_path / "i.nrrd",),
        label=tmp_path / "l.nrrd",
        region=Region(start=(4, 4, 2), stop=(8, 10, 6)),
    )
    scores = score_models([_predictor()], [case], CLASSES, ignore_progress, never_cancelled)
    assert scores == [ModelScores(dice={"c": {"bright": 1.0}}, surface={"c": {"bright": 1.0}})]
