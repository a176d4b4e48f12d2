"""Memory of a prediction: a process of its own, since only its peak tells."""

from __future__ import annotations

import subprocess
import sys

import pytest

PREDICT = """
import resource
from datetime import datetime, timezone

import numpy as np
import torch

from ufseg.images.class_table import ClassTable
from ufseg.images.geometry import Geometry
from ufseg.images.image import Image
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import LossChoice, ModelDescription
from ufseg.plans.plan import HuWindow, Plan

CLASSES = 40
plan = Plan(
    dimension=3, modality="CT", spacing=(1.0, 1.0, 1.0), patch_size=(16, 32, 32), batch_size=1, features=(4, 8, 8),
    kernel_sizes=((3,) * 3,) * 3, strides=((1,) * 3, (2,) * 3, (2,) * 3),
    normalisation=(HuWindow(low=-100, high=400, mean=0, std=100),), classes=CLASSES,
)
description = ModelDescription(
    name="m", task="t", plan=plan, classes=ClassTable.of({f"c{n}": n for n in range(1, CLASSES)}),
    channel_names=["image"], loss=LossChoice(name="asymmetric-unified-focal"), trained_on=[], seconds=0.0, device="",
    created=datetime(2025, 1, 1, tzinfo=timezone.utc), ufseg_version="0",
)
predictor = Predictor(description, torch.nn.Conv3d(1, CLASSES, 1), choose_device("cpu"))

def image(length):
    array = np.random.default_rng(0).integers(0, 400, (1, length, 96, 96)).astype(np.int16)
    axes = (1, 0, 0, 0, 1, 0, 0, 0, 1)
    return Image(array, Geometry(size=(96, 96, length), spacing=(1, 1, 1.25), origin=(0, 0, 0), direction=axes))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

predictor.predict(image(20))
before = peak()
large = image(160)
predictor.predict(large)
print("MB", (peak() - before) / 1e6, 4 * CLASSES * large.array.size * 1.25 / 1e6)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="resource reports peak memory in other units or not at all")
def test_peak_memory_is_not_that_of_the_logits() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREDICT], capture_output=True, encoding="utf-8", timeout=120, check=False
    )
    assert "MB" in done.stdout, done.stderr
    more, logits = (float(number) for number in done.stdout.split()[1:])
    assert logits > 290
    assert more < 60, "eight times the length must not take eight times the memory"
