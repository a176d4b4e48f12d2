"""Bringing a finished model into a workspace: its task, and itself as a version of that task."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ufseg.errors import ConflictError, StorageError
from ufseg.networks.model_folder import DESCRIPTION_FILE, WEIGHTS_FILE, ModelDescription, read_description
from ufseg.workspace.disk import storage_errors
from ufseg.workspace.models import NewVersion
from ufseg.workspace.records import Loss, ModelVersion, PublishedScores, Task, VersionScores
from ufseg.workspace.store import sha256_of
from ufseg.workspace.workspace import Workspace

_MEAN = "mean"


@dataclass(frozen=True)
class Installed:
    """What an installation did.

    Args:
        task: the task, made if there was none.
        version: the model as a version of it.
        new: whether the version was not there before.
        sentence: the same for people.
    """

    task: Task
    version: ModelVersion
    new: bool
    sentence: str


def install_model(workspace: Workspace, folder: Path, *, task_name: str | None = None, author: str = "") -> Installed:
    """Make a model folder usable in a workspace, without training.

    The task is made with the model's name, modality, channels and classes if there is none of that name; its first
    version is put into use, and a version of a task that has one in use already stays a candidate. Nothing of the
    workspace is changed or renamed. Installing the same weights again changes nothing.

    Args:
        workspace: open workspace.
        folder: a model folder.
        task_name: of the task; the model's own if None.
        author: who installs it.

    Raises:
        StorageError: the folder holds no model, or a damaged one, or the disk is full.
        ConflictError: a task of this name segments something else, with the difference.
    """
    description = read_description(folder)
    _check_weights(folder, description)
    name = (task_name or description.task).strip()
    task = next((t for t in workspace.tasks.all() if t.name == name), None)
    if task is not None:
        _check_fits(task, description)
    store = workspace.store
    adopted = {}
    for file, suffix in ((WEIGHTS_FILE, ".safetensors"), (DESCRIPTION_FILE, ".json")):
        copy = store.temporary(suffix)
        try:
            size = (folder / file).stat().st_size
            store.require_free(size)
            with storage_errors(workspace.folder, size):
                shutil.copyfile(folder / file, copy)
            adopted[file] = store.adopt(copy, suffix)
        finally:
            copy.unlink(missing_ok=True)
    if adopted[WEIGHTS_FILE] != description.weights_sha256:
        raise StorageError(f"The weights in {folder} changed while they were copied. Try again.")
    if task is None:
        task = workspace.tasks.create(name, description.plan.modality, description.channel_names, description.classes)
    version, new = workspace.models.add_installed(
        NewVersion(
            task=task.id,
            parent=None,
            weights=adopted[WEIGHTS_FILE],
            description=adopted[DESCRIPTION_FILE],
            plan=description.plan,
            classes=description.classes.entries,
            trained_on=(),
            loss=Loss(name=description.loss.name, options=description.loss.options),
            scores=VersionScores(published=published_scores(description)),
            gate=None,
            notes=(_origin(description),),
            author=author,
            note="",
        ),
        f"installed from the model {description.name}; the task had none in use",
    )
    return Installed(workspace.tasks.get(task.id), version, new, _sentence(task.name, version, new))


def published_scores(description: ModelDescription) -> PublishedScores:
    """The scores in a model's description; empty where it has none."""
    scores = description.scores or {}
    card = description.card
    cases = max((m.n for m in card.measured), default=None) if card else None
    per_class = {name: scores.get(name) for name in description.classes.names} if scores else {}
    return PublishedScores(cases=cases, mean=scores.get(_MEAN), per_class=dict(per_class))


def _check_weights(folder: Path, description: ModelDescription) -> None:
    path = folder / WEIGHTS_FILE
    try:
        found = sha256_of(path)
    except OSError as error:
        raise StorageError(
            f"The weights {path} cannot be read: {error.strerror or error}. "
            "Give the folder that holds model.json and weights.safetensors."
        ) from error
    if found != description.weights_sha256:
        raise StorageError(
            f"The weights {path} are not those that model.json describes: their SHA-256 is {found}, not "
            f"{description.weights_sha256}. The file is damaged or belongs to another model; restore it from a copy."
        )


def _check_fits(task: Task, description: ModelDescription) -> None:
    """The task must mean the same by every class that the model knows; it may have more."""
    differences = []
    if task.modality != description.plan.modality:
        differences.append(f"its modality is {task.modality}, the model's {description.plan.modality}")
    if len(task.channels) != len(description.channel_names):
        differences.append(
            f"its images have {len(task.channels)} channels ({', '.join(task.channels)}), the model's "
            f"{len(description.channel_names)} ({', '.join(description.channel_names)})"
        )
    names = {entry.value: entry.name for entry in task.classes}
    values = {entry.name: entry.value for entry in task.classes}
    for entry in description.classes.entries:
        here = names.get(entry.value)
        if here == entry.name:
            continue
        if entry.name in values:
            differences.append(f"its class {entry.name!r} is {values[entry.name]}, the model's {entry.value}")
        elif here is not None:
            differences.append(f"its class {entry.value} is {here!r}, the model's {entry.name!r}")
        else:
            differences.append(f"it has no class {entry.value} = {entry.name!r}, which the model has")
    if differences:
        raise ConflictError(
            f"The model {description.name} does not fit the task {task.name!r}: {'; '.join(differences)}. Install it "
            "as a task of another name."
        )


def _origin(description: ModelDescription) -> str:
    scores = published_scores(description)
    measured = "with no published scores"
    if scores.mean is not None:
        of = f" of {scores.cases} cases" if scores.cases else ""
        measured = f"with a published mean Dice of {scores.mean:.4f}{of}"
    return (
        f"Installed from the model {description.name}, trained elsewhere on {len(description.trained_on)} cases "
        f"({measured}, none of which is in this workspace)."
    )


def _sentence(task: str, version: ModelVersion, new: bool) -> str:
    state = {
        "promoted": "in use now" if new else "in use",
        "candidate": "a candidate, since another version is in use; promote it if it is better",
        "retired": "kept, and was in use before",
    }[version.status]
    if not new:
        return f"The task {task!r} has this model already as version {version.number} ({state}). Nothing was changed."
    return (
        f"Installed as version {version.number} of the task {task!r}; it is {state}. The task's validation cases will "
        "be your own: none of the cases that the model was trained or tested on comes with it."
    )
