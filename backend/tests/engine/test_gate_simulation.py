"""A short form of ``benchmarks/gate.py``: retrainings of which half learn from damaged labels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from workspace_samples import CLASSES, GRID, add_case, add_label, fill, sample, subjects

from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.evaluation.dice import dice_per_class
from ufseg.images.image import Image, LabelMap
from ufseg.inference.predictor import Predictor
from ufseg.networks.device import choose_device
from ufseg.networks.model_folder import read_model
from ufseg.workspace import Task, Workspace

Label = NDArray[np.uint8]
UNSEEN = range(200, 216)


def _swapped(label: Label) -> Label:
    return np.select([label == 1, label == 3], [3, 1], 0).astype(np.uint8)


def _emptied(label: Label) -> Label:
    return np.zeros_like(label)


def _right(label: Label) -> Label:
    return label


def _unseen_dice(workspace: Workspace, version: str) -> float:
    device = choose_device("cpu")
    predictor = Predictor(*read_model(workspace.model_folder(version), device), device)
    scores = []
    for number in UNSEEN:
        found = predictor.predict(Image(sample(number).image, GRID))
        truth = LabelMap(sample(number).label, GRID)
        scores.append(np.nanmean(list(dice_per_class(found, truth, CLASSES).values())))
    return float(np.mean(scores))


@pytest.fixture(scope="session")
def simulated(engine: Engine, workspace: Workspace) -> Task:
    """A task whose model has learned for a moment only."""
    task = fill(workspace, "simulated", training=2, validation=5)
    request = TrainingRequest(epochs=12)
    assert engine.wait(engine.submit_training(task.id, request).id, 120).state == "succeeded"
    return task


@pytest.mark.parametrize("labels", [_swapped, _right, _emptied])
def test_what_is_in_use_never_becomes_worse(
    engine: Engine, workspace: Workspace, simulated: Task, labels: Callable[[Label], Label]
) -> None:
    before = workspace.models.require_promoted(simulated.id)
    start = _unseen_dice(workspace, before.id)
    number = 300 + len(workspace.cases.of_task(simulated.id))
    case = add_case(workspace, simulated, number, subjects("training", 20)[number % 10 + 5])
    for revision in workspace.revisions.latest(simulated.id, "training"):
        add_label(workspace, workspace.cases.get(revision.case), labels(_truth(workspace, revision.case)))
    add_label(workspace, case, labels(sample(number).label))
    job = engine.wait(engine.submit_training(simulated.id, TrainingRequest(epochs=12)).id, 120)
    assert job.result is not None, job.error
    end = _unseen_dice(workspace, job.result["model_version"])
    print(f"{labels.__name__}: {start:.3f} -> {end:.3f}, {job.result['gate']['outcome']}")
    if end < start - 0.01:
        assert not job.result["promoted"]
    if end > start + 0.05:
        assert job.result["promoted"]
    # Damage that shows nowhere would show nothing about the gate.
    assert (end < start - 0.01) == (labels is not _right)


def _truth(workspace: Workspace, case: str) -> Label:
    """By the number in its name."""
    return sample(int(workspace.cases.get(case).name.split()[1])).label
