"""Forms of predictions, targets and weights, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from loss_batches import SHAPES, batch, one_hot

from ufseg.losses import create, names

all_losses = pytest.mark.parametrize("name", names())


@all_losses
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_all_forms_of_a_target_mean_the_same(name: str, shape: tuple[int, ...]) -> None:
    logits, labels = batch(shape)
    loss = create(name)
    expected = loss(logits, labels)
    hot = one_hot(labels, max(shape[1], 2))
    forms = [labels.to(torch.uint8), labels.unsqueeze(1), labels.unsqueeze(1).to(torch.uint8), labels.int()]
    if shape[1] == 1:
        forms += [labels.bool(), labels.unsqueeze(1).float()]
    else:
        forms += [hot, hot.bool(), hot.float(), hot.long()]
    for form in forms:
        assert torch.allclose(loss(logits, form), expected, rtol=1e-12), f"{form.dtype} {list(form.shape)}"


@all_losses
def test_a_single_channel_is_a_sigmoid_of_two_classes(name: str) -> None:
    logits, labels = batch((2, 1, 3, 4, 5))
    two = torch.cat([torch.zeros_like(logits), logits], dim=1)
    loss = create(name)
    assert torch.allclose(loss(logits, labels), loss(two, labels), rtol=1e-12)
    given = create(name, probabilities=True)
    assert torch.allclose(given(logits.sigmoid(), labels), given(two.softmax(1), labels), rtol=1e-9)


@all_losses
def test_probabilities_agree_with_logits_where_the_clip_does_not_matter(name: str) -> None:
    logits, labels = batch((2, 3, 6, 5), scale=1.0)
    options: dict[str, Any] = {"bound": 0.0} if "focal-tversky" in name or "unified" in name or "hybrid" in name else {}
    assert torch.allclose(
        create(name, **options)(logits, labels), create(name, probabilities=True)(logits.softmax(1), labels), rtol=1e-9
    )


def test_soft_targets_are_taken_as_they_are() -> None:
    logits, _ = batch((2, 3, 6, 5))
    fractions = torch.rand(2, 3, 6, 5, dtype=torch.float64).softmax(1)
    expected = -(fractions * logits.log_softmax(1)).sum(1).mean()
    assert torch.allclose(create("cross-entropy")(logits, fractions), expected)


@all_losses
@pytest.mark.parametrize("ignore_index", [255, 1])
def test_ignored_voxels_might_as_well_not_be_there(name: str, ignore_index: int) -> None:
    if name == "dilated-balanced-cross-entropy":
        pytest.skip("distances between the remaining voxels change when voxels are removed")
    logits, labels = batch((1, 3, 40))
    keep = torch.rand(40, generator=torch.Generator().manual_seed(5)) < 0.7
    keep &= labels[0] != ignore_index
    labels = torch.where(keep, labels, ignore_index).to(torch.uint8)
    whole = create(name, ignore_index=ignore_index)(logits.requires_grad_(), labels)
    assert torch.allclose(whole, create(name)(logits[..., keep], labels[:, keep]), rtol=1e-9)
    (gradient,) = torch.autograd.grad(whole, logits)
    assert gradient[..., ~keep].abs().max() == 0


@all_losses
def test_a_weight_map_of_zeros_and_ones_ignores_voxels(name: str) -> None:
    logits, labels = batch((2, 3, 6, 5))
    ignored = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(2)) < 0.3
    expected = create(name, ignore_index=9)(logits, labels.masked_fill(ignored, 9))
    for weight in (~ignored, (~ignored).float().unsqueeze(1)):
        assert torch.allclose(create(name)(logits, labels, weight), expected, rtol=1e-9)
    assert torch.allclose(create(name)(logits, one_hot(labels, 3), ~ignored), expected, rtol=1e-9)


@all_losses
def test_labels_of_voxels_without_weight_do_not_matter(name: str) -> None:
    logits, labels = batch((2, 3, 6, 5))
    weight = torch.rand(2, 6, 5, generator=torch.Generator().manual_seed(2)) < 0.7
    other = torch.where(weight, labels, (labels + 1) % 3)
    loss = create(name, **({"radius": 1} if name == "dilated-balanced-cross-entropy" else {}))
    assert torch.equal(loss(logits, labels, weight), loss(logits, other, weight))


@all_losses
def test_a_weight_of_two_counts_a_voxel_twice(name: str) -> None:
    if name == "dilated-balanced-cross-entropy":
        pytest.skip("a voxel twice is not a grid")
    logits, labels = batch((1, 3, 20))
    weight = torch.ones(1, 20)
    weight[:, 5:9] = 2
    twice = torch.cat([torch.arange(20), torch.arange(5, 9)])
    assert torch.allclose(
        create(name)(logits, labels, weight), create(name)(logits[..., twice], labels[:, twice]), rtol=1e-9
    )


@all_losses
def test_a_batch_without_any_annotated_voxel_is_zero_and_finite(name: str) -> None:
    logits, labels = batch((2, 3, 6, 5))
    value = create(name, ignore_index=7)(logits.requires_grad_(), torch.full_like(labels, 7))
    value.backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0
    assert value <= 0


@pytest.mark.parametrize(
    ("target", "error", "text"),
    [
        (torch.zeros(2, 6, 4, dtype=torch.long), ValueError, r"\[2, 6, 4\].*\[2, 6, 5\]"),
        (torch.zeros(2, 2, 6, 5, dtype=torch.long), ValueError, r"\[2, 3, 6, 5\] \(one-hot\)"),
        (torch.full((2, 6, 5), 3), ValueError, r"from 3 to 3.*ignore_index"),
        (torch.full((2, 6, 5), -1), ValueError, r"from -1 to -1"),
        (torch.zeros(2, 6, 5), TypeError, r"float32.*target.long\(\)"),
    ],
    ids=["other size", "other class count", "label too large", "negative label", "real-valued labels"],
)
def test_a_target_that_does_not_fit_is_refused(target: torch.Tensor, error: type[Exception], text: str) -> None:
    logits, _ = batch((2, 3, 6, 5))
    with pytest.raises(error, match=text):
        create("asymmetric-unified-focal")(logits, target)


def test_predictions_and_weights_that_do_not_fit_are_refused() -> None:
    logits, labels = batch((2, 3, 6, 5))
    loss = create("asymmetric-unified-focal")
    with pytest.raises(ValueError, match=r"\[B, C, \*space\]"):
        loss(logits[:, 0, 0], labels)
    with pytest.raises(TypeError, match="floating point"):
        loss(logits.long(), labels)
    with pytest.raises(ValueError, match=r"weight map has the shape \[2, 6, 1\]"):
        loss(logits, labels, torch.ones(2, 6, 1))
    with pytest.raises(ValueError, match="ignore_index=0 needs class indices"):
        create("dice", ignore_index=0)(logits, one_hot(labels, 3))
    with pytest.raises(ValueError, match="delta has 2 values but the prediction has 3 classes"):
        create("tversky", delta=[0.5, 0.6])(logits, labels)


@all_losses
def test_the_inputs_are_left_as_they_were(name: str) -> None:
    logits, labels = batch((2, 3, 6, 5))
    weight = torch.rand(2, 6, 5)
    copies = logits.clone(), labels.clone(), weight.clone()
    create(name, ignore_index=2)(logits, labels, weight)
    assert all(torch.equal(a, b) for a, b in zip((logits, labels, weight), copies, strict=True))


@all_losses
def test_channels_last_logits_give_the_same(name: str) -> None:
    logits, labels = batch((2, 3, 4, 5, 6))
    last = logits.to(memory_format=torch.channels_last_3d)
    assert torch.allclose(create(name)(last, labels), create(name)(logits, labels), rtol=1e-12)


def test_a_loss_used_first_for_validation_still_trains() -> None:
    """Vectors of class values are kept between calls; they must not be kept as inference tensors."""
    logits, labels = batch((2, 5, 6, 5))
    loss = create("symmetric-unified-focal", delta=[0.5, 0.51, 0.52, 0.53, 0.54])
    with torch.inference_mode():
        loss(logits, labels)
    loss(logits.requires_grad_(), labels).backward()
    assert logits.grad is not None
