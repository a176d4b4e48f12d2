"""Means over cases and classes."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

CaseScores = Mapping[str, Mapping[str, float | None]]
"""Case id → class name → score; nan or None means not counted."""


class Summary(BaseModel):
    """Scores of a set of cases; None stands where nothing was counted, so that JSON never holds NaN.

    Args:
        cases: number of cases with at least one counted class.
        mean: mean over those cases of the case's mean over its counted classes.
        per_class: class name → mean over the cases in which the class is counted.
        per_case: case id → mean over its counted classes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cases: int
    mean: float | None
    per_class: dict[str, float | None]
    per_case: dict[str, float | None]


def summarise(case_scores: CaseScores) -> Summary:
    """Summarise scores by case and class, leaving out what is not counted."""
    names = list(dict.fromkeys(name for scores in case_scores.values() for name in scores))
    per_case = {case: _mean(list(scores.values())) for case, scores in case_scores.items()}
    return Summary(
        cases=sum(mean is not None for mean in per_case.values()),
        mean=_mean(list(per_case.values())),
        per_class={name: _mean([scores.get(name) for scores in case_scores.values()]) for name in names},
        per_case=per_case,
    )


def _mean(values: list[float | None]) -> float | None:
    counted = [v for v in values if v is not None and not math.isnan(v)]
    return sum(counted) / len(counted) if counted else None
