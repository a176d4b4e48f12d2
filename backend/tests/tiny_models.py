"""Small model folders, untrained, for the squares of `workspace_samples`."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from workspace_samples import CLASSES

from ufseg import __version__
from ufseg.images.class_table import ClassTable
from ufseg.networks.build import build_network, network_state
from ufseg.networks.model_folder import LossChoice, ModelDescription, write_model
from ufseg.plans.plan import Plan, ZScore


def squares_plan(classes: ClassTable = CLASSES, channels: int = 1, features: tuple[int, ...] = (8, 16, 16)) -> Plan:
    """A 2D plan for images of 32 × 40 pixels."""
    return Plan(
        dimension=2,
        modality="other",
        spacing=(1.0, 1.0),
        patch_size=(32, 40),
        batch_size=4,
        features=features,
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        normalisation=(ZScore(),) * channels,
        classes=len(classes.entries) + 1,
    )


def write_squares_model(
    folder: Path, *, task: str = "Squares", classes: ClassTable = CLASSES, channels: int = 1, seed: int = 0, **more: Any
) -> ModelDescription:
    """A model folder with random weights; `more`: other fields of the description than the weights belong to."""
    plan = squares_plan(classes, channels)
    network = build_network(plan, channels)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1, generator=generator)
    fields: dict[str, Any] = {
        "name": folder.name,
        "task": task,
        "plan": plan,
        "classes": classes,
        "channel_names": [f"channel {n}" for n in range(channels)] if channels > 1 else ["image"],
        "loss": LossChoice(name="asymmetric-unified-focal"),
        "trained_on": ["elsewhere 1", "elsewhere 2"],
        "scores": {"mean": 0.75, "organ": 0.8, "lesion": 0.7},
        "seconds": 1.0,
        "device": "CPU",
        "created": datetime(2025, 1, 1, tzinfo=timezone.utc),
        "ufseg_version": __version__,
    }
    description = ModelDescription(**(fields | more))
    write_model(folder, description, network_state(network))
    return description
