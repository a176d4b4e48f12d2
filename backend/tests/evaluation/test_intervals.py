"""Means with their confidence intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ufseg.evaluation.intervals import mean_interval


def test_by_hand() -> None:
    # Mean 3, standard deviation √2.5, and t(0.975, 4) = 2.776.
    interval = mean_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    reach = 2.7764451 * math.sqrt(2.5) / math.sqrt(5)
    assert (interval.n, interval.mean, interval.median) == (5, 3.0, 3.0)
    assert interval.low == pytest.approx(3 - reach)
    assert interval.high == pytest.approx(3 + reach)
    assert interval.sd == pytest.approx(math.sqrt(2.5))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=30).filter(lambda v: np.std(v) > 1e-6))
def test_is_scipys(values: list[float]) -> None:
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert interval.low == pytest.approx(low)
    assert interval.high == pytest.approx(high)
    cut = mean_interval(values, 0, 1)
    assert 0 <= cut.low <= cut.mean <= cut.high <= 1


def test_what_is_not_counted_is_left_out() -> None:
    assert mean_interval([0.2, None, 0.4]) == mean_interval([0.2, 0.4])


def test_too_few_for_an_interval() -> None:
    one = mean_interval([None, 0.5])
    assert (one.n, one.mean, one.low, one.high, one.sd) == (1, 0.5, None, None, None)
    none = mean_interval([None])
    assert (none.n, none.mean, none.low) == (0, None, None)


def test_holds_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(1000):
        interval = mean_interval(list(rng.beta(20, 3, 10)), 0, 1)
        held += interval.low <= 20 / 23 <= interval.high
    assert 910 <= held <= 970


def test_refuses_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([0.1, math.nan])
