"""Which model folder a command means."""

from __future__ import annotations

from pathlib import Path

import typer


def resolve_model(folder_or_name: str) -> Path:
    """The model folder of this path, or of the available model of this name.

    Args:
        folder_or_name: a folder that exists is taken as it is, even if a model has the same name.

    Raises:
        NotFoundError: neither such a folder nor such a model.
    """
    from ufseg.networks.available import find_model

    folder = Path(folder_or_name).expanduser()
    if folder.is_dir() or folder.name != folder_or_name:
        return folder  # whether it holds a model is said by who reads it
    return find_model(folder_or_name).folder


def choose_model_folder(model: str | None, task: str | None, workspace: Path) -> Path:
    """The folder of ``--model FOLDER_OR_NAME``, or of the promoted version of ``--task NAME``.

    Raises:
        typer.BadParameter: both or neither were given.
        NotFoundError: no such model or task.
        ConflictError: the task has no model yet.
    """
    if (model is None) == (task is None):
        raise typer.BadParameter("give either --model FOLDER_OR_NAME or --task NAME.")
    if model is not None:
        return resolve_model(model)
    from ufseg.cli.tasks import open_workspace

    with open_workspace(workspace) as opened:
        found = opened.tasks.find(str(task))
        return opened.model_folder(opened.models.require_promoted(found.id).id)
