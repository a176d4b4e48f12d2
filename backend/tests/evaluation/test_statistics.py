"""Paired test."""

from __future__ import annotations

import numpy as np
import pytest

from ufseg.evaluation.statistics import paired_test


def test_exact_p_value_of_six_gains() -> None:
    # All six differences have one sign: p = 2 / 2**6.
    result = paired_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.2, 0.32, 0.44, 0.56, 0.68, 0.8])
    assert result.p_value == pytest.approx(2 / 64)
    assert result.n == 6
    assert result.mean_difference > 0


def test_noise_is_not_significant() -> None:
    noise = np.random.default_rng(3).normal(size=40) * 0.01
    assert paired_test([0.8] * 40, list(0.8 + noise)).p_value > 0.05


@pytest.mark.parametrize("scores", [[], [0.5], [0.5, 0.7]])
def test_all_ties(scores: list[float]) -> None:
    assert paired_test(scores, scores).p_value == 1.0


def test_refuses_other_lengths_and_nan() -> None:
    with pytest.raises(ValueError, match="same cases"):
        paired_test([0.1], [0.1, 0.2])
    with pytest.raises(ValueError, match="finite"):
        paired_test([0.1], [float("nan")])
