"""A model whose answer is known: it marks what is bright, whatever its size, side or place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from ufseg import __version__
from ufseg.images.class_table import ClassTable
from ufseg.inference.options import InferenceOptions
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.plans.plan import HuWindow, PatientAxis, Plan, ZScore


class Threshold(nn.Module):
    """Logits of three classes: below 0, 0 to 1, above 1 (normalised values of the first channel)."""

    def forward(self, image: Tensor) -> Tensor:
        first = image[:, :1]
        return torch.cat([torch.zeros_like(first), first, 2 * first - 1], dim=1)


MakePredictor = Callable[..., Predictor]


@pytest.fixture(scope="session")
def make_predictor() -> MakePredictor:
    def make(
        dimension: Literal[2, 3] = 3,
        spacing: tuple[float, ...] = (1.0, 1.0, 1.0),
        patch: tuple[int, ...] = (8, 8, 8),
        channels: int = 1,
        network: nn.Module | None = None,
        classes: int = 3,
        normalisation: HuWindow | ZScore = HuWindow(low=-1000, high=1000, mean=0, std=100),  # noqa: B008
        options: InferenceOptions = InferenceOptions(),  # noqa: B008
        mirror: tuple[PatientAxis, ...] = (),
    ) -> Predictor:
        plan = Plan(
            dimension=dimension,
            modality="CT" if isinstance(normalisation, HuWindow) else "MRI",
            spacing=spacing,
            patch_size=patch,
            batch_size=1,
            features=(4, 8, 8),
            kernel_sizes=((3,) * dimension,) * 3,
            strides=((1,) * dimension, (2,) * dimension, (2,) * dimension),
            normalisation=(normalisation,) * channels,
            classes=classes,
        )
        description = ModelDescription(
            name="threshold",
            mirror=mirror,
            task="test",
            plan=plan,
            classes=ClassTable.of({"grey": 3, "white": 7} | {f"class {n}": 10 + n for n in range(3, classes)}),
            channel_names=[f"channel {c}" for c in range(channels)],
            loss=LossChoice(name="asymmetric-unified-focal"),
            trained_on=[],
            seconds=0.0,
            device="CPU",
            created=datetime(2025, 1, 1, tzinfo=timezone.utc),
            ufseg_version=__version__,
        )
        return Predictor(description, network or Threshold(), choose_device("cpu"), options)

    return make
