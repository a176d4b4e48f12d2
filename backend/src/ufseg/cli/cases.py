"""``ufseg cases``: the studies of a task."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated

import typer

from ufseg.cli.console import ProgressDisplay, WorkspaceOption, default_workspace, err, out, print_table
from ufseg.cli.tasks import open_workspace
from ufseg.errors import DatasetError, InputError
from ufseg.progress import Progress

app = typer.Typer(help="List and import cases.", no_args_is_help=True)


@app.command("list")
def list_cases(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
) -> None:
    """The cases of a task and what they are for."""
    with open_workspace(workspace) as opened:
        cases = opened.cases.of_task(opened.tasks.find(task).id)
    rows = [
        [c.name, c.subject, "×".join(map(str, c.geometry.size)), c.membership or "no label", c.revisions] for c in cases
    ]
    print_table("Cases", ["case", "subject", "size", "used for", "label revisions"], rows)


@app.command("import")
def import_cases(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    dataset: Annotated[Path, typer.Argument(help="Folder with images/ and labels/, or with a dataset.json.")],
    author: Annotated[str, typer.Option(help="Who made the label maps.")] = "",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Add the cases of a dataset folder with their label maps.

    A case that cannot be used stops nothing: the others are imported and it is named at the end, with exit status 1.
    """
    from ufseg.images.datasets import read_dataset
    from ufseg.workspace.importing import import_case

    found = read_dataset(dataset)
    for sentence in found.warnings:
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    refused: dict[str, list[str]] = {}
    with open_workspace(workspace) as opened, ProgressDisplay("import") as show:
        task_id = opened.tasks.find(task).id
        for index, case in enumerate(found.cases):
            show(Progress(index / len(found.cases), case.id))
            try:
                import_case(opened, task_id, case, found.classes, author or getpass.getuser())
            except InputError as error:
                refused.setdefault(str(error), []).append(case.id)
        show(Progress(1.0, "done"))
    count = sum(map(len, refused.values()))
    out.print(f"{len(found.cases) - count} of {len(found.cases)} cases imported.", markup=False)
    if refused:
        reasons = " | ".join(f"{', '.join(ids)}: {sentence}" for sentence, ids in refused.items())
        raise DatasetError(
            f"{count} case{'' if count == 1 else 's'} {'was' if count == 1 else 'were'} refused. {reasons}"
        )
