"""Every loss against the authors' own code: value within 1e-6, gradient within 1e-5 of its largest entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import torch
from golden_vectors import MODES, GoldenCase, golden_cases, tensors

from ufseg.losses import SegmentationLoss, create

Parameters = dict[str, Any]


def parity(name: str, **options: Any) -> SegmentationLoss:
    return create(name, probabilities=True, clip=1e-7, **options)


def unified(name: str) -> Callable[[Parameters], SegmentationLoss]:
    def make(p: Parameters) -> SegmentationLoss:
        weight = p["weight"]  # the authors' `weight` is that of the Tversky part
        return parity(name, focal_weight=None if weight is None else 1 - weight, delta=p["delta"], gamma=p["gamma"])

    return make


def same(name: str) -> Callable[[Parameters], SegmentationLoss]:
    return lambda p: parity(name, **p)


def dice(p: Parameters) -> SegmentationLoss:
    """The authors' Dice has a δ, with which it is the Tversky loss."""
    return parity("dice", smooth=p["smooth"]) if p["delta"] == 0.5 else parity("tversky", **p)


LOSSES: dict[str, Callable[[Parameters], SegmentationLoss]] = {
    "keras_categorical_crossentropy": same("cross-entropy"),
    "focal_loss": lambda p: parity("focal", alpha=p["alpha"], gamma=p["gamma_f"]),
    "symmetric_focal_loss": same("symmetric-focal"),
    "asymmetric_focal_loss": same("asymmetric-focal"),
    "dice_loss": dice,
    "dice_coefficient": dice,
    "tversky_loss": same("tversky"),
    "focal_tversky_loss": same("focal-tversky"),
    "symmetric_focal_tversky_loss": same("symmetric-focal-tversky"),
    "asymmetric_focal_tversky_loss": same("asymmetric-focal-tversky"),
    "combo_loss": same("combo"),
    "sym_unified_focal_loss": unified("symmetric-unified-focal"),
    "asym_unified_focal_loss": unified("asymmetric-unified-focal"),
    "sym_focal_loss_mc": same("symmetric-focal"),
    "asym_focal_loss_mc": same("asymmetric-focal"),
    "sym_focal_tversky_loss_mc": same("symmetric-focal-tversky"),
    "asym_focal_tversky_loss_mc": same("asymmetric-focal-tversky"),
    "sym_unified_focal_loss_mc": unified("symmetric-unified-focal"),
    "asym_unified_focal_loss_mc": unified("asymmetric-unified-focal"),
}

CASES = [case for mode in MODES for case in golden_cases(mode)]


def value_and_gradient(case: GoldenCase, target_kind: str) -> tuple[float, torch.Tensor, torch.Tensor]:
    probabilities, one_hot, expected = tensors(case)
    probabilities.requires_grad_()
    target = one_hot if target_kind == "one-hot" else one_hot.argmax(dim=1)
    # Keras divides by the sum over classes first, which the authors' own losses do not
    given = probabilities / probabilities.sum(dim=1, keepdim=True) if case.mode == "keras_cce" else probabilities
    value = LOSSES[case.loss](case.params)(given, target)
    if case.loss == "dice_coefficient":
        value = 1 - value
    value.backward()
    assert probabilities.grad is not None
    return float(value.detach()), probabilities.grad, expected


@pytest.mark.parametrize("target_kind", ["one-hot", "indices"])
@pytest.mark.parametrize("case", CASES, ids=[f"{case.mode}/{case.id}" for case in CASES])
def test_value_and_gradient_of_the_authors_code(case: GoldenCase, target_kind: str) -> None:
    value, gradient, expected = value_and_gradient(case, target_kind)
    assert value == pytest.approx(case.value, rel=1e-6, abs=1e-12)
    assert (gradient - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_every_case_of_the_modes_is_compared() -> None:
    assert Counter(case.mode for case in CASES) == {
        "head": 432,
        "head_4d_view": 84,
        "issue8_mc": 120,
        "keras_cce": 18,
    }
