"""Paired significance test."""

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
