"""A tiny model."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ufseg import __version__
from ufseg.images.class_table import ClassTable
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.plans.plan import Plan, ZScore


@pytest.fixture
def plan() -> Plan:
    return Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0, 1.0, 1.0),
        patch_size=(8, 8, 16),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),),
        classes=3,
    )


@pytest.fixture
def description(plan: Plan) -> ModelDescription:
    return ModelDescription(
        name="tiny",
        task="test",
        plan=plan,
        classes=ClassTable.of({"organ": 1, "lesion": 2}),
        channel_names=["MRI"],
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=["case1"],
        seconds=1.0,
        device="CPU",
        created=datetime(2025, 1, 1, tzinfo=timezone.utc),
        ufseg_version=__version__,
    )
