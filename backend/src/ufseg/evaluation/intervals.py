"""Mean of a metric over cases with its confidence interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

CONFIDENCE = 0.95
INTERVAL_METHOD = (
    "95 % confidence interval of the mean by Student's t over cases (each case one observation), cut off at the "
    "metric's range; none from fewer than two cases"
)


class MeanInterval(BaseModel):
    """Mean over cases; None stands where too few were counted.

    Args:
        n: counted cases.
        mean, low, high: mean and the ends of its 95 % confidence interval.
        sd: standard deviation over cases.
        median: median over cases.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    n: int
    mean: float | None
    low: float | None
    high: float | None
    sd: float | None
    median: float | None


def mean_interval(values: Sequence[float | None], lowest: float = -math.inf, highest: float = math.inf) -> MeanInterval:
    """Mean with a 95 % confidence interval by Student's t.

    Why not a bootstrap: test sets of segmentation are small, and from 5 to 20 cases bootstrap intervals (percentile
    and bias-corrected) are too narrow, for resampling underestimates the spread by (n − 1)/n and knows no t. Drawn
    from beta-distributed scores as skewed as Dice is, 95 % intervals held the mean in 82 to 84 % of samples of 5 and
    87 to 90 % of 10, those by t in 91 to 94 % and 93 %; from 22 cases on they hardly differ. It also needs no seed.
    Neither is reliable where few cases fail altogether: with a tenth of the scores 0 and 10 cases, all of them held
    the mean in only 79 to 84 %.

    Args:
        values: one per case; None is not counted.
        lowest, highest: the metric's range, at which the interval is cut off.

    Raises:
        ValueError: a value is not finite.

    Source: that parametric intervals of Dice and Hausdorff distance agree with bootstrap ones at usual sizes: El Jurdi,
    Varoquaux and Colliot, Medical Image Analysis, 2025, doi 10.1016/j.media.2025.103565.
    """
    counted = np.asarray([v for v in values if v is not None], dtype=np.float64)
    if not np.isfinite(counted).all():
        raise ValueError("means are of finite scores; give None for what is not counted")
    n = len(counted)
    if n == 0:
        return MeanInterval(n=0, mean=None, low=None, high=None, sd=None, median=None)
    mean, median = float(counted.mean()), float(np.median(counted))
    if n == 1:
        return MeanInterval(n=1, mean=mean, low=None, high=None, sd=None, median=median)
    sd = float(counted.std(ddof=1))
    reach = float(stats.t.ppf((1 + CONFIDENCE) / 2, n - 1)) * sd / math.sqrt(n)
    low, high = max(lowest, mean - reach), min(highest, mean + reach)
    return MeanInterval(n=n, mean=mean, low=low, high=high, sd=sd, median=median)
