"""Which windows a model segments large images by."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import squares_plan
from torch import Tensor, nn
from workspace_samples import CLASSES

from ufseg.engine.window_choice import choose_window_scale
from ufseg.errors import CancelledError
from ufseg.images.case_files import CaseFiles
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image, LabelMap
from ufseg.images.writing import write_image, write_label_map
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.progress import never_cancelled

SHAPE = (64, 80)


class _RightIn(nn.Module):
    """Finds the organ (bright) in windows of one size, and nothing in others."""

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self._size = size

    def forward(self, image: Tensor) -> Tensor:
        right = tuple(image.shape[2:]) == self._size
        organ = image - 1 if right else torch.full_like(image, -1)
        return torch.cat([torch.zeros_like(image), organ, torch.full_like(image, -2)], dim=1)


@pytest.fixture
def cases(tmp_path: Path) -> list[CaseFiles]:
    grid = Geometry(size=SHAPE[::-1], spacing=(1, 1), origin=(0, 0), direction=(1, 0, 0, 1))
    made = []
    for n in range(3):
        label = np.zeros(SHAPE, np.uint8)
        label[20 + n : 40, 25:50] = CLASSES.values[0]
        # Noise, lest the border is left out as air.
        image = (label > 0).astype(np.float32)[None] * 10 + np.random.default_rng(n).normal(0, 0.1, (1, *SHAPE))
        write_image(tmp_path / f"{n}.nrrd", Image(image.astype(np.float32), grid))
        write_label_map(tmp_path / f"{n}.label.nrrd", LabelMap(label, grid))
        files = CaseFiles(
            id=str(n), subject=str(n), images=(tmp_path / f"{n}.nrrd",), label=tmp_path / f"{n}.label.nrrd"
        )
        made.append(files)
    return made


@pytest.fixture
def description() -> ModelDescription:
    return ModelDescription.model_validate(
        {
            "name": "m",
            "task": "t",
            "plan": squares_plan(),
            "classes": CLASSES,
            "channel_names": ["image"],
            "loss": LossChoice(name="asymmetric-unified-focal"),
            "trained_on": [],
            "seconds": 0.0,
            "device": "CPU",
            "created": "2025-01-01T00:00:00Z",
            "ufseg_version": "0",
        }
    )


@pytest.mark.parametrize(("right", "scale"), [((32, 40), 1), ((64, 80), 2)])
def test_the_windows_that_score_better_are_chosen(
    cases: list[CaseFiles], description: ModelDescription, right: tuple[int, int], scale: int
) -> None:
    shapes = {case.id: SHAPE for case in cases}
    device = choose_device("cpu")
    assert choose_window_scale(description, _RightIn(right), device, cases, shapes, never_cancelled) == scale


def test_nothing_is_computed_where_every_case_fits_into_a_patch(
    cases: list[CaseFiles], description: ModelDescription
) -> None:
    shapes = dict.fromkeys("012", (32, 40))
    network = nn.Module()  # cannot be called
    assert choose_window_scale(description, network, choose_device("cpu"), cases, shapes, never_cancelled) == 1


def test_it_can_be_cancelled(cases: list[CaseFiles], description: ModelDescription) -> None:
    shapes = {case.id: SHAPE for case in cases}
    with pytest.raises(CancelledError):
        choose_window_scale(description, _RightIn((32, 40)), choose_device("cpu"), cases, shapes, lambda: True)
