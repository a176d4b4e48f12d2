"""A finished model for the phantom, untrained, as `ufseg models bundle` would leave it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import phantom


def write_finished_model(folder: Path, task: str = "Phantom MRI", channels: tuple[str, ...] = ("MRI",)) -> None:
    """Write a model folder; installing it takes its name."""
    import torch

    from ufseg import __version__
    from ufseg.images.class_table import ClassEntry, ClassTable
    from ufseg.networks.build import build_network, network_state
    from ufseg.networks.model_folder import LossChoice, ModelDescription, write_model
    from ufseg.plans.plan import Plan, ZScore

    plan = Plan(
        dimension=3,
        modality="MRI",
        spacing=(2.0, 2.0, 2.0),
        patch_size=(16, 16, 16),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),) * len(channels),
        classes=len(phantom.CLASSES) + 1,
    )
    description = ModelDescription(
        name=folder.name,
        task=task,
        plan=plan,
        classes=ClassTable(entries=tuple(ClassEntry.model_validate(entry) for entry in phantom.CLASSES)),
        channel_names=list(channels),
        loss=LossChoice(name="asymmetric-unified-focal"),
        trained_on=["elsewhere"],
        scores={"mean": 0.5},
        seconds=1.0,
        device="CPU",
        created=datetime(2025, 1, 1, tzinfo=timezone.utc),
        ufseg_version=__version__,
    )
    torch.manual_seed(0)
    write_model(folder, description, network_state(build_network(plan, len(channels))))
