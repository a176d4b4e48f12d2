"""Finished models become versions of a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_sql import run_sql
from tiny_models import write_squares_model
from workspace_samples import CLASSES

from ufseg.errors import ConflictError, StorageError
from ufseg.images.class_table import ClassTable
from ufseg.networks.model_folder import WEIGHTS_FILE, read_description
from ufseg.workspace import Workspace, protection
from ufseg.workspace.installing import install_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "squares"
    write_squares_model(folder)
    return folder


def test_the_task_is_made_and_the_version_is_in_use(workspace: Workspace, model: Path) -> None:
    done = install_model(workspace, model, author="reader")
    assert done.new
    task = workspace.tasks.find("Squares")
    assert (task.modality, task.channels, task.class_table) == ("other", ("image",), CLASSES)
    version = workspace.models.require_promoted(task.id)
    assert version == done.version
    assert (version.number, version.origin, version.trained_on, version.gate) == (1, "installed", (), None)
    assert version.scores.validation is None
    assert version.scores.published is not None
    assert version.scores.published.mean == 0.75
    assert version.scores.published.per_class == {"organ": 0.8, "lesion": 0.7}
    assert "trained elsewhere on 2 cases" in version.notes[0]
    assert [p.author for p in workspace.models.promotions(task.id)] == ["reader"]
    folder = workspace.model_folder(version.id)
    assert read_description(folder) == read_description(model)
    assert (folder / WEIGHTS_FILE).read_bytes() == (model / WEIGHTS_FILE).read_bytes()
    assert "none of the cases" in done.sentence


def test_a_second_time_changes_nothing(workspace: Workspace, model: Path) -> None:
    first = install_model(workspace, model)
    again = install_model(workspace, model)
    assert not again.new
    assert again.version == first.version
    assert "already as version 1 (in use)" in again.sentence
    assert len(workspace.models.of_task(first.task.id)) == len(workspace.models.promotions(first.task.id)) == 1


def test_a_task_with_more_classes_takes_it(workspace: Workspace, model: Path) -> None:
    classes = ClassTable.of({"organ": 1, "vessel": 2, "lesion": 3})
    task = workspace.tasks.create("Mine", "other", ["photo"], classes)
    done = install_model(workspace, model, task_name="Mine")
    assert done.task.id == task.id
    assert done.task.class_table == classes
    assert done.task.promoted == done.version.id


@pytest.mark.parametrize(
    ("classes", "modality", "channels", "words"),
    [
        ({"organ": 2, "lesion": 3}, "other", ["image"], "its class 'organ' is 2, the model's 1"),
        ({"organ": 1, "tumour": 3}, "other", ["image"], "its class 3 is 'tumour', the model's 'lesion'"),
        ({"organ": 1}, "other", ["image"], "it has no class 3 = 'lesion'"),
        ({"organ": 1, "lesion": 3}, "CT", ["image"], "its modality is CT, the model's other"),
        ({"organ": 1, "lesion": 3}, "other", ["T1", "T2"], "2 channels"),
    ],
)
def test_a_task_that_means_something_else_refuses_it_with_the_difference(
    workspace: Workspace, model: Path, classes: dict[str, int], modality: str, channels: list[str], words: str
) -> None:
    task = workspace.tasks.create("Squares", modality, channels, ClassTable.of(classes))  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match=words):
        install_model(workspace, model)
    assert workspace.tasks.get(task.id) == task
    assert workspace.models.of_task(task.id) == []


def test_beside_a_version_in_use_it_is_a_candidate(workspace: Workspace, model: Path, tmp_path: Path) -> None:
    first = install_model(workspace, model)
    write_squares_model(tmp_path / "other", seed=1)
    second = install_model(workspace, tmp_path / "other")
    assert (second.version.number, second.version.status) == (2, "candidate")
    assert workspace.models.require_promoted(first.task.id).id == first.version.id
    assert "candidate" in second.sentence
    workspace.models.promote(first.task.id, second.version.id, "looks better", "reader")
    assert workspace.models.rollback(first.task.id, "no", "reader").model_version == first.version.id


def test_damaged_weights_leave_no_task_behind(workspace: Workspace, model: Path) -> None:
    content = bytearray((model / WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (model / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(StorageError, match="damaged"):
        install_model(workspace, model)
    (model / WEIGHTS_FILE).unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        install_model(workspace, model)
    assert workspace.tasks.all() == []


def test_versions_of_older_workspaces_were_trained_here(workspace: Workspace, model: Path) -> None:
    """Their scores hold no `published`."""
    install_model(workspace, model)
    with workspace.database.writing() as session:
        protection.remove(session.connection())
    run_sql(workspace, """UPDATE model_versions SET scores = '{"validation"\\: null}'""")
    version = workspace.models.of_task(workspace.tasks.find("Squares").id)[0]
    assert version.origin == "trained"
    assert version.scores.published is None
