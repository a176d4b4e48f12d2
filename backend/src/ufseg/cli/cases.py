"""``ufseg cases``: the studies of a task."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from typing_extensions import Self

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
        [c.name, c.subject, "×".join(map(str, c.geometry.size)), c.membership or "no label", c.revisions, c.id]
        for c in cases
    ]
    print_table("Cases", ["case", "subject", "size", "used for", "label revisions", "id"], rows)


@app.command("import")
def import_cases(
    task: Annotated[str, typer.Argument(help="Name or id of the task.")],
    dataset: Annotated[Path, typer.Argument(help="Folder with images/ and labels/, or with a dataset.json.")],
    author: Annotated[str, typer.Option(help="Who made the label maps.")] = "",
    as_json: Annotated[
        bool, typer.Option("--json", help="Tell the progress and the outcome as lines of JSON, for programs.")
    ] = False,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Add the cases of a dataset folder with their label maps.

    A case that cannot be used stops nothing: the others are imported and it is named at the end, with exit status 1.
    """
    from ufseg.images.datasets import read_dataset
    from ufseg.workspace.importing import import_case

    found = read_dataset(dataset)
    if not as_json:
        for sentence in found.warnings:
            err.print(sentence, markup=False, highlight=False, soft_wrap=True)
    refused: dict[str, list[str]] = {}
    display = _JsonDisplay(len(found.cases)) if as_json else ProgressDisplay("import")
    with open_workspace(workspace) as opened, display as show:
        task_id = opened.tasks.find(task).id
        for index, case in enumerate(found.cases):
            show(Progress(index / len(found.cases), case.id))
            try:
                import_case(opened, task_id, case, found.classes, author or getpass.getuser())
            except InputError as error:
                refused.setdefault(str(error), []).append(case.id)
        show(Progress(1.0, "done"))
    count = sum(map(len, refused.values()))
    if as_json:
        reasons_of = [{"cases": ids, "reason": reason} for reason, ids in refused.items()]
        imported = {"imported": len(found.cases) - count, "of": len(found.cases), "refused": reasons_of}
        typer.echo(json.dumps(imported | {"warnings": list(found.warnings)}))
        raise typer.Exit(1 if refused else 0)
    out.print(f"{len(found.cases) - count} of {len(found.cases)} cases imported.", markup=False)
    if refused:
        reasons = " | ".join(f"{', '.join(ids)}: {sentence}" for sentence, ids in refused.items())
        raise DatasetError(
            f"{count} case{'' if count == 1 else 's'} {'was' if count == 1 else 'were'} refused. {reasons}"
        )


class _JsonDisplay:
    """Says how many of the cases are done, in place of `ProgressDisplay`."""

    def __init__(self, cases: int) -> None:
        self._cases = cases

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def __call__(self, progress: Progress) -> None:
        typer.echo(json.dumps({"done": round(progress.fraction * self._cases), "of": self._cases}))
        sys.stdout.flush()


@app.command()
def history(
    case: Annotated[str, typer.Argument(help="Id of the case, or its name if no other case has it.")],
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """The label revisions of a case, oldest first: who made which from what."""
    with open_workspace(workspace) as opened:
        revisions = opened.revisions.of_case(opened.cases.find(case).id)
        versions = {v: opened.models.get(v).number for v in {r.model_version for r in revisions} if v is not None}
    numbers = {r.id: r.number for r in revisions}
    rows = [
        [
            r.number,
            f"{r.created:%Y-%m-%d %H:%M}",
            r.author,
            r.origin if r.restored_from is None else f"restored from {numbers[r.restored_from]}",
            None if r.parent is None else numbers[r.parent],
            None if r.model_version is None else versions[r.model_version],
            ", ".join(r.classes),
            "everywhere" if r.region is None else f"{r.region.start} to {r.region.stop}",
            r.note,
            r.id,
        ]
        for r in revisions
    ]
    columns = ["revision", "saved (UTC)", "author", "origin", "parent", "model version", "classes", "annotated"]
    print_table("Label revisions", [*columns, "note", "id"], rows)


@app.command()
def diff(
    revision: Annotated[str, typer.Argument(help="Id of a label revision; see the history of its case.")],
    against: Annotated[
        str | None, typer.Option(help="Id of an earlier revision of the same case; its parent if left out.")
    ] = None,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """What a label revision changed: voxels of each class, and Dice against its parent."""
    with open_workspace(workspace) as opened:
        found = opened.history.diff(revision, against)
        number = None if found.against is None else opened.revisions.get(found.against).number
    rows = [[name, c.before, c.voxels, c.added, c.removed, c.dice] for name, c in found.per_class.items()]
    print_table("Changes", ["class", "voxels before", "voxels now", "added", "removed", "Dice"], rows)
    box = "" if found.region is None else f", all from {found.region.start} to {found.region.stop} (i, j, k)"
    before = "It is the first revision" if number is None else f"Compared with revision {number}"
    out.print(f"{before}: {found.changed} voxels changed their class{box}.", markup=False, soft_wrap=True)


@app.command()
def restore(
    revision: Annotated[str, typer.Argument(help="Id of the label revision to put back; see the history.")],
    author: Annotated[str, typer.Option(help="Who puts it back.")] = "",
    note: Annotated[str, typer.Option(help="Why.")] = "",
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
) -> None:
    """Put an earlier label revision back, as a new one; the others stay."""
    with open_workspace(workspace) as opened:
        source = opened.revisions.get(revision)
        made = opened.history.restore(revision, author or getpass.getuser(), note)
    out.print(
        f"Revision {source.number} was put back as revision {made.number} ({made.id}).", markup=False, soft_wrap=True
    )
