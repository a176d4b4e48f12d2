"""What a training job is given of the workspace."""

from __future__ import annotations

from workspace_samples import CLASSES, add_case, add_label, fill, sample, subjects

from ufseg.engine.engine import Engine
from ufseg.engine.requests import TrainingRequest
from ufseg.engine.specs import TrainingSpec
from ufseg.engine.train_job import held_out
from ufseg.engine.trainings import Training
from ufseg.training.prepare import with_unknown_background
from ufseg.workspace import Job, Workspace


def _spec(workspace: Workspace, job: Job) -> TrainingSpec:
    """Of the same training, were it asked for now."""
    again = workspace.jobs.create(job.task, "training", job.request)
    return TrainingSpec.model_validate(Training(workspace, again).prepare())


def test_cases_labelled_or_corrected_since_the_promoted_version_are_new_and_all_are_trained_on(
    engine: Engine, workspace: Workspace
) -> None:
    task = fill(workspace, "newly corrected", training=3, validation=0)
    request = TrainingRequest(budget_seconds=0.5)
    job = engine.wait(engine.submit_training(task.id, request).id, 60)
    assert job.state == "succeeded", job.error
    assert _spec(workspace, job).new_cases == ()
    old = workspace.revisions.latest(task.id, "training")
    corrected = workspace.cases.get(old[0].case)
    add_label(workspace, corrected, sample(7).label)
    added = add_case(workspace, task, 40, subjects("training", 4)[3])
    add_label(workspace, added, sample(40).label)
    spec = _spec(workspace, job)
    assert set(spec.new_cases) == {corrected.id, added.id}
    assert {case.id for case in spec.training} == {*(r.case for r in old), added.id}
    assert spec.continue_from_promoted
    assert spec.prepared is not None
    assert spec.prepared.parent == spec.output.parent


def test_cases_know_the_classes_they_were_annotated_with(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "gained a class", training=3, validation=0)
    job = engine.wait(engine.submit_training(task.id, TrainingRequest(budget_seconds=0.5)).id, 60)
    workspace.tasks.add_class(task.id, "vessel")
    spec = _spec(workspace, job)
    assert {case.classes for case in spec.training} == {tuple(CLASSES.names)}
    # Nobody has annotated vessels yet, so background stays background.
    assert with_unknown_background(spec.training, spec.classes) == []


def test_the_papers_schedule_holds_out_whole_subjects(engine: Engine, workspace: Workspace) -> None:
    task = fill(workspace, "held out", training=6, validation=0)
    job = engine.wait(engine.submit_training(task.id, TrainingRequest(budget_seconds=0.3)).id, 60)
    cases = _spec(workspace, job).training
    training, stopping = held_out(cases)
    assert len(stopping) == 1
    assert len(training) == 5
    assert held_out(list(reversed(cases)))[1] == stopping
