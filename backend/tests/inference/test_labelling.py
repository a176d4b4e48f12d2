"""Labels from slabs of scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from waiting import Waiting

from ufseg.inference.blending import Slab
from ufseg.inference.labelling import Labeller, Neighbours

SHAPES = st.tuples(*[st.integers(1, 14)] * 3)


def slabs(scores: Tensor, cuts: list[int]) -> list[Slab]:
    """`scores` in pieces that overlap by a plane."""
    ends = sorted({c % scores.shape[1] for c in cuts} | {scores.shape[1] - 1})
    starts = [0, *ends[:-1]]
    return [Slab(a, scores[:, a : b + 1]) for a, b in zip(starts, ends, strict=True)]


def require_argmax(labels: np.ndarray, scores: Tensor, values: np.ndarray) -> None:
    """The labels are the argmax of the scores, except where the two are equal up to rounding."""
    index = np.searchsorted(values, labels)
    np.testing.assert_array_equal(values[index], labels)
    chosen = scores.gather(0, torch.from_numpy(index)[None])[0]
    assert (chosen >= scores.max(0).values - 1e-5).all()


@settings(deadline=None)
@given(SHAPES, SHAPES, st.integers(2, 5), st.lists(st.integers(0, 20), max_size=4), st.booleans())
def test_labels_are_the_argmax_of_resampled_logits(
    shape: tuple[int, ...], target: tuple[int, ...], classes: int, cuts: list[int], renamed: bool
) -> None:
    scores = torch.randn(classes, *shape, generator=torch.Generator().manual_seed(sum(shape)))
    values = np.arange(classes, dtype=np.uint8) * (3 if renamed else 1)
    # The target is a view with strides of its own, as a turned image's is.
    labels = np.full(target[::-1], 255, np.uint8).transpose()[::-1]
    labeller = Labeller(shape, labels, values)
    for slab in slabs(scores, cuts):
        labeller.add(slab)
    resampled = F.interpolate(scores[None], size=target, mode="trilinear", align_corners=False)[0]
    require_argmax(labels.copy(), resampled, values)


def test_of_equal_scores_the_lower_class_wins() -> None:
    labels = np.full((2, 3, 4), 9, np.uint8)
    labeller = Labeller((2, 3, 4), labels, np.asarray([0, 5, 7], np.uint8))
    labeller.add(Slab(0, torch.stack([torch.zeros(2, 3, 4), torch.ones(2, 3, 4), torch.ones(2, 3, 4)])))
    assert (labels == 5).all()


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_neighbours_are_those_of_torch(old: int, new: int) -> None:
    line = torch.randn(old, generator=torch.Generator().manual_seed(old))
    n = Neighbours.of(old, new)
    ours = torch.lerp(line[n.below], line[n.above], n.share)
    theirs = F.interpolate(line[None, None], size=new, mode="linear", align_corners=False)[0, 0]
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grid", [(6, 5, 5), (6, 9, 9), (9, 5, 5)])
def test_a_gpu_is_waited_for_once_a_slab_whatever_the_number_of_classes(grid: tuple[int, ...]) -> None:
    labeller = Labeller((6, 5, 5), np.zeros(grid, np.uint8), np.arange(7, dtype=np.uint8))
    for slab in slabs(torch.randn(7, 6, 5, 5), [2, 4]):
        with Waiting() as waiting:
            labeller.add(slab)
        # The labels are brought to the CPU; the planes' numbers are there already.
        kinds = [what.partition(" in ")[0] for what in waiting.found]
        assert sorted(kind for kind in kinds if "scalar" not in kind) == ["__int__", "__int__", "cpu", "numpy"]
