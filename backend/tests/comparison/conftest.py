"""Comparisons whose scores are given, so that what is made of them can be checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pytest

from ufseg.comparison.entrants import entrants
from ufseg.comparison.request import ComparisonRequest
from ufseg.comparison.runs import Run
from ufseg.evaluation.case_scores import ClassScores
from ufseg.evaluation.metrics import METRICS
from ufseg.images.class_table import ClassTable

Dice = Mapping[str, Mapping[str, float | None]]
"""Case → class → DSC."""


def scores(value: float | None) -> ClassScores:
    """Every metric of a class set to one value."""
    return ClassScores(values={metric.name: value for metric in METRICS}, empty="both" if value is None else None)


@pytest.fixture
def make_request() -> Callable[..., ComparisonRequest]:
    def make(losses: Sequence[str], cases: Sequence[str], classes: Sequence[str] = ("a",), **change: object):  # type: ignore[no-untyped-def]
        given: dict[str, object] = {
            "dataset": "Lungs",
            "modality": "CT",
            "channel_names": ("CT",),
            "classes": ClassTable.of({name: n for n, name in enumerate(classes, start=1)}),
            "training": ("t1", "t2", "t3"),
            "test": tuple(cases),
            "split": "split.json",
            "entrants": entrants(losses),
            "seeds": 1,
            "budget_seconds": 60.0,
            "device": "a processor",
        }
        return ComparisonRequest.model_validate(given | change)

    return make


@pytest.fixture
def make_run() -> Callable[..., Run]:
    def make(loss: str, seed: int, dice: Dice | None) -> Run:
        (entrant,) = entrants([loss])
        if dice is None:
            return Run(entrant=entrant, seed=seed, steps=0, seconds=0, scores={}, failure="The loss became nan.")
        of_cases = {case: {name: scores(v) for name, v in classes.items()} for case, classes in dice.items()}
        return Run(entrant=entrant, seed=seed, steps=100, seconds=60.0, scores=of_cases)

    return make
