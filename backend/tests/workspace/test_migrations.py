"""Workspaces of every released schema version, as SQL dumps, are brought up to date and lose nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from setuptools import find_packages

import ufseg
from ufseg.images.image import Image
from ufseg.images.reading import read_image
from ufseg.workspace import Workspace, migrations
from ufseg.workspace.checking import check_workspace
from ufseg.workspace.schema import HEAD
from ufseg.workspace.tables import Base

VERSIONS = Path(__file__).parent / "versions"
RELEASED = sorted(path.stem for path in VERSIONS.glob("*.sql"))
# Dies where everything is migrated and nothing is committed yet.
_MIGRATE_AND_DIE = """
import os, signal, sys
from pathlib import Path
from ufseg.workspace import Workspace, protection
protection.install = lambda connection: os.kill(os.getpid(), signal.SIGKILL)
Workspace(Path(sys.argv[1]))
"""


def _rows(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {t: [dict(row) for row in connection.execute(f'SELECT * FROM "{t}" ORDER BY rowid')] for t in tables}


@pytest.fixture(params=RELEASED)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A workspace as the program of that version left it."""
    with closing(sqlite3.connect(tmp_path / "workspace.sqlite")) as connection:
        connection.executescript((VERSIONS / f"{request.param}.sql").read_text(encoding="utf-8"))
    shutil.copytree(VERSIONS / "files", tmp_path / "files")
    return tmp_path


def test_every_migration_that_leads_here_is_tested() -> None:
    script = ScriptDirectory(str(Path(str(migrations.__file__)).parent))
    assert script.get_current_head() == HEAD
    older = {step.revision for step in script.walk_revisions()} - {HEAD}
    assert {f"{int(name):04d}" for name in RELEASED} >= older


def test_nothing_is_lost(old: Path) -> None:
    before = _rows(old / "workspace.sqlite")
    with Workspace(old) as workspace:
        assert check_workspace(workspace).whole, check_workspace(workspace).problems
        knee = workspace.tasks.find("Knee")
        assert [p.rollback for p in workspace.models.promotions(knee.id)] == [False, False, True]
        authors = [r.author for case in workspace.cases.of_task(knee.id) for r in workspace.revisions.of_case(case.id)]
        assert authors == ["reader", "expert", "reader"]
    after = _rows(old / "workspace.sqlite")
    for table, rows in before.items():
        if table not in ("schema_version", "alembic_version"):
            filled = [{k: v for k, v in row.items() if k in rows[0]} for row in after[table]] if rows else after[table]
            assert filled == rows, table


def test_the_layout_is_the_one_of_a_new_workspace(old: Path) -> None:
    with Workspace(old) as workspace, workspace.database.reading() as session:
        assert compare_metadata(MigrationContext.configure(session.connection()), Base.metadata) == []


def test_a_copy_of_the_database_is_made_before(old: Path) -> None:
    before = _rows(old / "workspace.sqlite")
    Workspace(old).close()
    copies = list((old / "backups").iterdir())
    assert len(copies) == (HEAD not in {row["version_num"] for row in before.get("alembic_version", [])})
    for copy in copies:
        assert _rows(copy) == before
    Workspace(old).close()
    assert list((old / "backups").iterdir()) == copies


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_a_migration_that_is_killed_leaves_the_old_version(old: Path) -> None:
    before = _rows(old / "workspace.sqlite")
    done = subprocess.run([sys.executable, "-c", _MIGRATE_AND_DIE, str(old)], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert _rows(old / "workspace.sqlite") == before
    with Workspace(old) as workspace:
        assert check_workspace(workspace).whole


def test_images_from_before_are_recognised(old: Path) -> None:
    """They had no hash of their intensities in version 1."""
    with Workspace(old) as workspace:
        for case in workspace.cases.of_task(workspace.tasks.find("Hip").id):
            image = read_image(workspace.files.path(case.images[0]))
            again = workspace.files.add_image(Image(image.array.astype(np.float64), image.geometry))
            assert again.sha256 != case.images[0]
            found, new = workspace.cases.add(case.task, "the same from another program", "Nobody", [again.sha256])
            assert (found, new) == (case, False)


def test_an_image_that_is_missing_does_not_stop_it(old: Path) -> None:
    shutil.rmtree(old / "files")
    with Workspace(old) as workspace:
        kinds = {problem.kind for problem in check_workspace(workspace).problems}
        assert kinds == {"missing file"}


def test_programs_from_before_alembic_refuse_it(old: Path) -> None:
    """They read this number, and say that a newer ufseg is needed."""
    Workspace(old).close()
    assert _rows(old / "workspace.sqlite")["schema_version"] == [{"version": 3}]


def test_the_migrations_are_in_the_wheel() -> None:
    found = find_packages(str(Path(ufseg.__file__).parents[1]))
    assert {"ufseg.workspace.migrations", "ufseg.workspace.migrations.versions"} <= set(found)
