"""Significance tests of two sets of scores, and their correction for being many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats


class PairedTest(BaseModel):
    """Result of a two-sided paired test.

    Args:
        n: number of pairs.
        mean_difference: mean of after − before.
        p_value: probability of so large a difference if there were none.
        test: the test's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    mean_difference: float
    p_value: float
    test: Literal["Wilcoxon signed-rank"] = "Wilcoxon signed-rank"


class RankSumTest(BaseModel):
    """Result of a two-sided test of two independent samples.

    Args:
        n_first, n_second: sizes of the samples.
        p_value: probability of so large a difference in ranks if there were none.
        test: the test's name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n_first: int
    n_second: int
    p_value: float
    test: Literal["Wilcoxon rank-sum"] = "Wilcoxon rank-sum"


def paired_test(before: Sequence[float], after: Sequence[float]) -> PairedTest:
    """Wilcoxon signed-rank test, two-sided, of two scores of the same cases in the same order.

    Pairs without a difference are dropped by the test; if no other is left, the p-value is 1.

    Raises:
        ValueError: different lengths, or a score that is not finite.

    Source: Wilcoxon, Biometrics Bulletin 1(6), 1945; scipy.stats.wilcoxon.
    """
    if len(before) != len(after):
        raise ValueError(f"a paired test needs scores of the same cases; got {len(before)} and {len(after)}")
    difference = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    if not np.isfinite(difference).all():
        raise ValueError("a paired test needs finite scores; leave out the cases that are not counted")
    if not difference.any():
        return PairedTest(n=len(difference), mean_difference=0.0, p_value=1.0)
    return PairedTest(
        n=len(difference),
        mean_difference=float(difference.mean()),
        p_value=float(stats.wilcoxon(difference).pvalue),
    )


def lower_bound(before: Sequence[float], after: Sequence[float], confidence: float) -> float | None:
    """Lower end of the one-sided confidence interval of the mean of after − before, by Student's t over the pairs.

    A new model is said to be not inferior by a margin if this lies above −margin. None from fewer than two pairs.

    Args:
        before, after: finite scores of the same cases in the same order.
        confidence: 0.5 (the mean itself) to 1.

    Source: Piaggio et al., Reporting of noninferiority and equivalence randomized trials, JAMA 308(24), 2012,
    doi 10.1001/jama.2012.87802.
    """
    difference = np.asarray(after, dtype=np.float64) - np.asarray(before, dtype=np.float64)
    n = len(difference)
    if n < 2:
        return None
    reach = float(stats.t.ppf(confidence, n - 1) * difference.std(ddof=1) / np.sqrt(n))
    return float(difference.mean()) - reach


def rank_sum_test(first: Sequence[float], second: Sequence[float]) -> RankSumTest:
    """Wilcoxon rank-sum (Mann-Whitney U) test, two-sided, of scores of two samples that need not be paired.

    The paper tests with it although its scores are of the same cases. For those `paired_test` sees more, since it does
    not mistake the cases' differences for noise; this one is for comparison with the paper, and for models that were
    tested on different cases. Exact for small samples without ties, else normal with correction for ties; p = 1
    where nothing can be told (a sample is empty or all scores are the same).

    Raises:
        ValueError: a score is not finite.

    Source: Mann and Whitney, Annals of Mathematical Statistics 18(1), 1947; scipy.stats.mannwhitneyu.
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise ValueError("a rank-sum test needs finite scores; leave out the cases that are not counted")
    if not len(a) or not len(b) or np.ptp(np.concatenate([a, b])) == 0:
        return RankSumTest(n_first=len(a), n_second=len(b), p_value=1.0)
    p_value = float(stats.mannwhitneyu(a, b, alternative="two-sided").pvalue)
    return RankSumTest(n_first=len(a), n_second=len(b), p_value=p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction: p-values, in the order given, of which the chance that any one falls below α
    without there being a difference is at most α, whatever the tests' dependence.

    Raises:
        ValueError: a p-value outside 0..1.

    Source: Holm, Scandinavian Journal of Statistics 6(2), 1979.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values lie in 0..1; got {list(p_values)}")
    order = np.argsort(p, kind="stable")
    corrected = np.empty_like(p)
    # The smallest is multiplied by the number of tests, the next by one less, …; none may fall below the one before.
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return [float(v) for v in corrected]
