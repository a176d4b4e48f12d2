"""What a training takes of memory, estimated before it starts.

The constants come from ``backend/benchmarks/step_memory.py`` (torch 2.13, MONAI 1.6.1, float32 on a CPU; the growth of
the peak of resident memory by one step). With bfloat16 a step takes about half, so the estimate errs on the safe side.
"""

from __future__ import annotations

import itertools
import math
import operator
from dataclasses import dataclass

from ufseg.plans.plan import Architecture, Plan
from ufseg.plans.topology import Topology

BYTES_PER_FEATURE: dict[Architecture, int] = {"dynunet": 50, "paper": 64}
"""Kept between forward and backward pass, or used for a while, per feature of a voxel of a level.

Measured, per voxel of the batch at full resolution: DynUNet with 16 features 1118 bytes in 3D (4 levels, 64³ patches;
1041 at 40 × 56 × 40) and 1521 in 2D (6 levels), which makes 48 to 52 for each of its features; the paper's network with
32 features 2730 bytes in 3D, which makes 64, for its ReLU keeps a copy.
"""
BYTES_PER_CLASS = 6
"""Logits, their gradient and the loss, per voxel; measured with 3 and 61 classes. Deep supervision adds 1 %."""
BYTES_PER_WEIGHT = 20
"""Weight, gradient, Adam's two moments and the moving average."""
RESIDENT_BYTES = 700_000_000
"""Of a training process before its first step: 0.51 GB of libraries, and room for the next batch and the allocator."""


@dataclass(frozen=True)
class Budget:
    """What a training may take.

    Args:
        gb: memory of its process, in 10⁹ bytes, the prepared cases not counted.
        voxels: of all patches of a step together; None if memory alone bounds them.
    """

    gb: float
    voxels: int | None = None


DEFAULT_BUDGETS = {"cuda": Budget(4.0), "cpu": Budget(2.0, voxels=220_000)}
"""By kind of device, unless the user says. On a CPU it is time that lacks: 2 patches of nearly 48³ voxels, larger ones
would leave too few steps in minutes."""


def step_bytes(architecture: Architecture, network: Plan | Topology, batch_size: int, classes: int) -> int:
    """Memory of one optimisation step, the weights included.

    Args:
        architecture: of the network.
        network: gives patch, features, kernels and strides.
        batch_size: patches of the step.
        classes: network outputs, background included.
    """
    shrink = itertools.accumulate((math.prod(s) for s in network.strides), operator.mul)
    features = sum(f / s for f, s in zip(network.features, shrink, strict=True))
    per_voxel = features * BYTES_PER_FEATURE[architecture] + classes * BYTES_PER_CLASS
    return int(batch_size * math.prod(network.patch_size) * per_voxel) + BYTES_PER_WEIGHT * weight_count(network)


def plan_step_bytes(plan: Plan) -> int:
    """`step_bytes` of a plan."""
    return step_bytes(plan.architecture, plan, plan.batch_size, plan.classes)


def training_gb(plan: Plan) -> float:
    """Memory of the whole training process in GB (10⁹ bytes), the prepared cases not counted."""
    return (RESIDENT_BYTES + plan_step_bytes(plan)) / 1e9


def weight_count(network: Plan | Topology) -> int:
    """About how many numbers a network consists of: two convolutions a level on each way, and the transposed ones."""
    total = 0
    for level, (kernel, here) in enumerate(zip(network.kernel_sizes, network.features, strict=True)):
        above = network.features[level - 1] if level else 1
        total += math.prod(kernel) * here * (above + here)
        if level:
            total += math.prod(network.strides[level]) * above * here + 3 * math.prod(kernel) * above * above
    return total
