"""``ufseg doctor``: is everything fit for work?"""

from __future__ import annotations

import json as json_format
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from ufseg.cli.console import DatabaseOption, WorkspaceOption, default_workspace, out

if TYPE_CHECKING:
    from ufseg.doctor.finding import Finding

_STYLES = {"ok": "green", "warning": "yellow", "problem": "red"}


def doctor(
    workspace: WorkspaceOption = default_workspace(),  # noqa: B008 - typer's way of giving a default
    database: DatabaseOption = None,
    port: Annotated[int, typer.Option(help="Port to try; 0 tries a free one.", min=0, max=65535)] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look at GPU, libraries, memory, disk, database, models and port; say what is wrong and what to do.

    Changes nothing. Exit status 1 if there is a problem; warnings leave it at 0.
    """
    from ufseg.doctor import machine, places

    folder = workspace.expanduser().resolve()
    looks = (
        machine.installation(),
        machine.device(),
        machine.memory(),
        places.disk(folder),
        places.database(folder, database),
        places.models(),
        places.port(port),
    )
    findings: list[Finding] = []
    for look in looks:
        for finding in look:
            findings.append(finding)
            if not json:
                _show(finding)
    problems = sum(finding.state == "problem" for finding in findings)
    warnings = sum(finding.state == "warning" for finding in findings)
    if json:
        typer.echo(json_format.dumps([finding.model_dump() for finding in findings], indent=2, ensure_ascii=False))
    else:
        verdict = f"{len(findings)} findings: {problems} problems, {warnings} warnings."
        out.print(verdict, markup=False, highlight=False, soft_wrap=True)
    sys.exit(1 if problems else 0)


def _show(finding: Finding) -> None:
    step = f" {finding.next_step}" if finding.next_step else ""
    out.print(
        f"{finding.state:<8} {finding.check}: {finding.sentence}{step}",
        style=_STYLES[finding.state],
        markup=False,
        highlight=False,
        soft_wrap=True,
    )
