"""The Triton kernels, run by Triton's interpreter where there is no GPU, against the plain passes."""

from __future__ import annotations

import os
import sys
from types import ModuleType

import pytest
import torch
from torch import Tensor

from ufseg.losses.fused import choice, torch_passes
from ufseg.losses.fused.batch import Batch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture(scope="module")
def triton_passes() -> ModuleType:
    pytest.importorskip("triton", reason="Triton exists only on Linux")
    from ufseg.losses.fused import triton_passes

    return triton_passes


def example(classes: int, dtype: torch.dtype, weighted: bool, ignore_index: int | None, voxels: int = 37) -> Batch:
    generator = torch.Generator().manual_seed(classes)
    logits = (3 * torch.randn(2, classes, voxels, generator=generator)).to(dtype)
    labels = torch.randint(max(classes, 2), (2, voxels), generator=generator).to(torch.uint8)
    if ignore_index == 255:
        labels[torch.rand(2, voxels, generator=generator) < 0.2] = 255
    weight = torch.rand(2, voxels, generator=generator).to(DEVICE) if weighted else None
    return Batch(logits.to(DEVICE), labels.to(DEVICE), weight, ignore_index)


def focal_exponents(kind: str, classes: int) -> tuple[float, ...] | None:
    if kind == "none":
        return None
    return (0.5,) + (0.0,) * (classes - 1) if kind == "background" else tuple(0.3 * i for i in range(classes))


def on_cpu(batch: Batch) -> Batch:
    weight = None if batch.weight is None else batch.weight.cpu()
    return Batch(batch.logits.cpu(), batch.target.cpu(), weight, batch.ignore_index)


def assert_same(passes: ModuleType, batch: Batch, exponents: tuple[float, ...] | None, region: bool = True) -> None:
    plain = on_cpu(batch)
    sums: Tensor = passes.sum_voxels(batch, exponents, region=region).cpu()
    expected = torch_passes.sum_voxels(plain, exponents, region=True)
    tolerance = 1e-12 if batch.dtype == torch.float64 else 3e-6
    assert torch.allclose(sums, expected, rtol=tolerance, atol=tolerance)

    slopes = torch.randn(expected.shape, generator=torch.Generator().manual_seed(0)).to(batch.dtype)
    gradient: Tensor = passes.logit_gradient(batch, exponents, slopes.to(DEVICE), region=region).cpu()
    expected = torch_passes.logit_gradient(plain, exponents, slopes, region=region)
    assert gradient.dtype == batch.logits.dtype
    tolerance = {torch.float64: 1e-12, torch.float32: 1e-5}.get(batch.logits.dtype, 1e-2)
    assert torch.allclose(gradient, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
@pytest.mark.parametrize("kind", ["none", "background", "each"])
@pytest.mark.parametrize(("weighted", "ignore_index"), [(False, None), (True, None), (False, 255), (True, 1)])
def test_same_sums_and_gradients(
    triton_passes: ModuleType, classes: int, kind: str, weighted: bool, ignore_index: int | None
) -> None:
    batch = example(classes, torch.float64, weighted, ignore_index)
    assert_same(triton_passes, batch, focal_exponents(kind, max(classes, 2)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_same_for_all_types_of_logits(triton_passes: ModuleType, dtype: torch.dtype) -> None:
    assert_same(triton_passes, example(3, dtype, True, None), (0.5, 0.0, 0.0))


def test_same_without_region_sums(triton_passes: ModuleType) -> None:
    assert_same(triton_passes, example(3, torch.float64, False, None), (0.5, 0.5, 0.5), region=False)


def test_same_over_several_tiles_and_programs(triton_passes: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_passes, "TILE", 64)
    monkeypatch.setattr(triton_passes, "PROGRAMS", 2)
    assert_same(triton_passes, example(3, torch.float64, True, 255, voxels=101), (0.5, 0.1, 0.0))


def test_same_for_any_memory_layout(triton_passes: ModuleType) -> None:
    batch = example(3, torch.float64, True, None)
    assert batch.weight is not None
    scattered = Batch(
        batch.logits.transpose(1, 2).contiguous().transpose(1, 2),
        batch.target.long().t().contiguous().t(),
        torch.stack([batch.weight, batch.weight], dim=-1)[..., 0],
        None,
    )
    assert_same(triton_passes, scattered, (0.5, 0.0, 0.0))
    yes_or_no = Batch(batch.logits[:, :2], batch.target == 1, batch.weight > 0.5, None)
    assert_same(triton_passes, yes_or_no, (0.5, 0.0))


@pytest.mark.parametrize("size", [0.0, 30.0, -30.0, 1e4, -1e4])
def test_extreme_logits_stay_finite(triton_passes: ModuleType, size: float) -> None:
    batch = example(3, torch.float32, False, None)
    right = torch.arange(3, device=DEVICE).reshape(1, 3, 1) == batch.target.unsqueeze(1)
    batch = Batch(torch.where(right, size, -size), batch.target, None, None)
    assert_same(triton_passes, batch, (0.5, 0.2, 0.0))
    gradient = triton_passes.logit_gradient(batch, (0.5, 0.2, 0.0), torch.ones(4, 2, 3, device=DEVICE), region=True)
    assert torch.isfinite(gradient).all()


def test_a_class_index_without_a_channel_makes_everything_nan(triton_passes: ModuleType) -> None:
    batch = example(3, torch.float32, False, None)
    batch.target[1, 5] = 3
    sums = triton_passes.sum_voxels(batch, (0.5, 0.0, 0.0), region=True)
    assert torch.isfinite(sums[:, 0]).all()
    assert sums[:, 1].isnan().all()


def test_where_triton_does_not_run_the_reference_is_taken(
    triton_passes: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ufseg.losses.fused import triton_probe

    device = torch.device(DEVICE)
    assert triton_probe.failure(device) is None

    def start(target: Tensor) -> None:
        raise RuntimeError("Failed to find C compiler. Please specify it.\nAnd more.")

    monkeypatch.setattr(triton_probe, "_write_seven", {(1,): start})
    choice.problem_of_triton.cache_clear()
    with pytest.warns(UserWarning, match=r"Failed to find C compiler\. Please specify it\. So the losses run in plain"):
        problem = choice.problem_of_triton(device)
    assert problem == "Triton cannot run its kernels on this computer: Failed to find C compiler. Please specify it."
    monkeypatch.setattr(choice, "has_triton", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _: (9, 0))
    monkeypatch.setattr(choice, "problem_of_triton", lambda _: problem)
    assert choice._obstacle_of_device(torch.device("cuda", 0)) == problem


def test_the_interpreter_is_asked_for_before_triton_is_loaded() -> None:
    """See conftest.py."""
    assert DEVICE == "cuda" or os.environ.get("TRITON_INTERPRET") == "1" or sys.platform != "linux"
