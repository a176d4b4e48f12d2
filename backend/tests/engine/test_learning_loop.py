"""Training, the gate, rollback and prediction with real workers."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError
from workspace_samples import CLASSES, GRID, add_case, add_label, add_task, fill, sample, subjects

from ufseg.engine.engine import Engine
from ufseg.engine.requests import PredictionRequest, TrainingRequest
from ufseg.errors import ConflictError, InputError, NotFoundError
from ufseg.images.reading import read_label_map
from ufseg.workspace import Job, Task, Workspace
from ufseg.workspace.records import Loss


def _train(engine: Engine, task: Task, epochs: int = 60, **options: object) -> Job:
    request = TrainingRequest.model_validate({"epochs": epochs, "author": "me", **options})
    return engine.wait(engine.submit_training(task.id, request).id, 120)


def test_the_whole_loop(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "loop")
    first = _train(engine, task, note="the first")
    assert first.state == "succeeded", first.error
    assert first.result is not None
    version = workspace.models.require_promoted(task.id)
    assert (version.id, version.number, version.parent) == (first.result["model_version"], 1, None)
    assert set(version.trained_on) == {r.id for r in workspace.revisions.latest(task.id, "training")}
    assert version.scores.validation is not None
    assert version.scores.validation.cases == 3
    assert (version.author, version.note) == ("me", "the first")
    assert first.result["history"][-1]["step"] > 1
    assert set(first.result["seconds"]) == {"prepare", "train", "score"}

    new = add_case(workspace, task, 50, subjects("training", 4)[3])
    job = engine.wait(engine.submit_prediction(task.id, PredictionRequest(case=new.id)).id, 60)
    assert job.state == "succeeded", job.error
    assert job.result is not None
    assert job.result["model_version"] == version.id
    label = read_label_map(workspace.files.path(job.result["label"]), CLASSES, GRID)
    assert np.mean(label.array == sample(50).label) > 0.8

    corrected = add_label(workspace, new, sample(50).label)
    second = _train(engine, task)
    assert second.result is not None, second.error
    assert second.result["continued"]
    candidate = workspace.models.get(second.result["model_version"])
    assert candidate.parent == version.id
    assert candidate.plan == version.plan
    # Replay: earlier cases are trained on again together with the new one.
    assert set(candidate.trained_on) == {*version.trained_on, corrected.id}
    # Both were scored on the same frozen cases.
    scores = second.result["case_scores"]
    assert set(scores["candidate"]) == set(scores["promoted"])
    assert candidate.gate == second.result["gate"]
    assert candidate.gate["promoted_mean"] == pytest.approx(version.scores.validation.mean, abs=1e-6)


def test_a_worse_candidate_is_not_promoted_and_the_record_says_why(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "worse")
    _train(engine, task, epochs=90)
    good = workspace.models.require_promoted(task.id)
    for revision in workspace.revisions.latest(task.id, "training"):
        case = workspace.cases.get(revision.case)
        label = read_label_map(workspace.files.path(revision.label)).array
        swapped = np.select([label == 1, label == 3], [3, 1], 0).astype(np.uint8)
        add_label(workspace, case, swapped, "someone careless")
    job = _train(engine, task, epochs=90)
    assert job.result is not None, job.error
    assert not job.result["promoted"]
    assert job.result["gate"]["outcome"] == "keep"
    assert "The promoted model stays" in job.result["gate"]["reason"]
    assert job.result["gate"]["candidate_mean"] < job.result["gate"]["promoted_mean"]
    assert job.result["gate"]["test"]["p_value"] <= 1
    candidate = workspace.models.get(job.result["model_version"])
    assert candidate.status == "candidate"
    assert candidate.gate == job.result["gate"]
    assert workspace.models.require_promoted(task.id).id == good.id

    # A person may still choose it, and take that back.
    workspace.models.promote(task.id, candidate.id, "a test", "me")
    workspace.models.rollback(task.id, "it was worse indeed", "me")
    assert workspace.models.require_promoted(task.id).id == good.id
    assert [p.author for p in workspace.models.promotions(task.id)] == ["gate", "me", "me"]


def test_too_few_validation_cases_leave_the_choice_to_the_person(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "few", training=2, validation=1)
    _train(engine, task, epochs=10)
    first = workspace.models.require_promoted(task.id)
    job = _train(engine, task, epochs=10)
    assert job.result is not None, job.error
    assert job.result["gate"]["outcome"] == "ask"
    assert "1 validation case" in job.result["gate"]["reason"]
    assert workspace.models.require_promoted(task.id).id == first.id


def test_a_new_class_means_training_from_scratch(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "growing", training=2, validation=1)
    _train(engine, task, epochs=10)
    workspace.tasks.add_class(task.id, "vessel")
    job = _train(engine, task, epochs=10)
    assert job.result is not None, job.error
    assert not job.result["continued"]
    assert any("vessel" in note and "from scratch" in note for note in job.result["notes"])
    assert workspace.models.get(job.result["model_version"]).plan.classes == 4


def test_a_given_version_can_be_asked_for_a_prediction(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "older", training=2, validation=0)
    _train(engine, task, epochs=10)
    first = workspace.models.require_promoted(task.id)
    second = _train(engine, task, epochs=10, start="scratch")
    assert second.result is not None, second.error
    workspace.models.promote(task.id, second.result["model_version"], "newer", "me")
    case = workspace.cases.of_task(task.id)[0]
    request = PredictionRequest(case=case.id, model_version=first.id)
    job = engine.wait(engine.submit_prediction(task.id, request).id, 120)
    assert job.result is not None, job.error
    assert job.result["model_version"] == first.id


def test_training_can_go_on_from_any_version_of_the_task(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "from an earlier one", training=2, validation=0)
    _train(engine, task, epochs=10)
    first = workspace.models.require_promoted(task.id)
    second = _train(engine, task, epochs=10, start="scratch")
    assert second.result is not None, second.error
    workspace.models.promote(task.id, second.result["model_version"], "newer", "me")
    third = _train(engine, task, epochs=10, start=first.id)
    assert third.result is not None, third.error
    assert third.result["continued"]
    assert workspace.models.get(third.result["model_version"]).parent == first.id
    other = fill(workspace, "another", training=1, validation=0)
    with pytest.raises(InputError, match="belongs to another task"):
        engine.submit_training(other.id, TrainingRequest(start=first.id))
    with pytest.raises(NotFoundError, match="0000"):
        engine.submit_training(other.id, TrainingRequest(start="0" * 16))
    with pytest.raises(ValidationError):
        TrainingRequest(start="the one of last week")


def test_another_loss_can_be_chosen_and_an_unknown_one_is_named(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "losses", training=2, validation=0)
    job = _train(engine, task, epochs=10, loss=Loss(name="symmetric-unified-focal"))
    assert job.state == "succeeded", job.error
    assert workspace.models.require_promoted(task.id).loss.name == "symmetric-unified-focal"
    for loss, words in (
        (Loss(name="dicey"), "no loss named 'dicey'; there are "),
        (Loss(name="symmetric-unified-focal", options={"colour": 1}), "no option 'colour'"),
    ):
        job = _train(engine, task, epochs=10, loss=loss)
        assert job.state == "failed"
        assert job.error is not None
        assert job.error.type == "InputError"
        assert words in job.error.message


def test_what_cannot_start_is_refused_at_once(engine: Engine, workspace: Workspace) -> None:
    task = add_task(workspace, "empty")
    case = add_case(workspace, task, 0, subjects("validation", 1)[0])
    with pytest.raises(ConflictError, match="no model yet"):
        engine.submit_prediction(task.id, PredictionRequest(case=case.id))
    add_label(workspace, case, sample(0).label)
    with pytest.raises(ConflictError, match=r"no labelled training case: of its 1 cases 1 are labelled and kept"):
        engine.submit_training(task.id, TrainingRequest())
    other = add_task(workspace, "other")
    with pytest.raises(InputError, match="belongs to another task"):
        engine.submit_prediction(other.id, PredictionRequest(case=case.id))
    with pytest.raises(NotFoundError):
        engine.submit_prediction(task.id, PredictionRequest(case="nobody"))
    with pytest.raises(NotFoundError):
        engine.submit_training("nobody", TrainingRequest())
    assert engine.jobs(task.id) == []
