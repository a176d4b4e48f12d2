"""A training whose process may not take more memory than `argv[1]` MB beyond what it has; prints its result as JSON."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch

from ufseg.errors import OutOfMemoryError
from ufseg.networks.device import choose_device
from ufseg.plans.plan import Plan, ZScore
from ufseg.progress import Progress
from ufseg.training.cases import PreparedCase
from ufseg.training.settings import TrainingSettings
from ufseg.training.trainer import train


def main() -> None:
    """Train two epochs on patches of 64³ voxels."""
    torch.set_num_threads(1)
    plan = Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0, 1.0, 1.0),
        patch_size=(64, 64, 64),
        batch_size=4,
        features=(8, 16, 16),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),),
        classes=2,
    )
    label = np.zeros((64, 64, 64), np.uint8)
    label[20:40, 20:40, 20:40] = 1
    case = PreparedCase.of("one", label[None].astype(np.float32), label)
    stages: list[str] = []

    def note(progress: Progress) -> None:
        stages.append(progress.stage)

    device = choose_device("cpu")
    corner = PreparedCase.of("corner", case.image[:, 12:28, 12:28, 12:28], case.label[12:28, 12:28, 12:28])
    small = plan.model_copy(update={"patch_size": (16, 16, 16)})
    train([corner], small, TrainingSettings(epochs=1), device=device)  # loads what torch loads late
    taken = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0]) * resource.getpagesize()
    limit = taken + int(float(sys.argv[1]) * 1e6)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    try:
        result = train([case], plan, TrainingSettings(epochs=2), device=device, progress=note)
    except OutOfMemoryError as error:
        print(json.dumps({"error": str(error)}))
        return
    finite = all(bool(tensor.isfinite().all()) for tensor in result.state_dict.values())
    print(
        json.dumps(
            {
                "batch": result.plan.batch_size,
                "patch": result.plan.patch_size,
                "steps": result.steps,
                "notes": result.notes,
                "stages": sorted(set(stages)),
                "finite": finite,
            }
        )
    )


if __name__ == "__main__":
    main()
