"""Learning rate over the share of a training that is done."""

from __future__ import annotations

import math

WARM_UP = 0.15
START_DIVISOR = 10.0
END_DIVISOR = 1000.0


def one_cycle(fraction: float, peak: float) -> float:
    """Learning rate at `fraction` (0..1) of the training: cosine up to `peak`, then cosine down to peak/1000.

    The fraction may come from steps or from the clock, so the rate is near zero at the end of any budget.

    Source: Smith & Topin, arXiv 1708.07120.
    """
    fraction = min(max(fraction, 0.0), 1.0)
    if fraction < WARM_UP:
        return _cosine(peak / START_DIVISOR, peak, fraction / WARM_UP)
    return _cosine(peak, peak / END_DIVISOR, (fraction - WARM_UP) / (1 - WARM_UP))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
