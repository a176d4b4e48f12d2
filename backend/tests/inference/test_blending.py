"""Blending windows, a slab at a time."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from waiting import Waiting

from ufseg.errors import CancelledError
from ufseg.inference.blending import Slab, blended_slabs
from ufseg.inference.windows import window_starts

SHAPES = st.tuples(*[st.integers(1, 17)] * 3)
WINDOWS = st.tuples(st.sampled_from([1, 4, 8]), st.sampled_from([4, 8]), st.sampled_from([4, 6]))


def network(classes: int) -> torch.nn.Module:
    """A convolution that sees its window's borders, so that windows differ where they overlap."""
    torch.manual_seed(0)
    return torch.nn.Conv3d(2, classes, 3, padding=1)


def test_a_gpu_is_not_waited_for_between_windows() -> None:
    image, places = torch.randn(2, 8, 20, 20), []
    with torch.inference_mode(), Waiting() as waiting:
        for slab in blended_slabs(image, (4, 4, 4), network(3), 3, lambda *a: places.append(a)):
            assert slab.scores.shape[0] == 3
    assert len(places) == 243
    # What is left are the profiles' numbers, computed on the CPU before the first window.
    assert sorted(set(waiting.found)) == []


def whole(image: Tensor, window: tuple[int, ...], net: torch.nn.Module, classes: int, overlap: float) -> Tensor:
    """The straightforward way: sums of weighted logits and of weights over the whole volume, then their quotient."""
    missing = [max(0, w - s) for s, w in zip(image.shape[1:], window, strict=True)]
    padding = [p for m in reversed(missing) for p in (m // 2, m - m // 2)]
    padded = F.pad(image, padding)
    total, weights = torch.zeros(classes, *padded.shape[1:]), torch.zeros(padded.shape[1:])
    bells = [torch.exp(-0.5 * ((torch.arange(w) - (w - 1) / 2) / (0.125 * w)) ** 2) for w in window]
    weight = bells[0][:, None, None] * bells[1][:, None] * bells[2]
    starts = [window_starts(s, w, overlap) for s, w in zip(padded.shape[1:], window, strict=True)]
    for k in starts[0]:
        for j in starts[1]:
            for i in starts[2]:
                box = (slice(k, k + window[0]), slice(j, j + window[1]), slice(i, i + window[2]))
                total[(slice(None), *box)] += net(padded[(slice(None), *box)][None])[0] * weight
                weights[box] += weight
    blended = total / weights
    inner = [slice(m // 2, m // 2 + s) for m, s in zip(missing, image.shape[1:], strict=True)]
    return blended[(slice(None), *inner)]


def joined(slabs: list[Slab]) -> Tensor:
    for before, after in itertools.pairwise(slabs):
        assert after.first == before.last
        torch.testing.assert_close(after.scores[:, 0], before.scores[:, -1])
    return torch.cat([slabs[0].scores, *[s.scores[:, 1:] for s in slabs[1:]]], dim=1)


@settings(deadline=None)
@given(SHAPES, WINDOWS, st.integers(1, 4), st.sampled_from([0.0, 0.25, 0.5, 0.7]), st.sampled_from([1, 2, 5]))
def test_slabs_are_the_blend_of_the_whole_volume(
    shape: tuple[int, ...], window: tuple[int, ...], classes: int, overlap: float, batch: int
) -> None:
    net = network(classes)
    image = torch.randn(2, *shape, generator=torch.Generator().manual_seed(1))
    seen = []
    with torch.inference_mode():
        slabs = [
            Slab(s.first, s.scores.clone())
            for s in blended_slabs(image, window, net, classes, lambda *a: seen.append(a), overlap, batch)
        ]
        expected = whole(image, window, net, classes, overlap)
    torch.testing.assert_close(joined(slabs), expected, atol=1e-5, rtol=1e-4)
    count = seen[0][1]
    assert seen == [(n, count) for n in range(0, count, batch)]


def test_only_a_slab_is_kept() -> None:
    """However long the volume, no more planes are in memory than a window has, and one."""
    image = torch.zeros(1, 200, 8, 8)
    sizes = set()
    for slab in blended_slabs(image, (8, 8, 8), lambda x: x, 1, lambda *_: None):
        sizes.add(slab.scores.untyped_storage().nbytes() // (4 * 8 * 8))
        assert slab.scores.shape[1] <= 9
    assert sizes == {9}


def test_windows_to_come_are_not_computed_after_a_stop() -> None:
    def stop(done: int, count: int) -> None:
        if done == 3:
            raise CancelledError("stopped")

    calls = []
    with pytest.raises(CancelledError):
        list(blended_slabs(torch.zeros(1, 20, 20, 20), (8, 8, 8), lambda x: calls.append(1) or x, 1, stop))
    assert len(calls) == 3
