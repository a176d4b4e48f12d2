"""A training of a tiny network on one thread, for `test_killed.py`; as a program: ``killable.py CHECKPOINT``."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan, ZScore
from ufseg.training.cases import PreparedCase
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import TrainingResult, train

EPOCHS = 60
STEPS = 120


def run(checkpoint: Path | None, resume: bool, checkpoint_seconds: float = 1000.0) -> TrainingResult:
    """Train four 2D cases; the same weights in every process."""
    plan = Plan(
        dimension=2,
        modality="MRI",
        spacing=(1.0, 1.0),
        patch_size=(16, 16),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        normalisation=(ZScore(),),
        classes=2,
    )
    rng = np.random.default_rng(0)
    cases = []
    for number in range(4):
        label = np.zeros((16, 16), np.uint8)
        label[4:9, number : number + 6] = 1
        image = (label + rng.normal(0, 0.3, label.shape))[None].astype(np.float32)
        cases.append(PreparedCase.of(str(number), image, label))
    settings = TrainingSettings(epochs=EPOCHS, checkpoint_seconds=checkpoint_seconds)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return train(cases, plan, settings, device=choose_device("cpu"), checkpoint=checkpoint, resume=resume)
    finally:
        torch.set_num_threads(threads)


if __name__ == "__main__":
    run(Path(sys.argv[1]), resume=False, checkpoint_seconds=0)
    print("finished", flush=True)
