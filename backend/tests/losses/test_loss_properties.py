"""What holds for any prediction and any annotation."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from loss_batches import batch, confident_logits
from torch import Tensor

from ufseg.losses import create, names

seeds = st.integers(0, 10_000)
all_losses = pytest.mark.parametrize("name", names())
LOCAL = "dilated-balanced-cross-entropy"
"""The one loss that looks at neighbours."""


@all_losses
@settings(max_examples=8, deadline=None)
@given(seed=seeds, classes=st.integers(1, 4))
def test_the_order_of_voxels_does_not_matter(name: str, seed: int, classes: int) -> None:
    if name == LOCAL:
        return
    logits, labels = batch((2, classes, 4, 3, 3), seed)
    order = torch.randperm(36, generator=torch.Generator().manual_seed(seed))
    shuffled, relabelled = logits.flatten(2)[..., order], labels.flatten(1)[:, order]
    loss = create(name)
    assert torch.allclose(loss(logits, labels), loss(shuffled, relabelled), rtol=1e-10)


@all_losses
@settings(max_examples=8, deadline=None)
@given(seed=seeds, classes=st.integers(3, 5))
def test_the_order_of_foreground_classes_does_not_matter(name: str, seed: int, classes: int) -> None:
    logits, labels = batch((2, classes, 5, 6), seed)
    order = torch.cat([torch.zeros(1, dtype=torch.long), 1 + torch.randperm(classes - 1)])
    inverse = order.argsort()
    loss = create(name)
    assert torch.allclose(loss(logits, labels), loss(logits[:, order], inverse[labels]), rtol=1e-10)


@all_losses
@settings(max_examples=8, deadline=None)
@given(seed=seeds, shift=st.floats(-50, 50))
def test_adding_a_constant_to_all_logits_changes_nothing(name: str, seed: int, shift: float) -> None:
    logits, labels = batch((2, 3, 5, 6), seed)
    loss = create(name)
    assert torch.allclose(loss(logits, labels), loss(logits + shift, labels), rtol=1e-9)


def annotation(kind: str, shape: tuple[int, ...], classes: int, seed: int) -> Tensor:
    if kind == "empty":
        return torch.zeros(shape, dtype=torch.uint8)
    if kind == "all foreground":
        return torch.full(shape, classes - 1, dtype=torch.uint8)
    return torch.randint(classes, shape, generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


@all_losses
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@settings(max_examples=12, deadline=None)
@given(
    seed=seeds,
    classes=st.integers(1, 4),
    size=st.sampled_from([0.0, 1e-3, 1.0, 17.0, 90.0, 1e3, 1e4]),
    kind=st.sampled_from(["empty", "all foreground", "mixed"]),
    prediction=st.sampled_from(["perfect", "inverted", "random"]),
)
def test_value_and_gradient_are_finite(
    name: str, dtype: torch.dtype, seed: int, classes: int, size: float, kind: str, prediction: str
) -> None:
    labels = annotation(kind, (2, 4, 5), max(classes, 2), seed)
    if prediction == "random":
        logits = size * (2 * torch.rand(2, classes, 4, 5, generator=torch.Generator().manual_seed(seed)) - 1)
    else:
        sign = 1 if prediction == "perfect" else -1
        logits = confident_logits(labels, max(classes, 2), sign * size)[:, -classes:]
    logits = logits.to(dtype).requires_grad_()
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        value = create(name)(logits, labels)
    value.backward()
    assert value.dtype == torch.float32
    assert torch.isfinite(value)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@all_losses
@given(seed=seeds)
@settings(max_examples=5, deadline=None)
def test_a_perfect_prediction_is_better_than_any_other(name: str, seed: int) -> None:
    logits, labels = batch((2, 3, 5, 6), seed, dtype=torch.float32)
    loss = create(name)
    perfect = loss(confident_logits(labels, 3, 50.0), labels)
    floor = {"combo": -0.5}.get(name, 0.0)
    assert perfect == pytest.approx(floor, abs=1e-5)
    assert loss(logits, labels) > perfect + 1e-3


@all_losses
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_logits_are_computed_in_float32(name: str, dtype: torch.dtype) -> None:
    logits, labels = batch((2, 3, 12, 12, 12), dtype=torch.float32)
    low = logits.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        inside = create(name)(low, labels)
    torch.testing.assert_close(inside, create(name)(low.float(), labels), rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("name", ["dice", "asymmetric-unified-focal", "generalised-dice"])
def test_many_voxels_do_not_saturate_the_sums(name: str) -> None:
    """Float32 sums one after the other would be wrong by 1e-4 here, fp16 sums would overflow."""
    logits, labels = batch((1, 2, 700, 900), dtype=torch.float32)
    assert create(name)(logits, labels) == pytest.approx(float(create(name)(logits.double(), labels)), rel=2e-6)


@pytest.mark.parametrize("delta", [0.0, 1.0])
@pytest.mark.parametrize("name", ["tversky", "focal-tversky", "symmetric-focal-tversky", "asymmetric-unified-focal"])
@settings(max_examples=15, deadline=None)
@given(seed=seeds, size=st.floats(6.0, 16.0))
def test_only_one_kind_of_error_counted_stays_in_range(name: str, delta: float, seed: int, size: float) -> None:
    """With δ at its limits nothing but a tiny tp may be left in a denominator."""
    labels = (torch.rand(1, 40, 50, generator=torch.Generator().manual_seed(seed)) < 0.999).long()
    logits = confident_logits(labels, 2, -size).requires_grad_()
    elements = create(name, delta=delta, reduction="none")(logits, labels)
    elements.sum().backward()
    assert (elements >= 0).all()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
    if "tversky" in name:
        assert (elements <= 1 + 1e-6).all()


@pytest.mark.parametrize("implementation", ["reference", "fused"])
@pytest.mark.parametrize("name", ["dice", "tversky", "focal", "symmetric-focal-tversky", "asymmetric-focal"])
def test_small_errors_keep_their_digits(name: str, implementation: str) -> None:
    """1 − p of a confident voxel is far below float32's resolution at 1."""
    labels = torch.zeros(1, 6, 6, dtype=torch.long)
    labels[0, 2:4, 2:4] = 1
    logits = 20.0 * (2 * labels.float() - 1).unsqueeze(1)
    loss = create(name, ignore_index=255, implementation=implementation)
    single, double = (loss(x, labels) for x in (logits, logits.double()))
    assert single > 0
    assert single == pytest.approx(float(double), rel=1e-3)
