"""Who did what is kept, in the same transaction, and nothing rewrites it."""

from __future__ import annotations

from pathlib import Path

import pytest
from raw_sql import run_sql
from tiny_models import write_squares_model
from workspace_samples import add_case, add_label, add_task, sample, subjects

from ufseg.errors import ConflictError, NotFoundError
from ufseg.workspace import Workspace
from ufseg.workspace.audit import Actor, acting
from ufseg.workspace.backup import back_up
from ufseg.workspace.checking import check_workspace
from ufseg.workspace.installing import install_model


def _actions(workspace: Workspace) -> list[str]:
    return [entry.action for entry in workspace.audit.entries()]


def test_every_deed_has_an_entry_with_its_actor_and_author(workspace: Workspace, tmp_path: Path) -> None:
    with acting(Actor("ward 3", "annotator", "r1")):
        task = add_task(workspace)
        case = add_case(workspace, task, 0, subjects("training", 1)[0])
        first = add_label(workspace, case, sample(0).label, "reader")
        add_label(workspace, case, sample(1).label, "expert")
        restored = workspace.history.restore(first.id, "chief")
    workspace.tasks.add_class(task.id, "vessel")
    write_squares_model(tmp_path / "a", seed=1)
    write_squares_model(tmp_path / "b", seed=2)
    install_model(workspace, tmp_path / "a", task_name=task.name, author="it")
    second = install_model(workspace, tmp_path / "b", task_name=task.name, author="it").version
    workspace.models.promote(task.id, second.id, "better", "chief")
    workspace.models.rollback(task.id, "worse", "chief")
    workspace.jobs.create(task.id, "training", {"author": "me"})
    workspace.jobs.create(task.id, "prediction", {})
    token, _ = workspace.tokens.add("ward 4", "annotator")
    workspace.tokens.revoke("ward 4")

    entries = workspace.audit.entries()
    assert [e.action for e in entries] == [
        "task created", "case added", "label submitted", "label submitted", "label restored", "class added",
        "model installed", "version promoted", "model installed", "version promoted", "promotion rolled back",
        "training requested", "prediction requested", "token added", "token revoked",
    ]  # fmt: skip
    assert {(e.actor, e.role, e.request) for e in entries[:5]} == {("ward 3", "annotator", "r1")}
    assert all(e.actor.startswith("local:") and e.request is None for e in entries[5:])
    assert [e.author for e in entries[2:5]] == ["reader", "expert", "chief"]
    assert (entries[4].subject, entries[4].task) == (restored.id, task.id)
    assert {e.subject for e in entries[-2:]} == {token.id}
    assert workspace.audit.entries(after=entries[3].id, limit=2) == entries[4:6]


def test_what_is_refused_leaves_no_entry(workspace: Workspace) -> None:
    add_task(workspace)
    before = workspace.audit.entries()
    with pytest.raises(ConflictError):
        add_task(workspace)
    with pytest.raises(ConflictError):
        workspace.models.rollback(workspace.tasks.all()[0].id, "", "")
    assert workspace.audit.entries() == before


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET actor = 'somebody else'",
        "DELETE FROM audit_entries",
        "DELETE FROM access_tokens",
        "UPDATE access_tokens SET role = 'maintainer'",
        "UPDATE access_tokens SET revoked = NULL WHERE name = 'old'",
    ],
)
def test_the_database_itself_refuses_to_rewrite_it(workspace: Workspace, statement: str) -> None:
    workspace.tokens.add("old", "annotator")
    workspace.tokens.revoke("old")
    with pytest.raises(ConflictError, match=r"append-only|never deleted|never change"):
        run_sql(workspace, statement)


def test_it_is_in_a_backup_and_is_checked(workspace: Workspace, tmp_path: Path) -> None:
    add_task(workspace)
    workspace.tokens.add("ward", "annotator")
    report = back_up(workspace, tmp_path / "backup")
    assert report.whole
    assert report.check.records["audit_entries"] == 2
    with Workspace(tmp_path / "backup") as copy:
        assert copy.audit.entries() == workspace.audit.entries()
        assert copy.tokens.all() == workspace.tokens.all()


def test_an_entry_that_cannot_be_read_is_found(workspace: Workspace) -> None:
    add_task(workspace)
    run_sql(
        workspace,
        "INSERT INTO audit_entries (id, action, subject, author, actor, role, created) "
        "VALUES (99, 'painted', 'x', '', '', '', '2026-01-01 00:00:00')",
    )
    (problem,) = check_workspace(workspace).problems
    assert "audit log" in problem.sentence


def test_tokens_are_kept_as_hashes_and_can_be_revoked_once(workspace: Workspace) -> None:
    record, token = workspace.tokens.add("ward", "annotator")
    assert list(workspace.tokens.valid().values()) == [record]
    assert token not in str(workspace.tokens.valid())
    with pytest.raises(ConflictError, match="'ward' already"):
        workspace.tokens.add(" ward ", "maintainer")
    assert workspace.tokens.revoke(record.id).revoked is not None
    assert workspace.tokens.valid() == {}
    with pytest.raises(NotFoundError, match="no valid token"):
        workspace.tokens.revoke("ward")
    workspace.tokens.add("ward", "annotator")
    assert len(workspace.tokens.all()) == 2
