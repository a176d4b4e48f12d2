"""``ufseg tasks``: what is segmented."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ufseg.cli.console import WorkspaceOption, default_workspace, out, parse_classes, print_table

if TYPE_CHECKING:
    from ufseg.workspace.workspace import Workspace

app = typer.Typer(help="List, make and look at tasks.", no_args_is_help=True)


def open_workspace(folder: Path) -> Workspace:
    """Open a workspace, or make an empty one; imported late, since the workspace brings SimpleITK."""
    from ufseg.workspace.workspace import Workspace

    return Workspace(folder.expanduser(), os.environ.get("UFSEG_DATABASE"))


@app.command("list")
def list_tasks(workspace: WorkspaceOption = default_workspace()) -> None:  # noqa: B008 - typer's way of giving a default
    """All tasks with their cases and promoted model."""
    with open_workspace(workspace) as opened:
        rows = []
        for task in opened.tasks.all():
            version = opened.models.promoted(task.id)
            counts = task.cases
            rows.append(
                [
                    task.name,
                    task.modality,
                    ", ".join(e.name for e in task.classes),
                    counts.training,
                    counts.validation,
                    counts.unlabelled,
                    f"version {version.number}" if version else None,
                ]
            )
    print_table("Tasks", ["task", "modality", "classes", "training", "validation", "unlabelled", "model"], rows)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Name of the task.")],
    classes: Annotated[list[str], typer.Option("--class", help="NAME=VALUE, once per class.")],
    modality: Annotated[
        Literal["CT", "MRI", "other"], typer.Option(help="Decides how intensities are normalised.")
    ] = "other",
    channels: Annotated[list[str] | None, typer.Option("--channel", help="Name of an image channel, in order.")] = None,
    validation_fraction: Annotated[float, typer.Option(help="Share of subjects that only judge models.")] = 0.25,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Make a task."""
    from ufseg.images.class_table import ClassTable

    table = ClassTable.of(parse_classes(classes))
    with open_workspace(workspace) as opened:
        task = opened.tasks.create(name, modality, channels or ["image"], table, validation_fraction)
    out.print(f"Task {task.name!r} made with the id {task.id}.", markup=False, highlight=False)


@app.command()
def show(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """A task as JSON."""
    with open_workspace(workspace) as opened:
        typer.echo(opened.tasks.find(task).model_dump_json(indent=2))
