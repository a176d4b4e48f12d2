"""What a decision of the gate was taken by can be read again, whatever happened meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import write_squares_model
from workspace_samples import add_case, add_label, fill, sample, subjects

from ufseg.engine.specs import TrainingOutcome
from ufseg.engine.trainings import Training
from ufseg.evaluation.gate import decide
from ufseg.evaluation.rule import GateRule
from ufseg.workspace import Task, Workspace
from ufseg.workspace.records import Loss


def _outcome(workspace: Workspace, task: Task, old: float, new: float) -> dict[str, Any]:
    cases = [revision.case for revision in workspace.revisions.latest(task.id, "validation")[:3]]

    def scores(mean: float) -> dict[str, dict[str, float | None]]:
        return {case: {"organ": mean + 0.01 * n, "lesion": mean} for n, case in enumerate(cases)}

    first = workspace.models.promoted(task.id) is None
    return TrainingOutcome(
        loss=Loss(name="asymmetric-unified-focal"),
        history=[],
        candidate_scores=scores(new),
        promoted_scores=None if first else scores(old),
        candidate_surface=scores(new),
        promoted_surface=None if first else scores(old),
        seconds={},
        continued=False,
        notes=[],
    ).model_dump(mode="json")


def _begun(workspace: Workspace, task: Task, seed: int) -> Training:
    training = Training(workspace, workspace.jobs.create(task.id, "training", {"epochs": 1, "start": "scratch"}))
    write_squares_model(Path(training.prepare()["output"]), seed=seed)
    return training


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    with Workspace(tmp_path) as opened:
        yield opened


def test_a_training_is_judged_by_what_it_began_with_and_its_decision_can_be_followed(workspace: Workspace) -> None:
    task = fill(workspace, training=1)
    first = _begun(workspace, task, 0).finish(_outcome(workspace, task, 0.0, 0.5))
    assert first["promoted"]
    assert first["compared_with"] is None
    training = _begun(workspace, task, 1)
    began_with = workspace.revisions.latest(task.id, "validation")
    # Meanwhile a case is labelled anew, another comes, and so does a rule that would refuse the version.
    add_label(workspace, workspace.cases.get(began_with[0].case), sample(20).label)
    add_label(workspace, add_case(workspace, task, 21, subjects("validation", 9)[8]), sample(21).label)
    workspace.gate_rules.change(task.id, GateRule(min_cases=50), "me")
    result = training.finish(_outcome(workspace, task, 0.5, 0.7))
    assert result["promoted"]
    assert result["gate"]["rule"] == GateRule().model_dump()
    assert result["compared_with"] == first["model_version"]
    assert result["validation_revisions"] == [revision.id for revision in began_with]
    dice, surface = result["case_scores"], result["case_surface_scores"]
    followed = decide(
        dice["promoted"],
        dice["candidate"],
        GateRule.model_validate(result["gate"]["rule"]),
        promoted_surface=surface["promoted"],
        candidate_surface=surface["candidate"],
    )
    assert followed.model_dump(mode="json") == result["gate"]
    again = _begun(workspace, task, 2).finish(_outcome(workspace, task, 0.7, 0.9))
    assert (again["promoted"], again["gate"]["outcome"]) == (False, "ask")


def test_a_training_that_ends_a_second_time_tells_what_its_version_was_judged_by(workspace: Workspace) -> None:
    task = fill(workspace, training=1)
    _begun(workspace, task, 0).finish(_outcome(workspace, task, 0.0, 0.5))
    training = _begun(workspace, task, 1)
    kept = training.finish(_outcome(workspace, task, 0.5, 0.4))
    # As when the service died before it had said so: on a GPU the second scores are not quite the first ones.
    training.prepare()
    assert training.finish(_outcome(workspace, task, 0.5, 0.6)) == kept
    assert len(workspace.models.of_task(task.id)) == 2
