"""Tiny cases that a tiny network can learn: a bright ball and a dark one in noise."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from ufseg.plans.plan import Plan, ZScore
from ufseg.training.cases import PreparedCase


@pytest.fixture
def plan() -> Plan:
    return Plan(
        dimension=3,
        modality="MRI",
        spacing=(1.0, 1.0, 1.0),
        patch_size=(16, 16, 16),
        batch_size=2,
        features=(8, 16, 16),
        kernel_sizes=((3, 3, 3),) * 3,
        strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
        normalisation=(ZScore(),),
        classes=3,
    )


@pytest.fixture
def plan_2d() -> Plan:
    return Plan(
        dimension=2,
        modality="MRI",
        spacing=(1.0, 1.0),
        patch_size=(16, 16),
        batch_size=2,
        features=(4, 8, 8),
        kernel_sizes=((3, 3),) * 3,
        strides=((1, 1), (2, 2), (2, 2)),
        normalisation=(ZScore(),),
        classes=3,
    )


@pytest.fixture
def make_case() -> Callable[..., PreparedCase]:
    def make(number: int, shape: tuple[int, ...] = (18, 14, 16)) -> PreparedCase:
        rng = np.random.default_rng(number)
        label = np.zeros(shape, np.uint8)
        index = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
        for value in (1, 2):
            centre = rng.uniform(np.asarray(shape) * 0.3, np.asarray(shape) * 0.7)
            label[((index - centre) ** 2).sum(-1) < 9] = value
        image = rng.normal(0, 0.2, shape) + np.array([0.0, 2.0, -2.0])[label]
        return PreparedCase.of(f"case{number}", image[None].astype(np.float32), label)

    return make
