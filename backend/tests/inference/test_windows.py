"""Windows and blending."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ufseg.inference.windows import sliding_window, window_starts


@given(st.integers(1, 300), st.integers(1, 64), st.sampled_from([0.0, 0.25, 0.5, 0.75]))
def test_windows_cover_everything_evenly(size: int, window: int, overlap: float) -> None:
    starts = window_starts(size, window, overlap)
    if size <= window:
        assert starts == [0]
        return
    assert starts[0] == 0
    assert starts[-1] == size - window
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    assert max(gaps) <= max(1.0, window * (1 - overlap) + 1)
    assert max(gaps) - min(gaps) <= 1


@pytest.mark.parametrize("shape", [(5, 6, 7), (20, 9, 8), (8, 8, 8), (30, 31)])
def test_a_voxelwise_prediction_survives_blending(shape: tuple[int, ...]) -> None:
    image = torch.randn(2, *shape)
    seen = []
    result = sliding_window(
        image, [8] * len(shape), lambda x: torch.cat([x * 2, -x[:, :1]], dim=1), 3, lambda *a: seen.append(a)
    )
    assert torch.allclose(result, torch.cat([image * 2, -image[:1]]), atol=1e-5)
    assert seen == [(i, len(seen)) for i in range(len(seen))]
    assert len(seen) >= 1


def test_the_middle_of_a_window_counts_more_than_its_edge() -> None:
    """Each window says its own number; near a window's middle the blend is that number."""
    number = iter(range(10))
    result = sliding_window(
        torch.zeros(1, 24), [16], lambda x: torch.full_like(x, float(next(number))), 1, lambda *_: None
    )[0]
    assert result[0] == 0
    assert result[-1] == 1
    assert (result.diff() >= -1e-6).all()
    assert result[8] < 0.1
    assert result[15] > 0.9
