"""``ufseg tasks``: what is segmented."""

from __future__ import annotations

import getpass
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from ufseg.cli.console import WorkspaceOption, default_workspace, out, parse_classes, print_table
from ufseg.errors import InputError

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


@app.command()
def gate(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    min_cases: Annotated[int | None, typer.Option(help="With fewer validation cases the choice is yours.")] = None,
    max_class_drop: Annotated[float | None, typer.Option(help="So much Dice may a class lose.")] = None,
    max_surface_drop: Annotated[
        float | None, typer.Option(help="So much surface Dice may a class lose; a negative number: any.")
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(help="So much mean Dice may a model lose with 90 % confidence; a negative number: any."),
    ] = None,
    max_p: Annotated[
        float | None, typer.Option(help="So large may the p-value of the difference be; a negative number: any.")
    ] = None,
    author: Annotated[str, typer.Option(help="Who changes the rule; you, if left out.")] = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Show the rule by which new models come into use, or change some of it."""
    from ufseg.evaluation.rule import GateRule

    wanted: dict[str, float | int | None] = {
        name: value
        for name, value in (("min_cases", min_cases), ("max_class_drop", max_class_drop))
        if value is not None
    }
    for name, value in (("max_surface_drop", max_surface_drop), ("margin", margin), ("max_p", max_p)):
        if value is not None:
            wanted[name] = None if value < 0 else value
    with open_workspace(workspace) as opened:
        found = opened.tasks.find(task)
        if wanted:
            rule = opened.gate_rules.of_task(found.id).model_dump() | wanted
            try:
                opened.gate_rules.change(found.id, GateRule.model_validate(rule), author or getpass.getuser(), note)
            except ValidationError as error:
                first = error.errors()[0]
                where = ".".join(map(str, first["loc"]))
                raise InputError(f"The rule cannot be used: {where} {first['input']}: {first['msg']}.") from error
        rule = opened.gate_rules.of_task(found.id).model_dump()
        changes = opened.gate_rules.changes(found.id)
    for name, value in rule.items():
        out.print(f"{name}: {'any' if value is None else value}", markup=False, highlight=False)
    rows = [[f"{c.created:%Y-%m-%d %H:%M}", c.author, c.note, *c.rule.model_dump().values()] for c in changes]
    if rows:
        print_table("Changes", ["when (UTC)", "who", "why", *rule], rows)
