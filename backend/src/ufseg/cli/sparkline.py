"""A curve in a line of text."""

from __future__ import annotations

from collections.abc import Sequence

BARS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """`values` as up to `width` bars, each the mean of its share of them, from the lowest to the highest."""
    count = min(width, len(values))
    parts = [values[len(values) * n // count : len(values) * (n + 1) // count] for n in range(count)]
    means = [sum(part) / len(part) for part in parts]
    if not means:
        return ""
    low, span = min(means), max(means) - min(means)
    return "".join(BARS[round((mean - low) / span * (len(BARS) - 1)) if span > 0 else 0] for mean in means)
