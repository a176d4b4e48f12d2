"""``ufseg models``: the versions of a task's model, and finished models to install."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.bundle import bundle
from ufseg.cli.console import WorkspaceOption, default_workspace, err, out, print_table
from ufseg.cli.model_choice import resolve_model
from ufseg.cli.tasks import open_workspace
from ufseg.errors import InputError, StorageError

app = typer.Typer(
    help="List, promote, roll back and export model versions; install and bundle finished models.",
    no_args_is_help=True,
)
app.command()(bundle)

TaskArgument = Annotated[str, typer.Argument(help="Name or id of the task.")]
VersionArgument = Annotated[str, typer.Argument(help="Number or id of the version.")]
ReasonOption = Annotated[str, typer.Option(help="Kept in the log of promotions.")]


@app.command("list")
def list_models(
    task: TaskArgument,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
) -> None:
    """The versions of a task with their scores on the frozen validation cases."""
    rows = []
    with open_workspace(workspace) as opened:
        versions = opened.models.of_task(opened.tasks.find(task).id)
    numbers = {v.id: v.number for v in versions}
    for version in versions:
        scores = version.scores.validation
        installed = version.origin == "installed"
        reason = " ".join(version.notes) if installed else str((version.gate or {}).get("reason", ""))
        parent = numbers.get(version.parent or "")
        rows.append(
            [
                version.number,
                version.status,
                parent,
                "elsewhere" if installed else len(version.trained_on),
                scores.mean if scores else None,
                scores.cases if scores else 0,
                f"{version.created:%Y-%m-%d %H:%M}",
                reason,
            ]
        )
    columns = ["version", "status", "from", "trained on", "mean Dice", "validation cases", "made", "gate"]
    print_table("Model versions", columns, rows)


@app.command()
def promote(
    task: TaskArgument,
    version: VersionArgument,
    reason: ReasonOption = "chosen on the command line",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Put a version into use."""
    with open_workspace(workspace) as opened:
        task_id = opened.tasks.find(task).id
        chosen = opened.models.find(task_id, version)
        opened.models.promote(task_id, chosen.id, reason, getpass.getuser())
    out.print(f"Version {chosen.number} is in use now.")


@app.command()
def rollback(
    task: TaskArgument,
    reason: ReasonOption = "rolled back on the command line",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Put the version that was in use before into use again."""
    with open_workspace(workspace) as opened:
        promotion = opened.models.rollback(opened.tasks.find(task).id, reason, getpass.getuser())
        number = opened.models.get(promotion.model_version).number
    out.print(f"Version {number} is in use again.")


@app.command()
def export(
    task: TaskArgument,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to make; it must not exist.")],
    version: Annotated[str | None, typer.Option(help="Number or id; the one in use if left out.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Copy a version as a model folder for ``ufseg predict --model``."""
    if output.exists():
        raise InputError(f"{output} exists already. Name a folder that does not, so that nothing is overwritten.")
    with open_workspace(workspace) as opened:
        task_id = opened.tasks.find(task).id
        chosen = opened.models.find(task_id, version) if version else opened.models.require_promoted(task_id)
        source = opened.model_folder(chosen.id)
        try:
            shutil.copytree(source, output)
        except (OSError, shutil.Error) as error:
            shutil.rmtree(output, ignore_errors=True)
            needed = sum(file.stat().st_size for file in source.iterdir())
            raise StorageError(
                f"Version {chosen.number} ({needed / 1e6:.1f} MB) could not be written to {output}, and nothing was "
                f"left there: {error}. Free some space or choose another folder."
            ) from error
    out.print(f"Version {chosen.number} written to {output}.", markup=False)


@app.command()
def available() -> None:
    """Finished models that can be installed, or used with ``ufseg predict --model NAME``."""
    from ufseg.networks.available import VARIABLE, available_models, search_folders

    models, problems = available_models()
    for problem in problems:
        err.print(problem, markup=False, highlight=False, soft_wrap=True)
    if not models:
        looked = ", ".join(map(str, search_folders())) or "no folder exists"
        err.print(
            f"No model is available (looked in: {looked}). Set {VARIABLE} to a folder that holds model folders.",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )
    rows: list[list[object]] = []
    for model in models:
        description = model.description
        facts = description.card.facts if description.card else None
        rows.append(
            [
                model.name,
                description.task,
                description.plan.modality,
                ", ".join(description.classes.names),
                (description.scores or {}).get("mean"),
                f"{model.size_bytes / 1e6:.1f}",
                facts.licence if facts else None,
                facts.summary if facts else None,
            ]
        )
    columns = ["name", "task", "modality", "classes", "mean Dice", "MB", "licence", "summary"]
    print_table("Available models", columns, rows)


@app.command()
def install(
    model: Annotated[str, typer.Argument(metavar="NAME_OR_FOLDER", help="See `ufseg models available`.")],
    task: Annotated[str | None, typer.Option(help="Name of the task; the model's own if left out.")] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Make a task of a finished model, ready to segment and to learn from corrections.

    A task that exists must have the model's classes with the same values. Installing a model twice changes nothing.
    """
    from ufseg.workspace.installing import install_model

    folder = resolve_model(model)
    with open_workspace(workspace) as opened:
        installed = install_model(opened, folder, task_name=task, author=getpass.getuser())
    out.print(installed.sentence, markup=False, highlight=False, soft_wrap=True)
