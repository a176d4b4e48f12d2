"""``ufseg cases history``, ``diff`` and ``restore``."""

from __future__ import annotations

from pathlib import Path

from workspace_samples import add_case, add_label, add_task, sample

from ufseg.workspace import Workspace

from .conftest import Run


def test_an_earlier_revision_is_looked_at_and_put_back(ufseg: Run, tmp_path: Path) -> None:
    with Workspace(tmp_path) as workspace:
        case = add_case(workspace, add_task(workspace), 0, "s")
        first, second = (add_label(workspace, case, sample(n).label, f"reader {n}") for n in (0, 1))
    lines = ufseg("cases", "history", "case 0", "--workspace", tmp_path).stdout.splitlines()
    rows = [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]
    assert [(r["revision"], r["author"], r["id"]) for r in rows] == [
        ("1", "reader 0", first.id),
        ("2", "reader 1", second.id),
    ]
    shown = ufseg("cases", "diff", second.id, "--workspace", tmp_path).stdout
    assert shown.splitlines()[0].split("\t")[0] == "class"
    assert "Compared with revision 1: " in shown
    done = ufseg("cases", "restore", first.id, "--author", "chief", "--note", "wrong side", "--workspace", tmp_path)
    assert done.returncode == 0, done.stderr
    with Workspace(tmp_path) as workspace:
        newest = workspace.revisions.of_case(case.id)[-1]
    assert (newest.number, newest.author, newest.note, newest.restored_from) == (3, "chief", "wrong side", first.id)
    assert "restored from 1" in ufseg("cases", "history", case.id, "--workspace", tmp_path).stdout
    again = ufseg("cases", "restore", first.id, "--workspace", tmp_path)
    assert again.returncode == 1
    assert "nothing was changed" in again.stderr
