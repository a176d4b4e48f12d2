"""``ufseg workspace``: making, checking, backing up and mending the folder that holds everything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ufseg.cli.console import DatabaseOption, ProgressDisplay, WorkspaceOption, default_workspace, err, out, print_table
from ufseg.progress import Progress

if TYPE_CHECKING:
    from ufseg.workspace.checking import CheckReport, Problem
    from ufseg.workspace.records import AuditEntry

app = typer.Typer(help="Make, check, back up and repair a workspace.", no_args_is_help=True)
JsonOption = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


@app.command()
def create(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
    database: DatabaseOption = None,
) -> None:
    """Make an empty workspace, or open one, and say where its files and records are.

    With --database its records are kept in PostgreSQL; the folder remembers which, without the password.
    """
    from ufseg.workspace.workspace import Workspace

    with Workspace(workspace.expanduser(), database) as opened:
        _say(f"The workspace {opened.folder} keeps its records in {opened.database.kind.shown}.")


@app.command()
def migrate(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    database: DatabaseOption = None,
) -> None:
    """Bring the database of an older ufseg up to date; other commands do so by themselves.

    A copy of the SQLite file is made under backups before.
    """
    from ufseg.workspace.checking import require_workspace
    from ufseg.workspace.schema import HEAD
    from ufseg.workspace.workspace import Workspace

    with Workspace(require_workspace(workspace), database) as opened:
        _say(f"The database {opened.database.kind.shown} has schema version {HEAD}.")


@app.command()
def check(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Read every file and every record, and say what is missing or damaged. Changes nothing.

    A service may be running on the workspace. Exit status 1 if something is wrong.
    """
    from ufseg.workspace.checking import check_folder

    with ProgressDisplay("check", err) as show:
        report = check_folder(workspace, database, _quiet if json else show)
    if json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _show_check(report)
    sys.exit(0 if report.whole else 1)


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="Empty folder, or an earlier backup of the workspace.")],
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Copy the workspace while it is in use; files that the backup has already are kept.

    The backup is a workspace itself, with its records in SQLite, and is checked at the end. Exit status 1 if
    something is wrong with it.
    """
    from ufseg.workspace.backup import back_up
    from ufseg.workspace.checking import require_workspace
    from ufseg.workspace.workspace import Workspace

    with Workspace(require_workspace(workspace), database) as opened, ProgressDisplay("backup", err) as show:
        report = back_up(opened, target, _quiet if json else show)
    if json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        _say(
            f"{report.copied} files ({report.copied_bytes / 1e6:.1f} MB) were copied to {report.target}; "
            f"{report.kept} were there already."
        )
        _show_problems(report.problems)
        _show_check(report.check)
    sys.exit(0 if report.whole else 1)


@app.command()
def repair(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    backup: Annotated[Path | None, typer.Option("--from", help="Backup to restore files and records from.")] = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Mend a damaged workspace; nothing is ever deleted, what is damaged goes to the folder quarantine.

    No service may be running on it. Exit status 1 if something is still wrong afterwards.
    """
    from ufseg.workspace.repairing import repair_folder

    with ProgressDisplay("repair", err) as show:
        report = repair_folder(workspace, database, backup, _quiet if json else show)
    if json:
        typer.echo(report.model_dump_json(indent=2))
    else:
        for sentence in report.done or ("There was nothing to repair.",):
            _say(sentence)
        _show_check(report.check)
    sys.exit(0 if report.check.whole else 1)


@app.command()
def audit(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Who did what: labels, trainings, promotions, installations, tokens, repairs; oldest first."""
    from ufseg.workspace.checking import require_workspace
    from ufseg.workspace.workspace import Workspace

    entries: list[AuditEntry] = []
    with Workspace(require_workspace(workspace), database) as opened:
        while more := opened.audit.entries(after=entries[-1].id if entries else 0):
            entries += more
    if json:
        for entry in entries:
            typer.echo(entry.model_dump_json())
        return
    rows = [[e.created.isoformat(" ", "seconds"), e.action, e.subject, e.actor, e.role, e.author] for e in entries]
    print_table("Audit log", ["when", "action", "id", "actor", "role", "author"], rows)


def _show_check(report: CheckReport) -> None:
    _show_problems(report.problems)
    for note in report.notes:
        _say(note)
    records = ", ".join(f"{count} {table}" for table, count in report.records.items() if count)
    verdict = "is whole" if report.whole else f"has {len(report.problems)} problems"
    _say(
        f"The workspace {report.workspace} {verdict}: {report.files} files ({report.bytes / 1e6:.1f} MB) and "
        f"{records or 'no records'} were read."
    )


def _show_problems(problems: tuple[Problem, ...]) -> None:
    for problem in problems:
        err.print(problem.sentence, style="red", markup=False, highlight=False, soft_wrap=True)


def _say(sentence: str) -> None:
    out.print(sentence, markup=False, highlight=False, soft_wrap=True)


def _quiet(progress: Progress) -> None:
    """With --json, nothing but the report is printed."""


@app.command()
def clean(
    days: Annotated[float, typer.Option(min=0, help="So old a copy of a model version must be.")] = 30.0,
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008
    database: DatabaseOption = None,
) -> None:
    """Remove derived files: what ended jobs left, abandoned uploads, copies of versions that are not in use.

    No service may be running on the workspace; a service does the same when it starts.
    """
    from ufseg.workspace.checking import require_workspace
    from ufseg.workspace.retention import remove_derived
    from ufseg.workspace.workspace import Workspace

    with Workspace(require_workspace(workspace), database) as opened:
        lock = opened.lock()
        try:
            removed = remove_derived(opened, days)
        finally:
            lock.release()
    _say(
        f"Removed {removed.job_folders} folders of ended jobs and {removed.model_copies} copies of model versions "
        f"({removed.bytes / 1e6:.1f} MB). Labels, images, versions and records are never removed."
    )
