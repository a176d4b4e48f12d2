"""Estimated memory."""

from __future__ import annotations

import pytest

from ufseg.networks.build import build_network
from ufseg.plans.memory import plan_step_bytes, training_gb, weight_count
from ufseg.plans.plan import Architecture, Plan, ZScore


def isotropic(architecture: Architecture, patch: tuple[int, ...], batch: int, levels: int, classes: int = 3) -> Plan:
    dimension = len(patch)
    first = 32 if architecture == "paper" else 16
    return Plan.model_validate(
        {
            "dimension": dimension,
            "modality": "other",
            "spacing": (1.0,) * dimension,
            "patch_size": patch,
            "batch_size": batch,
            "features": tuple(first * 2**n for n in range(levels)),
            "kernel_sizes": ((3,) * dimension,) * levels,
            "strides": ((1,) * dimension, *((2,) * dimension,) * (levels - 1)),
            "normalisation": (ZScore(),),
            "classes": classes,
            "architecture": architecture,
        }
    )


# Megabytes as backend/benchmarks/step_memory.py measured them.
@pytest.mark.parametrize(
    ("plan", "megabytes"),
    [
        (isotropic("dynunet", (40, 56, 40), 2, 4), 209),
        (isotropic("dynunet", (40, 56, 40), 2, 4, classes=61), 271),
        (isotropic("dynunet", (64, 64, 64), 1, 4), 301),
        (isotropic("dynunet", (64, 64, 64), 2, 4), 594),
        (isotropic("dynunet", (256, 256), 8, 6), 830),
        (isotropic("paper", (64, 64, 64), 1, 5), 808),
    ],
    ids=lambda value: f"{value.architecture}-{value.patch_size}" if isinstance(value, Plan) else str(value),
)
def test_the_estimate_is_what_was_measured_or_somewhat_more(plan: Plan, megabytes: float) -> None:
    assert 0.95 * megabytes < plan_step_bytes(plan) / 1e6 < 1.55 * megabytes
    assert training_gb(plan) > plan_step_bytes(plan) / 1e9


@pytest.mark.parametrize("architecture", ["dynunet", "paper"])
@pytest.mark.parametrize("dimension", [2, 3])
def test_weights_are_counted_nearly(architecture: Architecture, dimension: int) -> None:
    plan = isotropic(architecture, (16,) * dimension, 2, 5)
    real = sum(p.numel() for p in build_network(plan, 1).parameters())
    assert weight_count(plan) == pytest.approx(real, rel=0.02)
