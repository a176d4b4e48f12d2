"""Paired and unpaired tests, and Holm's correction."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ufseg.evaluation.statistics import holm, paired_test, rank_sum_test

P_VALUES = st.lists(st.floats(0, 1), max_size=12)


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


def test_paired_test_is_scipys() -> None:
    before, after = np.random.default_rng(0).beta(8, 2, (2, 22))
    assert paired_test(list(before), list(after)).p_value == stats.wilcoxon(after, before).pvalue


def test_exact_rank_sum_of_two_apart() -> None:
    # One of the 10 choose 5 orders is as extreme, in either direction.
    result = rank_sum_test([0.1, 0.2, 0.3, 0.4, 0.5], [0.6, 0.7, 0.8, 0.9, 0.95])
    assert result.p_value == pytest.approx(2 / 252)
    assert (result.n_first, result.n_second) == (5, 5)


def test_rank_sum_with_ties_is_near_scipys_without_correction() -> None:
    a, b = np.random.default_rng(1).integers(0, 20, (2, 40)) / 20
    assert rank_sum_test(list(a), list(b)).p_value == pytest.approx(stats.ranksums(a, b).pvalue, abs=0.01)


@pytest.mark.parametrize(("first", "second"), [([], []), ([0.5], []), ([0.5, 0.5], [0.5])])
def test_rank_sum_of_nothing_to_tell(first: list[float], second: list[float]) -> None:
    assert rank_sum_test(first, second).p_value == 1.0


def test_rank_sum_refuses_nan() -> None:
    with pytest.raises(ValueError, match="finite"):
        rank_sum_test([0.1], [float("nan")])


def test_holm_by_hand() -> None:
    # Ascending .005, .01, .03, .04 times 4, 3, 2, 1 is .02, .03, .06, .04; the last may not fall below .06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@given(P_VALUES, st.randoms())
def test_holm_keeps_the_order_and_lies_between_none_and_bonferroni(p: list[float], shuffled: random.Random) -> None:
    corrected = holm(p)
    for before, after in zip(p, corrected, strict=True):
        assert before <= after <= min(1.0, before * len(p)) + 1e-12
    assert sorted(corrected) == [corrected[i] for i in np.argsort(p, kind="stable")]
    order = shuffled.sample(range(len(p)), len(p))
    assert holm([p[i] for i in order]) == pytest.approx([corrected[i] for i in order])


def test_holm_refuses_what_is_no_probability() -> None:
    for bad in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=r"0\.\.1"):
            holm([0.5, bad])
