"""Learning rate and weight averaging."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ufseg.training.averaging import WeightAverage
from ufseg.training.schedule import WARM_UP, one_cycle


def test_one_cycle_rises_and_ends_near_zero() -> None:
    assert one_cycle(0, 1.0) == pytest.approx(0.1)
    assert one_cycle(WARM_UP, 1.0) == pytest.approx(1.0)
    assert one_cycle(1, 1.0) == pytest.approx(0.001)


@given(st.floats(-1, 3))
def test_one_cycle_stays_between_its_ends(fraction: float) -> None:
    assert 0.001 * 0.999 <= one_cycle(fraction, 1.0) <= 1.0


def test_the_average_forgets_the_beginning() -> None:
    weight = torch.zeros(1)
    average = WeightAverage([("w", weight)], share=0.1)
    for step in range(1, 1001):
        weight.fill_(0.0 if step <= 500 else 1.0)
        average.update([("w", weight)], step)
    assert average.tensors["w"].item() > 0.99


def test_the_average_of_a_constant_is_that_constant() -> None:
    weight = torch.full((3,), 0.7)
    average = WeightAverage([("w", torch.zeros(3))], share=0.2)
    for step in range(1, 4):
        average.update([("w", weight)], step)
    torch.testing.assert_close(average.tensors["w"], weight)
