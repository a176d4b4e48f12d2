"""A step on a GPU must not wait for the GPU, or the GPU will wait for the next one."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from waiting import Waiting

from ufseg.losses import base, sample
from ufseg.losses.fused import voxel_sums
from ufseg.losses.fused.batch import Batch
from ufseg.networks import device as devices
from ufseg.networks.device import Device, choose_device
from ufseg.plans.plan import Plan, ZScore
from ufseg.training.cases import PreparedCase
from ufseg.training.loop import Loop
from ufseg.training.ranks import Ranks
from ufseg.training.settings import AugmentationSettings, TrainingSettings
from ufseg.training.work import Work

STEPS = 3
ALL = AugmentationSettings(
    **dict.fromkeys(("affine", "elastic", "contrast", "brightness", "gamma", "noise", "blur", "low_resolution"), 1.0),
    mirror=(0.5, 0.5, 0.5),
)
PLAN = Plan(
    dimension=3,
    modality="MRI",
    spacing=(1.0,) * 3,
    patch_size=(16,) * 3,
    batch_size=2,
    features=(4, 8, 16),
    kernel_sizes=((3, 3, 3),) * 3,
    strides=((1, 1, 1), (2, 2, 2), (2, 2, 2)),
    normalisation=(ZScore(), ZScore()),
    classes=3,
)


def loop_on(device: Device) -> Loop:
    label = np.zeros((20,) * 3, np.uint8)
    label[4:8, 4:8, 4:8], label[10:16, 10:16, 10:16] = 1, 2
    image = np.random.default_rng(0).normal(0, 1, (2, *label.shape)).astype(np.float32)
    work = Work(
        cases=[PreparedCase.of("case", image, label)],
        validation=[],
        new_cases=frozenset(),
        plan=PLAN,
        settings=TrainingSettings(epochs=100, augmentation=ALL),
        device=device,
        initial=None,
        checkpoint=None,
        ranks=Ranks(),
    )
    return Loop(work)


def kernels() -> SimpleNamespace:
    """In place of the kernels for a GPU, which cannot run here."""

    def sum_voxels(batch: Batch, exponents: object, *, region: bool) -> torch.Tensor:
        return torch.ones(4, batch.logits.shape[0], batch.classes, dtype=torch.float64)

    def logit_gradient(batch: Batch, exponents: object, slopes: object, *, region: bool) -> torch.Tensor:
        return torch.zeros_like(batch.logits)

    return SimpleNamespace(sum_voxels=sum_voxels, logit_gradient=logit_gradient)


@pytest.mark.filterwarnings("ignore:CUDA is not available")
@pytest.mark.parametrize("implementation", ["fused", "reference"])
def test_nothing_in_a_step_waits(monkeypatch: pytest.MonkeyPatch, implementation: str) -> None:
    # The CPU in the place of a GPU: the loop does what it does there.
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 0))
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    monkeypatch.setattr(voxel_sums, "passes", lambda batch: kernels())
    if implementation == "reference":
        monkeypatch.setattr(base, "obstacle_of_tensors", lambda *batch: "no fused losses")
        monkeypatch.setattr(sample, "_check_indices", lambda *indices: None)  # on a CPU only
    loop = loop_on(Device(torch.device("cpu"), "GPU", "cuda"))
    loop._do_step(0.1)  # what is kept for all steps is made in the first
    # The optimiser counts its steps on the CPU; norms of gradients are brought to the device that they are on.
    with Waiting("torch/optim", "clip_grad") as waiting:
        for _ in range(STEPS):
            loop._do_step(0.5)
    assert loop._data is not None
    loop._data.close()
    assert sorted(set(waiting.found)) == []


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_torch_sees_no_wait_in_a_step() -> None:
    loop = loop_on(choose_device("cuda"))
    for _ in range(STEPS):
        loop._do_step(0.1)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(STEPS):
            loop._do_step(0.5)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    loop._read()


def test_what_waits_is_seen() -> None:
    values = torch.arange(4.0)
    with Waiting() as waiting:
        values.to(torch.device("cpu"))
        values.to(torch.device("cpu"), non_blocking=True)
        values.to(torch.float64)
        values[values > 1]
        float(values.sum())
        torch.tensor([1.0], device="cpu")
    assert len(waiting.found) >= 4


def test_copies_to_a_gpu_come_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[bool, object, bool]] = []
    tensor = torch.ones(3)
    pinned = torch.zeros(3)

    def to(this: torch.Tensor, device: torch.device, non_blocking: bool = False) -> torch.Tensor:
        asked.append((this is pinned, device, non_blocking))
        return this

    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda _: pinned)
    monkeypatch.setattr(torch.Tensor, "to", to)
    devices.copied_to(torch.device("cuda", 0), tensor)
    assert asked == [(True, torch.device("cuda", 0), True)]
