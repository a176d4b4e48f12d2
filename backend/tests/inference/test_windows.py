"""Where windows lie and what they weigh."""

from __future__ import annotations

import itertools

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ufseg.inference.windows import Windows, blending_profiles, window_starts

OVERLAPS = st.sampled_from([0.0, 0.25, 0.5, 0.75])


@given(st.integers(1, 300), st.integers(1, 64), OVERLAPS)
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


@settings(deadline=None, max_examples=40)
@given(st.tuples(*[st.integers(1, 24)] * 3), st.tuples(*[st.integers(4, 12)] * 3), OVERLAPS)
def test_the_weights_of_all_windows_add_up_to_one(
    shape: tuple[int, ...], window: tuple[int, ...], overlap: float
) -> None:
    shape = tuple(max(s, w) for s, w in zip(shape, window, strict=True))
    windows = Windows.over(shape, window, overlap, torch.device("cpu"))
    total = torch.zeros(shape)
    for place in windows.places():
        total[windows.box(place)] += windows.weight(place)
    torch.testing.assert_close(total, torch.ones(shape))


def test_the_middle_of_a_window_counts_more_than_its_edge() -> None:
    first, second = blending_profiles(24, 16, [0, 8])
    assert (first[8:].diff() < 0).all()
    assert first[8] > 0.9
    assert first[15] < 0.1
    torch.testing.assert_close(first, second.flip(0))
