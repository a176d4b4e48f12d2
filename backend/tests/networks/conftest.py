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


@pytest.fixture(params=[2, 3], ids=["2D", "3D"])
def paper_plan(request: pytest.FixtureRequest) -> Plan:
    dimension = request.param
    return Plan.model_validate(
        {
            "dimension": dimension,
            "modality": "other",
            "spacing": (1.0,) * dimension,
            "patch_size": (32,) * dimension,
            "batch_size": 2,
            "features": (2, 4, 8, 8, 16),
            "kernel_sizes": ((3,) * dimension,) * 5,
            "strides": ((1,) * dimension, *((2,) * dimension,) * 4),
            "normalisation": (ZScore(),) * 2,
            "classes": 3,
            "architecture": "paper",
        }
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
